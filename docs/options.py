"""The page of a run's options, from the fields that they are declared by."""

from __future__ import annotations

import json
from collections.abc import Iterator

from pydantic.fields import FieldInfo

from tlbench.plan.option import facts
from tlbench.plan.request import Request

PAGE = """# Options of a run

Each is a flag of `tlbench run`, a key of its configuration and a keyword of `tlbench.run(…)`, declared once
([request.py](../tlbench/plan/request.py), [recipe.py](../tlbench/plan/recipe.py)). Options of the recipe are the
same for all cells of a run and are said under its tables. This page is made from that by `python docs/generate.py`.

```
tlbench run --config bench.toml --epochs 10        # flags win over the file
tlbench run --batch-size 64 --print-config         # the options as they are understood, as TOML; nothing is run
tlbench run --config results/RUN/config.toml       # every run leaves its own
```

Flags have dashes where keys and keywords have underscores. `results`, `name`, `dry-run`, `json` and `quiet` say where a
run goes and what is shown of it; they are flags alone.

| option | default | unit | |
| --- | --- | --- | --- |
{rows}
"""


def page() -> str:
    """The whole page."""
    return PAGE.format(rows="\n".join(_rows()))


def _rows() -> Iterator[str]:
    for name, field in Request.model_fields.items():
        unit = facts(field).get("unit") or ""
        yield f"| `{name}` | {_default(field)} | {unit} | {field.description or ''} |"


def _default(field: FieldInfo) -> str:
    if shown := facts(field).get("shown"):
        return str(shown)
    default = list(field.default) if isinstance(field.default, tuple) else field.default
    return "none" if default is None else f"`{json.dumps(default)}`"
