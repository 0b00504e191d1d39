"""The README's and docs/speed.md's figures of speed, from benchmarks/results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"
BEGIN, END = "<!-- speed: begin (made by docs/generate.py from benchmarks/results) -->", "<!-- speed: end -->"
LITE0, RESNET50 = "EfficientNet-Lite0", "ResNet-50"
RATIOS = (
    ("test_harness_against_bare_loop[lite0]", f"a training step of the harness, {LITE0} at 96 px",
     "the same in a bare loop", "at most 1.02"),
    ("test_harness_against_bare_loop[resnet50]", f"the same, {RESNET50}", "", "at most 1.02"),
    ("test_last_block_trainable_for_ten_epochs",
     "last block trainable (MBConv block and convolution head), 10 epochs, its features computed",
     "without features", "at most 1/3"),
    ("test_precision_auto_on_resnet50", f"{RESNET50} at 224 px, as `--precision auto` chooses",
     "fp32 in contiguous memory", "at most 1/3"),
    ("test_compiled_step", f"a step of {LITE0} compiled by inductor", "not compiled", ""),
    ("test_freed_memory_kept", f"a step of {LITE0} where freed memory is kept", "where glibc gives it back", ""),
    ("test_predictions_in_small_batches", "predictions of 128 images, 32 at a time", "all at once", ""),
    ("test_folded_batchnorms", f"features of {LITE0}'s body with BatchNorms folded", "not folded", ""),
    ("test_features_by_packed_convolutions", "the same by convolutions laid out once, with their activations",
     "BatchNorms folded alone", ""),
)  # fmt: skip
SECONDS = (
    ("test_help", "`tlbench --help`", "0.25 s"),
    ("test_a_process_that_does_nothing", "a process that does nothing, after the first", "60 ms"),
    ("test_ten_thousand_records", "loading and tabling 10,000 records", "2 s"),
)

SENTENCES = """In the median, a training step of the harness takes {lite0:.2f} times that of a bare loop on
EfficientNet-Lite0 and {resnet50:.2f} times on ResNet-50. Whole commands against others, side by side on two CPU cores
([Speed](docs/speed.md)): `full` for 2 epochs is {tutorial:.2g} times as fast as the tutorial's loop, {lightning:.2g} as
Lightning, {fastai:.2g} as fastai, {trainer:.2g} as Hugging Face's Trainer and {loop:.2g} as a bare in-memory loop;
`freeze` for 10 epochs is {freeze:.2g} times as fast as the tutorial's loop, and with 4 learning rates × 5 seeds for 100
epochs some {grid:.0f} times (projected)."""


def benchmarks() -> dict[str, dict[str, Any]]:
    """The committed benchmarks by name."""
    found = json.loads((RESULTS / "cpu.json").read_text("utf-8"))["benchmarks"]
    return {each["name"]: each for each in found}


def within_a_process() -> str:
    """The two tables of docs/speed.md."""
    found = benchmarks()
    lines = ["| what | against | ratio of times | target |", "| --- | --- | --- | --- |"]
    for name, what, against, target in RATIOS:
        info = found[name]["extra_info"]
        chosen = f" ({info['chosen'].replace(' ', ', ')})" if "chosen" in info else ""
        lines.append(f"| {what}{chosen} | {against} | {_ratio(info)} | {target} |")
    lines += ["", "| what | median | target |", "| --- | --- | --- |"]
    for name, what, target in SECONDS:
        median = found[name]["stats"]["median"]
        shown = f"{1000 * median:.0f} ms" if median < 0.1 else f"{median:.2g} s"
        lines.append(f"| {what} | {shown} | {target} |")
    return "\n".join(lines)


def _ratio(info: dict[str, Any]) -> str:
    """A ratio; one well below 1 as its inverse."""
    ratio = info["ratio"]
    shown = f"1/{1 / ratio:.1f}" if ratio < 0.5 else f"{ratio:.2f}" if "chosen" not in info else f"1/{ratio:.1f}"
    rounds = ", ".join(f"{each:.1f}" for each in info.get("ratios", ()))
    return f"{shown} (rounds: {rounds})" if rounds else shown


def readme() -> str:
    """The README's sentences."""
    found = benchmarks()
    peers = json.loads((RESULTS / "peers.json").read_text("utf-8"))["jobs"]
    step = {
        name: found[f"test_harness_against_bare_loop[{name}]"]["extra_info"]["ratio"] for name in ("lite0", "resnet50")
    }
    full, freeze = (peers[job]["peer / tlbench"] for job in ("full, 2 epochs", "freeze, 10 epochs"))
    (grid,) = (each["peer / tlbench"] for job, each in peers.items() if job.startswith("freeze, 4 rates"))
    return SENTENCES.format(
        lite0=step["lite0"],
        resnet50=step["resnet50"],
        tutorial=full["tutorial"],
        lightning=full["Lightning"],
        fastai=full["fastai"],
        trainer=full["HF Trainer"],
        loop=full["bare loop"],
        freeze=freeze["tutorial"],
        grid=next(iter(grid.values())),
    )


def between(text: str, made: str) -> str:
    """A page with what is made between its marks."""
    before, begin, rest = text.partition(BEGIN)
    _, end, behind = rest.partition(END)
    if not (begin and end):
        raise ValueError("the marks of the figures of speed are missing")
    return f"{before}{BEGIN}\n{made}\n{END}{behind}"
