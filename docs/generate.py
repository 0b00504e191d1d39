"""Makes pages from the strategies' own descriptions and from committed runs: python docs/generate.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import calibration
import ci
import compared
import conformance
import contracts
import difference
import history
import keywords
import on_cuda
import options
import rates
import results_format
import retained
import robustness
import speed
import tasks
import worked_examples

import tlbench
from tlbench.contracts import Strategy
from tlbench.contracts.model import TransferModel
from tlbench.registry.components import Component
from tlbench.registry.kinds import Registry
from tlbench.registry.options import option_type
from tlbench.registry.plugins import load_plugins
from tlbench.report import text
from tlbench_packaged.small_cnn import small_cnn
from tlbench_strategies.partial import gradual_unfreeze, layer_decay

ROOT = Path(__file__).parents[1]
PAGE, COMPARED = ROOT / "docs" / "strategies.md", ROOT / "docs" / "strategies-compared.md"
SPEED = ROOT / "docs" / "speed.md"
OPTIONS, KEYWORDS = ROOT / "docs" / "options.md", ROOT / "tlbench" / "keywords.py"
MEASUREMENT = ROOT / "docs" / "measurement.md"
COMPARE = ROOT / "docs" / "compare.md"
EXAMPLES = ROOT / "docs" / "examples.md"
DIFFERENCE = ROOT / "docs" / "difference.md"
HISTORY = ROOT / "docs" / "history.md"
TASKS = ROOT / "docs" / "tasks.md"
CONTRACTS = ROOT / "docs" / "contracts.md"
RESULTS_FORMAT = ROOT / "docs" / "results-format.md"
CI = ROOT / "docs" / "ci.md"
ROBUSTNESS = ROOT / "docs" / "robustness.md"
CONFORMANCE, FAULTS = ROOT / "docs" / "conformance.md", ROOT / "docs" / "plugin-faults.md"
SOURCES = ROOT / "docs" / "sources.md"
RATES, README = ROOT / "docs" / "rates.md", ROOT / "README.md"
BEGIN, END = "<!-- made by docs/generate.py from results/reference -->", "<!-- until here -->"
INTRODUCTION = """# Strategies

How a pretrained model is adapted. Each is a few lines on the engine's phases
([plugins/tlbench_strategies](../plugins/tlbench_strategies)), to be read before it is cited;
[Growth](growth.md) is about those that make a small model larger.
This page is made from the strategies' own descriptions (`python docs/generate.py`); `tlbench list strategies -v`
shows the same, and [Strategies compared](strategies-compared.md) what they did in a committed run. Options go behind
the name, `last-k:k=3` or `model-soup:rates=0.3+1+3`.

All strategies share a protocol: epochs, batch, schedule, augmentation and the rest of `tlbench run --help`. A learning
rate given by `--lr` or `--tune` is for all; left out, each takes its own. Where a strategy has several phases, their
rates are factors of it, and their epochs fractions of the protocol's. Heads are new, drawn by one rule, and `distance`
in the record tells how far the body went from the source, block by block.

**BatchNorm.** Whether the statistics of what a phase trains move is `--batchnorm train|frozen|auto`; those of frozen
modules never do. `auto`, the default for all, freezes those of a pretrained model where the phase has fewer steps than
new statistics take (100 / momentum: 1,000 at a momentum of 0.1) or batches of fewer than 16 images, as is usual in
detection (He et al. 2017, arXiv:1703.06870) and with few images ([measured](rates.md)); from random weights they always
move. `phases[].batchnorm` in the record says what was done and why.

