"""What the fixture `tlbench` gives to a test."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

import pytest

from tlbench.api import Results, request_of
from tlbench.errors import UserError
from tlbench.keywords import RunOptions
from tlbench.objects.given import objects_named
from tlbench.plan.plugged import with_local
from tlbench.report.short import short
from tlbench.results.records import Record
from tlbench.testing.benchmarks import feed
from tlbench.testing.kept import KeptRuns, given_digests
from tlbench.words import counted


class Bench:
    """Runs that a test asserts on."""

    def __init__(self, runs: KeptRuns, config: pytest.Config) -> None:
        self._runs = runs
        self._config = config
        self._known: dict[str, Results] = {}

    def run(self, **options: Unpack[RunOptions]) -> Results:
        """Run the cross product, or take the run that was made of the same request; arguments as for `tlbench.run`.

        The test fails, with the reasons, where a trial does not end well. Raises UserError where the request can't be
        carried out.
        """
        __tracebackhide__ = True
        try:
            with objects_named(options) as named:
                request = with_local(request_of(named), Path.cwd())
                key = f"{request.model_dump_json()} {given_digests()}"
                if key not in self._known:
                    self._known[key] = self._runs.get(request)
                    feed(self._config, self._known[key])
        except UserError as error:
            raise UserError(str(error)) from None  # what it was made of is no business of the test's
        results = self._known[key]
        bad = [_said(record) for record in results if record.status != "ok"]
        if bad:
            trials = counted(len(results), "trial")
            pytest.fail(f"tlbench: {len(bad)} of {trials} did not end well:\n" + "\n".join(bad))
        return results


def _said(record: Record) -> str:
    cell = record.trial.cell
    why = "" if record.error is None else f": {record.error.message}"
    name = f"{short(cell.backbone)} × {short(cell.strategy)}"
    return f"  {name} on {short(cell.dataset)}, seed {record.trial.seed}: {record.status}{why}"
