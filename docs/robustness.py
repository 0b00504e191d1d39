"""The table of corruptions in docs/robustness.md, from their declarations."""

from __future__ import annotations

from collections.abc import Iterator

from tlbench.plan.corruptions import CORRUPTIONS, PAPER_SIZE

BEGIN, END = "<!-- made by docs/generate.py from tlbench/plan/corruptions.py -->", "<!-- until here -->"
SHOWN_SIZE = 96


def page(written: str) -> str:
    """The page with the table between its marks."""
    before, _, rest = written.partition(BEGIN)
    _, _, behind = rest.partition(END)
    return f"{before}{BEGIN}\n\n" + "\n".join(_table()) + f"\n\n{END}{behind}"


def _table() -> Iterator[str]:
    yield "| name | of the paper | strength | at severities 1 to 5 | computed by | apart from the paper's |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for name, each in CORRUPTIONS.items():
        strengths = _numbers(each.strengths)
        if each.in_pixels:
            strengths += f" at {PAPER_SIZE} px; {_numbers(each.at(SHOWN_SIZE))} at {SHOWN_SIZE} px"
        by = f"`{each.by}`" if "." in each.by else each.by
        yield f"| `{name}` | {each.paper} | {each.parameter} | {strengths} | {by} | {each.apart} |"


def _numbers(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:.3g}" for value in values)
