"""The application that the commands hang on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from tlbench import __version__
from tlbench.cli.lazy import LateGroup


@dataclass
class State:
    """What holds for the whole process."""

    debug: bool = False


state = State()
app = typer.Typer(
    name="tlbench",
    cls=LateGroup,
    help="Which pretrained vision backbone, fine-tuned by which strategy, on your data and your hardware.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


def _set_debug(value: bool) -> bool:
    state.debug = state.debug or value
    return value


def _version(value: bool) -> None:
    if value:
        typer.echo(f"tlbench {__version__}")
        raise typer.Exit


Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks.", callback=_set_debug)]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Write the results and errors alone.")]
Results = Annotated[Path, typer.Option("--results", help="The folder of runs.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="A file to write to.", show_default="stdout")]
Margin = Annotated[
    float | None,
    typer.Option(
        "--margin",
        min=0.0,
        help="Difference below which two rows are practically equal: points of a share, the metric's unit for others.",
        show_default="none",
    ),
]


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Which pretrained vision backbone, fine-tuned by which strategy, on your data and your hardware."""


@app.command(name="run")
def run_stub() -> None:
    """Fine-tune every backbone on every dataset by every strategy, and compare."""
