"""`tlbench run` and `tlbench resume`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tlbench.cli.app import Block, Debug, Quiet, Results, app
from tlbench.errors import UserError
from tlbench.words import split_names

if TYPE_CHECKING:
    from tlbench.plan.request import Request

NAME = re.compile(r"[^/\\\x00-\x1f\x7f]+")
LONGEST_NAME = 200
"""Bytes: file systems take 255, and temporary names are longer."""
RETRIED = ("failed", "crashed", "out-of-memory", "timeout", "diverged")


def _names(values: list[str] | None) -> tuple[str, ...] | None:
    """Names given with commas, by repeating the option, or both; the comma of a path that there is parts no names."""
    if values is None:
        return None
    return tuple(name for value in values for name in split_names(value))


def _rates(text: str) -> tuple[str, ...]:
    """The values of `lr=A,B,…`."""
    name, equals, values = text.partition("=")
    if name.strip() != "lr" or not equals:
        raise UserError(
            f"--tune {text!r} is not of the form lr=1e-4,3e-4,1e-3 or lr=0.3x,1x,3x "
            f"(only the learning rate can be tuned)"
        )
    return tuple(each.strip() for each in values.split(",") if each.strip())


def _list_option(flag: str, what: str, default: str) -> typer.models.OptionInfo:
    text = f"{what}, separated by commas or by repeating the option."
    option: typer.models.OptionInfo = typer.Option(flag, metavar="NAMES", help=text, show_default=default)
    return option


@app.command()
def run(
    backbones: Annotated[
        list[str] | None, _list_option("--backbones", "Backbones", "packaged/efficientnet_lite0")
    ] = None,
    strategies: Annotated[list[str] | None, _list_option("--strategies", "Strategies", "freeze,full")] = None,
    datasets: Annotated[list[str] | None, _list_option("--datasets", "Datasets", "digits")] = None,
    seeds: Annotated[int, typer.Option(help="How many seeds each cell runs with.")] = 1,
    epochs: Annotated[int | None, typer.Option(help="Epochs.", show_default="5 on CPU, 10 on GPU")] = None,
    budget: Annotated[
        str,
        typer.Option(
            help="What --epochs counts: epochs of each training that a strategy makes, or passes: of all its trainings "
            "together, so that all strategies spend the same."
        ),
    ] = "epochs",
    batch_size: Annotated[int, typer.Option(help="Images in a training step.")] = 32,
    image_size: Annotated[
        int | None, typer.Option(help="Pixels of an image's side.", show_default="follows weights and dataset")
    ] = None,
    train_size: Annotated[
        str | None,
        typer.Option(metavar="N|all", help="At most so many training images.", show_default="2000 on CPU, all on GPU"),
    ] = None,
    test_size: Annotated[
        str | None,
        typer.Option(metavar="N|all", help="At most so many test images.", show_default="1000 on CPU, all on GPU"),
    ] = None,
    drop_duplicates: Annotated[
        bool,
        typer.Option("--drop-duplicates", help="Leave training images out that val or test has, too, or nearly."),
    ] = False,
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="Go on without the images that can't be decoded.")
    ] = False,
    lr: Annotated[
        float | None, typer.Option(help="One learning rate for all.", show_default="each strategy's own")
    ] = None,
    tune: Annotated[
        str | None,
        typer.Option(
            metavar="lr=A,B,…",
            help="Learning rates for every strategy to choose from, on val; 3x is three times its own default.",
            show_default="none",
        ),
    ] = None,
    precision: Annotated[
        str,
        typer.Option(
            help="fp32, bf16 or fp16 (autocast), or auto: the fastest for each model, by a short measurement."
        ),
    ] = "fp32",
    memory_format: Annotated[
        str,
        typer.Option(
            help="The order of images in memory: contiguous, channels_last, or auto (channels_last; with --precision "
            "auto, the faster for each model)."
        ),
    ] = "auto",
    compile_: Annotated[
        str, typer.Option("--compile", help="torch.compile: off, on, or auto: where the steps ahead repay it.")
    ] = "off",
    augment: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help="Random changes of training images: trivial, rand, crop, pad, flip, colour, erase (extra: augment).",
            show_default="none",
        ),
    ] = "",
    optimizer: Annotated[str, typer.Option(help="adamw, or sgd (Nesterov's momentum, 0.9).")] = "adamw",
    schedule: Annotated[str, typer.Option(help="The rate after warm-up: cosine (falls to 0) or constant.")] = "cosine",
    warmup: Annotated[float, typer.Option(help="The share of a phase's steps in which the rate rises.")] = 0.1,
    weight_decay: Annotated[float, typer.Option(help="Of kernels and matrices, not of biases and norms.")] = 0.01,
    gradient_clip: Annotated[float, typer.Option(help="The largest norm of a step's gradient; 0 for any.")] = 1.0,
    label_smoothing: Annotated[float, typer.Option(help="The share of a label spread over all classes.")] = 0.0,
    mixup: Annotated[float, typer.Option(help="Mix pairs of images and labels; alpha, 0 for none.")] = 0.0,
    cutmix: Annotated[float, typer.Option(help="Paste a part of one image into another; alpha, 0 for none.")] = 0.0,
    ema: Annotated[float, typer.Option(help="Test a moving average of the weights; its decay, 0 for none.")] = 0.0,
    class_weights: Annotated[
        bool, typer.Option("--class-weights", help="Let all classes count alike in the loss, however many images each.")
    ] = False,
    batchnorm: Annotated[
        str,
        typer.Option(
            help="BatchNorm statistics of what is trained: train (they move), frozen, or auto: frozen where steps or "
            "batches are too few for new ones."
        ),
    ] = "auto",
    select: Annotated[str, typer.Option(help="Which epoch's model is tested: the last, or the best on val.")] = "last",
    patience: Annotated[
        int | None,
        typer.Option(help="Stop when val has not improved for so many epochs; means --select best.", show_default="no"),
    ] = None,
    find_batch_size: Annotated[
        bool, typer.Option("--find-batch-size", help="Halve --batch-size until a step of every cell fits into memory.")
    ] = False,
    deterministic: Annotated[
        bool, typer.Option("--deterministic", help="Bit-identical training on the same machine; may be slower.")
    ] = False,
    vary: Annotated[
        str, typer.Option(help="What the seed decides; leave some out to hold them as with seed 0.")
    ] = "initialisation,order,augmentation",
    features: Annotated[
        str, typer.Option(help="Features of a frozen part: cache (computed once) or compute (in every step).")
    ] = "cache",
    detail: Annotated[
        bool, typer.Option("--detail", help="Time the parts of each step: data, forward, backward, optimizer.")
    ] = False,
    weights: Annotated[
        str,
        typer.Option(
            help="auto: pretrained where they can be had, else random and marked so; pretrained: or else stop; "
            "random; or a FILE of tensors; for single backbones NAME=FILE,NAME=random."
        ),
    ] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    jobs: Annotated[
        str,
        typer.Option(
            metavar="N|auto",
            help="Trials at once; more than one disturbs the timings, which are marked. auto: a one-thread trial on "
            "every core, where that is measured to get more done; on several GPUs (cuda), one on each.",
        ),
    ] = "1",
    timeout: Annotated[float | None, typer.Option(help="Seconds that a trial may take.", show_default="none")] = None,
    data_root: Annotated[
        Path | None, typer.Option(help="Where downloaded datasets lie. Also: $TLBENCH_DATA_ROOT.")
    ] = None,
    results: Results = Path("results"),
    name: Annotated[
        str | None,
        typer.Option(help="The run's name; an existing one goes on.", show_default="date and time"),
    ] = None,
    block: Block = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, say the plan, run nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Write the records as JSON to stdout.")] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Fine-tune every backbone on every dataset by every strategy, and compare.

    Without options: packaged ImageNet weights (EfficientNet-Lite0) on scikit-learn's digits, offline.
    """
    from tlbench.plan.request import make_request

    request = make_request(
        backbones=_names(backbones),
        datasets=_names(datasets),
        strategies=_names(strategies),
        seeds=seeds,
        epochs=epochs,
        budget=budget,
        batch_size=batch_size,
        image_size=image_size,
        train_size=train_size,
        test_size=test_size,
        drop_duplicates=drop_duplicates,
        skip_unreadable=skip_unreadable,
        lr=lr,
        tune=None if tune is None else _rates(tune),
        precision=precision,
        memory_format=memory_format,
        compile=compile_,
        augment=tuple(each.strip() for each in augment.split(",") if each.strip()),
        optimizer=optimizer,
        schedule=schedule,
        warmup=warmup,
        weight_decay=weight_decay,
        gradient_clip=gradient_clip,
        label_smoothing=label_smoothing,
        mixup=mixup,
        cutmix=cutmix,
        ema=ema,
        class_weights=class_weights,
        batchnorm=batchnorm,
        select=select,
        patience=patience,
        find_batch_size=find_batch_size,
        deterministic=deterministic,
        vary=tuple(each.strip() for each in vary.split(",") if each.strip()),
        features=features,
        detail=detail,
        weights=weights,
        device=device,
        jobs=jobs,
        timeout_seconds=timeout,
        data_root=data_root,
        block=tuple(block or ()),
    )
    _start(request, results, name, as_json, quiet=quiet, dry_run=dry_run)


