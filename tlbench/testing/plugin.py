"""The hooks of the pytest plugin. pytest imports this module at each start, so it imports nothing until it is used."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tlbench.testing.bench import Bench

PACKAGE = Path(__file__).parents[1]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option of the folder of runs."""
    parser.getgroup("tlbench").addoption(
        "--tlbench-results",
        metavar="DIR",
        help="Where the runs of the fixture tlbench are kept (default: in pytest's cache).",
    )


@pytest.fixture(scope="session")
def tlbench(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Runs of tlbench: `tlbench.run(backbones=…, strategies=…, datasets=…)` gives the results, from disk if it can."""
    from tlbench.testing.bench import Bench
    from tlbench.testing.kept import KeptRuns

    base = tmp_path_factory.getbasetemp()
    session = (base.parent if hasattr(pytestconfig, "workerinput") else base) / "tlbench"
    given, cache = pytestconfig.getoption("tlbench_results"), getattr(pytestconfig, "cache", None)
    if given:
        results = pytestconfig.invocation_params.dir / given
    else:
        results = session / "results" if cache is None else cache.mkdir("tlbench")
    return Bench(KeptRuns(results, session), pytestconfig)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Where tlbench refuses what a test asks for, show the test's line and the message, and no lines of tlbench."""
    found = call.excinfo
    asked = "tlbench" in getattr(item, "fixturenames", ())
    if found is not None and asked and type(found.value).__module__ == "tlbench.errors":
        entry = found.tb
        while entry.tb_next is not None and not _is_ours(entry.tb_next):
            entry = entry.tb_next
        entry.tb_next = None


def _is_ours(entry: TracebackType) -> bool:
    return PACKAGE in Path(entry.tb_frame.f_code.co_filename).parents
