"""The peak of a process's memory, each in a process of its own; and the bytes of what it is made of, by formula."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from tlbench.measure.memory import SavedForBackward, gradient_bytes, optimizer_bytes, tensor_bytes

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


class Known(nn.Module):
    """10 in, 20 hidden, 3 out; a buffer of 7 numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(10, 20)
        self.head = nn.Linear(20, 3)
        self.register_buffer("seen", torch.zeros(7))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.head(torch.sigmoid(self.body(inputs)))
        return out


def test_bytes_of_a_known_module_are_exact() -> None:
    module = Known()
    optimizer = torch.optim.AdamW(module.parameters())
    saved = SavedForBackward(module)
    with saved.counting():
        loss = module(torch.randn(5, 10)).sum()
    loss.backward()
    optimizer.step()
    parameters = 10 * 20 + 20 + 20 * 3 + 3
    assert tensor_bytes(module.parameters()) == 4 * parameters
    assert tensor_bytes(module.buffers()) == 4 * 7
    assert gradient_bytes(module) == 4 * parameters
    assert optimizer_bytes(optimizer) == 4 * (2 * parameters + 4)  # two moments, and a step count a tensor
    # the inputs for the body's weight, and the sigmoid's output, which serves its own gradient and the head's weight
    assert saved.bytes == 4 * (5 * 10 + 5 * 20)


def test_what_is_frozen_keeps_nothing_for_the_backward_pass() -> None:
    module = Known()
    module.body.requires_grad_(False)
    saved = SavedForBackward(module)
    with saved.counting():
        module(torch.randn(5, 10)).sum()
    assert saved.bytes == 4 * 5 * 20


def test_a_tied_parameter_counts_once() -> None:
    tied = nn.Linear(4, 4, bias=False)
    assert tensor_bytes([*tied.parameters(), *tied.parameters()]) == 4 * 16


def test_sgd_without_momentum_has_no_state() -> None:
    module = Known()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    module(torch.randn(2, 10)).sum().backward()
    optimizer.step()
    assert optimizer_bytes(optimizer) == 0


SECTIONS = """
import torch
from tlbench.measure.memory import PeakMemory

def touched(mebibytes):
    return torch.ones(mebibytes * 2**18)

touched(1)
memory = PeakMemory(torch.device("cpu"))
high = touched(400)
del high
with memory.section() as peak_bytes:
    low = touched(100)
    del low
    section = peak_bytes()
whole = memory.peak_bytes()
with memory.aside():
    large = touched(900)
    del large
memory.as_if_taken(600 * 2**20)
print(section // 2**20, whole // 2**20, memory.peak_bytes() // 2**20)
"""


def test_sections_are_watched_by_themselves_and_what_others_computed_counts_as_the_trials_own() -> None:
    """In a process of its own, in which freed memory goes back to the system."""
    done = subprocess.run([sys.executable, "-c", SECTIONS], capture_output=True, text=True, check=True)
    section, whole, with_others = map(int, done.stdout.split())
    assert 95 <= section < 200
    assert 395 <= whole < 500
    assert 595 <= with_others < 700  # the 900 set aside are in none
