"""Checks of reporters: told of whole runs in a temporary folder."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tlbench.results.store import RunFolder
from tlbench.session.reporter import Reporter
from tlbench.temporary import temporary_folder
from tlbench.testing.kit.checks import Failed, check
from tlbench.testing.kit.samples import SampleRun, broken_run, hostile_run, plain_run
from tlbench.testing.kit.subject import Subject
from tlbench.testing.kit.watched_writes import writes_outside

GOOD, FAILING, HOSTILE = "is told of a run that goes well", "is told of trials that fail", "bears hostile names"
"""Checks that others need."""
FIGURES = {"train_loss": 0.5, "images_per_second": 100.0}


@contextmanager
def _folder(run: SampleRun) -> Iterator[Path]:
    """The folder of a run, with its plan and records, in a folder of its own that is the working one."""
    with tempfile.TemporaryDirectory(dir=temporary_folder()) as temporary:
        outside = Path(temporary).resolve()
        folder = RunFolder(outside / "results" / "run")
        with folder.writing():
            folder.write_plan(run.plan)
            for record in run.records:
                folder.write_record(record)
        before = Path.cwd()
        os.chdir(outside)
        try:
            yield folder.path
        finally:
            os.chdir(before)


def _tell(reporter: Reporter, run: SampleRun, folder: Path) -> None:
    """A reporter's whole life: one trial after the other."""
    _call("run_started", reporter.run_started, run.plan, folder)
    for trial, record in run.trials:
        _call("trial_started", reporter.trial_started, trial)
        for epoch, figures in ((1, FIGURES), (2, {})):
            _call("epoch_finished", reporter.epoch_finished, trial, epoch, figures)
        _call("trial_finished", reporter.trial_finished, trial, record, run.row(record))
    _call("run_finished", reporter.run_finished, run.plan, folder, run.records)


def _call(moment: str, method: object, *given: object) -> None:
    try:
        method(*given)  # type: ignore[operator]
    except Exception as error:
        raise Failed(
            f"{moment} raises {type(error).__name__}: {error}; a reporter that raises is told no more"
        ) from error


def _new(subject: Subject) -> Reporter:
    """Another one of them."""
    reporter: Reporter = subject.component.entry.factory(subject.component.options)
    return reporter


@check("reporter", GOOD)
def told_of_a_good_run(subject: Subject) -> None:
    """It raises nothing from the start of a run to its end."""
    run = plain_run()
    with _folder(run) as folder:
        _tell(_new(subject), run, folder)


@check("reporter", FAILING, needs=[GOOD])
def told_of_failures(subject: Subject) -> None:
    """It raises nothing where trials end badly, and where figures are null."""
    run = broken_run()
    with _folder(run) as folder:
        _tell(_new(subject), run, folder)


@check("reporter", HOSTILE, needs=[GOOD, FAILING])
def bears_hostile_names(subject: Subject) -> None:
    """It raises nothing where names have markup, line breaks, formulas, paths, turns of direction, or are long."""
    run = hostile_run()
    with _folder(run) as folder:
        _tell(_new(subject), run, folder)


@check("reporter", "is told of trials that run at once", needs=[GOOD])
def told_of_trials_at_once(subject: Subject) -> None:
    """It raises nothing where several trials are open, one begins twice, and one is still open when the run ends."""
    run = plain_run()
    reporter = _new(subject)
    (one, record), (other, other_record), (third, _), *_ = run.trials
    with _folder(run) as folder:
        _call("run_started", reporter.run_started, run.plan, folder)
        for trial in (one, other, third, one):
            _call("trial_started", reporter.trial_started, trial)
        for trial in (other, one, other):
            _call("epoch_finished", reporter.epoch_finished, trial, 1, FIGURES)
        for trial, ended in ((other, other_record), (one, record)):
            _call("trial_finished", reporter.trial_finished, trial, ended, run.row(ended))
        _call("run_finished", reporter.run_finished, run.plan, folder, run.records[:2])


@check("reporter", "is told of a run that goes on", needs=[GOOD])
def told_of_a_run_that_goes_on(subject: Subject) -> None:
    """It raises nothing where another process has told the same run's folder before (`tlbench resume`)."""
    run = plain_run()
    with _folder(run) as folder:
        for _ in range(2):
            _tell(_new(subject), run, folder)


@check("reporter", "writes into the run's folder alone", needs=[GOOD, FAILING, HOSTILE])
def writes_into_the_folder(subject: Subject) -> None:
    """With default options it writes, makes and removes nothing outside of the folder that it is given."""
    for run in (plain_run(), hostile_run()):
        with _folder(run) as folder, writes_outside(folder) as outside:
            _tell(_new(subject), run, folder)
        if outside:
            first = sorted(outside)[0]
            raise Failed(
                f"it writes to {first}, which is outside of the run's folder; write below the folder it is given"
            )