**Seeds.** A seed draws the new head, the order of images, and what is random in the steps. Closed forms leave nothing
of that to chance; there, the seed draws a stratified share of the training images (`subset`, 0.9), so that two rows are
two numbers, and their spread is that of the data. `subset=1` takes all images, and then all seeds give the same.
"""


def page() -> str:
    """The whole page."""
    registry = Registry.of(load_plugins())
    entries = [entry for entry in registry.strategies if entry.origin.distribution == "tlbench"]
    components = [Component(entry, entry.options.model_construct()) for entry in entries]
    return INTRODUCTION + "".join(f"\n{section}\n" for section in [*map(section_of, components), rates_of_blocks()])


def rates_of_blocks() -> str:
    """Of small_cnn's blocks and head: layer-decay's factors, and when gradual-unfreeze trains each."""
    backbone = small_cnn()
    model = TransferModel(backbone.build(10, image_size=32, pretrained=False), backbone)
    (decayed,) = layer_decay.phases(model, layer_decay.options())
    phases = list(gradual_unfreeze.phases(model, gradual_unfreeze.options()))
    lines = [
        "# Rates of blocks over time",
        "",
        "With default options, for `small_cnn`, whose body has four blocks. The factors are of the strategy's rate;",
        "within a phase, rates follow the protocol's warm-up and schedule.",
        "",
        "| part | layer-decay: factor | gradual-unfreeze: trained in the phases | which are of the epochs |",
        "| --- | --- | --- | --- |",
    ]
    for name, part in [*zip(model.block_paths, model.blocks, strict=True), ("head", model.head)]:
        (first, _), *_ = model.parameters(part)
        factor = next(factor for group, factor in decayed.rates if group.holds(first))
        trained = [place for place, phase in enumerate(phases, 1) if phase.part.holds(first)]
        share = sum(phases[place - 1].epochs for place in trained)
        lines.append(f"| {name} | {factor:.4g} | {trained[0]} to {trained[-1]} | {share:.0%} |")
    return "\n".join(lines)


def section_of(component: Component[Strategy]) -> str:
    """One strategy's entry."""
    strategy = component.load()
    parts = [f"## {strategy.name}", strategy.summary, strategy.details]
    parts += [f"*When:* {strategy.when}."] if strategy.when else []
    parts += [f"*Paper:* {strategy.paper}."] if strategy.paper else []
    parts += [f"*Default rates:* {text.rates(strategy.learning_rates)}."] if strategy.learning_rates else []
    parts += [f"*Tasks:* {', '.join(strategy.tasks)}."] if strategy.tasks else []
    parts += ["\n".join(options_of(strategy))] if strategy.options.model_fields else []
    return "\n\n".join(part for part in parts if part)


def options_of(strategy: Strategy) -> Iterator[str]:
    """A table of its options."""
    yield "| option | type | default | what |"
    yield "| --- | --- | --- | --- |"
    for name, field in strategy.options.model_fields.items():
        default = "required" if field.is_required() else field.get_default(call_default_factory=True)
        shown = "+".join(f"{each:g}" for each in default) if isinstance(default, tuple) else default
        kind = option_type(strategy.options, name).replace("|", "or")
        yield f"| {name} | {kind} | {'none' if default is None else shown} | {field.description} |"


def readme(written: str) -> str:
    """The README with the table of the committed reference run between its two marks."""
    before, _, rest = written.partition(BEGIN)
    _, _, behind = rest.partition(END)
    table = tlbench.load("reference", ROOT / "results").to_markdown().strip()
    return speed.between(f"{before}{BEGIN}\n\n{table}\n\n{END}{behind}", speed.readme())


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    COMPARED.write_text(compared.page(), "utf-8")
    SPEED.write_text(speed.between(SPEED.read_text("utf-8"), speed.within_a_process()), "utf-8")
    RATES.write_text(rates.page(), "utf-8")
    OPTIONS.write_text(options.page(), "utf-8")
    KEYWORDS.write_text(keywords.module(), "utf-8")
    COMPARE.write_text(calibration.page(COMPARE.read_text("utf-8")), "utf-8")
    MEASUREMENT.write_text(on_cuda.page(MEASUREMENT.read_text("utf-8")), "utf-8")
    EXAMPLES.write_text(worked_examples.page(), "utf-8")
    DIFFERENCE.write_text(difference.page(), "utf-8")
    HISTORY.write_text(history.page(), "utf-8")
    TASKS.write_text(tasks.page(), "utf-8")
    CONTRACTS.write_text(contracts.page(), "utf-8")
    RESULTS_FORMAT.write_text(results_format.page(), "utf-8")
    CONFORMANCE.write_text(conformance.page(), "utf-8")
    FAULTS.write_text(conformance.faults_page(), "utf-8")
    ROBUSTNESS.write_text(robustness.page(ROBUSTNESS.read_text("utf-8")), "utf-8")
    CI.write_text(ci.page(CI.read_text("utf-8")), "utf-8")
    SOURCES.write_text(retained.page(SOURCES.read_text("utf-8")), "utf-8")
    README.write_text(readme(README.read_text("utf-8")), "utf-8")
