"""The Python API: `tlbench.run(…)` and `tlbench.load(…)`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlbench.errors import UserError, nearest
from tlbench.plan.plan import Plan
from tlbench.plan.request import Request, make_request
from tlbench.results.records import Record
from tlbench.words import split_names

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
        from tlbench.report.documents import flatten

        return pandas.DataFrame([flatten(record) for record in self.records])

    def to_markdown(self) -> str:
        """The comparison tables."""
        from tlbench.report.documents import to_markdown
        from tlbench.results.store import RunFolder

        return to_markdown(self.records, RunFolder(self.folder).correct)


def run(
    *,
    backbones: Sequence[str] | str | None = None,
    datasets: Sequence[str] | str | None = None,
    strategies: Sequence[str] | str | None = None,
    results: str | Path = "results",
    name: str | None = None,
    progress: bool = True,
    **options: Any,
) -> Results:
    """Run the cross product and give its records; arguments are those of `tlbench run`, with `_` for `-`.

    Names are as on the command line ("timm/resnet50", "digits:train=500"). Trials that fail are records too.
    Raises UserError before anything runs where the request can't be carried out, KeyboardInterrupt after a
    Ctrl-C, when the finished trials are on disk.
    """
    from tlbench.session import start

    known = [*Request.model_fields, "timeout", "results", "name", "progress"]
    for option in options:
        if option not in known:
            raise UserError(f"tlbench.run has no argument {option!r}{nearest(option, known)}")
    if "timeout" in options:
        options["timeout_seconds"] = options.pop("timeout")
    request = make_request(
        backbones=_names("backbones", backbones),
        datasets=_names("datasets", datasets),
        strategies=_names("strategies", strategies),
        **options,
    )
    outcome = start(request, Path(results), name, _display(progress))
    if outcome.interrupted:
        raise KeyboardInterrupt
    return Results(outcome.plan, outcome.folder.path, tuple(outcome.records))


def load(run: str | Path, results: str | Path = "results") -> Results:
    """The records of a run on disk, by its name or folder."""
    from tlbench.results.store import find_run

    folder = find_run(str(run), Path(results))
    return Results(folder.plan(), folder.path, tuple(folder.records()))


def _names(what: str, given: object) -> tuple[str, ...] | None:
    if given is None:
        return None
    if isinstance(given, str):
        return tuple(split_names(given))
    if isinstance(given, list | tuple) and all(isinstance(each, str) for each in given):
        return tuple(given)
    items = given if isinstance(given, list | tuple) else (given,)
    odd = next(each for each in items if not isinstance(each, str))
    raise UserError(
        f"{what} takes names, as on the command line, and not an object of class {type(odd).__name__}; register it in "
        f"a plugin and give its name (the README says how)"
    )


def _display(progress: bool) -> Any:
    from rich.console import Console

    from tlbench.report.progress import ConsoleDisplay

    return ConsoleDisplay(Console(stderr=True, quiet=not progress))
