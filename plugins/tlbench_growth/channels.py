"""Which layers have the same channels: those that give them, those that keep them apart, those that are given them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, cast

from timm.layers.conv2d_same import Conv2dSame
from timm.layers.norm_act import BatchNormAct2d
from torch import fx, nn

from tlbench_growth.tracing import name_of, path_of, traced

CONVOLUTIONS = (nn.Conv2d, Conv2dSame)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, BatchNormAct2d)
"""Normalisations that treat each channel by itself."""
ELEMENTWISE = (
    nn.Identity, nn.Dropout, nn.Dropout2d, nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU,
    nn.Mish, nn.Hardswish, nn.Hardtanh, nn.Hardsigmoid, nn.Sigmoid, nn.Tanh, nn.Softplus,
)  # fmt: skip
ELEMENTWISE_FUNCTIONS = (
    "relu", "relu_", "relu6", "leaky_relu", "elu", "gelu", "silu", "mish", "hardswish", "hardtanh", "hardsigmoid",
    "sigmoid", "tanh", "dropout", "contiguous", "clone",
)  # fmt: skip
POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)
POOL_FUNCTIONS = ("max_pool2d", "avg_pool2d", "adaptive_avg_pool2d", "adaptive_max_pool2d")
SUMS, PRODUCTS = ("add", "iadd", "add_"), ("mul", "imul", "mul_")


@dataclass(eq=False)
class Channels:
    """`width` channels, and the layers that have to be changed together where there are to be more of them.

    `producers` have them as outputs, `keepers` a number or a filter for each, `consumers` as inputs. `summed` says that
    a sum is made of several layers' outputs: they are those of a residual network's trunk. `fixed` says why their
    number has to stay as it is; empty, it need not.
    """

    width: int
    fixed: str = ""
    summed: bool = False
    producers: list[str] = field(default_factory=list)
    keepers: list[str] = field(default_factory=list)
    consumers: list[str] = field(default_factory=list)

    @property
    def layers(self) -> list[str]:
        """The paths of all layers that have them."""
        return [*self.producers, *self.keepers, *self.consumers]


@dataclass
class Value:
    """A tensor and its channels: in `maps` N×C×H×W, as `rows` N×…×C, or maps made `flat`, N×(C·H·W)."""

    channels: Channels
    form: Literal["maps", "rows", "flat"]


def channels_of(module: nn.Module) -> list[Channels]:
    """The channels of a module's layers, in the order in which they are computed. No number is read."""
    flow = _Flow(module)
    for node in traced(module).nodes:
        value = flow.follow(node)
        if value is not None:
            flow.values[node] = value
    return flow.found


