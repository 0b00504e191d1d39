"""What trackers have written, read by their own libraries."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BLOCK, HEADER = 32_768, 7
"""Of W&B's file, in bytes: a log as LevelDB's (doc/log_format.md there), behind a header of as many bytes."""
WHOLE, LAST = 1, 4
"""Kinds of fragments that end a record."""


@dataclass(frozen=True)
class Events:
    """A trial's event file, as TensorBoard's own reader has it."""

    accumulator: Any

    @property
    def scalars(self) -> set[str]:
        """The tags of all curves."""
        return set(self.accumulator.Tags()["scalars"])

    def curve(self, tag: str) -> list[tuple[int, float]]:
        """Steps and values."""
        return [(each.step, each.value) for each in self.accumulator.Scalars(tag)]

    def text(self, tag: str) -> str:
        """A text."""
        (found,) = self.accumulator.Tensors(f"{tag}/text_summary")
        return str(found.tensor_proto.string_val[0].decode())

    @property
    def facts(self) -> dict[str, object]:
        """The hyperparameters, as the HParams page reads them."""
        from tensorboard.plugins.hparams import metadata

        start = metadata.parse_session_start_info_plugin_data(self._content(metadata.SESSION_START_INFO_TAG))
        return {name: getattr(value, value.WhichOneof("kind")) for name, value in start.hparams.items()}

    @property
    def status(self) -> str:
        """How the session ended, as the HParams page reads it."""
        from tensorboard.plugins.hparams import api_pb2, metadata

        end = metadata.parse_session_end_info_plugin_data(self._content(metadata.SESSION_END_INFO_TAG))
        return str(api_pb2.Status.Name(end.status))

    def _content(self, tag: str) -> bytes:
        content: bytes = self.accumulator.SummaryMetadata(tag).plugin_data.content
        return content


def events_of(folder: Path, trial_id: str) -> Events:
    """The events of a trial's folder."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (own,) = folder.glob(f"*-{trial_id}")
    accumulator = EventAccumulator(str(own))
    accumulator.Reload()
    return Events(accumulator)


@dataclass
class WandbRun:
    """A run in W&B's offline file."""

    project: str = ""
    group: str = ""
    name: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    exit_code: int | None = None


def wandb_runs(folder: Path) -> list[WandbRun]:
    """The runs of W&B's folder, all of which have been finished: W&B's own process writes a little later."""
    patience = time.monotonic() + 60
    while True:
        runs = [_wandb_run(file) for file in sorted(folder.glob("offline-run-*/run-*.wandb"))]
        if all(run.exit_code is not None for run in runs) or time.monotonic() > patience:
            return runs
        time.sleep(0.05)


def _wandb_run(file: Path) -> WandbRun:
    run = WandbRun()
    for record in _wandb_records(file):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            run.project, run.group, run.name = record.run.project, record.run.run_group, record.run.display_name
            run.config |= _items(record.run.config.update)
        elif kind == "config":
            run.config |= _items(record.config.update)
        elif kind == "history":
            run.history.append(_items(record.history.item))
        elif kind == "summary":
            run.summary |= _items(record.summary.update)
        elif kind == "exit":
            run.exit_code = record.exit.exit_code
    return run


def _items(items: Any) -> dict[str, Any]:
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}


def _wandb_records(file: Path) -> Iterator[Any]:
    """The records of a file, by W&B's own protocol buffers."""
    from wandb.proto.wandb_internal_pb2 import Record

    content, place, parts = file.read_bytes(), HEADER, b""
    assert content.startswith(b":W&B")
    while place + HEADER <= len(content):
        left = BLOCK - place % BLOCK
        if left < HEADER:
            place += left
            continue
        _checksum, length, kind = struct.unpack_from("<IHB", content, place)
        parts += content[place + HEADER : place + HEADER + length]
        place += HEADER + length
        if kind in (WHOLE, LAST):
            yield Record.FromString(parts)
            parts = b""
