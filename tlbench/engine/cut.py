"""A model cut in two at its first trainable block: what is frozen before it, and what remains to be computed a step."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import fx, nn

from tlbench.engine.chance import (
    DrawsRandomNumbers,
    random_nodes,
    random_refused,
    seed_everything,
)
from tlbench.engine.tracer import ForgivingTracer
from tlbench.engine.undone import attributes_restored, passes_undone


class NotCuttable(Exception):
    """A model can't be cut; the message says why, for the record."""


TOLERANCE = {"cpu": 1e-4}
"""How far the pieces' outputs may be from the model's, relative to the largest of these."""
LOOSER = 1e-3
"""The same on accelerators, where one convolution may be computed by different algorithms."""
MODEL = "model"
"""Where `Whole` has the model."""


@dataclass(frozen=True)
class Cut:
    """`suffix(prefix(images))` is the model's output; both share the model's own tensors. `at` names the place."""

    prefix: fx.GraphModule
    suffix: fx.GraphModule
    at: str


class Whole(nn.Module):
    """A model as a function of images alone; some take options besides."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.training = model.training

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The model's output."""
        output: torch.Tensor = self.model(images)
        return output


class CuttingTracer(ForgivingTracer):
    """Keeps the modules named `whole` as leaves, too."""

    def __init__(self, whole: frozenset[str]) -> None:
        super().__init__()
        self._whole = whole

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """PyTorch's own modules, and those that keep count of what they see: tracing would freeze their count."""
        if module_qualified_name in self._whole:
            return True
        keeps_count = m.training and any(True for _ in m.buffers(recurse=False))
        return keeps_count or super().is_leaf_module(m, module_qualified_name)


def cut(module: nn.Module, images: torch.Tensor, after: tuple[str, ...] = ()) -> Cut:
    """Cut a model in the modes and with the frozen parameters that it has now; raises NotCuttable.

    Everything that depends on the images alone, through frozen modules in eval mode and without random numbers, is
    the prefix. One tensor must lead from it to the rest. On two batches made of the given images, under two seeds, the
    pieces must give what the model gives. The modules at the paths in `after` are of the rest in any case.
    """
    try:
        with passes_undone(module, images.device):
            pieces = _cut(module, images, frozenset(f"{MODEL}.{path}" for path in after))
            fit = all(_agree(module, pieces, batch, seed) for seed, batch in enumerate(_two_batches(images)))
    except NotCuttable:
        raise
    except DrawsRandomNumbers as error:
        raise NotCuttable(f"its code can't be traced: {error} that would be kept as constants") from error
    except Exception as error:  # what a traced model's code may raise when it is run again
        raise NotCuttable(f"its code can't be traced ({type(error).__name__})") from error
    if not fit:
        raise NotCuttable("its pieces don't give what it gives as a whole")
    return pieces


def _cut(module: nn.Module, images: torch.Tensor, after: frozenset[str]) -> Cut:
    whole, graph = _traced(module, after, images.device)
    given = next(node for node in graph.nodes if node.op == "placeholder")
    live = _live(graph, whole, after, images)
    from_images = _dependents(graph, {given})
    frontier = [
        node
        for node in graph.nodes
        if node in from_images and node not in live and any(user in live for user in node.users)
    ]
    if len(frontier) != 1:
        raise NotCuttable(f"{len(frontier)} tensors lead from its frozen part to the rest")
    (place,) = frontier
    if place is given:
        raise NotCuttable("nothing is frozen before its first trained block, or its code can't be traced")
    return Cut(_prefix(whole, graph, place), _suffix(whole, graph, place, given, live), place.name)


