"""Frozen BatchNorms folded into the convolutions before them: the same function, one pass over memory less each."""

from __future__ import annotations

import copy
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights


class Norm(NamedTuple):
    """What a BatchNorm in eval mode applies to each channel."""

    mean: torch.Tensor
    variance: torch.Tensor
    eps: float
    weight: torch.Tensor
    bias: torch.Tensor


def fused(prefix: fx.GraphModule, inputs: torch.Tensor) -> fx.GraphModule:
    """A frozen piece of a model with its BatchNorms folded; itself where there is nothing to fold.

    The given piece and its tensors are left as they are. What comes out of the new one on `inputs` is compared; where
    it differs by more than rounding, the piece itself is given back.
    """
    made = fx.GraphModule(prefix, copy.deepcopy(prefix.graph))
    if sum(_fold(made, node) for node in list(made.graph.nodes)) == 0:
        return prefix
    made.graph.eliminate_dead_code()
    made.delete_all_unused_submodules()
    made.recompile()
    return made if gives_the_same(made, prefix, inputs) else prefix


@torch.no_grad()
def gives_the_same(made: nn.Module, piece: nn.Module, inputs: torch.Tensor) -> bool:
    """Whether what one module gives differs from another's by rounding alone."""
    before, after = piece(inputs), made(inputs)
    scale = float(before.abs().max())
    return torch.allclose(before, after, rtol=1e-4, atol=1e-5 * max(scale, 1.0))


def _fold(module: fx.GraphModule, node: fx.Node) -> bool:
    """Fold one BatchNorm, called as a module or as a function, where only it sees a convolution's output."""
    norm = _norm(module, node)
    source = node.args[0] if norm is not None and node.args else None
    if norm is None or not isinstance(source, fx.Node) or source.op != "call_module":
        return False
    convolution = module.get_submodule(str(source.target))
    seen_by_others = any(user is not node and not asks_for_shape(user) for user in source.users)
    calls = [each for each in module.graph.nodes if each.op == "call_module" and each.target == source.target]
    if not isinstance(convolution, nn.Conv2d) or seen_by_others or len(calls) > 1:
        return False
    replaced = copy.copy(convolution)
    replaced._parameters = dict(convolution._parameters)  # a copied module shares it with the original
    replaced.weight, bias = fuse_conv_bn_weights(
        convolution.weight, convolution.bias, norm.mean, norm.variance, norm.eps, norm.weight, norm.bias
    )
    replaced.register_parameter("bias", bias)
    name = f"{source.name}_fused"
    module.add_module(name, replaced)
    source.target = name
    node.replace_all_uses_with(source)
    module.graph.erase_node(node)
    return True


def _norm(module: fx.GraphModule, node: fx.Node) -> Norm | None:
    if node.op == "call_module":
        layer = module.get_submodule(str(node.target))
        if type(layer) is nn.BatchNorm2d and not layer.training and layer.running_mean is not None:
            assert layer.running_var is not None
            return Norm(layer.running_mean, layer.running_var, layer.eps, layer.weight, layer.bias)
        return None
    if node.op != "call_function" or node.target is not F.batch_norm or node.kwargs.get("training", False):
        return None
    given = [*node.args[1:3], node.kwargs.get("weight"), node.kwargs.get("bias")]
    if len(node.args) != 3 or not all(isinstance(each, fx.Node) and each.op == "get_attr" for each in given):
        return None
    mean, variance, weight, bias = (_tensor(module, str(each.target)) for each in given if isinstance(each, fx.Node))
    return Norm(mean, variance, float(str(node.kwargs.get("eps", 1e-5))), weight, bias)


def _tensor(module: nn.Module, path: str) -> torch.Tensor:
    owner, _, name = path.rpartition(".")
    tensor: torch.Tensor = getattr(module.get_submodule(owner), name)
    return tensor


def asks_for_shape(node: fx.Node) -> bool:
    """timm's norms check the number of dimensions, which neither folding nor an activation changes."""
    return node.op == "call_function" and node.target is getattr and node.args[1:] == ("ndim",)
