"""The report of a run: one HTML file that works offline."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from html import escape
from importlib.resources import files
from typing import Any

from tlbench import __version__
from tlbench.words import one_line, printable

SCRIPTS = ("elements.js", "state.js", "table.js", "charts.js", "cell.js", "page.js")
COSTS = {
    "train_with_features_seconds": "training time",
    "peak_memory_bytes": "memory",
    "inference_images_per_second": "inference speed",
    "inference_images_per_second_one": "inference speed, one image",
    "trainable_parameters": "trained parameters",
    "flops_per_image": "FLOPs",
}
"""What the Pareto chart can be drawn against."""
NEEDED = ("run", "columns", "datasets", "cells", "thumbnails", "over")
"""What the script needs; all else is written as HTML here."""
PART = re.compile(r"\{\{(\w+)\}\}")


def to_page(content: Mapping[str, Any]) -> str:
    """The page of a document that `content` has made; names and messages in it are text, never markup."""
    script = "".join(_asset(name) for name in SCRIPTS)
    parts = {
        "title": _text(f"tlbench: {content['run']}"),
        "name": _text(content["run"]),
        "unfinished": f'<p class="warning">{_text(said)}</p>' if (said := content["unfinished"]) else "",
        "policy": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        "style": _asset("style.css"),
        "script": script,
        "content": as_data({name: content[name] for name in NEEDED}),
        "costs": "".join(f'<option value="{name}">{said}</option>' for name, said in COSTS.items()),
        "answers": "".join(map(_answer, content["datasets"])),
        "datasets": "".join(_dataset(number, facts) for number, facts in enumerate(content["datasets"])),
        "over": "".join(_over(number, each) for number, each in enumerate(content["over"])),
        "failures": _failures(content["failures"]),
        "environments": "".join(map(_environment, content["environments"])),
        "version": _text(__version__),
    }
    # in one pass, so that a name with braces in it is a name
    return PART.sub(lambda found: parts[found[1]], _asset("page.html"))


def as_data(value: object) -> str:
    """JSON that ends no element, as every < is escaped; texts are of one line, without characters that are obeyed."""
    text = json.dumps(_clean(value), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _clean(value: object) -> object:
    if isinstance(value, str):
        return one_line(value)
    if isinstance(value, Mapping):
        return {one_line(str(key)): _clean(each) for key, each in value.items()}
    return [_clean(each) for each in value] if isinstance(value, list | tuple) else value


def _answer(facts: Mapping[str, Any]) -> str:
    warnings = "".join(f'<p class="warning">{_text(line)}</p>' for line in facts["warnings"])
    return (
        f'<section><h2>{_text(facts["heading"])}</h2><div class="answer"><p>{" ".join(map(_text, facts["answer"]))}</p>'
        f"<ul>{_items(facts['fronts'])}</ul></div>{warnings}</section>"
    )


def _dataset(number: int, facts: Mapping[str, Any]) -> str:
    return (
        f'<section><h2>Cells on {_text(facts["name"])}</h2><div id="dataset-{number}"></div>'
        f"<details><summary>How it was measured</summary><ul>{_items(facts['notes'])}</ul></details></section>"
    )


def _over(number: int, found: Mapping[str, Any]) -> str:
    head = "".join(f'<th scope="col">{_text(each)}</th>' for each in found["headings"])
    body = "".join(f"<tr>{''.join(f'<td>{_text(each)}</td>' for each in row)}</tr>" for row in found["rows"])
    label = _text(found["heading"])
    return (
        f'<section><h2>{label}</h2><div id="over-{number}"></div>'
        f'<div class="scroll" tabindex="0" role="region" aria-label="{label}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
        f'<ul class="soft">{_items(found["notes"])}</ul></section>'
    )


def _failures(found: Iterable[Mapping[str, Any]]) -> str:
    items = "".join(
        f"<details><summary>{_text(each['cell'])}, seed {each['seed']}: {_text(each['status'])}"
        f"{_text(': ' + each['message']) if each['message'] else ''}</summary>"
        f'<pre tabindex="0">{escape(printable(each["traceback"])) or "no traceback"}</pre></details>'
        for each in found
    )
    return f"<section><h2>Failures</h2>{items}</section>" if items else ""


def _environment(values: Mapping[str, Any]) -> str:
    facts = dict(values)
    facts |= {f"{name} (version)": version for name, version in (facts.pop("packages", None) or {}).items()}
    lines = (f"<dt>{_text(name)}</dt><dd>{_text(_said(value))}</dd>" for name, value in facts.items())
    return f'<dl class="facts">{"".join(lines)}</dl>'


def _said(value: object) -> str:
    return "not known" if value is None else str(value)


def _items(lines: Iterable[str]) -> str:
    return "".join(f"<li>{_text(line)}</li>" for line in lines)


def _text(value: str) -> str:
    return escape(one_line(value))


def _asset(name: str) -> str:
    return files("tlbench.report.page").joinpath("assets", name).read_text("utf-8")
