"""The page of the types that a plugin brings and is given, from their own docstrings and fields."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator
from functools import cached_property

from pydantic import BaseModel

import tlbench
from tlbench import toolkit

PAGE = """# What plugins bring and are given

A plugin imports these names from `tlbench`, and functions from `tlbench.toolkit`; the built-in plugins import nothing
else of the core (a test holds them to it). Hooks are on [one page](../tlbench/hookspecs.py). This page is made from the
docstrings by `python docs/generate.py`.
"""

SECTIONS = {
    "Components": (
        "Backbone", "Preprocessing", "Weights", "Block", "Dataset", "Split", "Options", "SplitOptions", "Strategy",
    ),
    "Phases": ("Train", "Solve", "Rewrite", "Validate", "Look", "TrainData"),
    "What strategies are given": (
        "TransferModel", "Part", "Batch", "Seen", "Fitting", "Examples", "Solved", "OtherDataset",
    ),
    "Tasks and figures": ("Task", "Objective", "Metric", "ExtraMetric", "LossOptions", "Column"),
    "Where jobs run, and who is told": ("Executor", "Reporter"),
    "Results and saved models": ("Results", "History", "SavedModel", "Predicted"),
}  # fmt: skip
KINDS = (property, cached_property)


def page() -> str:
    """The whole page."""
    parts = [PAGE]
    for title, names in SECTIONS.items():
        parts.append(f"## {title}\n")
        parts += [_of_type(name, getattr(tlbench, name)) for name in names]
    parts.append("## tlbench.toolkit\n")
    parts.append("\n".join(_of_toolkit()) + "\n")
    return "\n".join(parts)


def _of_type(name: str, type_: type) -> str:
    lines = [f"### {name}", "", inspect.cleandoc(type_.__doc__ or ""), ""]
    if fields := list(_fields(type_)):
        lines += ["| field | type | default |", "| --- | --- | --- |", *fields, ""]
    if members := list(_members(type_)):
        lines += ["| member | |", "| --- | --- |", *members, ""]
    return "\n".join(lines)


def _fields(type_: type) -> Iterator[str]:
    if dataclasses.is_dataclass(type_):
        for each in dataclasses.fields(type_):
            factory = each.default_factory is not dataclasses.MISSING
            required = each.default is dataclasses.MISSING and not factory
            default = "required" if required else "a new one" if factory else _default(each.default)
            yield f"| `{each.name}` | {_type(each.type)} | {default} |"
    elif issubclass(type_, BaseModel):
        for name, field in type_.model_fields.items():
            annotation = type_.__annotations__.get(name, field.annotation)
            yield f"| `{name}` | {_type(annotation)} | {_default(field.default)} |"


def _members(type_: type) -> Iterator[str]:
    for name, member in vars(type_).items():
        function = member.fget if isinstance(member, property) else getattr(member, "func", member)
        if name.startswith("_") or not inspect.isfunction(function) or not function.__doc__:
            continue
        shown = name if isinstance(member, KINDS) else f"{name}{_signature(function)}"
        about = " ".join(inspect.cleandoc(function.__doc__).split()).replace("|", "\\|")
        yield f"| `{shown}` | {about} |".replace(" | None", " or None")


def _signature(function: object) -> str:
    names = [
        each.name if each.default is each.empty else f"{each.name}={each.default!r}"
        for each in list(inspect.signature(function).parameters.values())[1:]  # type: ignore[arg-type]
    ]
    return f"({', '.join(names)})"


def _of_toolkit() -> Iterator[str]:
    yield "| name | |"
    yield "| --- | --- |"
    for name in toolkit.__all__:
        value = getattr(toolkit, name)
        if inspect.isfunction(value) or inspect.isclass(value):
            about = " ".join(inspect.cleandoc(value.__doc__ or "").partition("\n\n")[0].split())
            yield f"| `{name}` | {about} |"


def _type(annotation: object) -> str:
    written = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
    return "`" + written.replace(" | ", " or ").replace("torch.Tensor", "Tensor") + "`"


def _default(value: object) -> str:
    return f"`{value!r}`" if not callable(value) else "its own"
