"""The built-in plugins keep their contracts."""

from __future__ import annotations

from pathlib import Path

import PIL.Image
import pytest

import tlbench_gridsmooth
import tlbench_growth.net2net
import tlbench_peft
import tlbench_strategies
from tlbench.testing import CheckResult, check_component, check_plugin, conformance
from tlbench.testing.kit.asked import asked_for
from tlbench.testing.kit.checks import checks_for
from tlbench.testing.kit.registering import Registering
from tlbench.testing.kit.running import carried_out

PLUGINS = ("packaged", "builtin", "tasks", "local", "peft", "gridsmooth", "growth", "trackers")
WITH_FAMILIES = ("torchvision", "timm")
"""Whose names are listed by importing their providers."""
STRATEGIES = [
    *(f"builtin/{each.name}" for each in tlbench_strategies.STRATEGIES),
    *(f"peft/{each.name}" for each in tlbench_peft.STRATEGIES),
    *(f"growth/{each.name}" for each in tlbench_growth.net2net.STRATEGIES),
    *(f"gridsmooth/{each.name}" for each in tlbench_gridsmooth.STRATEGIES),
]
QUICK = ("builtin/freeze", "builtin/ridge", "builtin/majority", "builtin/wise-ft")

test_small_cnn = conformance("backbone", "packaged/small_cnn")
test_digits = conformance("dataset", "packaged/digits")
test_mnist_5000 = conformance("dataset", "packaged/mnist-5000")
test_single_label = conformance("task", "tasks/single-label")
test_multi_label = conformance("task", "multi-label")
test_regression = conformance("task", "regression")
test_csv = conformance("reporter", "csv")
test_jsonl = conformance("reporter", "trackers/jsonl")


def all_is_well(results: list[CheckResult]) -> dict[str, CheckResult]:
    """No check failed; by name, what came of each."""
    assert [each.said for each in results if each.outcome == "failed"] == []
    assert any(each.outcome == "passed" for each in results)
    return {each.check: each for each in results}


@pytest.mark.parametrize("name", QUICK)
def test_a_strategy_keeps_its_contract(name: str) -> None:
    all_is_well(check_component("strategy", name))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in STRATEGIES if name not in QUICK])
def test_every_strategy_keeps_its_contract(name: str) -> None:
    found = all_is_well(check_component("strategy", name))
    assert found["ends well"].outcome == "passed"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["packaged/efficientnet_lite0", "torchvision/resnet18", "timm/vit_tiny_patch16_224"])
def test_a_backbone_of_each_provider_keeps_its_contract(name: str) -> None:
    found = all_is_well(check_component("backbone", name))
    stable = found["has published weights that stay the same"]
    assert stable.outcome == ("passed" if name.startswith("packaged/") else "skipped"), stable


@pytest.mark.slow
@pytest.mark.parametrize("name", ["digit-grids", "digit-angles"])
def test_a_packaged_dataset_keeps_its_contract(name: str) -> None:
    all_is_well(check_component("dataset", name))


def test_a_folder_of_images_keeps_its_contract(tmp_path: Path) -> None:
    for label, shade in (("cats", 40), ("dogs", 200)):
        (tmp_path / label).mkdir()
        for place in range(4):
            PIL.Image.new("RGB", (20, 16), (shade, place, 0)).save(tmp_path / label / f"{place}.png")
    found = all_is_well(check_component("dataset", f"folder:{tmp_path}"))
    assert found["has a fingerprint that stays the same"].outcome == "passed"
    assert "are kept by the component's name" in found


@pytest.mark.slow
def test_the_reporter_of_tensorboard_keeps_its_contract() -> None:
    all_is_well(check_component("reporter", "tensorboard"))


@pytest.mark.slow
def test_the_local_executor_keeps_its_contract() -> None:
    found = all_is_well(check_component("executor", "local"))
    assert {each.outcome for each in found.values()} == {"passed"}


@pytest.mark.parametrize("name", [*PLUGINS, *(pytest.param(name, marks=pytest.mark.slow) for name in WITH_FAMILIES)])
def test_a_plugin_registers_as_it_should(name: str) -> None:
    asked = asked_for(name)
    registering = Registering(name, asked.chosen)
    assert asked.plugins == (name,)
    all_is_well([carried_out(each, registering) for each in checks_for("plugin")])


@pytest.mark.slow
def test_a_whole_plugin_is_checked_with_one_member_of_its_families() -> None:
    told: list[str] = []
    results = check_plugin("local", tell=told.append)
    all_is_well(results)
    assert {(each.kind, each.component) for each in results} == {("plugin", "local"), ("executor", "local/local")}
    assert told[0] == "plugin local: states the version of the hooks"
