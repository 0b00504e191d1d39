"""Pages that are made from the code are what the code makes."""

from __future__ import annotations

import ast
from pathlib import Path
from types import ModuleType
from typing import TypeGuard

import pytest

import tlbench
import tlbench_gridsmooth
import tlbench_growth
import tlbench_peft
import tlbench_strategies
from tlbench.compare.costs import PACED_RUN_SHARE
from tlbench.results.columns import CPU_TIME_DEVIATION, RESIDENT_DEVIATION
from tlbench.results.records import Record

COMPARED = (*tlbench_strategies.STRATEGIES, *tlbench_peft.STRATEGIES)
STRATEGIES = (
    *tlbench_strategies.STRATEGIES,
    *tlbench_gridsmooth.STRATEGIES,
    *tlbench_growth.STRATEGIES,
    *tlbench_peft.STRATEGIES,
)

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


def test_the_page_of_strategies_is_made_from_them(generate: ModuleType) -> None:
    text = generate.page()
    assert (DOCS / "strategies.md").read_text("utf-8") == text
    headings = [line[3:] for line in text.splitlines() if line.startswith("## ")]
    assert headings == [each.name for each in STRATEGIES]


def test_the_comparison_is_made_from_the_committed_runs(generate: ModuleType) -> None:
    compared = generate.compared
    assert (DOCS / "strategies-compared.md").read_text("utf-8") == compared.page()
    names = {each.name for each in COMPARED} - {"vpt"}  # prompts are for transformers
    own_backbone = {"majority", "image-stats"}
    for name, seeds in (("strategies", 3), ("strategies-costs", 1)):
        run = tlbench.load(name, DOCS.parent / "results")
        assert {record.status for record in run} == {"ok"}
        cells = {(record.trial.cell.backbone, record.trial.cell.strategy.rpartition("/")[2]) for record in run}
        assert {strategy for _, strategy in cells} == names
        assert len(cells) == 2 * len(names - own_backbone) + len(own_backbone)
        assert len(run) == seeds * len(cells)
    losses = compared.losses(tlbench.load("strategies", DOCS.parent / "results").records)
    assert losses["full"] < 0.02  # trained until it has settled


def test_the_figures_of_cuda_are_those_of_the_committed_measurements(generate: ModuleType) -> None:
    written = (DOCS / "measurement.md").read_text("utf-8")
    assert generate.on_cuda.page(written) == written


def test_the_figures_of_speed_are_those_of_the_committed_benchmarks(generate: ModuleType) -> None:
    speed = generate.speed
    written = (DOCS / "speed.md").read_text("utf-8")
    assert speed.between(written, speed.within_a_process()) == written
    assert speed.readme() in (DOCS.parent / "README.md").read_text("utf-8")


def test_the_readmes_table_is_made_from_the_committed_run(generate: ModuleType) -> None:
    written = (DOCS.parent / "README.md").read_text("utf-8")
    assert generate.BEGIN in written and generate.END in written
    assert generate.readme(written) == written


def test_the_page_of_options_is_made_from_their_declarations(generate: ModuleType) -> None:
    assert (DOCS / "options.md").read_text("utf-8") == generate.options.page()


def test_the_keywords_of_run_are_made_from_the_options(generate: ModuleType) -> None:
    assert (ROOT / "tlbench" / "keywords.py").read_text("utf-8") == generate.keywords.module()


def test_the_table_of_corruptions_is_made_from_their_declarations(generate: ModuleType) -> None:
    page = (DOCS / "robustness.md").read_text("utf-8")
    assert generate.robustness.BEGIN in page and page == generate.robustness.page(page)


def test_the_inputs_of_the_action_are_made_from_it(generate: ModuleType) -> None:
    written = (DOCS / "ci.md").read_text("utf-8")
    assert generate.ci.BEGIN in written and generate.ci.END in written
    assert generate.ci.page(written) == written


def test_the_page_of_contracts_is_made_from_the_types(generate: ModuleType) -> None:
    assert (DOCS / "contracts.md").read_text("utf-8") == generate.contracts.page()


def test_the_pages_of_the_conformance_kit_are_made_from_its_checks_and_the_planted_faults(generate: ModuleType) -> None:
    assert (DOCS / "conformance.md").read_text("utf-8") == generate.conformance.page()
    assert (DOCS / "plugin-faults.md").read_text("utf-8") == generate.conformance.faults_page()


