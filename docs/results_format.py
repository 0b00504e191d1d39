"""The page of the record's format, from the fields that its models declare."""

from __future__ import annotations

import json
import re
import types
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, JsonValue
from pydantic.fields import FieldInfo

from tlbench.plan.option import facts
from tlbench.results.records import Record

PAGE = """# Results format

A run leaves a folder, `results/RUN`:

| path | what it is |
| --- | --- |
| `plan.json` | all that the run does: its cells, the options that were asked for, the metrics of each task |
| `config.toml` | the options, to start the run again: `tlbench run --config results/RUN/config.toml` |
| `trials/ID.json` | the record of one trial, one JSON document |
| `trials/ID.safetensors` | the predictions of test that the trial's model makes |
| `models/ID/` | with `--save`, the trained model: `model.safetensors`, and `model.json`, which rebuilds it |

`ID` is the id of the trial. Each of these files is written to another name first and renamed, so that it is whole or
not there. `tlbench.load("RUN")` reads all records, and `tlbench show RUN` makes tables of them.

**Predictions.** The tensors of `trials/ID.safetensors` have a row for each test image:

| tensor | task | what it is |
| --- | --- | --- |
| `indices` | all | the image's place in the split of the dataset that it was taken from |
| `labels` | all | its class, labels or targets |
| `loss` | all | its loss, without label smoothing and weights |
| `example_scores` | all | its share in the primary metric; of a metric that is no mean, a jackknife pseudo-value |
| `predicted` | single-label | the most probable class |
| `confidence` | single-label | the probability of that class |
| `rank` | single-label | the place of the right class among all, from 1, by probability |
| `probabilities` | multi-label | the probability of each label |
| `predicted` | regression | the targets, in their own unit |

`example_scores`, by which trials are compared in pairs, is left out where the task can't say it. Tasks of plugins keep
tensors of their own besides.

**Null.** What was not measured is null, never 0, and so is a number that is infinite or not a number, which JSON does
not have. Where there is a reason, it stands in the field beside it. [Measurement](measurement.md) tells how each figure
is taken.

**Versions.** `schema_version` is {version}. Documents of versions 2 and 3 are read as well, and upgraded when they are
read; the files stay as they are. Version 2 knew single-label classification alone; what it did not have is null or
empty then. Version 3 had names of its own for two fields of the protocol (`warmup_share`, `augmentation`), and null
where mixup, CutMix, averaging or clipping was off. Documents of any other version are refused.

**Units.** A name that ends in `_seconds`, `_ms`, `_bytes`, `_joules` or `_per_second` states its unit. A multiply-add
is 2 FLOPs. Phases are numbered from 0, over all that a strategy yields; epochs and steps are numbered from 1.

An `object` in the tables below has values by name. Each section is a model that a record is made of, in the order in
which they are met. This page is made from the descriptions of their fields
([records.py](../tlbench/results/records.py), [costs.py](../tlbench/results/costs.py),
[cell.py](../tlbench/plan/cell.py)) by `python docs/generate.py`.
"""
SECTION = """
## {name}

{about}

| field | type | description |
| --- | --- | --- |
{rows}
"""

NAMES = {str: "string", int: "integer", float: "number", bool: "boolean", datetime: "date and time (ISO 8601)"}
SEVERAL = {str: "strings", int: "integers", float: "numbers", bool: "booleans"}


def page() -> str:
    """The whole page."""
    introduction = PAGE.format(version=Record.model_fields["schema_version"].default)
    return introduction + "".join(_section(model, paths) for model, paths in paths_of(Record).items())


def paths_of(root: type[BaseModel]) -> dict[type[BaseModel], list[str]]:
    """The models of a document in the order in which they are met, each with where it stands in the document."""
    found: dict[type[BaseModel], list[str]] = {root: []}

    def follow(model: type[BaseModel], path: str) -> None:
        for name, field in model.model_fields.items():
            for nested, behind in _models(field.annotation):
                found.setdefault(nested, []).append(f"{path}{name}{behind}")
                follow(nested, f"{path}{name}{behind}.")

    follow(root, "")
    return found


def described(field: FieldInfo) -> str:
    """What a field holds; an option of a run is null where nobody asked for it."""
    text = str(field.description)
    unasked = "said" in facts(field) and field.default is None
    return f"{text.removesuffix('.')}; null where it was not asked for." if unasked else text


def may_be_null(annotation: Any) -> bool:
    """Whether a value of a type, or one that it holds, may be null; of models, their own fields say it."""
    return annotation is type(None) or any(map(may_be_null, _held(annotation)))


def type_of(annotation: Any) -> str:
    """A type in words, as JSON has it."""
    origin, held = get_origin(annotation), get_args(annotation)
    if annotation in NAMES:
        return NAMES[annotation]
    if origin is Literal:
        return _one_of([f"`{json.dumps(each)}`" for each in held])
    if origin in (Union, types.UnionType):
        return " or ".join("null" if each is type(None) else type_of(each) for each in held)
    if origin is dict:
        return "object" if held[1] in (Any, JsonValue) else f"object of {_several(held[1])}"
    if origin is list or (origin is tuple and held[-1] is Ellipsis):
        return f"list of {_several(held[0])}"
    if origin is tuple and len(set(held)) == 1:
        return f"list of {len(held)} {_several(held[0])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    raise TypeError(f"there are no words for the type {annotation!r}")


def _one_of(words: Sequence[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last


def _several(annotation: Any) -> str:
    """What a list or an object holds, in brackets where it is one of several types or values."""
    if annotation in SEVERAL:
        return SEVERAL[annotation]
    text = type_of(annotation)
    if get_origin(annotation) in (Literal, Union, types.UnionType):
        return f"({text})"
    return re.sub(r"^(list|object)\b", r"\1s", text)


def _held(annotation: Any) -> tuple[Any, ...]:
    """The types that a type is made of; JSON in general, which may be anything, counts as one."""
    return () if get_origin(annotation) is Literal or annotation is JsonValue else get_args(annotation)


def _models(annotation: Any, behind: str = "") -> Iterator[tuple[type[BaseModel], str]]:
    """The models that a type holds, each with what is behind the field's name in the path to it."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, behind
    origin = get_origin(annotation)
    within = ".NAME" if origin is dict else "[]" if origin in (list, tuple) else ""
    for each in _held(annotation):
        yield from _models(each, behind + within)


def _section(model: type[BaseModel], paths: list[str]) -> str:
    place = f" At {', '.join(f'`{path}`' for path in paths)}." if paths else ""
    about = " ".join((model.__doc__ or "").split()) + place
    rows = (
        f"| `{name}` | {type_of(field.annotation)} | {described(field)} |" for name, field in model.model_fields.items()
    )
    return SECTION.format(name=model.__name__, about=about, rows="\n".join(rows))
