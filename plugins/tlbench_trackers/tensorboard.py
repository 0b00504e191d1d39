"""TensorBoard: event files by its own writer, a folder for each trial; its HParams page compares the trials."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from tlbench import Options, Reporter
from tlbench.toolkit import figures_of
from tlbench_trackers.checks import check_folder, check_installed
from tlbench_trackers.names import EPOCH, facts, folder_name, key, points, text

if TYPE_CHECKING:
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    from tlbench.toolkit import Plan, Record, Trial


class TensorBoardOptions(Options):
    """Where the event files go."""

    folder: Path | None = Field(
        None, description="the folder, with one for the run in it; none: tensorboard in the run's"
    )


def check_tensorboard(options: TensorBoardOptions) -> None:
    """Raises UserError where TensorBoard is not installed, or the folder can't be written."""
    check_installed("tensorboard")
    check_folder("tensorboard", options.folder)


def make_tensorboard(options: TensorBoardOptions) -> Reporter:
    """A reporter that writes event files."""
    import tensorboard.plugins.hparams.summary_v2  # a broken installation is told of before anything runs  # noqa: F401

    return TensorBoard(options)


class TensorBoard(Reporter):
    """Writes each trial's facts as hyperparameters, and its epochs, metrics and costs as scalars."""

    def __init__(self, options: TensorBoardOptions) -> None:
        self._given = options.folder
        self._folder = Path()
        self._open: dict[str, EventFileWriter] = {}
        self._epochs: dict[str, int] = {}

    def run_started(self, plan: Plan, folder: Path) -> None:
        """Nothing is written yet."""
        self._folder = folder / "tensorboard" if self._given is None else self._given.expanduser() / plan.name

    def trial_started(self, trial: Trial) -> None:
        """The facts; what an earlier attempt has left goes, as its record does."""
        from tensorboard.plugins.hparams.summary_v2 import hparams_pb
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        if trial.id in self._open:
            self._open.pop(trial.id).close()
        folder = self._folder / folder_name(trial)
        for earlier in folder.glob("events.out.tfevents.*"):
            earlier.unlink()
        self._open[trial.id] = EventFileWriter(str(folder))
        self._epochs[trial.id] = 0
        self._write(trial, hparams_pb(facts(trial), trial_id=trial.id))

    def epoch_finished(self, trial: Trial, epoch: int, figures: Mapping[str, float]) -> None:
        """A point of each curve."""
        self._epochs[trial.id] = epoch
        self._scalars(trial, {f"{EPOCH}{key(name)}": value for name, value in figures.items()})

    def trial_finished(self, trial: Trial, record: Record, row: Mapping[str, object]) -> None:
        """The figures at the last epoch, why it failed, and how it ended."""
        self._scalars(trial, {key(name): value for name, value in figures_of(row).items()})
        for name, step, value in points(record):
            self._scalars(trial, {name: value}, step)
        if record.error is not None:
            self._write(trial, _text("error", record.error.message))
        self._end(trial, "STATUS_SUCCESS" if record.status == "ok" else "STATUS_FAILURE")

    def run_finished(self, plan: Plan, folder: Path, records: Sequence[Record]) -> None:
        """What is still open was interrupted."""
        for trial in plan.trials():
            if trial.id in self._open:
                self._end(trial, "STATUS_FAILURE")

    def _end(self, trial: Trial, status: str) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

        end = plugin_data_pb2.SessionEndInfo(status=api_pb2.Status.Value(status), end_time_secs=time.time())
        about = metadata.create_summary_metadata(plugin_data_pb2.HParamsPluginData(session_end_info=end))
        value = Summary.Value(tag=metadata.SESSION_END_INFO_TAG, metadata=about, tensor=metadata.NULL_TENSOR)
        self._write(trial, Summary(value=[value]))
        self._open.pop(trial.id).close()

    def _scalars(self, trial: Trial, figures: Mapping[str, float], step: int | None = None) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        if figures:
            values = [Summary.Value(tag=name, simple_value=value) for name, value in figures.items()]
            self._write(trial, Summary(value=values), step)

    def _write(self, trial: Trial, summary: object, step: int | None = None) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        writer, at = self._open[trial.id], self._epochs[trial.id] if step is None else step
        writer.add_event(Event(wall_time=time.time(), step=at, summary=summary))
        writer.flush()


def _text(name: str, content: str) -> object:
    """A text, which TensorBoard shows as Markdown: indented, so that it is shown as it is."""
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
    from tensorboard.plugins.text.metadata import PLUGIN_NAME

    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])
    tensor = TensorProto(dtype="DT_STRING", string_val=[f"    {text(content)}".encode()], tensor_shape=shape)
    about = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=PLUGIN_NAME))
    return Summary(value=[Summary.Value(tag=f"{name}/text_summary", metadata=about, tensor=tensor)])
