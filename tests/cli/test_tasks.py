"""Tasks other than single-label classification, by the same command; and a stranger's task, metric and column."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli, Once, PluginMaker
from safetensors.numpy import load_file
from sklearn.metrics import average_precision_score, f1_score, mean_absolute_error, r2_score, root_mean_squared_error

import tlbench


@pytest.fixture
def cli(cli_warm: Cli) -> Cli:
    return cli_warm


TRAINED = ("freeze", "last-k", "lora", "full")
BASELINES = ("majority", "image-stats")


@pytest.fixture(scope="module")
def run(once: Once) -> tlbench.Results:
    """Both datasets, small."""

    def make(folder: Path) -> None:
        tlbench.run(
            datasets="digit-grids,digit-angles", strategies=[*TRAINED, *BASELINES, "ridge", "linear-probe"], epochs=3,
            image_size=48, train_size=400, test_size=200, results=folder, name="tasks", progress=False,
        )  # fmt: skip

    folder, _ = once("tasks", make)
    return tlbench.load(folder / "tasks")


def by_strategy(run: tlbench.Results, dataset: str) -> dict[str, float]:
    """The primary metric of a dataset's trials."""
    found = {}
    for record in run:
        if record.trial.cell.dataset.startswith(f"packaged/{dataset}"):
            assert record.metrics is not None and record.metrics.value is not None, record.error
            found[record.trial.cell.strategy.rpartition("/")[2]] = record.metrics.value
    return found


@pytest.mark.slow
def test_what_is_trained_beats_what_knows_no_image(run: tlbench.Results) -> None:
    precision, error = by_strategy(run, "digit-grids"), by_strategy(run, "digit-angles")
    assert min(precision[name] for name in TRAINED) > max(precision[name] for name in BASELINES)
    assert max(error[name] for name in TRAINED) < min(error[name] for name in BASELINES)


@pytest.mark.slow
def test_a_cell_that_can_not_be_is_left_out_with_the_reason(run: tlbench.Results) -> None:
    assert [text for text in run.plan.left_out if "linear-probe" in text] == [
        "builtin/linear-probe serves single-label, and the task of packaged/digit-grids is tasks/multi-label",
        "builtin/linear-probe serves single-label, and the task of packaged/digit-angles is tasks/regression",
    ]


@pytest.mark.slow
def test_the_metrics_are_scikit_learns_of_the_stored_predictions(run: tlbench.Results) -> None:
    for record in run:
        assert record.predictions is not None and record.metrics is not None
        kept, found = load_file(run.folder / "trials" / record.predictions), record.metrics.test
        if record.metrics.primary == "map":
            labels, scores = kept["labels"], kept["probabilities"]
            said = scores > 0.5
            assert found["map"] == pytest.approx(average_precision_score(labels, scores, average="macro"), rel=1e-5)
            assert found["macro_f1"] == pytest.approx(
                f1_score(labels, said, average="macro", zero_division=0), rel=1e-5
            )
            assert found["micro_f1"] == pytest.approx(
                f1_score(labels, said, average="micro", zero_division=0), rel=1e-5
            )
            assert found["subset_accuracy"] == pytest.approx((labels == said).all(1).mean())
            assert record.metrics.chance == pytest.approx(labels.mean(), abs=0.02)
        else:
            labels, predicted = kept["labels"].astype(float), kept["predicted"].astype(float)
            assert found["mae"] == pytest.approx(mean_absolute_error(labels, predicted), rel=1e-5)
            assert found["rmse"] == pytest.approx(root_mean_squared_error(labels, predicted), rel=1e-5)
            assert found["r2"] == pytest.approx(r2_score(labels, predicted), rel=1e-4, abs=1e-5)
            assert record.metrics.chance == pytest.approx(np.abs(labels - np.median(labels)).mean(), rel=0.05)


@pytest.mark.slow
def test_the_table_has_each_tasks_metric_and_baselines_are_at_chance(run: tlbench.Results) -> None:
    table = run.to_markdown()
    assert "| mAP |" in table and "| MAE |" in table
    assert "MAE: mean absolute error, in the targets' unit; the mean over targets; lower is better." in table
    assert len([line for line in table.splitlines() if "| majority |" in line and "at-chance" in line]) == 2


@pytest.mark.slow
def test_the_heads_of_seeds_and_rates_are_trained_together_for_every_task(tmp_path: Path) -> None:
    run = tlbench.run(
        datasets="digit-grids,digit-angles", strategies="freeze", tune="lr=0.3x,1x", seeds=2, epochs=1, image_size=32,
        train_size=60, test_size=40, results=tmp_path, progress=False,
    )  # fmt: skip
    assert len(run) == 4
    for record in run:
        assert record.cost is not None and record.cost.product_heads == 4, record.error
        assert record.trial.cell.task in ("tasks/multi-label", "tasks/regression")


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--mixup=0.2", "--mixup is not possible with the task of dataset packaged/digit-angles, tasks/regression"),
        ("--class-weights", "--class-weights is not possible with the task of dataset packaged/digit-angles"),
    ],
)
def test_an_option_that_the_task_does_not_know_ends_before_anything_runs(cli: Cli, option: str, said: str) -> None:
    finished = cli("run", "--datasets", "digit-angles", option)
    assert finished.status == 2
    assert said in finished.stderr


