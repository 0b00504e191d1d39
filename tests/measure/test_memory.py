"""The peak of a process's memory, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

BEGIN = "import torch; from tlbench.measure.memory import PeakMemory; "
WATCH = "memory = PeakMemory(torch.device('cpu')); "
ALLOCATE = "block = torch.ones(50_000_000); "
END = "print(memory.peak_bytes())"

ROUNDING = 2_000_000
"""The kernel counts resident pages in batches, one for each core."""


def peak(program: str) -> int:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_200_mb_are_seen() -> None:
    assert 200e6 - ROUNDING <= peak(BEGIN + WATCH + ALLOCATE + END) < 300e6


def test_200_mb_are_seen_even_after_they_are_freed() -> None:
    assert 200e6 - ROUNDING <= peak(BEGIN + WATCH + ALLOCATE + "del block; " + END) < 300e6


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system does not forget an earlier peak")
def test_memory_held_and_freed_before_the_start_is_not_the_trials() -> None:
    assert peak(BEGIN + ALLOCATE + "del block; " + WATCH + END) < 50e6
