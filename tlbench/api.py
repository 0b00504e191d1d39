"""The Python API: `tlbench.run(…)` and `tlbench.load(…)`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from tlbench.errors import UserError, nearest
from tlbench.keywords import RunOptions
from tlbench.plan.plan import Plan
from tlbench.plan.request import NAMED, Request, make_request
from tlbench.results.records import Record

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Results:
    """The records of a run, in the order of its plan."""

    plan: Plan
    folder: Path
    records: tuple[Record, ...]

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    def to_dicts(self) -> list[dict[str, Any]]:
        """The records as plain dicts, as they are in the JSON documents."""
        return [record.model_dump(mode="json") for record in self.records]

    def to_pandas(self) -> pandas.DataFrame:
        """A row for each trial, a column for each figure. Raises UserError where pandas is not installed."""
        try:
            import pandas
        except ImportError as error:
            raise UserError("to_pandas needs pandas: pip install 'tlbench[pandas]'") from error
        from tlbench.registry.columns import columns_for
        from tlbench.report.documents import flatten

        columns = columns_for(self.plan)
        return pandas.DataFrame([flatten(record, columns) for record in self.records])

    def to_markdown(self) -> str:
        """The comparison tables."""
        from tlbench.report.documents import to_markdown
        from tlbench.report.of_run import report_data
        from tlbench.results.store import RunFolder

        return to_markdown(report_data(self.plan, RunFolder(self.folder), self.records))


def run(
    *,
    results: str | Path = "results",
    name: str | None = None,
    progress: bool = True,
    **options: Unpack[RunOptions],
) -> Results:
    """Run the cross product and give its records; arguments are those of `tlbench run`, with `_` for `-`.

    Names are as on the command line ("timm/resnet50", "digits:train=500"). Trials that fail are records too.
    Raises UserError before anything runs where the request can't be carried out, KeyboardInterrupt after a
    Ctrl-C, when the finished trials are on disk.
    """
    from tlbench.session.start import start

    known = [*Request.model_fields, "results", "name", "progress"]
    for option in options:
        if option not in known:
            raise UserError(f"tlbench.run has no argument {option!r}{nearest(option, known)}")
    given: dict[str, object] = dict(options)
    for what in NAMED:
        _refuse_objects(what, given.get(what))
    request = make_request(**given)
    outcome = start(request, Path(results), name, _display(progress))
    if outcome.interrupted:
        raise KeyboardInterrupt
    return Results(outcome.plan, outcome.folder.path, tuple(outcome.records))


def load(run: str | Path, results: str | Path = "results") -> Results:
    """The records of a run on disk, by its name or folder."""
    from tlbench.results.store import find_run

    folder = find_run(str(run), Path(results))
    return Results(folder.plan(), folder.path, tuple(folder.records()))


def _refuse_objects(what: str, given: object) -> None:
    """Raise UserError where something else than names is given: a dataset of another library, say."""
    items = given if isinstance(given, list | tuple) else () if given is None else (given,)
    odd = [each for each in items if not isinstance(each, str)]
    if odd:
        raise UserError(
            f"{what} takes names, as on the command line, and not an object of class {type(odd[0]).__name__}; register "
            f"it in a plugin and give its name (the README says how)"
        )


def _display(progress: bool) -> Any:
    from rich.console import Console

    from tlbench.report.progress import ConsoleDisplay

    return ConsoleDisplay(Console(stderr=True, quiet=not progress))