def _traced(module: nn.Module, after: frozenset[str], device: torch.device) -> tuple[Whole, fx.Graph]:
    """The model as a function of images and its graph, which must be the same under two seeds.

    What NumPy or Python draw while tracing would be kept as constants.
    """
    roots, graphs, pieces = [], [], []
    for seed in (0, 1):
        seed_everything(seed)
        roots.append(Whole(module))  # a root of its own: tracing leaves constants on it
        with random_refused(device), attributes_restored(module):
            graphs.append(CuttingTracer(after).trace(roots[-1]))
        pieces.append(fx.GraphModule(roots[-1], graphs[-1]))
    first, second = (dict(piece.named_buffers()) for piece in pieces)
    same = first.keys() == second.keys() and all(torch.equal(value, second[name]) for name, value in first.items())
    if not same or pieces[0].code != pieces[1].code:
        raise NotCuttable("its code draws random numbers outside of PyTorch")
    return roots[0], graphs[0]


def _two_batches(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The halves of a batch; of a small one, itself and its mirror image."""
    half = len(images) // 2
    return (images[:half], images[half:]) if half > 1 else (images, images.flip(-1))


def _agree(module: nn.Module, pieces: Cut, images: torch.Tensor, seed: int) -> bool:
    """Whether the two pieces give the model's own output on some images.

    The prefix runs under another seed than the rest, so that anything random in it shows.
    """
    with torch.no_grad():
        seed_everything(seed + 100)
        features = pieces.prefix(images)
        seed_everything(seed)
        whole = module(images)
        seed_everything(seed)
        pieced = pieces.suffix(features)
    apart, scale = (whole - pieced).abs().max(), whole.abs().max()
    return bool(apart <= TOLERANCE.get(images.device.type, LOOSER) * scale)


def _live(graph: fx.Graph, module: nn.Module, after: frozenset[str], images: torch.Tensor) -> set[fx.Node]:
    """The nodes that a step must compute: trainable, in train mode or random ones, and what depends on them."""
    named = {node for node in graph.nodes if node.op == "output" or str(node.target) in after}
    trained = {node for node in graph.nodes if _is_trained(node, module)}
    return _dependents(graph, named | trained | random_nodes(module, graph, images[:2]))


def _is_trained(node: fx.Node, module: nn.Module) -> bool:
    if node.op == "call_module":
        inner = module.get_submodule(str(node.target))
        return any(each.training for each in inner.modules()) or any(each.requires_grad for each in inner.parameters())
    if node.op == "get_attr":
        owner, _, name = str(node.target).rpartition(".")
        value = getattr(module.get_submodule(owner), name)
        return isinstance(value, nn.Parameter) and value.requires_grad
    return False


def _dependents(graph: fx.Graph, roots: set[fx.Node]) -> set[fx.Node]:
    """The roots, and all that is computed from them."""
    found = set(roots)
    for node in graph.nodes:  # in the order of computation
        if any(each in found for each in node.all_input_nodes):
            found.add(node)
    return found


def _prefix(whole: nn.Module, graph: fx.Graph, place: fx.Node) -> fx.GraphModule:
    pieces = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    for node in graph.nodes:
        copies[node] = pieces.node_copy(node, copies.__getitem__)
        if node is place:
            break
    pieces.output(copies[place])
    return _compiled(whole, pieces)


def _suffix(whole: nn.Module, graph: fx.Graph, place: fx.Node, images: fx.Node, live: set[fx.Node]) -> fx.GraphModule:
    pieces = fx.Graph()
    copies = {place: pieces.placeholder("features")}
    constant = set(graph.nodes) - _dependents(graph, {images})
    for node in graph.nodes:
        if node in live or node in constant:
            copies[node] = pieces.node_copy(node, copies.__getitem__)
    return _compiled(whole, pieces)


def _compiled(whole: nn.Module, pieces: fx.Graph) -> fx.GraphModule:
    """A module of a graph that shares the whole's submodules; what the graph does not need is left out."""
    module = fx.GraphModule(whole, pieces)
    module.graph.eliminate_dead_code()
    module.delete_all_unused_submodules()
    module.recompile()
    return module
