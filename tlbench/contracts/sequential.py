"""A Sequential that runs the modules it was built with, and none that a strategy attaches to it."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class _RunsItsOwn:
    """The forward pass of a Sequential over the children of some names; one that was taken away is left out."""

    _own_names: tuple[str, ...]
    _modules: dict[str, nn.Module | None]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        for name in self._own_names:
            child = self._modules.get(name)
            if child is not None:
                images = child(images)
        return images


def run_only_its_own(module: nn.Module) -> None:
    """Let a Sequential's forward pass leave out what is attached later (an old head, a regressor); others do anyway.

    Its class becomes a subclass, because tracing asks the class for the forward pass.
    """
    cls: Any = type(module)
    if isinstance(module, nn.Sequential) and cls.forward is nn.Sequential.forward:
        names = {"__module__": cls.__module__, "__qualname__": cls.__qualname__}
        module._own_names = tuple(module._modules)  # type: ignore[assignment]
        module.__class__ = type(cls.__name__, (_RunsItsOwn, cls), names)
