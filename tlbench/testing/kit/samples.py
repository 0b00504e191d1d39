"""A run that was never carried out: a plan, trials and records as reporters are told of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from tlbench.plan.cell import Cell, Trial, WeightsPlan
from tlbench.plan.plan import MetricPlan, Plan, TaskPlan
from tlbench.plan.request import Request
from tlbench.registry.provenance import Provenance
from tlbench.results.columns import columns_of
from tlbench.results.costs import Cost
from tlbench.results.flat import flatten
from tlbench.results.records import (
    DataRecord,
    EpochRecord,
    ErrorRecord,
    Metrics,
    Record,
    Status,
    TrialKey,
    WeightsRecord,
)
from tlbench.testing.kit.ground import protocol_of

TASK = "tasks/single-label"
METRICS = (
    MetricPlan(name="accuracy", heading="Accuracy", better="higher", unit="share"),
    MetricPlan(name="nll", heading="NLL", better="lower", unit="number"),
)
BEGUN = datetime(2026, 1, 2, 12, tzinfo=UTC)
PLAIN_NAMES = ("mine/net", "mine/half", "mine/images")
HOSTILE = (
    "<script>alert(1)</script>",
    "two\nlines\r\nand\ttabs",
    "=cmd()",
    "+1, @sum; \"quoted\" 'too'",
    "\u202egnp.exe \u05d0\u05d1",
    "../../outside",
    "a" * 2_000,
    "%s {0} $HOME `id`",
    "\x1b[2Jred\x00",
)
"""Names that a page, a spreadsheet, a terminal, a format or a path may take for something else."""


@dataclass(frozen=True)
class SampleRun:
    """A run: its plan, and its trials with their records."""

    plan: Plan
    trials: tuple[tuple[Trial, Record], ...]

    @property
    def records(self) -> list[Record]:
        """All records."""
        return [record for _, record in self.trials]

    def row(self, record: Record) -> dict[str, object]:
        """A record as a flat row."""
        return dict(flatten(record, lambda task: columns_of(self.plan, task)))


def plain_run() -> SampleRun:
    """Trials that ended well."""
    cells = [_cell(*PLAIN_NAMES), _cell("mine/net", "mine/full", "mine/images")]
    return _run("first", [(cell, seed, "ok") for cell in cells for seed in (0, 1)])


def broken_run() -> SampleRun:
    """Trials that ended badly, and one that ended well of which little was measured."""
    statuses: tuple[Status, ...] = ("failed", "out-of-memory", "diverged", "timeout", "crashed", "killed", "ok")
    return _run("broken", [(_cell(*PLAIN_NAMES), seed, status) for seed, status in enumerate(statuses)], bare=True)


def hostile_run() -> SampleRun:
    """Trials whose components have hostile names, and failures with hostile messages."""
    cells = [_cell(name, f"mine/{name}", name[::-1]) for name in HOSTILE]
    trials = [(cell, seed, status) for cell in cells for seed, status in ((0, "ok"), (1, "failed"))]
    return _run("=run() <b>\u202e", trials, said=HOSTILE)  # type: ignore[arg-type]


def _run(
    name: str, wanted: list[tuple[Cell, int, Status]], bare: bool = False, said: tuple[str, ...] = ("it went wrong",)
) -> SampleRun:
    cells = tuple({cell.id: cell for cell, _, _ in wanted}.values())
    origin = Provenance(plugin="mine", distribution="mine", version="1.0")
    provenance = {ref: origin for cell in cells for ref in (cell.backbone, cell.dataset, cell.strategy, cell.task)}
    seeds = 1 + max(seed for _, seed, _ in wanted)
    plan = Plan(
        name=name, created=BEGUN, request=Request(seeds=seeds), cells=cells, provenance=provenance,
        tasks={TASK: TaskPlan(primary="accuracy", metrics=METRICS)},
    )  # fmt: skip
    trials = [
        (Trial(cell=cell, seed=seed), _record(cell, seed, status, bare, said[place % len(said)]))
        for place, (cell, seed, status) in enumerate(wanted)
    ]
    return SampleRun(plan, tuple(trials))


def _cell(backbone: str, strategy: str, dataset: str) -> Cell:
    return Cell(
        backbone=backbone, source="none", dataset=dataset, strategy=strategy, device="cpu", protocol=protocol_of(2, 32),
        learning_rate=1e-3, weights=WeightsPlan(kind="random", reason="none-published"), dataset_digest="00", task=TASK,
    )  # fmt: skip


def _record(cell: Cell, seed: int, status: Status, bare: bool, said: str) -> Record:
    trial = Trial(cell=cell, seed=seed)
    common = {
        "trial": TrialKey(id=trial.id, cell_id=cell.id, seed=seed, cell=cell),
        "status": status,
        "started": BEGUN,
        "weights": WeightsRecord(kind="random", reason="none-published"),
    }
    if status != "ok":
        error = ErrorRecord(type="ValueError", message=said, traceback=f"Traceback:\n  {said}")
        return Record.model_validate(common | {"error": error})
    found = {"accuracy": None if bare else 0.75, "nll": 0.5}
    return Record.model_validate(
        common
        | {
            "data": DataRecord(
                names=[said, "other"], train_images=100, val_images=10, test_images=20, duplicates_train_test=0
            ),
            "learning_rate": 1e-3,
            "metrics": Metrics(primary="accuracy", test=found, val=found, train_loss=None if bare else 0.25),
            "history": [] if bare else [EpochRecord(phase=0, epoch=each, train_loss=1 / each) for each in (1, 2)],
            "notes": {said: said, "number": None if bare else 1.5},
            "cost": None if bare else COST,
        }
    )


COST = Cost(
    concurrent_trials=1, paid_seconds=9.0, load_seconds=1.0, train_seconds=7.0, evaluate_seconds=1.0, warmup_steps=3,
    warmup_seconds=0.5, images_per_second=200.0, passes=1.0, inference_images_per_second=900.0,
    inference_images_per_second_one=90.0, phases=[], peak_memory_bytes=300 * 2**20, memory_basis="resident-growth",
    trainable_parameters=5_000, total_parameters=11_000_000,
)  # fmt: skip
"""What a trial of a sample costs; what is not stated was not measured."""
