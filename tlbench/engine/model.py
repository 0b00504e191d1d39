"""The model as a strategy sees it: its head, its body, its blocks, and what is frozen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from tlbench.contracts import Backbone


@dataclass(frozen=True)
class Part:
    """Some of a model's modules, by path; parts add with `|` and subtract with `-`.

    A path stands for the tensors that the module itself owns, not for those of its children.
    """

    paths: frozenset[str]

    def __or__(self, other: Part) -> Part:
        return Part(self.paths | other.paths)

    def __sub__(self, other: Part) -> Part:
        return Part(self.paths - other.paths)


class TransferModel:
    """A backbone's module with the names that strategies use for its parts."""

    def __init__(self, module: nn.Module, backbone: Backbone) -> None:
        self.module = module
        self._head_paths = backbone.head_paths
        names = dict(module.named_modules())
        for path in self._head_paths:
            if path not in names:
                raise LookupError(f"the backbone says its head is {path!r}, and its module has nothing of that name")
        self._block_paths = backbone.blocks(module) if backbone.blocks else _blocks(module, self._head_paths)

    @property
    def everything(self) -> Part:
        """All modules."""
        return Part(frozenset(path for path, _ in self.module.named_modules()))

    @property
    def head(self) -> Part:
        """What maps features to classes."""
        return self._below(self._head_paths)

    @property
    def body(self) -> Part:
        """Everything but the head."""
        return self.everything - self.head

    @property
    def blocks(self) -> list[Part]:
        """The body's blocks from input to output."""
        return [self._below((path,)) for path in self._block_paths]

    def parameters(self, part: Part) -> Iterator[tuple[str, nn.Parameter]]:
        """Names and parameters of a part."""
        for path, module in self.module.named_modules():
            if path in part.paths:
                for name, parameter in module.named_parameters(recurse=False):
                    yield f"{path}.{name}" if path else name, parameter

    def trainable(self) -> list[nn.Parameter]:
        """The parameters that are not frozen."""
        return [parameter for parameter in self.module.parameters() if parameter.requires_grad]

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
        for path, module in self.module.named_modules():
            chosen = path in part.paths
            for parameter in module.parameters(recurse=False):
                parameter.requires_grad_(chosen)
        active = {
            parent
            for path in part.paths
            if any(True for _ in self.module.get_submodule(path).parameters(recurse=False))
            for parent in _ancestors(path)
        }
        for path, module in self.module.named_modules():
            module.training = path in part.paths or path in active

    def _below(self, roots: tuple[str, ...]) -> Part:
        inside = (
            path
            for path, _ in self.module.named_modules()
            if any(path == root or path.startswith(f"{root}.") for root in roots)
        )
        return Part(frozenset(inside))


def _ancestors(path: str) -> Iterator[str]:
    while path:
        path = path.rpartition(".")[0]
        yield path


def _blocks(module: nn.Module, head_paths: tuple[str, ...]) -> list[str]:
    """The body's blocks, for a module tree whose children are registered in the order they run.

    A plain sequence counts as its members, and so does a wrapper: what contains the head, or more than half of
    the body's parameters.
    """

    def size(part: nn.Module) -> int:
        return sum(parameter.numel() for parameter in part.parameters())

    body_size = size(module) - sum(size(module.get_submodule(path)) for path in head_paths)

    def is_wrapper(path: str, child: nn.Module) -> bool:
        return (
            type(child) in (nn.Sequential, nn.ModuleList)
            or any(head.startswith(f"{path}.") for head in head_paths)
            or (size(child) > body_size / 2 and any(size(inner) for inner in child.children()))
        )

    def expand(parent: nn.Module, prefix: str) -> Iterator[str]:
        for name, child in parent.named_children():
            path = f"{prefix}{name}"
            if path in head_paths or not size(child):
                continue
            if is_wrapper(path, child):
                yield from expand(child, f"{path}.")
            else:
                yield path

    return list(expand(module, ""))
