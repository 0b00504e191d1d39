"""Documents of earlier schema versions, made into those of the present one.

Schema 2 knew one task, and had its figures as fields of their own. Schema 3 had other names than the options for
fields of the protocol.
"""

from __future__ import annotations

from typing import Any

EARLIER_VERSIONS = (2, 3)
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
    """A plan of schema 2, 3 or 4."""
    version = document.get("schema_version")
    if version not in EARLIER_VERSIONS:
        return document
    document = document | {"schema_version": 4, "cells": [_renamed_cell(each) for each in document["cells"]]}
    if version == 2:
        names = ("name", "heading", "better", "unit")
        metrics = [dict(zip(names, each, strict=True)) for each in METRICS]
        document["tasks"] = {TASK: {"primary": "accuracy", "metrics": metrics}}
    return document


def upgraded_record(document: Document) -> Document:
    """A record of schema 2, 3 or 4."""
    version = document.get("schema_version")
    if version not in EARLIER_VERSIONS:
        return document
    trial = document["trial"]
    document = document | {"schema_version": 4, "trial": trial | {"cell": _renamed_cell(trial["cell"])}}
    return _with_metrics_by_name(document) if version == 2 else document


def _renamed_cell(cell: Document) -> Document:
    """A cell whose protocol has the names of the options, and 0 for what is off."""
    protocol = _renamed(cell["protocol"], {"warmup_share": "warmup", "augmentation": "augment"})
    off = {name: 0.0 for name in OFF if name in protocol and protocol[name] is None}
    return cell | {"protocol": protocol | off}


OFF = ("gradient_clip", "mixup", "cutmix", "ema")
"""Options that were null where they were off."""


def _with_metrics_by_name(document: Document) -> Document:
    document = dict(document)
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
