"""Streams of chance that don't shift one another, and can be held."""

from __future__ import annotations

import torch

from tlbench.engine.seeds import Seeds
from tlbench.plan import CHANCES, Chance


def test_each_use_and_each_seed_has_a_stream_of_its_own() -> None:
    drawn = {Seeds(seed, CHANCES).of(chance, detail) for seed in range(3) for chance in CHANCES for detail in ("", "x")}
    assert len(drawn) == 3 * 3 * 2


def test_what_does_not_vary_is_as_with_seed_0() -> None:
    varied: tuple[Chance, ...] = ("initialisation",)
    held = Seeds(5, varied)
    assert held.of("initialisation") == Seeds(5, CHANCES).of("initialisation")
    assert held.of("order") == Seeds(0, CHANCES).of("order")


def test_a_generator_repeats() -> None:
    one, other = (torch.randperm(9, generator=Seeds(2, CHANCES).generator("order")) for _ in range(2))
    assert torch.equal(one, other)
