"""Reporters are told of epochs over all phases, and left out where they raise."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from builders import columns, make_cell, make_plan, make_record

from tlbench import Reporter
from tlbench.plan import Trial
from tlbench.results.records import EpochRecord
from tlbench.session.reporters import Reporters


class Listener(Reporter):
    """Keeps what it hears, and raises in one moment."""

    def __init__(self, raises_in: str = "") -> None:
        self.heard: list[tuple[Any, ...]] = []
        self.raises_in = raises_in

    def __getattribute__(self, name: str) -> Any:
        if name not in MOMENTS:
            return super().__getattribute__(name)

        def hear(*told: Any) -> None:
            self.heard.append((name, *told))
            if name == self.raises_in:
                raise SystemExit("two\nlines")

        return hear


MOMENTS = ("run_started", "trial_started", "epoch_finished", "trial_finished", "run_finished")
RECORD = make_record(make_cell())
TRIAL = Trial(cell=RECORD.trial.cell, seed=0)
PLAN = make_plan(TRIAL.cell)


def told(*reporters: Reporter) -> list[str]:
    """A run of one trial of two phases; what a person is told of the reporters."""
    said: list[str] = []
    told = Reporters({f"r{place}": reporter for place, reporter in enumerate(reporters)}, columns, said.append)
    told.run_started(PLAN, Path("run"))
    told.trial_started(TRIAL)
    told.epoch_finished(TRIAL, {"train_loss": 2.0, "images_per_second": None})
    told.epoch_finished(TRIAL, {"train_loss": math.nan, "images_per_second": 5.0})
    told.trial_finished(TRIAL, RECORD)
    told.run_finished(PLAN, Path("run"), [RECORD])
    return said


@pytest.mark.parametrize("moment", MOMENTS)
def test_one_that_raises_is_told_of_once_and_the_others_hear_all(moment: str) -> None:
    bad, good = Listener(moment), Listener()
    said = told(bad, good)
    assert said == [
        f"warning: reporter r0 raised in {moment}, and is told no more of this run: SystemExit: two\\nlines"
    ]
    assert [each[0] for each in bad.heard][-1] == moment
    assert len([each for each in bad.heard if each[0] == moment]) == 1
    assert [each[0] for each in good.heard] == [*MOMENTS[:2], "epoch_finished", *MOMENTS[2:]]


def test_epochs_are_counted_over_phases_and_figures_that_are_none_are_left_out() -> None:
    listener = Listener()
    told(listener)
    epochs = [each[2:] for each in listener.heard if each[0] == "epoch_finished"]
    assert epochs == [(1, {"train_loss": 2.0}), (2, {"images_per_second": 5.0})]
    (_, trial, record, row) = next(each for each in listener.heard if each[0] == "trial_finished")
    assert (trial, record) == (TRIAL, RECORD)
    assert (row["backbone"], row["accuracy"], row["energy_joules"]) == ("torchvision/resnet18", 0.9, None)


def test_an_attempt_that_starts_anew_counts_from_one() -> None:
    listener = Listener()
    reporters = Reporters({"r": listener}, columns, print)
    for _ in range(2):
        reporters.trial_started(TRIAL)
        reporters.epoch_finished(TRIAL, {"train_loss": 2.0})
    assert [each[2] for each in listener.heard if each[0] == "epoch_finished"] == [1, 1]


def test_the_epochs_of_the_chosen_rate_are_told_when_it_is_known() -> None:
    cell = make_cell(learning_rate=None, tuned_rates=(0.1, 0.2))
    history = [EpochRecord(phase=0, epoch=epoch, train_loss=1 / epoch) for epoch in (1, 2)]
    record = make_record(cell).model_copy(update={"history": history})
    trial, listener = Trial(cell=cell, seed=0), Listener()
    reporters = Reporters({"r": listener}, columns, print)
    reporters.trial_started(trial)
    for loss in (9.0, 8.0, 7.0, 6.0):  # of both rates
        reporters.epoch_finished(trial, {"train_loss": loss})
    reporters.trial_finished(trial, record)
    assert [each[0] for each in listener.heard] == [
        "trial_started",
        "epoch_finished",
        "epoch_finished",
        "trial_finished",
    ]
    assert [each[2:] for each in listener.heard[1:3]] == [(1, {"train_loss": 1.0}), (2, {"train_loss": 0.5})]
