"""A frozen piece's convolutions on the CPU with their weights laid out once, and their activation in the same pass.

PyTorch's own convolution lays its weights out again in each call, and writes its output before an activation reads it
again. What is used here is what torch.compile uses on the CPU (oneDNN's fused convolution), without a compilation.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import torch
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp

from tlbench.engine.fuse import asks_for_shape, gives_the_same

Activation = tuple[str, list[float]]
"""oneDNN's name of an activation, and its bounds."""
NONE: Activation = ("none", [])


class Packed(nn.Module):
    """A convolution, and an activation behind it, for images of the shape it was made for (any number of them)."""

    def __init__(self, convolution: nn.Conv2d, activation: Activation, shape: Sequence[int]) -> None:
        super().__init__()
        self.where = convolution.padding, convolution.stride, convolution.dilation, convolution.groups
        self.bias = convolution.bias
        self.kind, self.bounds = activation
        weight = convolution.weight.detach().to_mkldnn()
        lay_out: Callable[..., torch.Tensor] = torch._C._nn.mkldnn_reorder_conv2d_weight
        self.weight = lay_out(weight, *self.where, list(shape))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """What the activation gives of what the convolution gives."""
        output: torch.Tensor = torch.ops.mkldnn._convolution_pointwise(
            images, self.weight, self.bias, *self.where, self.kind, self.bounds, ""
        )
        return output


def packed(piece: fx.GraphModule, inputs: torch.Tensor) -> fx.GraphModule:
    """The same function of fp32 images on the CPU; the piece itself where there is nothing to pack.

    The given piece and its tensors are left as they are. What comes out of the new one on `inputs` is compared; where
    it differs by more than rounding, or this PyTorch can't pack, the piece itself is given back.
    """
    if inputs.device.type != "cpu" or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return piece
    try:
        with torch.inference_mode():
            made = _packed(piece, inputs)
            return made if gives_the_same(made, piece, inputs) else piece
    except (RuntimeError, AttributeError):  # operations that PyTorch does not promise to keep
        return piece


def _packed(piece: fx.GraphModule, inputs: torch.Tensor) -> fx.GraphModule:
    made = fx.GraphModule(piece, copy.deepcopy(piece.graph))
    ShapeProp(made).propagate(inputs)
    for node in list(made.graph.nodes):
        if node.op != "call_module":
            continue
        convolution = made.get_submodule(str(node.target))
        if (
            type(convolution) is nn.Conv2d
            and convolution.padding_mode == "zeros"
            and type(convolution.padding) is tuple
        ):
            behind = _behind(made, node)
            activation = NONE if behind is None else _kind(made.get_submodule(str(behind.target))) or NONE
            name = f"{node.name}_packed"
            made.add_module(name, Packed(convolution, activation, node.args[0].meta["tensor_meta"].shape))
            node.target = name
            if behind is not None:
                behind.replace_all_uses_with(node)
                made.graph.erase_node(behind)
    made.delete_all_unused_submodules()
    made.recompile()
    return made


def _behind(module: fx.GraphModule, node: fx.Node) -> fx.Node | None:
    """The activation that alone sees a convolution's output; what does nothing between the two is taken out."""
    while True:
        users = [user for user in node.users if not asks_for_shape(user)]
        if len(users) != 1 or users[0].op != "call_module":
            return None
        (user,) = users
        layer = module.get_submodule(str(user.target))
        if _kind(layer) is not None:
            return user
        if not isinstance(layer, nn.Identity | nn.Dropout) or layer.training:
            return None
        user.replace_all_uses_with(node)
        module.graph.erase_node(user)


def _kind(activation: nn.Module) -> Activation | None:
    """A module as oneDNN knows it; None where it is no activation that it can do in the same pass."""
    if isinstance(activation, nn.Hardtanh):  # ReLU6 is one
        return "hardtanh", [float(activation.min_val), float(activation.max_val)]
    known = {nn.ReLU: "relu", nn.SiLU: "swish", nn.Hardswish: "hardswish"}
    return (known[type(activation)], []) if type(activation) in known else None
