"""One seed a trial, and from it a separate stream for each use of chance."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from tlbench.plan.choices import Chance


def derived_seed(seed: int, use: str) -> int:
    """A 63-bit seed for one use ("initialisation", "order"), so that one use never shifts another."""
    return int.from_bytes(hashlib.sha256(f"{use}:{seed}".encode()).digest()[:8], "big") >> 1


@dataclass(frozen=True)
class Seeds:
    """The seeds of a trial: one for each use of chance, that of seed 0 where the use is not to vary."""

    seed: int
    vary: tuple[Chance, ...]

    def of(self, chance: Chance, detail: str = "") -> int:
        """The seed of one use; `detail` tells apart what is drawn separately within it."""
        return derived_seed(self.seed if chance in self.vary else 0, f"{chance}{detail}")

    def generator(self, chance: Chance) -> torch.Generator:
        """A CPU generator of its own for one use."""
        return torch.Generator().manual_seed(self.of(chance))


class Stream:
    """A sequence of random numbers for one use, drawn by torch's global generators while it is on.

    It goes on where it stopped, and the generators where they stood before: neither sequence depends on how many
    numbers were drawn from the other.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        self._seed = seed
        self._device = device
        self._states: list[torch.Tensor] | None = None

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """Let what is random in this block be drawn from the stream."""
        before = generator_states(self._device)
        if self._states is None:
            torch.manual_seed(self._seed)
        else:
            set_generator_states(self._states, self._device)
        try:
            yield
        finally:
            self._states = generator_states(self._device)
            set_generator_states(before, self._device)


def seed_others(seed: int) -> None:
    """Seed Python's and NumPy's generators, for code of plugins that draws from them."""
    random.seed(seed)
    np.random.seed(seed % 2**32)


def generator_states(device: torch.device) -> list[torch.Tensor]:
    """The states of the CPU's generator and, where there is one, of the device's."""
    if device.type == "cuda":
        return [torch.get_rng_state(), torch.cuda.get_rng_state(device)]
    if device.type == "mps":
        return [torch.get_rng_state(), torch.mps.get_rng_state()]
    return [torch.get_rng_state()]


def set_generator_states(states: list[torch.Tensor], device: torch.device) -> None:
    """Put states of the generators back."""
    torch.set_rng_state(states[0])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states[1], device)
    elif device.type == "mps":
        torch.mps.set_rng_state(states[1])


@contextmanager
def chance_restored(device: torch.device) -> Iterator[None]:
    """Put the state of chance back after this block: PyTorch's generators, NumPy's and Python's own."""
    states, numpy_state, python_state = generator_states(device), np.random.get_state(), random.getstate()
    try:
        yield
    finally:
        set_generator_states(states, device)
        np.random.set_state(numpy_state)
        random.setstate(python_state)
