"""A job run on another machine, and what it leaves brought back by value: for executors of plugins."""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass

from tlbench.events import Report
from tlbench.execute.executor import Returned
from tlbench.execute.local import run_in_process
from tlbench.execute.outbox import discard, new_outbox
from tlbench.registry.chosen import using
from tlbench.results.records import Record
from tlbench.trial.jobs import TrialJob


@dataclass(frozen=True)
class Parcel:
    """What a job elsewhere gives back by value: its records, and the files beside them as a tar archive."""

    records: list[Record]
    files: bytes

    def returned(self) -> Returned:
        """The same as an executor's message, the files unpacked on this machine."""
        outbox = new_outbox()
        with tarfile.open(fileobj=io.BytesIO(self.files)) as archive:
            archive.extractall(outbox, filter="data")
        return Returned(self.records, outbox)


def run_elsewhere(job: TrialJob, report: Report) -> Parcel:
    """Run a job on a machine that shares nothing with the run's: datasets and features are made again there."""
    outbox = new_outbox()
    try:
        with using(job.plugins):
            records = run_in_process(job, outbox, report)
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            archive.add(outbox, arcname="")
        return Parcel(records, packed.getvalue())
    finally:
        discard(outbox)