STRANGER = '''
import numpy as np
import tlbench
from tlbench import Column, Dataset, ExtraMetric, Metric, Split, hookimpl

tlbench_api = 1


def make_ordinal(options):
    import torch
    import torch.nn.functional as F

    class Cumulative(tlbench.Objective):
        """A logit for each threshold: is the level above it?"""

        def __init__(self, shares):
            self.outputs = len(shares)
            self.shares = torch.tensor(shares).clamp(1e-6, 1 - 1e-6)

        def encoded(self, labels):
            return (labels[:, None] > torch.arange(self.outputs, device=labels.device)).float()

        def losses(self, outputs, labels):
            return F.binary_cross_entropy_with_logits(outputs, self.encoded(labels), reduction="none").mean(1)

        def constant(self):
            return torch.logit(self.shares)

        def predicted(self, outputs):
            above = outputs.sigmoid()
            ends = torch.ones(len(above), 1, device=above.device)
            return torch.cat([ends, above], 1) - torch.cat([above, 0 * ends], 1)

        def kept(self, outputs, labels):
            return {"labels": labels, "level": (outputs > 0).sum(1), "loss": self.losses(outputs, labels)}

        def scores(self, kept):
            away = (kept["labels"] - kept["level"]).abs().double()
            return {"levels_off": float(away.mean()), "exact": float((away == 0).double().mean())}

        def example_scores(self, kept):
            return (kept["labels"] - kept["level"]).abs().float()

    class Ordinal(tlbench.Task):
        metrics = (
            Metric("levels_off", "Levels off", "lower", "number", "mean distance in levels"),
            Metric("exact", "Exact", "higher", "share"),
        )
        primary = "levels_off"

        def checked(self, names, labels, describe):
            return np.asarray(labels, dtype=np.int64)

        def strata(self, labels):
            return labels

        def outputs(self, names):
            return len(names) - 1

        def described(self, names):
            return f"{len(names)} levels"

        def answer(self, names, predicted):
            return names[max(range(len(names)), key=predicted.__getitem__)]

        def statistics(self, names, labels):
            return {"above": [float((labels > level).mean()) for level in range(len(names) - 1)]}

        def objective(self, names, statistics, options=None):
            return Cumulative(statistics["above"])

    return Ordinal()


def make_shades(options):
    levels = np.arange(160) % 4
    random = np.random.default_rng(0)
    pictures = [np.clip(random.normal(40 + 50 * level, 5, (16, 16, 3)), 0, 255).astype(np.uint8) for level in levels]
    return Dataset(["dark", "dim", "light", "bright"], Split(levels, pictures.__getitem__), 16, task="ordinal")


@hookimpl
def tlbench_register_tasks(register):
    register("ordinal", make_ordinal, summary="ordered levels")


@hookimpl
def tlbench_register_datasets(register):
    register("shades", make_shades)


@hookimpl
def tlbench_register_metrics(register):
    within = lambda kept: float(((kept["labels"] - kept["level"]).abs() <= 1).double().mean())
    register(ExtraMetric(Metric("within_one", "Within 1", "higher", "share"), ("ordinal",), within))
    broken = lambda kept: 1 / 0
    register(ExtraMetric(Metric("broken", "Broken", "higher"), ("ordinal",), broken))


@hookimpl
def tlbench_register_columns(register):
    share = lambda record: record.cost and record.cost.train_seconds / record.cost.paid_seconds
    register(Column("train_share", "Train share", "fraction", None, share, "the share of the time that is training"))
'''


def test_a_task_a_metric_and_a_column_of_a_stranger_need_no_change_of_the_core(
    cli: Cli, plugin: PluginMaker, tmp_path: Path
) -> None:
    environment = plugin("strange", STRANGER).environment
    finished = cli(
        *("run", "--datasets", "shades", "--backbones", "small_cnn", "--strategies", "full,majority,lda"),
        *("--epochs", "12", "--name", "strange", "--save", "best", "--select", "best"),
        environment=environment,
    )
    assert finished.status == 0, finished.stderr
    assert "strange/shades: 4 levels; train" in finished.stderr
    assert "builtin/lda serves single-label, and the task of strange/shades is strange/ordinal" in finished.stderr
    heading = next(line for line in finished.stdout.splitlines() if "Levels off" in line)
    assert "Train share" in heading

    shown = cli("show", "strange", "--format", "json", environment=environment)
    full, majority = sorted(json.loads(shown.stdout)["records"], key=lambda each: each["trial"]["cell"]["strategy"])
    assert full["metrics"]["primary"] == "levels_off"
    assert full["metrics"]["test"]["levels_off"] < 0.5 * majority["metrics"]["test"]["levels_off"]
    assert full["metrics"]["chance"] == pytest.approx(majority["metrics"]["test"]["levels_off"])
    assert full["metrics"]["test"]["within_one"] >= full["metrics"]["test"]["exact"]
    assert full["metrics"]["test"]["broken"] is None
    assert full["notes"]["metric broken"] == "raised ZeroDivisionError: division by zero"
    csv = cli("show", "strange", "--format", "csv", environment=environment).stdout.splitlines()
    assert {"levels_off", "val_levels_off", "within_one", "train_share"} <= set(csv[0].split(","))
    detail = cli("show", "strange", "--detail", environment=environment).stdout
    assert "Within 1" in detail and "Exact" in detail

    (saved,) = [each.name for each in (tmp_path / "results" / "strange" / "models").iterdir()]
    assert saved == full["trial"]["id"]
    listed = cli("list", "tasks", environment=environment).stdout
    assert "strange/ordinal" in listed and "tasks/regression" in listed