class _Flow:
    """Follows channels from layer to layer."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.values: dict[fx.Node, Value] = {}
        self.found: list[Channels] = []
        self._called: set[str] = set()

    def follow(self, node: fx.Node) -> Value | None:
        """What a node gives; None where its channels aren't known."""
        given = [self.values[each] for each in node.all_input_nodes if each in self.values]
        if node.op == "output":
            return self._stopped(given, "are the model's outputs")
        if node.op == "call_module":
            return self._through_module(node, given)
        if node.op in ("call_function", "call_method"):
            return self._through_function(node, given)
        return None

    def _through_module(self, node: fx.Node, given: list[Value]) -> Value | None:
        path = path_of(node)
        if path is None:
            return self._stopped(given, "are given to a model that can't be traced")
        layer = self.module.get_submodule(path)
        if path in self._called and next(layer.parameters(), None) is not None:
            of_layer = [each for each in self.found if path in each.layers]
            return self._stopped([*given, *(Value(each, "maps") for each in of_layer)], f"pass {path} more than once")
        self._called.add(path)
        kind = type(layer)
        if kind in CONVOLUTIONS and _is_full(layer):
            return self._made(path, cast(int, layer.out_channels), given, "maps")
        if kind in NORMS or (kind in CONVOLUTIONS and _is_depthwise(layer)):
            return self._kept(path, given)
        if kind is nn.Linear:
            return self._made(path, cast(int, layer.out_features), given, "rows")
        if kind in ELEMENTWISE:
            return given[0] if given else None
        if kind in POOLS and all(each.form == "maps" for each in given):
            return given[0] if given else None
        if isinstance(layer, nn.Flatten) and (layer.start_dim, layer.end_dim) == (1, -1):
            return self._flattened(given)
        return self._stopped(given, f"are given to {path} ({kind.__name__})")

    def _through_function(self, node: fx.Node, given: list[Value]) -> Value | None:
        name = name_of(node)
        if not given:
            return None
        if name in ELEMENTWISE_FUNCTIONS:
            return given[0]
        if name in POOL_FUNCTIONS and given[0].form == "maps":
            return given[0]
        if name in (*SUMS, *PRODUCTS):
            return self._joined(node, given, name in SUMS)
        if name == "flatten" and (*node.args[1:], *node.kwargs.values()) in ((1,), (1, -1)):
            return self._flattened(given)
        if name == "mean" and given[0].form == "maps" and _dimensions(node) in ({2, 3}, {-1, -2}):
            keeps = bool(node.kwargs.get("keepdim", node.args[2] if len(node.args) > 2 else False))
            return given[0] if keeps else Value(given[0].channels, "rows")
        return self._stopped(given, f"are given to {name}")

    def _made(self, path: str, width: int, given: list[Value], form: Literal["maps", "rows"]) -> Value:
        """A layer is given channels, and makes others."""
        for each in given:
            if self._fits(path, each, form):
                each.channels.consumers.append(path)
            else:
                self._stopped([each], f"are given to {path} in another form than N×C×H×W or N×C")
        made = Channels(width, producers=[path])
        self.found.append(made)
        return Value(made, form)

    def _fits(self, path: str, given: Value, form: Literal["maps", "rows"]) -> bool:
        """Whether a layer's inputs are the channels, or several values of each, channel by channel."""
        layer = self.module.get_submodule(path)
        inputs = cast(int, layer.in_channels if form == "maps" else layer.in_features)
        if form == "rows" and given.form == "flat":
            return inputs % given.channels.width == 0
        return given.form == form and inputs == given.channels.width

    def _kept(self, path: str, given: list[Value]) -> Value | None:
        """A layer treats each channel by itself."""
        width = next(self.module.get_submodule(path).parameters(), None)
        for each in given:
            if each.form == "flat" or (width is not None and len(width) != each.channels.width):
                return self._stopped(given, f"are given to {path} in another form than N×C×H×W or N×C")
            each.channels.keepers.append(path)
        return given[0] if given else None

    def _flattened(self, given: list[Value]) -> Value | None:
        if all(each.form == "maps" for each in given):
            return Value(given[0].channels, "flat") if given else None
        return self._stopped(given, "are flattened with what is beside them")

    def _joined(self, node: fx.Node, given: list[Value], is_sum: bool) -> Value | None:
        """A sum or a product, channel by channel."""
        others = [each for each in node.all_input_nodes if each not in self.values]
        alike = len({(each.form, each.channels.width) for each in given}) == 1
        if others or not alike:
            return self._stopped(given, f"are given to {name_of(node)} with something else")
        first = given[0].channels
        for each in given[1:]:
            self._merge(first, each.channels)
        first.summed |= is_sum and len(given) > 1
        return given[0]

    def _merge(self, into: Channels, other: Channels) -> None:
        if other is into:
            return
        into.producers += other.producers
        into.keepers += other.keepers
        into.consumers += other.consumers
        into.fixed, into.summed = into.fixed or other.fixed, into.summed or other.summed
        self.found.remove(other)
        for value in self.values.values():
            if value.channels is other:
                value.channels = into

    def _stopped(self, given: list[Value], why: str) -> Value | None:
        """Nobody knows what becomes of some channels, and so their number stays as it is, and no value is known."""
        for each in given:
            each.channels.fixed = each.channels.fixed or why
        return None


def _is_full(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Conv2d) and layer.groups == 1


def _is_depthwise(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Conv2d) and layer.groups == layer.in_channels == layer.out_channels


def _dimensions(node: fx.Node) -> set[object]:
    """The dimensions that a mean is over."""
    found = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim")
    return set(found) if isinstance(found, tuple | list) else {found}
