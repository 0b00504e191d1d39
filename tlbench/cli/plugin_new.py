"""`tlbench plugin new`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tlbench.cli.app import Debug
from tlbench.cli.plugin import plugin_app

KINDS = "strategy, backbone, dataset, task, metric, reporter, executor, column"


@plugin_app.command()
def new(
    name: Annotated[str, typer.Argument(help="The name of the package, of its folder, and of the plugin.")],
    kind: Annotated[str, typer.Option("--kind", metavar="KIND,…", help=f"What it adds: {KINDS}, or all.")] = "strategy",
    debug: Debug = False,
) -> None:
    """Write a small complete plugin package into the folder NAME: modules, tests, a CI workflow."""
    from tlbench.scaffold.package import package, write
    from tlbench.words import counted, printable

    made = package(name, kind)
    files = write(made, Path(name))
    print(f"wrote {counted(len(files), 'file')} into {printable(name)}:")
    for file in files:
        print(f"  {file}")
    print("next:")
    for command in (f"pip install -e './{name}[test]'", made.run, f"pytest {name}"):
        print(f"  {command}")
