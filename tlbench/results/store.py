"""The directory of a run: its plan, one document a trial, predictions beside them. Written whole or not at all."""

from __future__ import annotations

import gc
import json
import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from filelock import FileLock, Timeout
from pydantic import ValidationError

from tlbench.errors import UserError, first_fault, nearest
from tlbench.files import try_folder, write_whole
from tlbench.plan.config import config_of
from tlbench.plan.plan import Plan
from tlbench.results.records import EXAMPLE_SCORES, SCHEMA_VERSION, UNFINISHED, ErrorRecord, Record
from tlbench.results.upgrade import EARLIER_VERSIONS, upgraded_plan, upgraded_record

if TYPE_CHECKING:
    import numpy as np

T = TypeVar("T", Plan, Record)


class RunFolder:
    """`results/<run>/`: reads are always safe; writes go under the lock of `writing()`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.trials = path / "trials"
        self.models = path / "models"
        self.sources = path / "sources"

    def predictions(self, trial_id: str) -> Path:
        """The file of a trial's predictions for test."""
        return self.trials / f"{trial_id}.safetensors"

    def model(self, trial_id: str) -> Path:
        """The folder of a trial's saved model."""
        return self.models / trial_id

    @property
    def exists(self) -> bool:
        """Whether a plan has been written here."""
        return (self.path / "plan.json").exists()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the run for this process; raises UserError where another one has it or it can't be written."""
        try:
            self.trials.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(self.path, error) from error
        lock = FileLock(self.path / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise UserError(
                f"run {self.path.name} is being written by another process; wait for it, or take another --name"
            ) from None
        except OSError as error:
            raise cannot_write(self.path, error) from error
        try:
            yield
        finally:
            lock.release()

    def write_plan(self, plan: Plan) -> None:
        """Keep the plan, and the options that it was made from as a configuration to start the run again with."""
        _write(self.path / "plan.json", plan.model_dump_json(indent=1))
        _write(self.path / "config.toml", config_of(plan.request))

    def plan(self) -> Plan:
        """The plan; raises UserError where the file is damaged or of another version."""
        return _read(self.path / "plan.json", Plan)

    def write_record(self, record: Record) -> Record:
        """Keep a trial's record, in place of an earlier one of the same trial; gives what was kept.

        A record that could not be read again (a figure that is not a number, say) is kept as a failure that says so.
        """
        try:
            text = record.model_dump_json(indent=1)
            Record.model_validate_json(text)
        except ValueError as error:
            record = _unwritable(record, error)
            text = record.model_dump_json(indent=1)
        _write(self._document(record.trial.id), text)
        return record

    def write_source(self, record: Record) -> None:
        """Keep the record of a source model's training."""
        try:
            self.sources.mkdir(exist_ok=True)
        except OSError as error:
            raise cannot_write(self.sources, error) from error
        _write(self.sources / f"{record.trial.id}.json", record.model_dump_json(indent=1))

    def source_records(self) -> list[Record]:
        """The records of source models that can be read."""
        found = []
        for file in sorted(self.sources.glob("*.json")):
            with suppress(UserError):
                found.append(_read(file, Record))
        return found

    def is_finished(self, trial_id: str) -> bool:
        """Whether there is a record of a trial that resuming would not try again."""
        record = self.record(trial_id)
        return record is not None and record.status not in UNFINISHED

    def record(self, trial_id: str) -> Record | None:
        """The record of one trial; None where there is none that can be read."""
        try:
            return _read(self._document(trial_id), Record)
        except UserError:
            return None

    def _document(self, trial_id: str) -> Path:
        return self.trials / f"{trial_id}.json"

    def records(self) -> list[Record]:
        """All records that can be read, in the plan's order where they are of the plan."""
        return self.read()[0]

    def read(self, cells: Collection[str] | None = None) -> tuple[list[Record], list[str]]:
        """All records in the plan's order, or those of some cells by id; and a sentence for each document that is none."""
        records, damaged = [], []
        with _uncollected():
            for file in sorted(self.trials.glob("*.json")):
                if cells is not None and file.stem.rpartition("-")[0] not in cells:
                    continue
                try:
                    records.append(_read(file, Record))
                except UserError as error:
                    damaged.append(str(error))
        place = {name: number for number, name in enumerate(self.plan().trial_ids())}
        return sorted(records, key=lambda record: place.get(record.trial.id, len(place))), damaged

    def kept_predictions(self, record: Record) -> dict[str, np.ndarray] | None:
        """What is kept of a trial's predictions for test, in the test set's order; None where it is not at hand."""
        if record.predictions is None:
            return None
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            kept = load_file(self.trials / record.predictions)
            order = kept["indices"].argsort()
            return {name: values[order] for name, values in kept.items()}
        except (OSError, KeyError, IndexError, SafetensorError):  # copied without its predictions, or damaged
            return None

    def example_scores(self, record: Record) -> np.ndarray | None:
        """Each test example's share in a trial's primary metric, in the test set's order; None where it is not kept."""
        kept = self.kept_predictions(record)
        if kept is None:
            return None
        if EXAMPLE_SCORES not in kept and "nll" in kept:  # of schema version 2
            right: np.ndarray = kept["predicted"] == kept["labels"]
            return right
        return kept.get(EXAMPLE_SCORES)


def check_writable(results: Path) -> None:
    """Raise UserError where runs can't be written under a folder; leave nothing behind."""
    try:
        try_folder(results)
    except NotADirectoryError as error:
        raise UserError(
            f"results folder {results}: {error.filename} is not a folder; name another one with --results"
        ) from error
    except OSError as error:
        raise cannot_write(results, error) from error


def find_run(run: str, results: Path) -> RunFolder:
    """The run of a name under `results`, or of a path; raises UserError with the nearest names."""
    for path in (results / run, Path(run)):
        if (folder := RunFolder(path)).exists:
            return folder
    known = [path.parent.name for path in results.glob("*/plan.json")]
    raise UserError(f"there is no run {run!r} in {results}{nearest(run, known)}")


def _write(path: Path, text: str) -> None:
    """Write a document whole; a folder that has its name, by whomever, is not lost."""
    try:
        if path.is_dir() and not path.is_symlink():
            path.replace(path.with_suffix(".damaged"))
        write_whole(path, text + "\n")
    except OSError as error:
        raise cannot_write(path, error) from error


def _unwritable(record: Record, error: ValueError) -> Record:
    """What is kept instead of a record that would make a file which can't be read."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        what = f"{'.'.join(map(str, first['loc']))} is {first['input']!r}: {first['msg']}"
    else:
        what = str(error)
    message = f"its record can't be written; {what} (a figure that is infinite or not a number is written as null)"
    kept = record.model_dump(include={"trial", "started", "weights", "data", "environment", "provenance"})
    return Record(**kept, status="failed", error=ErrorRecord(type="UnwritableRecord", message=message))


@contextmanager
def _uncollected() -> Iterator[None]:
    """Look for no garbage meanwhile: 10,000 records are a million objects, none of it, and looking takes as long again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _read(path: Path, document: type[T]) -> T:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UserError(f"{path} is not a file")
        text = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror or error}") from error
    try:
        return _parsed(text, document)
    except ValidationError as error:
        version, fault = _version(text), error
        if version in EARLIER_VERSIONS:
            try:
                return document.model_validate(_upgraded(json.loads(text), document))
            except ValidationError as earlier:
                version, fault = SCHEMA_VERSION, earlier
            except (TypeError, AttributeError, ValueError):  # parts that are not of the kind they were
                version = SCHEMA_VERSION
        if version != SCHEMA_VERSION:
            raise UserError(
                f"{path} has schema version {version} and this tlbench reads {SCHEMA_VERSION}; install a matching one"
            ) from error
        raise UserError(f"{path} is not a tlbench document: {first_fault(fault)}") from error


def _parsed(text: bytes, document: type[T]) -> T:
    """A document of JSON, or nearly: many programs write NaN and Infinity, which are null here."""
    if b"NaN" in text or b"Infinity" in text:
        with suppress(ValueError, RecursionError):  # damaged: what is wrong is said below
            return document.model_validate(json.loads(text))
    return document.model_validate_json(text)


def _upgraded(earlier: dict[str, object], document: type[T]) -> dict[str, object]:
    return upgraded_plan(earlier) if document is Plan else upgraded_record(earlier)


def _version(text: bytes) -> object:
    """The schema version that a document states; the present one where it is no document at all."""
    try:
        return json.loads(text).get("schema_version")
    except (ValueError, AttributeError, RecursionError):
        return SCHEMA_VERSION


def cannot_write(path: Path, error: OSError) -> UserError:
    """What to say where a file of a run can't be written."""
    return UserError(f"results folder {path} can't be written: {error.strerror or error}; name another with --results")
