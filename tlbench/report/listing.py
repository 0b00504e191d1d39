"""The tables of `tlbench list`."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from tlbench.report.text import NOTHING, count, rates

BACKBONE_COLUMNS = {
    "name": False, "params": True, "GMACs": True, "input": True, "ImageNet": True, "licence": False, "weights": False,
}  # fmt: skip
"""The headings of the table of backbones, and whether a column's numbers are set to the right."""
LEGEND = (
    "params: with ImageNet's 1,000 classes. GMACs: multiply-adds of one image's prediction, in billions. "
    "input: pixels of a side of the images that the weights were trained on, which params and GMACs are counted at. "
    "ImageNet: top-1 accuracy on ImageNet-1k as the provider states it (timm's package states none). "
    "weights: present on this machine, or to download."
)


def print_backbones(found: list[dict[str, Any]], console: Console) -> None:
    """Backbones with the facts that they are chosen by."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for heading, right in BACKBONE_COLUMNS.items():
        table.add_column(heading, overflow="fold", justify="right" if right else "left")
    for row in found:
        table.add_row(*_backbone_cells(row))
    console.print(table)


def _backbone_cells(row: dict[str, Any]) -> list[str]:
    accuracy, macs, size = row["imagenet_accuracy"], row["multiply_adds"], row["image_size"]
    return [
        row["name"],
        count(row["parameters"]),
        NOTHING if macs is None else f"{macs / 1e9:.3g}",
        NOTHING if size is None else str(size),
        NOTHING if accuracy is None else f"{100 * accuracy:.1f}%",
        row["licence"] or NOTHING,
        (row["weights"] or NOTHING).replace("-", " "),
    ]


def print_components(found: list[dict[str, Any]], verbose: bool, console: Console) -> None:
    """Components of any kind with their summaries; `verbose`, what they cite, their options, and further lines."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for heading in ("name", "summary", "from"):
        table.add_column(heading, overflow="fold")
    for row in found:
        table.add_row(row["name"], row["summary"], f"{row['distribution']} {row['version']}".strip())
        for name in ("details", "when", "paper") if verbose else ():
            if row.get(name):
                table.add_row("", row[name] if name == "details" else f"{name}: {row[name]}", "")
        if verbose and row.get("tasks"):
            table.add_row("", f"tasks: {', '.join(row['tasks'])}", "")
        if verbose and row.get("learning_rates"):
            table.add_row("", f"rates: {rates(row['learning_rates'])}", "")
        for line in row.get("lines", []) if verbose else []:
            table.add_row("", line, "")
        for option in row.get("options", []) if verbose else []:
            default = "required" if option["required"] else f"default {option['default']}"
            described = f": {option['description']}" if option["description"] else ""
            table.add_row(f"  :{option['name']}=", f"{option['type']}, {default}{described}", "")
    console.print(table)


def print_blocks(row: dict[str, Any], console: Console) -> None:
    """A backbone's blocks and head."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for heading, justify in (("block", "right"), ("stage", "right"), ("parameters", "right"), ("output of", "left")):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    table.add_column("with", overflow="fold")
    for block in row["blocks"]:
        table.add_row(
            *(str(block["block"]), str(block["stage"]), f"{block['parameters']:,}", block["output"]),
            ", ".join(path for path in block["modules"] if path != block["output"]),
        )
    table.add_row("head", "", f"{row['head']['parameters']:,}", ", ".join(row["head"]["modules"]), "")
    console.print()
    console.print(table)
