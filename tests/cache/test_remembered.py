"""A measurement is made once for all that it depends on, and again where what was kept can't be read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import BaseModel, TypeAdapter

from tlbench.cache import Remembered


class Speed(BaseModel):
    """What is remembered here."""

    flops_per_second: float


SPEEDS = TypeAdapter(Speed)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TLBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def counted(calls: list[int]) -> Callable[[], Speed]:
    def measure() -> Speed:
        calls.append(len(calls))
        return Speed(flops_per_second=1e9 + len(calls))

    return measure


def test_it_is_measured_once_for_a_key() -> None:
    calls: list[int] = []
    for key in (["cpu", 2], ["cpu", 2], ["cpu", 3]):
        Remembered("speeds", key, SPEEDS).or_else(counted(calls))
    assert len(calls) == 2
    found = Remembered("speeds", ["cpu", 2], SPEEDS).read()
    assert found == Speed(flops_per_second=1e9 + 1)
    assert Remembered("others", ["cpu", 2], SPEEDS).read() is None


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"flops_per_second": "fast"}'])
def test_what_cannot_be_read_is_measured_again(damage: str) -> None:
    known, calls = Remembered("speeds", "here", SPEEDS), list[int]()
    known.or_else(counted(calls))
    known.path.write_text(damage)
    assert known.or_else(counted(calls)) == Speed(flops_per_second=1e9 + 2)
    assert known.read() == Speed(flops_per_second=1e9 + 2)


def test_a_cache_that_cannot_be_written_costs_a_measurement_each_time(own_cache: Path) -> None:
    own_cache.write_text("a file where the cache should be")
    known, calls = Remembered("speeds", "here", SPEEDS), list[int]()
    assert known.keep(Speed(flops_per_second=1.0)) is False
    for _ in range(2):
        known.or_else(counted(calls))
    assert len(calls) == 2