def test_every_public_type_has_its_place_on_the_page_of_contracts(generate: ModuleType) -> None:
    shown = {name for names in generate.contracts.SECTIONS.values() for name in names}
    others = {
        "__version__",
        "hookimpl",
        "history",
        "load",
        "load_model",
        "run",
        "strategy",
        "UserError",
        "WeightsUnavailable",
    }
    assert set(tlbench.__all__) == shown | others | {"Phase"}


def test_the_page_of_differences_is_made_from_the_committed_run(generate: ModuleType) -> None:
    assert (DOCS / "difference.md").read_text("utf-8") == generate.difference.page()


def test_how_often_a_comparison_is_wrong_is_what_was_measured(generate: ModuleType) -> None:
    page = (DOCS / "compare.md").read_text("utf-8")
    assert generate.calibration.BEGIN in page and page == generate.calibration.page(page)


def test_alike_runs_rarely_alarm_and_planted_losses_and_slow_downs_are_found(generate: ModuleType) -> None:
    found = generate.calibration.measured()
    alike = {name: each for name, each in found["pairs"].items() if name.startswith("alike")}
    assert len(alike) == 2 and all(each["pairs"] == 40 and each["fell"] <= 2 for each in alike.values())
    lost = found["pairs"]["3 points lost, the same seeds"]
    assert lost["pairs"] == 20 and lost["fell"] >= 19
    slower = found["pairs"]["10 % slower steps"]
    assert slower["pairs"] == 20 and slower["fell"] >= 19
    spread = {name: each["runs"] for name, each in found["spread"].items()}
    assert spread["peak_memory_bytes"] <= RESIDENT_DEVIATION and spread["step_ms"] <= CPU_TIME_DEVIATION
    at_pace = {name: each["runs at equal pace"] for name, each in found["spread"].items()}
    paced = max(at_pace["step_ms"], at_pace["train_with_features_seconds"])
    assert paced <= PACED_RUN_SHARE * CPU_TIME_DEVIATION


def test_what_strategies_keep_of_the_source_is_what_the_committed_run_measured(generate: ModuleType) -> None:
    page = (DOCS / "sources.md").read_text("utf-8")
    assert generate.retained.BEGIN in page and page == generate.retained.page(page)
    rows = {row.strategy: row for row in tlbench.load("retention", ROOT / "results").rows()}
    forgetting = {name: row.figures["forgetting"] for name, row in rows.items()}
    assert all(len(row.records) == 5 for row in rows.values()) and forgetting["freeze"] == 0
    assert forgetting["full"] == max(forgetting.values()) > forgetting["l2-sp"] > 0  # type: ignore[type-var]
    for row in rows.values():
        assert {record.retention.before for record in row.records if record.retention} == {row.records[0].source.value}  # type: ignore[union-attr]


def test_the_page_of_examples_has_each_of_the_files(generate: ModuleType) -> None:
    assert (DOCS / "examples.md").read_text("utf-8") == generate.worked_examples.page()
    files = {file.stem for file in (DOCS / "examples").glob("*.py")}
    assert files == generate.worked_examples.COMMANDS.keys()


def test_the_page_of_histories_is_made_from_runs_that_are_made_up(generate: ModuleType) -> None:
    assert (DOCS / "history.md").read_text("utf-8") == generate.history.page()


def test_the_page_of_tasks_is_made_from_them_and_from_the_committed_run(generate: ModuleType) -> None:
    assert (DOCS / "tasks.md").read_text("utf-8") == generate.tasks.page()
    run = tlbench.load("tasks", DOCS.parent / "results")
    assert {record.status for record in run} == {"ok"}
    for dataset in ("digit-grids", "digit-angles"):
        of_dataset = [record for record in run if record.trial.cell.dataset == f"packaged/{dataset}"]
        merit = {}
        for record in of_dataset:
            assert record.metrics is not None and record.metrics.value is not None
            sign = 1 if dataset == "digit-grids" else -1
            merit[record.trial.cell.strategy.rpartition("/")[2]] = sign * record.metrics.value
        trained = [merit[name] for name in ("freeze", "last-k", "lora", "full")]
        assert min(trained) > max(merit["majority"], merit["image-stats"]), dataset


def test_the_page_of_the_results_format_is_made_from_the_records_fields(generate: ModuleType) -> None:
    assert (DOCS / "results-format.md").read_text("utf-8") == generate.results_format.page()


