"""Every strategy on a vision transformer and on the packaged CNN (the kit saves and loads each on a plain CNN)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from builders import accuracy
from conftest import Once

import tlbench
import tlbench_gridsmooth
import tlbench_growth.net2net
import tlbench_peft
import tlbench_strategies
from tlbench.results.records import Record

ALL = (
    *tlbench_strategies.STRATEGIES,
    *tlbench_gridsmooth.STRATEGIES,
    *tlbench_peft.STRATEGIES,
    *tlbench_growth.net2net.STRATEGIES,
)
STRATEGIES = [each.name for each in ALL]
CASES = {
    "timm/vit_tiny_patch16_224": ("random", {"builtin/lwf"}),
}
"""By backbone: the weights, and the strategies that say that they can't adapt it."""


def run(folder: Path, unserved: set[str], **changes: Any) -> tlbench.Results:
    """All strategies but some on a few digits."""
    wanted: dict[str, Any] = {"datasets": "digits:train=40:test=20", "image_size": 32, "epochs": 1, "batch_size": 20}
    strategies = [name for name in STRATEGIES if name not in unserved]
    return tlbench.run(strategies=strategies, results=folder, progress=False, **(wanted | changes))


LOADED = """
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from sklearn.datasets import load_digits

import tlbench

torch.set_num_threads(1)
run = tlbench.load(sys.argv[1])
digits = np.round(load_digits().images * (255 / 16)).astype(np.uint8)
for record in run:
    kept = load_file(run.folder / "trials" / record.predictions)
    model = tlbench.load_model(run.folder / "models" / record.trial.id)
    confidence, predicted = model.predict([digits[place] for place in kept["indices"]]).values.max(1)
    alike = torch.allclose(confidence, kept["confidence"], atol=1e-4)
    if not (alike and torch.equal(predicted, kept["predicted"])):
        print(record.trial.cell.strategy, (predicted != kept["predicted"]).sum().item())
print("compared", len(run))
"""
"""Every model of a run, loaded in a process of its own, on the images of test."""


@pytest.mark.slow
@pytest.mark.parametrize("backbone", CASES)
def test_no_cell_fails_and_every_saved_model_predicts_as_its_record_says(backbone: str, tmp_path: Path) -> None:
    weights, unserved = CASES[backbone]
    results = run(tmp_path, set(), backbones=backbone, weights=weights, save="all")
    assert {text.partition(" ")[0] for text in results.plan.left_out} == unserved
    failed = {record.trial.cell.strategy: record.error for record in results if record.status != "ok"}
    assert not failed
    assert len(results) == len(STRATEGIES) - len(unserved)
    for record in results:
        assert 0 <= accuracy(record) <= 1
    command = [sys.executable, "-c", LOADED, str(results.folder)]
    loaded = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (loaded.stdout, loaded.returncode) == (f"compared {len(results)}\n", 0), loaded.stderr


def run_small(folder: Path, budget: str, unserved: set[str]) -> tlbench.Results:
    """Strategies on the smallest of networks, with a budget."""
    results = run(
        folder, {"lwf", "vpt", *unserved}, backbones="small_cnn", datasets="digits:train=100:test=20", image_size=8,
        epochs=10, budget=budget, name=budget,
    )  # fmt: skip
    assert all(record.status == "ok" for record in results), [record.error for record in results]
    return results


@pytest.fixture(scope="module")
def by_epochs(once: Once) -> tlbench.Results:
    """All of them with the default budget."""
    folder, _ = once("by-epochs", lambda folder: run_small(folder, "epochs", set()) and None)
    return tlbench.load(folder / "epochs")


def name_of(record: Record) -> str:
    return record.trial.cell.strategy.rpartition("/")[2]


def passes(results: tlbench.Results) -> dict[str, float | None]:
    """The passes of those that train, by strategy."""
    return {name_of(record): record.cost.passes for record in results if record.cost is not None and record.cost.phases}


@pytest.mark.slow
def test_each_strategy_spends_the_passes_that_it_states_and_by_budget_those_of_the_protocol(
    by_epochs: tlbench.Results, tmp_path: Path
) -> None:
    stated = {each.name: 1.0 if each.passes is None else each.passes(each.options()) for each in ALL}
    spent = passes(by_epochs)
    assert len(spent) > 20
    assert spent == {name: pytest.approx(stated[name], abs=0.06) for name in spent}
    assert spent["model-soup"] == pytest.approx(3.0, abs=0.06)
    once = {name for name, number in stated.items() if number == 1.0} - {"full"}  # a budget of passes is no other one
    equal = passes(run_small(tmp_path, "passes", once))
    assert len(equal) >= 5 and equal == {name: pytest.approx(1.0, abs=0.06) for name in equal}


@pytest.mark.slow
def test_cached_features_give_what_computing_in_each_step_gives_for_every_strategy(
    by_epochs: tlbench.Results, tmp_path: Path
) -> None:
    freezing = {name_of(record) for record in by_epochs if uses_features(record)}

    def results(features: str) -> dict[str, Record]:
        found = run(
            tmp_path, set(STRATEGIES) - freezing, datasets="digits:train=40:test=40", epochs=2, features=features,
            name=features,
        )  # fmt: skip
        return {record.trial.id: record for record in found}

    cached = {trial: record for trial, record in results("cache").items() if uses_features(record)}
    computed = results("compute")
    assert len(cached) >= 10 and computed.keys() >= cached.keys()
    for trial, with_features in cached.items():
        without = computed[trial]
        assert not uses_features(without)
        assert with_features.metrics is not None and without.metrics is not None
        expected = without.metrics.test["nll"]
        assert with_features.metrics.test["nll"] == pytest.approx(expected, rel=0.02, abs=0.01), name_of(without)
        assert accuracy(with_features) == pytest.approx(accuracy(without), abs=0.051), name_of(without)


def uses_features(record: Record) -> bool:
    """Whether any part of a trial read features of what is frozen."""
    assert record.cost is not None, record.error
    parts = [*record.cost.phases, *record.cost.solves]
    return any(part.features is not None and part.features.used for part in parts)
