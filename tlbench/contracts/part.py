"""Some of a model: what a phase trains, or a penalty is on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """Some of a model's modules, by path, and single tensors of others, by name; parts add with `|`, subtract with `-`.

    A path stands for the tensors that the module itself owns, not for those of its children.
    """

    paths: frozenset[str]
    tensors: frozenset[str] = frozenset()

    def __or__(self, other: Part) -> Part:
        return Part(self.paths | other.paths, self.tensors | other.tensors)

    def __sub__(self, other: Part) -> Part:
        return Part(self.paths - other.paths, frozenset(name for name in self.tensors if not other.holds(name)))

    def holds(self, name: str) -> bool:
        """Whether a tensor of that name belongs to it."""
        return name in self.tensors or name.rpartition(".")[0] in self.paths
