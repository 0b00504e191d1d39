"""`tlbench predict`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tlbench.cli.app import Debug, Results, app
from tlbench.cli.plugged import plugged

if TYPE_CHECKING:
    from tlbench.saved.model import Predicted

MOST = 5
"""Values that the table shows of each image."""


@app.command()
@plugged
def predict(
    model: Annotated[str, typer.Argument(help="RUN/TRIAL_ID, or the folder of a saved model.")],
    images: Annotated[list[Path], typer.Argument(help="Image files.")],
    top: Annotated[int, typer.Option(help="How many values the table shows for each image.", min=1)] = MOST,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:N or mps.")] = "cpu",
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON, with all values.")] = False,
    results: Results = Path("results"),
    debug: Debug = False,
) -> None:
    """Predict images with a model that a run has saved (`tlbench run --save best`)."""
    from tlbench.saved.document import find_model
    from tlbench.saved.files import check_images

    find_model(model, results)
    check_images(images)
    from tlbench.saved.model import load_model

    found = load_model(model, results, device).predict(images)
    if as_json:
        rows = [{"image": str(image), **row} for image, row in zip(images, found.to_dicts(), strict=True)]
        print(json.dumps(rows, indent=1))
    else:
        _print(images, found, top)


def _print(images: list[Path], found: Predicted, top: int) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from tlbench.cli.output import result_console
    from tlbench.words import printable

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for heading in ("image", "prediction", "values"):
        table.add_column(heading, overflow="fold")
    for image, row in zip(images, found.to_dicts(), strict=True):
        largest = sorted(row["values"].items(), key=lambda each: -each[1])[:top]
        values = ", ".join(f"{name} {value:.3g}" for name, value in largest)
        table.add_row(Text(printable(str(image))), Text(printable(row["answer"])), Text(printable(values)))
    result_console().print(table)