def test_every_field_of_a_record_is_described_and_says_when_it_is_null(generate: ModuleType) -> None:
    results_format = generate.results_format
    fields = {
        f"{model.__name__}.{name}": field
        for model in results_format.paths_of(Record)
        for name, field in model.model_fields.items()
    }
    assert len(fields) > 180
    assert [name for name, field in fields.items() if not field.description] == []
    null = {name for name, field in fields.items() if results_format.may_be_null(field.annotation)}
    assert {"Record.metrics", "Metrics.test", "Metrics.by_target", "WeightsPlan.reason"} <= null
    assert not {"Record.trial", "Metrics.primary", "Cost.phases"} & null
    assert [name for name in sorted(null) if "null" not in results_format.described(fields[name])] == []


def test_the_page_of_rates_is_made_from_the_committed_runs(generate: ModuleType) -> None:
    assert (DOCS / "rates.md").read_text("utf-8") == generate.rates.page()


@pytest.mark.parametrize(("run_name", "optimizer"), [("rates", "adamw"), ("rates-sgd", "sgd")])
def test_the_default_rates_are_those_that_the_committed_run_has_chosen(
    generate: ModuleType, run_name: str, optimizer: str
) -> None:
    run = tlbench.load(run_name, DOCS.parent / "results")
    assert {record.status for record in run} == {"ok"}
    assert {record.trial.cell.protocol.optimizer for record in run} == {optimizer}
    defaults = {each.name: each.rate(optimizer, "cnn") for each in STRATEGIES}
    best = generate.rates.chosen(generate.rates.mean_scores(run.records))
    assert len(best) == 16
    assert {name: defaults[name] for name in best} == best
    follow = ("l2-sp", "delta", "bss", "ewc", "lwf", "wise-ft", "model-soup", "mars", "distill", "feature-distill")
    assert {defaults[name] for name in follow} == {best["full"]}


def test_with_few_steps_frozen_statistics_are_better_on_val_in_most_cells(generate: ModuleType) -> None:
    frozen, moving = (
        generate.rates.best_candidates(tlbench.load(name, DOCS.parent / "results").records)
        for name in ("rates", "rates-batchnorm")
    )
    better = [frozen[key][0] - accuracy for key, (accuracy, _) in moving.items()]
    assert len(better) == 12
    assert sum(each > 0 for each in better) > 8
    assert sum(better) / len(better) > 0.01


def test_every_strategy_says_when_to_use_it_and_where_it_comes_from() -> None:
    own_idea = {"freeze", "full", "scratch", "majority", "image-stats"}
    for strategy in STRATEGIES:
        assert strategy.summary.endswith("."), strategy.name
        assert strategy.when, strategy.name
        assert bool(strategy.paper) is (strategy.name not in own_idea), strategy.name
        assert all(field.description for field in strategy.options.model_fields.values()), strategy.name


def test_every_message_of_the_troubleshooting_page_is_one_that_the_source_has() -> None:
    page = (DOCS / "troubleshooting.md").read_text("utf-8")
    quoted = [line.split("`")[1] for line in page.splitlines() if line.startswith("| `")]
    assert len(quoted) > 35
    root = DOCS.parent
    source = "\n".join(
        "".join(part.value for part in ast.walk(ast.parse(file.read_text("utf-8"))) if _is_text(part))
        for folder in ("tlbench", "plugins")
        for file in sorted((root / folder).rglob("*.py"))
    )
    assert [each for each in quoted if each not in source] == []


def _is_text(part: ast.AST) -> TypeGuard[ast.Constant]:
    return isinstance(part, ast.Constant) and isinstance(part.value, str)


def test_git_keeps_every_run_that_a_page_is_made_from() -> None:
    """New runs are ignored by git, so that a page could be made from one that nobody else has."""
    sources = "".join(each.read_text("utf-8") for each in DOCS.glob("*.py"))
    named = {each.name for each in (DOCS.parent / "results").iterdir() if f'"{each.name}"' in sources}
    ignored = (DOCS.parent / ".gitignore").read_text("utf-8").splitlines()
    kept = {line.removeprefix("!/results/").rstrip("/") for line in ignored if line.startswith("!/results/")}
    runs = {
        "rates",
        "rates-sgd",
        "rates-batchnorm",
        "reference",
        "strategies",
        "strategies-costs",
        "tasks",
        "retention",
    }
    assert runs == named == kept
