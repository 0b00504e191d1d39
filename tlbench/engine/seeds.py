"""One seed a trial, and from it a separate stream for each use of chance."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch

from tlbench.plan import Chance


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
