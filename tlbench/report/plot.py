"""The cells of a run as a chart: the metric with its interval, against a cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tlbench.errors import UserError, nearest
from tlbench.report.names import pair
from tlbench.report.page.answer import pareto
from tlbench.report.rows import Row
from tlbench.results.column import POINTS, Column
from tlbench.results.columns import MetricColumn

if TYPE_CHECKING:
    import altair


def plot(rows: Sequence[Row], against: str) -> altair.LayerChart:
    """Points with 95 % intervals; those on the Pareto front are marked and joined.

    Raises UserError where altair is not installed, the column is unknown or no cost, or no row has both figures.
    """
    try:
        import altair
    except ImportError as error:
        raise UserError("plot needs altair: pip install 'tlbench[plot]'") from error
    cost = _cost(rows, against)
    shown = [row for row in rows if row.primary is not None and row.figures[against] is not None]
    if not shown:
        raise UserError(f"no cell has both its metric and {against}")
    metric = shown[0].metric
    front = pareto([row for row in shown if row.can_be_best], against)
    values = [_values(row, against, any(row is each for each in front)) for row in shown]
    x = altair.X(against, type="quantitative", title=f"{cost.heading} ({cost.unit})").scale(
        type=_scale(values, against)
    )
    written = altair.Axis(format="%") if metric.unit in POINTS else altair.Axis()
    y = altair.Y(metric.name, type="quantitative", title=metric.heading, axis=written).scale(zero=False)
    base = altair.Chart(altair.Data(values=values))
    whiskers = base.mark_rule().encode(x=x, y=altair.Y("low", type="quantitative"), y2="high")
    line = base.mark_line(strokeDash=[4, 3]).encode(x=x, y=y).transform_filter("datum.front")
    points = base.mark_point(filled=True, size=70).encode(
        x=x, y=y,
        color=altair.Color("front", type="nominal", title="Pareto front"),
        tooltip=[altair.Tooltip(name, type="nominal") for name in ("cell", metric.name, against, "status")],
    )  # fmt: skip
    return altair.layer(line, whiskers, points).properties(title=shown[0].cell.dataset)


def _cost(rows: Sequence[Row], name: str) -> Column:
    """The column of a cost."""
    columns = {each.name: each for row in rows for each in row.columns if not isinstance(each, MetricColumn)}
    if name not in columns:
        raise UserError(f"there is no cost {name!r}{nearest(name, columns) or '; there are ' + ', '.join(columns)}")
    return columns[name]


def _values(row: Row, against: str, front: bool) -> dict[str, Any]:
    assert row.primary is not None
    interval = row.primary.mean if row.primary.low is None else row.primary.low, row.primary.high or row.primary.mean
    figures = {
        row.metric.name: row.primary.mean,
        "low": interval[0],
        "high": interval[1],
        against: row.figures[against],
    }
    return figures | {"cell": pair(row), "status": row.status, "front": front}


def _scale(values: Sequence[Mapping[str, Any]], against: str) -> str:
    """Logarithmic where the costs are far apart."""
    costs = [each[against] for each in values]
    return "log" if min(costs) > 0 and max(costs) > 4 * min(costs) else "linear"
