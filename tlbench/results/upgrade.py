"""Documents of earlier schema versions, made into those of the present one.

Schema 2 knew one task, and had its figures as fields of their own.
"""

from __future__ import annotations

from typing import Any

TASK = "tasks/single-label"
METRICS = (
    ("accuracy", "Accuracy", "higher", "share"),
    ("top5_accuracy", "Top 5", "higher", "share"),
    ("balanced_accuracy", "Balanced", "higher", "fraction"),
    ("macro_f1", "Macro F1", "higher", "fraction"),
    ("nll", "NLL", "lower", "number"),
    ("ece", "ECE", "lower", "number"),
)
CHANCE = 1.05
"""Up to how many times one class's share counted as chance."""

Document = dict[str, Any]


def upgraded_plan(document: Document) -> Document:
    """A plan of schema 2 or 3."""
    if document.get("schema_version") != 2:
        return document
    names = ("name", "heading", "better", "unit")
    metrics = [dict(zip(names, each, strict=True)) for each in METRICS]
    return document | {"schema_version": 3, "tasks": {TASK: {"primary": "accuracy", "metrics": metrics}}}


def upgraded_record(document: Document) -> Document:
    """A record of schema 2 or 3."""
    if document.get("schema_version") != 2:
        return document
    document = document | {"schema_version": 3}
    if metrics := document.get("metrics"):
        document["metrics"] = _metrics(metrics)
    document["history"] = [_renamed(each, {"val_accuracy": "val"}) for each in document.get("history", [])]
    names = {"val_accuracy": "val", "val_nll": "val_loss"}
    document["tuning"] = [_renamed(each, names) for each in document.get("tuning", [])]
    if data := document.get("data"):
        document["data"] = {key: value for key, value in data.items() if key not in ("classes", "class_names")}
        document["data"]["names"] = data.get("class_names", [])
    return document


def _metrics(old: Document) -> Document:
    by_class = old.get("per_class_accuracy") or []
    occurring = [each for each in by_class if each is not None]
    share = 1 / len(occurring) if len(occurring) > 1 else None
    return {
        "primary": "accuracy",
        "test": {name: old.get(name) for name, *_ in METRICS},
        "val": {"accuracy": old.get("val_accuracy")},
        "by_target": {"accuracy": by_class} if by_class else {},
        "at_chance": share is not None and sum(occurring) / len(occurring) <= CHANCE * share,
        "train_loss": old.get("train_loss"),
    }


def _renamed(document: Document, names: dict[str, str]) -> Document:
    return {names.get(key, key): value for key, value in document.items()}
