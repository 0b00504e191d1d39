"""Streams of chance that don't shift one another, and can be held."""

from __future__ import annotations

import pytest
import torch

from tlbench.engine.seeds import Seeds, Stream
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


def test_a_stream_goes_on_where_it_stopped_and_shifts_no_other() -> None:
    def three_of_each(drawn_between: int) -> tuple[torch.Tensor, torch.Tensor]:
        torch.manual_seed(1)
        stream, inside, outside = Stream(2, torch.device("cpu")), [], []
        for _ in range(3):
            outside.append(torch.rand(drawn_between)[:1])
            with stream.drawing():
                inside.append(torch.rand(1))
        return torch.cat(inside), torch.cat(outside)

    inside, outside = three_of_each(drawn_between=1)
    assert torch.equal(inside, torch.rand(3, generator=torch.Generator().manual_seed(2)))
    assert torch.equal(outside, torch.rand(3, generator=torch.Generator().manual_seed(1)))
    assert torch.equal(three_of_each(drawn_between=5)[0], inside)


def test_a_stream_is_left_by_an_exception() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    with pytest.raises(ZeroDivisionError), Stream(2, torch.device("cpu")).drawing():
        raise ZeroDivisionError(torch.rand(1))
    assert torch.equal(torch.get_rng_state(), before)
