"""Which operations draw random numbers, found by running them: those that move a generator's state."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import fx, nn
from torch.utils._python_dispatch import TorchDispatchMode

from tlbench.engine.seeds import generator_states, seed_others


class DrawsRandomNumbers(Exception):
    """Code drew random numbers where the result would be kept as a constant."""


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes operators that draw from a generator; with `refuse`, the first one raises instead.

    PyTorch tags every operator that may draw; attention, say, does so only with dropout, so the state of the default
    generators decides.
    """

    def __init__(self, device: torch.device, refuse: bool = False) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen = False
        self._device = device
        self._refuse = refuse

    def __torch_dispatch__(
        self, operator: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        if torch.Tag.nondeterministic_seeded not in operator.tags:
            return operator(*args, **given)
        before = generator_states(self._device)
        result = operator(*args, **given)
        unmoved = all(map(torch.equal, before, generator_states(self._device)))
        if given.get("generator") is not None or not unmoved:
            if self._refuse:
                raise DrawsRandomNumbers(f"{operator} draws random numbers")
            self.seen = True
        return result


@contextlib.contextmanager
def random_refused(device: torch.device) -> Iterator[None]:
    """Raise DrawsRandomNumbers where an operator draws random numbers in this block, on the CPU or a device."""
    with _Watch(device, refuse=True):
        yield


class _Finder(fx.Interpreter):
    """Runs a graph and collects the nodes in which random numbers are drawn."""

    def __init__(self, module: nn.Module, graph: fx.Graph, device: torch.device) -> None:
        super().__init__(module, graph=graph)
        self.found: set[fx.Node] = set()
        self._device = device

    def run_node(self, n: fx.Node) -> Any:
        with _Watch(self._device) as watch:
            result = super().run_node(n)
        if watch.seen:
            self.found.add(n)
        return result


@torch.no_grad()
def random_nodes(module: nn.Module, graph: fx.Graph, images: torch.Tensor) -> set[fx.Node]:
    """The nodes of a module's graph that draw random numbers when it is run on some images."""
    finder = _Finder(module, graph, images.device)
    finder.run(images)
    return finder.found


def seed_everything(seed: int) -> None:
    """Seed PyTorch, NumPy and Python alike: a model's code may ask any of them."""
    torch.manual_seed(seed)
    seed_others(seed)
