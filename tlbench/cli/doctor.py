"""`tlbench doctor`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tlbench.cli.app import Debug, app
from tlbench.cli.plugged import plugged

if TYPE_CHECKING:
    from rich.console import Console

    from tlbench.measure.diagnosis import Diagnosis
    from tlbench.session.noise import Noise


@app.command()
@plugged
def doctor(
    noise: Annotated[
        bool, typer.Option("--noise", help="Repeat one short cell, and report the spread of every cost.")
    ] = False,
    repeats: Annotated[int, typer.Option(help="How often --noise repeats it.", min=2)] = 5,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
    debug: Debug = False,
) -> None:
    """Show the machine, and what spoils measurements on it, with the remedy."""
    from tlbench.cli.output import progress_console, result_console
    from tlbench.execute.process import call
    from tlbench.measure.diagnosis import diagnose
    from tlbench.plan.request import make_request
    from tlbench.report.progress import ConsoleDisplay
    from tlbench.session.noise import known_noise, measure_noise

    display = ConsoleDisplay(progress_console())
    request = make_request(device=device)
    display.note("looking at the machine for some seconds")
    found: Diagnosis = call(diagnose, request.device, on_event=display.note)
    try:
        spread = measure_noise(repeats, request.device, display) if noise else known_noise(found.environment)
    finally:
        display.close()
    if as_json:
        print(json.dumps(_document(found, spread), indent=1))
    else:
        _print(found, spread, result_console())


def _document(found: Diagnosis, spread: Noise | None) -> dict[str, Any]:
    return {
        "device": found.device,
        "environment": found.environment,
        "readings": found.readings.model_dump(),
        "peak_flops_per_second": found.peak_flops_per_second,
        "energy": found.energy,
        "findings": [finding.model_dump() for finding in found.findings],
        "noise": None if spread is None else spread.model_dump(mode="json"),
    }


def _print(found: Diagnosis, spread: Noise | None, console: Console) -> None:
    from rich.text import Text

    facts = found.environment
    facts["packages"] = ", ".join(f"{name} {version}" for name, version in facts["packages"].items())
    for name in [name for name in facts if name.endswith("_bytes") and facts[name] is not None]:
        facts[name] = f"{facts[name] / 2**30:.1f} GiB"
    facts["peak"] = ", ".join(f"{name} {peak / 1e9:.0f} GFLOP/s" for name, peak in found.peak_flops_per_second.items())
    facts["energy"] = found.energy
    facts["jitter"] = f"{found.readings.product_jitter_percent:.1f} % (a matrix product's p95 over its median)"
    for name, value in {"device": found.device, **facts}.items():
        shown = name.removesuffix("_bytes").replace("_", " ")
        console.print(Text(f"{shown:<22}{'–' if value is None else value}"))
    console.print()
    for finding in found.findings:
        console.print(Text(f"! {finding.problem}", style="yellow"))
        console.print(Text(f"  {finding.remedy}"))
    if not found.findings:
        console.print(Text("Nothing was found that spoils measurements.", style="green"))
    _print_noise(spread, console)


def _print_noise(spread: Noise | None, console: Console) -> None:
    from rich import box
    from rich.table import Table

    console.print()
    if spread is None:
        console.print("The noise floor of this machine has not been measured: tlbench doctor --noise")
        return
    repeats = max(each.n for each in spread.spreads.values())
    console.print(f"Noise floor, {repeats} repeats of one cell, measured {spread.measured:%Y-%m-%d %H:%M} UTC:")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("cost")
    for heading in ("median", "lowest", "highest", "deviation %", "range %"):
        table.add_column(heading, justify="right")
    for name, each in spread.spreads.items():
        figures = (f"{value:.4g}" for value in (each.median, each.lowest, each.highest))
        table.add_row(name, *figures, f"{each.deviation_percent:.1f}", f"{each.range_percent:.1f}")
    console.print(table)
