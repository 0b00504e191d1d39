"""Pages that are made from the code are what the code makes."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

import tlbench
import tlbench_peft
import tlbench_strategies

STRATEGIES = (*tlbench_strategies.STRATEGIES, *tlbench_peft.STRATEGIES)

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_strategies_is_made_from_them(generate: ModuleType) -> None:
    text = generate.page()
    assert (DOCS / "strategies.md").read_text("utf-8") == text
    headings = [line[3:] for line in text.splitlines() if line.startswith("## ")]
    assert headings == [each.name for each in STRATEGIES]


def test_the_comparison_is_made_from_the_committed_run(generate: ModuleType) -> None:
    assert (DOCS / "strategies-compared.md").read_text("utf-8") == generate.compared()
    run = tlbench.load("strategies", DOCS.parent / "results")
    assert {record.status for record in run} == {"ok"}
    names = {record.trial.cell.strategy.rpartition("/")[2] for record in run}
    assert names == {each.name for each in STRATEGIES} - {"vpt"}  # EfficientNet-Lite0 has no attention
    assert len(run) == 3 * len(names)
    assert len(run.plan.left_out) == 1


def test_every_strategy_says_when_to_use_it_and_where_it_comes_from() -> None:
    own_idea = {"freeze", "full", "scratch", "majority", "image-stats"}
    for strategy in STRATEGIES:
        assert strategy.summary.endswith("."), strategy.name
        assert strategy.when, strategy.name
        assert bool(strategy.paper) is (strategy.name not in own_idea), strategy.name
        assert all(field.description for field in strategy.options.model_fields.values()), strategy.name
