"""The noise floor of this machine: how far the costs of one and the same cell spread when it is run again and again."""

from __future__ import annotations

import json
import statistics
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter

from tlbench.cache import Remembered
from tlbench.errors import UserError
from tlbench.plan.request import make_request
from tlbench.results.columns import COSTS
from tlbench.results.machines import NAMED_BY
from tlbench.results.records import Record
from tlbench.session.display import Display
from tlbench.session.start import start
from tlbench.temporary import temporary_folder

CELL = {
    "backbones": ("packaged/efficientnet_lite0",), "datasets": ("packaged/digits:train=960",), "image_size": 32,
    "epochs": 2,
}  # fmt: skip
"""What is repeated: 60 steps of real weights, seconds on any machine."""


class Spread(BaseModel):
    """One cost over the repeats: its middle and extremes, and two measures of spread relative to them, in per cent.

    `deviation_percent` is the standard deviation over the mean; `range_percent` is (highest − lowest) over the median.
    """

    model_config = ConfigDict(frozen=True)

    median: float
    lowest: float
    highest: float
    deviation_percent: float
    range_percent: float
    n: int


class Noise(BaseModel):
    """The spread of every cost metric on a machine."""

    model_config = ConfigDict(frozen=True)

    machine: str
    measured: datetime
    spreads: dict[str, Spread]


def measure_noise(repeats: int, device: str, display: Display) -> Noise:
    """Run one short cell so many times, each with another seed, one after the other; the result is kept on disk.

    Raises UserError where a repeat fails, or there are fewer than two.
    """
    if repeats < 2:
        raise UserError(f"--repeats {repeats}: a spread needs at least 2")
    request = make_request(strategies=("builtin/full",), seeds=repeats, device=device, **CELL)
    with tempfile.TemporaryDirectory(dir=temporary_folder()) as folder:
        outcome = start(request, Path(folder), "noise", display)
    if outcome.interrupted:
        raise KeyboardInterrupt
    failed = next((record for record in outcome.records if record.status != "ok"), None)
    if failed is not None:
        raise UserError(f"a repeat failed ({failed.error.message if failed.error else failed.status})")
    noise = Noise(
        machine=machine_key(outcome.records[0].environment or {}),
        measured=datetime.now(UTC),
        spreads=spreads(outcome.records),
    )
    _known(noise.machine).keep(noise)
    return noise


def spreads(records: list[Record]) -> dict[str, Spread]:
    """The spread of each cost that was measured in all records."""
    found = {}
    for column in (each for each in COSTS if each.varies):
        values = [value for record in records if (value := column.value(record)) is not None]
        if len(values) == len(records) and statistics.median(values) > 0:
            found[column.name] = _spread(values)
    return found


def known_noise(environment: dict[str, object]) -> Noise | None:
    """The noise that was measured last on the machine of a record's environment; None where it never was."""
    return _known(machine_key(environment)).read()


def machine_key(environment: dict[str, object]) -> str:
    """What two records of the same machine have in common: processor, accelerator, cores, threads, torch."""
    packages = environment.get("packages")
    torch = packages.get("torch") if isinstance(packages, dict) else None
    named = [environment.get(name) for name in NAMED_BY]
    return json.dumps([*named, torch])


def _spread(values: list[float]) -> Spread:
    median = statistics.median(values)
    return Spread(
        median=median,
        lowest=min(values),
        highest=max(values),
        deviation_percent=100 * statistics.stdev(values) / statistics.fmean(values),
        range_percent=100 * (max(values) - min(values)) / median,
        n=len(values),
    )


def _known(machine: str) -> Remembered[Noise]:
    return Remembered("noise", machine, TypeAdapter(Noise))