@app.command()
def resume(
    run: Annotated[str, typer.Argument(help="The run's name, or its folder.")],
    results: Results = Path("results"),
    retry_failed: Annotated[
        bool,
        typer.Option("--retry-failed", help="Try again what failed, crashed, diverged, or ran out of memory or time."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Write the records as JSON to stdout.")] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Go on with a run: the trials that have no record yet, or were killed or interrupted."""
    from tlbench.results.store import find_run

    folder = find_run(run, results)
    request = folder.plan().request
    retry = RETRIED if retry_failed else ()
    _start(request, folder.path.parent, folder.path.name, as_json, quiet=quiet, retry=retry)


def _start(
    request: Request,
    results: Path,
    name: str | None,
    as_json: bool,
    *,
    quiet: bool,
    dry_run: bool = False,
    retry: tuple[str, ...] = (),
) -> None:
    from tlbench.cli.output import print_results, progress_console
    from tlbench.report.progress import ConsoleDisplay, shared, summary
    from tlbench.session import start
    from tlbench.trial.jobs import load_per_core

    if name is not None and (name in ("", ".", "..") or not NAME.fullmatch(name) or len(name.encode()) > LONGEST_NAME):
        shown = repr(name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}…")
        raise UserError(f"--name {shown} can't name a folder; use up to {LONGEST_NAME} letters, digits, - and _")
    display = ConsoleDisplay(progress_console(quiet=quiet))
    if (load := load_per_core()) > 1 and not dry_run:
        display.note(
            f"warning: the machine is busy (load {load:.1f} per core); times will be longer and vary more. "
            f"Close other programs, or judge by accuracy alone; `tlbench doctor` says more"
        )
    try:
        outcome = start(request, results, name, display, retry=retry, dry_run=dry_run)  # type: ignore[arg-type]
    finally:
        display.close()
    if dry_run:
        if as_json:
            print(outcome.plan.model_dump_json(indent=1))
        return
    form = "json" if as_json else "table"
    print_results(outcome.plan, outcome.records, outcome.folder, form, outcome.plan.request.detail)
    total = sum(1 for _ in outcome.plan.trials())
    saved = shared(outcome.records)
    display.note(
        f"\n{summary(outcome.records, total)}{f'; {saved}' if saved else ''}; records in {outcome.folder.path}"
    )
    if outcome.interrupted:
        display.note(f"interrupted; go on with: tlbench resume {outcome.folder.path}")
        raise typer.Exit(130)
    if any(record.status != "ok" for record in outcome.records):
        raise typer.Exit(1)
