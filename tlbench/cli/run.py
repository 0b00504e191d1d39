"""`tlbench run`: made when it is asked for, because its flags are a request's fields, and that takes time to import."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tlbench.cli.app import Debug, Quiet, Results
from tlbench.cli.options import given_values, with_flags_of
from tlbench.cli.start import start_and_show
from tlbench.plan.config import config_of, read_config
from tlbench.plan.plugged import with_local
from tlbench.plan.request import Request, make_request

run_app = typer.Typer(context_settings={"help_option_names": ["-h", "--help"]}, pretty_exceptions_enable=False)


@run_app.command()
@with_flags_of(Request)
def run(
    results: Results = Path("results"),
    name: Annotated[
        str | None,
        typer.Option(help="The run's name; an existing one goes on.", show_default="date and time"),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="Options as TOML (batch_size = 64); flags win over them."),
    ] = None,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Write the options as they are understood as TOML, run nothing.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, say the plan, run nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Write the records as JSON to stdout.")] = False,
    quiet: Quiet = False,
    debug: Debug = False,
    **given: Any,
) -> None:
    """Fine-tune every backbone on every dataset by every strategy, and compare.

    Without options: packaged ImageNet weights (EfficientNet-Lite0) on scikit-learn's digits, offline.
    """
    written = {} if config is None else read_config(config)
    flags = {option: value for option, value in given_values(given).items() if value is not None}
    request = make_request(**written | flags)
    if print_config:
        typer.echo(config_of(request), nl=False)
        return
    start_and_show(with_local(request, Path.cwd()), results, name, as_json, quiet=quiet, dry_run=dry_run)
