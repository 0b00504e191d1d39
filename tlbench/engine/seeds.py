"""One seed a trial, and from it a separate stream for each use of chance."""

from __future__ import annotations

import hashlib

import torch


def derived_seed(seed: int, use: str) -> int:
    """A 63-bit seed for one use ("initialisation", "order"), so that one use never shifts another."""
    return int.from_bytes(hashlib.sha256(f"{use}:{seed}".encode()).digest()[:8], "big") >> 1


def generator(seed: int, use: str) -> torch.Generator:
    """A CPU generator of its own for one use."""
    return torch.Generator().manual_seed(derived_seed(seed, use))
