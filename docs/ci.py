"""The table of the action's inputs, from action.yml."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ACTION = Path(__file__).parents[1] / "action.yml"
BEGIN, END = "<!-- inputs: made by docs/generate.py from action.yml -->", "<!-- inputs: until here -->"


def page(written: str) -> str:
    """The page with the table between its two marks."""
    before, _, rest = written.partition(BEGIN)
    _, _, behind = rest.partition(END)
    return "\n".join([f"{before}{BEGIN}", "", *_rows(), "", f"{END}{behind}"])


def _rows() -> Iterator[str]:
    yield "| input | default | |"
    yield "| --- | --- | --- |"
    inputs: dict[str, dict[str, Any]] = yaml.safe_load(ACTION.read_text("utf-8"))["inputs"]
    for name, each in inputs.items():
        default = f"`{each['default']}`" if each["default"] else "none"
        yield f"| `{name}` | {default} | {' '.join(each['description'].split())} |"
