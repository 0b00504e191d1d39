"""Runs in a folder, each found again by what decides it, so that tests and sessions share them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from itertools import count
from pathlib import Path
from typing import get_args

from filelock import FileLock
from rich.console import Console

import tlbench
from tlbench.api import Results, load
from tlbench.errors import OtherRun
from tlbench.files import write_whole
from tlbench.measure.cores import cpu_model, usable_cores
from tlbench.measure.machine import PACKAGES
from tlbench.plan.request import Request
from tlbench.registry.chosen import in_use, using, with_objects
from tlbench.registry.plugins import load_plugins
from tlbench.registry.sources import digest_of_sources
from tlbench.report.progress import ConsoleDisplay
from tlbench.results.records import Status
from tlbench.results.store import check_writable
from tlbench.session.start import start

RETRIED = tuple(status for status in get_args(Status) if status != "ok")
"""What is tried again in another session: a failure may have been the machine's, and its reason gone."""


@dataclass(frozen=True)
class KeptRuns:
    """Runs in the folder `results`. `session` is a folder of this pytest session, which all of its workers see."""

    results: Path
    session: Path

    def get(self, request: Request) -> Results:
        """The run of a request: as another test of the session had it; else gone on with, or made.

        One process at a time runs trials, and the others wait: those that want the same run find it made, and those
        that want another one do not disturb its times. Raises UserError where the request can't be carried out.
        """
        check_writable(self.results)
        self.results.mkdir(parents=True, exist_ok=True)
        name = digest_of(request)
        had = self.session / f"{name}.txt"
        with FileLock(self.results / "tlbench.lock"):
            if had.exists():
                return load(self.results / had.read_text("utf-8"))
            results = self._run(request, name)
            write_whole(had, results.plan.name)
        return results

    def _run(self, request: Request, name: str) -> Results:
        """Go on with the run of a name; where its data, weights or releases were others, with the next of that name."""
        for number in count(1):
            display = ConsoleDisplay(Console(stderr=True))
            try:
                numbered = name if number == 1 else f"{name}-{number}"
                outcome = start(request, self.results, numbered, display, retry=RETRIED)
            except OtherRun:
                continue
            finally:
                display.close()
            if outcome.interrupted:
                raise KeyboardInterrupt
            return Results(outcome.plan, outcome.folder.path, tuple(outcome.records))
        raise AssertionError  # there is always another number


def digest_of(request: Request) -> str:
    """What decides a run, as far as it is known before data and weights are looked at: a change of it is another run.

    The request, the sources of tlbench and the plugins (one that is being written keeps its version), the releases of
    the packages that results depend on, and the processor, as a run has its machine's times.
    """
    with using(with_objects(request.chosen)):
        plugins = load_plugins()
    distributions = {each.distribution for each in plugins.provenance.values()}
    facts = {
        "request": request.model_dump(mode="json"),
        "objects": given_digests(),
        "sources": digest_of_sources([tlbench, *plugins.manager.get_plugins()]),
        "packages": {name: _version(name) for name in sorted({*PACKAGES, *distributions})},
        "machine": [cpu_model(), usable_cores()],
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def given_digests() -> list[list[str]]:
    """The kinds, names and sources of the objects that are components here."""
    return [[each.kind, each.name, each.origin.version] for each in in_use().given]


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
