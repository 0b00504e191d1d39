"""The model as a strategy sees it: its head, its body, its blocks, and what is frozen."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby

import torch
from torch import nn

from tlbench.contracts.backbone import Backbone
from tlbench.contracts.batch import HEAD_INPUT
from tlbench.contracts.blocks import blocks_of
from tlbench.contracts.curves import Curve, number_of
from tlbench.contracts.family import MAP_NORMS, TOKEN_NORMS, family_of
from tlbench.contracts.part import Part
from tlbench.contracts.sequential import run_only_its_own
from tlbench.contracts.train_data import OtherDataset

NORMS = (*MAP_NORMS, *TOKEN_NORMS)
Snapshot = Mapping[str, torch.Tensor]
"""A model's tensors at some moment, by name."""


class Notes(dict[str, str | float]):
    """Texts and numbers by name; raises TypeError where something else is assigned."""

    def __setitem__(self, name: str, value: str | float) -> None:
        if not isinstance(name, str):
            raise TypeError(f"the name of a note is {name!r}; it must be a text")
        if not isinstance(value, str | float | int):
            raise TypeError(f"the note {name!r} is a {type(value).__name__}; it must be a text or a number")
        super().__setitem__(name, value)


class TransferModel:
    """A backbone's module with the names that strategies use for its parts.

    What a strategy writes into `notes` stands in the record. `published` builds the source model whole, with its own
    head; None where the model did not start from published weights, or they have none. `another(name)` builds another
    backbone of those that the strategy has named, for the trial's outputs and images, and `dataset(name)` tells of one
    of the other datasets that it has named. `inner` is where the backbone's own names begin: empty, but where a
    strategy has put it inside of another module. `layout` says what each block is made of. `statistics_mixed` says that
    averaging has mixed the BatchNorm statistics of different models, so that they must be estimated again. `family`
    says which learning rates suit the backbone. `task` is the qualified name of what is predicted, `classes` are the
    names of the dataset's classes, labels or targets, and `generator` has a seed of the trial's own, for what a
    strategy draws itself. `optimizer` is the name of the one that the trial trains with, where a strategy's rates
    depend on it. `curves` has what was logged, by name. `phase_steps()` is how many steps the Train phase that is on
    has in all, for what changes over them; 0 in any other.
    """

    def __init__(self, module: nn.Module, backbone: Backbone) -> None:
        self.module = module
        run_only_its_own(module)
        self.preprocessing = backbone.preprocessing
        self._head_paths = backbone.head_paths
        self.layout = blocks_of(module, backbone)
        self.another: Callable[[str], TransferModel] = no_other
        self.dataset: Callable[[str], OtherDataset] = no_other_dataset
        self.published: Callable[[], nn.Module] | None = None
        self.notes = Notes()
        self.curves: dict[str, Curve] = {}
        self.moment: Callable[[], tuple[int, int]] = lambda: (0, 0)
        self.phase_steps: Callable[[], int] = lambda: 0
        self._attached: list[str] = []
        self.task = ""
        self.classes: tuple[str, ...] = ()
        self.generator = torch.Generator()
        self.optimizer = "adamw"
        self.inner = ""
        self.statistics_mixed = False
        self.family = family_of(module)
        self._no_decay = backbone.no_decay

    @property
    def head_paths(self) -> tuple[str, ...]:
        """The head's modules by path."""
        return self._head_paths

    @property
    def linear_head(self) -> nn.Linear | None:
        """The head where it is one linear layer; None where it is of another kind, or of several modules."""
        if len(self._head_paths) != 1:
            return None
        head = self.module.get_submodule(self._head_paths[0])
        return head if type(head) is nn.Linear else None

    @property
    def everything(self) -> Part:
        """All modules."""
        return Part(frozenset(path for path, _ in self.module.named_modules()))

    @property
    def head(self) -> Part:
        """What maps features to outputs."""
        return self.below(self._head_paths)

    @property
    def body(self) -> Part:
        """Everything but the head, and what a strategy has attached."""
        return self.everything - self.head - self.attached

    @property
    def attached(self) -> Part:
        """What a strategy has attached and not detached."""
        return self.below(self._attached)

    @property
    def blocks(self) -> list[Part]:
        """The body's blocks from input to output; each part of the body is in exactly one."""
        return self._divided([block.modules for block in self.layout])

    @property
    def block_paths(self) -> list[str]:
        """Of each block, the module whose output is the block's."""
        return [block.name for block in self.layout]

    @property
    def stages(self) -> list[Part]:
        """The body's stages, each a run of blocks; the stem is in the first."""
        runs = groupby(self.layout, key=lambda block: block.stage)
        return self._divided([[path for block in run for path in block.modules] for _, run in runs])

    @property
    def neck(self) -> Part:
        """The part of the last block that runs between it and the head: a final norm, a convolution head."""
        return self.below(self.layout[-1].neck if self.layout else ())

    @property
    def norms(self) -> Part:
        """The normalisation layers."""
        return Part(frozenset(path for path, each in self.module.named_modules() if isinstance(each, NORMS)))

    @property
    def biases(self) -> Part:
        """All tensors named bias. Their modules stay in eval mode."""
        names = (name for name, _ in self.module.named_parameters())
        return Part(frozenset(), frozenset(name for name in names if name.rpartition(".")[2] == "bias"))

    @property
    def no_decay(self) -> Part:
        """The tensors that weight decay leaves alone because the backbone says so."""
        names = self._no_decay(self.module.get_submodule(self.inner.rstrip("."))) if self._no_decay else ()
        return Part(frozenset(), frozenset(f"{self.inner}{name}" for name in names))

    def parameters(self, part: Part) -> Iterator[tuple[str, nn.Parameter]]:
        """Names and parameters of a part."""
        return (pair for pair in self.module.named_parameters() if part.holds(pair[0]))

    def trainable(self) -> list[nn.Parameter]:
        """The parameters that are not frozen."""
        return [parameter for parameter in self.module.parameters() if parameter.requires_grad]

    def replace_head(self, head: nn.Module) -> None:
        """Put another module where the head is; raises LookupError where that is more than one module."""
        if len(self._head_paths) != 1:
            raise LookupError(f"the head is of {len(self._head_paths)} modules: {', '.join(self._head_paths)}")
        old = self.module.get_submodule(self._head_paths[0])
        self.module.set_submodule(self._head_paths[0], head.to(next(self.module.parameters()).device))
        head.train(old.training)

    def attach(self, name: str, module: nn.Module) -> Part:
        """Put a module beside the model's own, a projector or a second head: `everything` trains it, too.

        The model's forward pass does not use it; an objective does. Gives its part. It is detached when the strategy
        ends, so that no prediction, saved model or distance has it. Raises LookupError where the name is taken.
        """
        if hasattr(self.module, name) or not name.isidentifier():
            raise LookupError(
                f"a module can't be attached as {name!r}: the model has that name, or it is no identifier"
            )
        self.module.add_module(name, module.to(next(self.module.parameters()).device))
        self._attached.append(name)
        return self.below([name])

    def detach(self, name: str | None = None) -> None:
        """Take an attached module away, or all; raises LookupError where none of the name is attached."""
        paths = [path for path in self._attached if name is None or path.rpartition(".")[2] == name]
        if name is not None and not paths:
            raise LookupError(f"no module is attached as {name!r}")
        for path in paths:
            parent, _, own = path.rpartition(".")
            delattr(self.module.get_submodule(parent), own)
            self._attached.remove(path)

    def log(self, name: str, value: float | torch.Tensor) -> None:
        """Log a number of this moment: it becomes a curve over the steps, in the record, the report and the trackers.

        Raises TypeError where it is no number.
        """
        self.curves.setdefault(name, Curve()).add(*self.moment(), number_of(name, value))

    def wrap(self, outer: nn.Module, at: str, head_paths: tuple[str, ...]) -> None:
        """Make a module that has this one `at` a path the model, its head at paths of the outer one."""
        self.module = outer
        self._head_paths = head_paths
        self.inner = f"{at}.{self.inner}"
        self._attached = [f"{at}.{path}" for path in self._attached]
        self.layout = [block.inside(at) for block in self.layout]

    def clone(self) -> TransferModel:
        """The same model once more, with tensors of its own."""
        cloned = copy.copy(self)
        cloned.module, cloned.notes = copy.deepcopy(self.module), Notes(self.notes)
        cloned.curves, cloned._attached = copy.deepcopy(self.curves), list(self._attached)
        return cloned

    def as_published(self) -> TransferModel:
        """The source model whole, with its own head; raises LookupError where the model did not start from one."""
        if self.published is None:
            raise LookupError("the model did not start from published weights, or they have no head of their own")
        source = copy.copy(self)
        source.module = self.published()
        return source

    def copy(self) -> TransferModel:
        """The same model once more, frozen and in eval mode: what it was before it is changed."""
        copied = self.clone()
        copied.module.requires_grad_(False).eval()
        return copied

    def snapshot(self, part: Part | None = None) -> Snapshot:
        """A copy of the parameters and buffers of a part, or of all."""
        wanted = self.everything if part is None else part
        state = self.module.state_dict(keep_vars=False)
        return {name: tensor.detach().clone() for name, tensor in state.items() if wanted.holds(name)}

    def restore(self, source: Snapshot) -> None:
        """Put the tensors of a snapshot back."""
        self.interpolate(source, 0.0)

    @torch.no_grad()
    def interpolate(self, source: Snapshot, alpha: float) -> None:
        """Move every tensor to (1 - alpha) · source + alpha · itself; counts (integers) change where alpha is 0."""
        own = self.module.state_dict()
        if 0 < alpha < 1:
            self._note_mixed([source, own])
        for name, tensor in own.items():
            if name in source:
                if alpha == 0:
                    tensor.copy_(source[name])
                elif tensor.is_floating_point():
                    tensor.copy_(torch.lerp(source[name], tensor, alpha))

    @torch.no_grad()
    def average(self, snapshots: Sequence[Snapshot]) -> None:
        """Make every tensor the mean of those of some snapshots; counts (integers) are the first one's."""
        self._note_mixed(snapshots)
        first = snapshots[0]
        for name, tensor in self.module.state_dict().items():
            if name in first:
                mean = torch.stack([each[name] for each in snapshots]).mean(0) if tensor.is_floating_point() else None
                tensor.copy_(first[name] if mean is None else mean)

    def _note_mixed(self, snapshots: Sequence[Snapshot]) -> None:
        """Averages of running means and variances are not those of the averaged weights, unless all are the same."""
        first = snapshots[0]
        running = [name for name in first if name.endswith(("running_mean", "running_var"))]
        if any(not torch.equal(first[name], each[name]) for each in snapshots[1:] for name in running if name in each):
            self.statistics_mixed = True

    def distance2(self, source: Snapshot) -> torch.Tensor:
        """The squared L2 distance of the trainable parameters from a snapshot, with a gradient."""
        moving = ((name, each) for name, each in self.module.named_parameters() if each.requires_grad)
        return _sum_of_squares([each - source[name] for name, each in moving if name in source])

    def norm2(self, part: Part) -> torch.Tensor:
        """The squared L2 norm of a part's trainable parameters, with a gradient."""
        return _sum_of_squares([each for _, each in self.parameters(part) if each.requires_grad])

    @contextlib.contextmanager
    def watched(self, paths: Sequence[str], head_input: bool = False) -> Iterator[dict[str, torch.Tensor]]:
        """What the modules at some paths give, and what the head is given, of the latest forward pass in this block."""
        seen: dict[str, torch.Tensor] = {}

        def keep(path: str) -> torch.utils.hooks.RemovableHandle:
            def hook(_module: nn.Module, _inputs: object, output: torch.Tensor) -> None:
                seen[path] = output

            return self.module.get_submodule(path).register_forward_hook(hook)

        def keep_input(_module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            seen[HEAD_INPUT] = inputs[0]

        handles = [keep(path) for path in paths]
        if head_input:
            head = self.module.get_submodule(self._head_paths[0])
            handles.append(head.register_forward_pre_hook(keep_input))
        try:
            yield seen
        finally:
            for handle in handles:
                handle.remove()

    def reset_head(self) -> None:
        """Initialise the head as PyTorch does by default (a linear layer: uniform within ±1/√fan_in).

        Architectures differ in how they draw a new head, some so widely that it takes epochs to recover; with the
        same rule for all, a comparison of backbones is not one of head initialisers.
        """
        for path in self.head.paths:
            reset = getattr(self.module.get_submodule(path), "reset_parameters", None)
            if callable(reset):
                reset()

    def train_only(self, part: Part) -> None:
        """Freeze all but `part`: no gradients, and eval mode, so that BatchNorm statistics and dropout rest.

        A container is in train mode where something inside it is trained.
        """
        chosen = {name for name, _ in self.parameters(part)}
        for name, parameter in self.module.named_parameters():
            parameter.requires_grad_(name in chosen)
        active = {parent for name in chosen for parent in _ancestors(name.rpartition(".")[0])}
        for path, module in self.module.named_modules():
            module.training = path in part.paths or path in active

    def below(self, roots: Sequence[str]) -> Part:
        """The modules at some paths, and all inside of them; the names of single tensors among the paths are these."""
        (part,) = self._divided([roots])
        return part

    def _divided(self, groups: Sequence[Sequence[str]]) -> list[Part]:
        """The parts below several groups of paths, in one walk over the modules."""
        owner = {root: place for place, roots in enumerate(groups) for root in roots}
        modules = [path for path, _ in self.module.named_modules()]
        inside: list[set[str]] = [set() for _ in groups]
        for path in modules:
            place = next((owner[each] for each in (path, *_ancestors(path)) if each in owner), None)
            if place is not None:
                inside[place].add(path)
        tensors = [frozenset(roots).difference(modules) for roots in groups]
        return [Part(frozenset(paths), names) for paths, names in zip(inside, tensors, strict=True)]


def no_other(name: str) -> TransferModel:
    """Raise LookupError: a strategy asks for a backbone that it has not named."""
    raise LookupError(f"backbone {name!r} is not among those that the strategy has named (`others`)")


def no_other_dataset(name: str) -> OtherDataset:
    """Raise LookupError: a strategy asks for a dataset that it has not named."""
    raise LookupError(f"dataset {name!r} is not among those that the strategy has named (`datasets`)")


def _sum_of_squares(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    return torch.stack([each.square().sum() for each in tensors]).sum() if tensors else torch.zeros(())


def _ancestors(path: str) -> Iterator[str]:
    while path:
        path = path.rpartition(".")[0]
        yield path
