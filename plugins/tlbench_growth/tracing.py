"""A model's graph of layers and functions, as torch.fx traces it."""

from __future__ import annotations

import copy

import torch
from torch import fx, nn

from tlbench.toolkit import ForgivingTracer

INNER = "model"
LEAVES = (nn.modules.batchnorm._BatchNorm, nn.modules.conv._ConvNd, nn.Linear)
"""What is never traced into, subclasses of other libraries among them."""


class Whole(nn.Module):
    """A model as a function of images alone; some take options besides."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The model's output."""
        output: torch.Tensor = self.model(images)
        return output


class LayerTracer(ForgivingTracer):
    """Leaves layers whole, and modules whose code depends on the numbers that it is given."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """PyTorch's own modules, and layers made of them."""
        return isinstance(m, LEAVES) or super().is_leaf_module(m, module_qualified_name)


def traced(module: nn.Module) -> fx.Graph:
    """The graph of a module. What tracing leaves on modules is left on copies, which share the module's tensors."""
    tensors = [*module.parameters(), *module.buffers()]
    copied = copy.deepcopy(module, {id(each): each for each in tensors})
    with torch.random.fork_rng(devices=[]):
        return LayerTracer().trace(Whole(copied))


def path_of(node: fx.Node) -> str | None:
    """The path of the module that a node calls; None where it calls none, or the module as a whole."""
    path = str(node.target)
    return path.removeprefix(f"{INNER}.") if node.op == "call_module" and path != INNER else None


def name_of(node: fx.Node) -> str:
    """The name of the function or method that a node calls."""
    return str(getattr(node.target, "__name__", node.target))
