"""Where jobs go: one GPU of several each."""

from __future__ import annotations

import pytest
import torch
from builders import make_cell, make_plan

from tlbench.engine.device import take_device
from tlbench.execute.queue import freest
from tlbench.measure.machine import Machine
from tlbench.session.jobs import gpus_of


def test_jobs_are_spread_over_all_gpus() -> None:
    taken: list[int | None] = []
    for _ in range(5):
        taken.append(freest(taken, 3))
    assert taken == [0, 1, 2, 0, 1]
    assert freest([0, 2, 0], 3) == 1  # the second one's job has ended
    assert freest([None, None], 1) is None


@pytest.mark.parametrize(("device", "gpus"), [("cuda", 4), ("cuda:1", 1), ("cpu", 1)])
def test_only_a_device_without_a_number_means_all_gpus(device: str, gpus: int) -> None:
    facts = dict.fromkeys(Machine.model_fields)
    machine = Machine.model_construct(**facts | {"accelerators": 4 if device.startswith("cuda") else 0})
    assert gpus_of(make_plan(make_cell().model_copy(update={"device": device})), machine) == gpus


def test_a_processor_needs_no_choice() -> None:
    assert take_device("cpu", gpu=None) == torch.device("cpu")
