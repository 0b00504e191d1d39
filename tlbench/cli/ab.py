"""`tlbench ab`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from tlbench.cli.app import Debug, Quiet, Results, app
from tlbench.cli.compare import GATE_FELL, Form
from tlbench.errors import UserError

ACCEPT = {"allow_extra_args": True, "ignore_unknown_options": True}
DEFAULT_GATE = "train_with_features_seconds=5%"
NOTHING_RUN = ("--dry-run", "--print-config", "--help", "-h")


@app.command(context_settings=ACCEPT)
def ab(
    context: typer.Context,
    base: Annotated[
        str, typer.Option("--base", metavar="REF|ENV", help="A git revision, an interpreter, or an environment.")
    ],
    head: Annotated[
        str | None, typer.Option("--head", metavar="REF|ENV", help="The same.", show_default="this environment")
    ] = None,
    gate: Annotated[
        list[str] | None,
        typer.Option(
            "--gate",
            metavar="[CELLS:]COLUMN=MOST[%]",
            help="The most that a column may become worse, as in tlbench compare. May be repeated.",
            show_default=DEFAULT_GATE,
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE.toml", help="Options of tlbench run, and gates.")
    ] = None,
    budget: Annotated[float, typer.Option("--budget", metavar="MINUTES", help="Time for rounds.", min=0.0)] = 20.0,
    most: Annotated[int, typer.Option("--rounds", help="The most rounds; it takes four to be certain.", min=1)] = 40,
    error_rate: Annotated[
        float, typer.Option("--error-rate", help="The share of false alarms of all gates together.", min=1e-6, max=0.5)
    ] = 0.05,
    form: Annotated[Form, typer.Option("--format", help="How to show it.")] = Form.table,
    name: Annotated[
        str | None, typer.Option("--name", help="Where rounds are kept, in --results.", show_default="date and time")
    ] = None,
    results: Results = Path("results"),
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Measure two installations in turns on this machine, until it is clear whether costs have become worse.

    Each side is a git revision of the repository here, which is installed into an environment of its own, or an
    interpreter. All other options are those of tlbench run: --backbones, --strategies, … A regression is measured
    again before it counts; then the exit status is 3.
    """
    from tlbench.ab.course import Budget, carry_out
    from tlbench.ab.installation import installation, this_installation
    from tlbench.ab.rounds import Rounds
    from tlbench.ab.shown import conclusion, document
    from tlbench.cli.output import progress_console, result_console
    from tlbench.cli.start import check_name
    from tlbench.cli.step_summary import add_to_step_summary
    from tlbench.compare.gates import parse_gate, read_gates
    from tlbench.compare.printed import print_comparison, to_markdown
    from tlbench.files import write_whole
    from tlbench.results.store import check_writable
    from tlbench.words import printable

    if refused := next((each for each in context.args if each in NOTHING_RUN), None):
        raise UserError(f"tlbench ab runs both sides; it does not take {refused}, an option of tlbench run")
    asked = [*(gate or ()), *(read_gates(config) if config else ())] or [DEFAULT_GATE]
    gates = [parse_gate(each) for each in asked]
    if name is not None:
        check_name(name)
    folder = results / (name or f"ab-{datetime.now():%Y-%m-%d-%H%M%S}")
    check_writable(results)
    if folder.exists():
        raise UserError(f"{folder} exists; take another --name")
    console = progress_console(quiet=quiet)

    def tell(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    first = installation(base, Path.cwd(), tell)
    second = this_installation() if head is None else installation(head, Path.cwd(), tell)
    for side, each in (("base", first), ("head", second)):
        tell(f"{side}: {each.described}, tlbench {each.version}")
    options = [*(["--config", str(config)] if config else []), *context.args]
    rounds = Rounds(first, second, tuple(options), folder.absolute())
    rounds.check()
    outcome = carry_out(rounds.round, gates, Budget(60 * budget, most, error_rate), tell)
    text = document(outcome, first, second)
    write_whole(folder / "ab.json", text + "\n")
    found, notes = outcome.first, list(conclusion(outcome))

    def markdown() -> str:
        return "\n".join([to_markdown(found.comparison, found.judgements, False), *(f"{note}  " for note in notes)])

    if form is Form.json:
        print(text)
    elif form is Form.markdown:
        print(markdown())
    else:
        print_comparison(found.comparison, found.judgements, False, result_console())
        for note in notes:
            print(printable(note))
    add_to_step_summary("tlbench ab", markdown)
    tell(f"rounds are in {folder}")
    if outcome.confirmed:
        raise typer.Exit(GATE_FELL)
