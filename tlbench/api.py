"""The Python API: `tlbench.run(…)`, `tlbench.load(…)` and `tlbench.history(…)`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from tlbench.errors import UserError, nearest
from tlbench.keywords import RunOptions
from tlbench.plan.plan import Plan
from tlbench.plan.plugged import with_local
from tlbench.plan.request import Request, make_request
from tlbench.results.records import Record
from tlbench.words import counted, listed, split_names

if TYPE_CHECKING:
    import altair
    import pandas

    from tlbench.report.data import ReportData
    from tlbench.report.rows import Row
    from tlbench.report.tables import DatasetTable
    from tlbench.stats import Pair
    from tlbench.trends.history import History


@dataclass(frozen=True, repr=False)
class Results:
    """The records of a run, in the order of its plan."""

    plan: Plan
    folder: Path
    records: tuple[Record, ...]

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    def __repr__(self) -> str:
        counts = Counter(record.status for record in self.records)
        ended = ", ".join(f"{number} {status}" for status, number in counts.items())
        datasets = ", ".join(dict.fromkeys(cell.dataset for cell in self.plan.cells))
        cells = counted(len(self.plan.cells), "cell")
        return f"<tlbench.Results {self.plan.name}: {cells} on {datasets}; trials: {ended or 'none'}>"

    def _repr_html_(self) -> str:
        """The comparison tables, for notebooks."""
        from tlbench.report.html_table import to_html_tables

        return to_html_tables(self._report())

    def rows(self, margin: float | None = None) -> list[Row]:
        """A row for each cell: its seeds summed up, with the interval of its primary metric as `primary`."""
        return self._report(margin).rows()

    def best(self, dataset: str | None = None) -> Row:
        """The row whose primary metric is best, of those that may be ranked; of one dataset where there are several.

        Raises UserError where there is none, or where the dataset has to be named.
        """
        table = self._table(dataset)
        if (group := table.largest) is None:
            raise UserError(f"no row of {table.dataset} may be ranked; `tlbench show {self.plan.name}` says why")
        return table.rows[group.numbers[0]]

    def cell(self, name: str, dataset: str | None = None) -> Row:
        """The row of one cell: `primary` has its mean and interval, `figures` its metrics and costs by column.

        Cells are named as in `compare`. Raises UserError where a name is unknown or in doubt.
        """
        table = self._table(dataset)
        return table.rows[_number(table, name)]

    def compare(self, ours: str, theirs: str, dataset: str | None = None, margin: float | None = None) -> Pair:
        """One cell compared with another one, as in the table of all: `verdict`, `difference`, `p_value`.

        Cells are named as in the table ("resnet18 × full"), or by what leaves no doubt ("full"). Raises UserError where
        a name is unknown or in doubt, or where the two may not be compared.
        """
        table = self._table(dataset, margin)
        first, second = (_number(table, name) for name in (ours, theirs))
        group = table.group(first)
        if group is None or second not in group.numbers or first == second:
            raise UserError(f"{ours} and {theirs} may not be compared: other images, protocol or weights, or no result")
        return group.pair(first, second)

    def plot(self, against: str = "train_with_features_seconds", dataset: str | None = None) -> altair.LayerChart:
        """The cells of a dataset as a chart, for notebooks: the metric with its interval against a cost.

        Raises UserError where altair is not installed, there is no such cost, or the dataset has to be named.
        """
        from tlbench.report.plot import plot

        return plot(self._table(dataset).rows, against)

    def _table(self, dataset: str | None, margin: float | None = None) -> DatasetTable:
        from tlbench.report.short import short
        from tlbench.report.tables import tables

        found = tables(self._report(margin))
        named = [table for table in found if dataset is None or dataset in (table.dataset, short(table.dataset))]
        if len(named) != 1:
            known = [table.dataset for table in found]
            what = "name one dataset" if dataset is None else f"there is no dataset {dataset!r}"
            raise UserError(f"{what}; the run has {', '.join(known)}")
        return named[0]

    def _report(self, margin: float | None = None) -> ReportData:
        from tlbench.report.of_run import report_data
        from tlbench.results.store import RunFolder

        return report_data(self.plan, RunFolder(self.folder), self.records, margin)

    def to_dicts(self) -> list[dict[str, Any]]:
        """The records as plain dicts, as they are in the JSON documents."""
        return [record.model_dump(mode="json") for record in self.records]

    def to_pandas(self) -> pandas.DataFrame:
        """A row for each trial, a column for each figure. Raises UserError where pandas is not installed."""
        try:
            import pandas
        except ImportError as error:
            raise UserError("to_pandas needs pandas: pip install 'tlbench[pandas]'") from error
        from tlbench.results.flat import flatten

        columns = self._report().columns
        return pandas.DataFrame([flatten(record, columns) for record in self.records])

    def to_markdown(self) -> str:
        """The comparison tables."""
        from tlbench.report.documents import to_markdown

        return to_markdown(self._report())


def run(
    *,
    results: str | Path = "results",
    name: str | None = None,
    progress: bool = True,
    **options: Unpack[RunOptions],
) -> Results:
    """Run the cross product and give its records; arguments are those of `tlbench run`, with `_` for `-`.

    Names are as on the command line ("timm/resnet50", "digits:train=500"). In their place, or beside them, objects are
    taken: backbones as modules, factories or `Backbone`s, datasets of torchvision's kind or Hugging Face's, strategies
    under `@tlbench.strategy` (docs/objects.md). Trials that fail are records too.
    Raises UserError before anything runs where the request can't be carried out, KeyboardInterrupt after a
    Ctrl-C, when the finished trials are on disk.
    """
    from tlbench.objects.given import objects_named
    from tlbench.session.start import start

    with objects_named(options) as named:
        request = with_local(request_of(named, ("results", "name", "progress")), Path.cwd())
        outcome = start(request, Path(results), name, _display(progress))
    if outcome.interrupted:
        raise KeyboardInterrupt
    return Results(outcome.plan, outcome.folder.path, tuple(outcome.records))


def request_of(options: Mapping[str, object], others: Sequence[str] = ()) -> Request:
    """The request of some keywords; `others` are those that the caller takes besides. Raises UserError."""
    known = [*Request.model_fields, *others]
    for option in options:
        if option not in known:
            raise UserError(f"tlbench.run has no argument {option!r}{nearest(option, known)}")
    return make_request(**options)


def load(run: str | Path, results: str | Path = "results") -> Results:
    """The records of a run on disk, by its name or folder."""
    from tlbench.results.store import find_run

    folder = find_run(str(run), Path(results))
    return Results(folder.plan(), folder.path, tuple(folder.records()))


def history(
    cell: str | None = None,
    *,
    runs: str | Path | Sequence[str | Path] = (),
    results: str | Path = "results",
    columns: str | Sequence[str] = (),
    last: int | None = None,
) -> History:
    """How cells changed over past runs, as `tlbench history` shows it: `rows()`, and the change points as `shifts`.

    `cell` is a pattern ("resnet50*", "resnet50 × lora"), `runs` are names or folders, all of `results` by default, and
    `last` takes so many of them. `columns` are figures by name. Raises UserError where there is no run, cell or column.
    """
    from tlbench.trends.of_runs import history_of

    named = [runs] if isinstance(runs, str | Path) else runs
    figures = split_names(columns) if isinstance(columns, str) else columns
    return history_of(cell, [str(run) for run in named], Path(results), figures, last)


def _number(table: DatasetTable, name: str) -> int:
    """The number of the row that a name means."""
    from tlbench.report.names import pair

    rows = list(enumerate(table.rows))
    exact = [number for number, row in rows if name == pair(row)]
    found = exact or [number for number, row in rows if name in (row.strategy, row.backbone, row.cell.strategy)]
    if len(found) != 1:
        said = "there is no row" if not found else "several rows are called"
        names = [pair(row) for row in table.rows]
        raise UserError(f"{said} {name!r}{nearest(name, names)}; there are {listed(names, 10)}")
    return found[0]


def _display(progress: bool) -> Any:
    from rich.console import Console

    from tlbench.report.progress import ConsoleDisplay

    return ConsoleDisplay(Console(stderr=True, quiet=not progress))
