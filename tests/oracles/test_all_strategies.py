"""Every strategy on a packaged CNN, a ResNet and a vision transformer: no cell fails."""

from __future__ import annotations

from pathlib import Path

import pytest

import tlbench
import tlbench_peft
import tlbench_strategies

STRATEGIES = [each.name for each in (*tlbench_strategies.STRATEGIES, *tlbench_peft.STRATEGIES)]
CASES = {
    "packaged/efficientnet_lite0": ("auto", {"peft/vpt"}),
    "timm/resnet10t": ("random", {"peft/vpt", "builtin/lwf"}),
    "timm/vit_tiny_patch16_224": ("random", {"builtin/lwf"}),
}
"""By backbone: the weights, and the strategies that say that they can't adapt it."""


@pytest.mark.parametrize("backbone", CASES)
def test_no_cell_fails(backbone: str, tmp_path: Path) -> None:
    weights, unserved = CASES[backbone]
    results = tlbench.run(
        backbones=backbone,
        strategies=STRATEGIES,
        datasets="digits:train=40:test=20",
        image_size=32,
        epochs=1,
        batch_size=20,
        weights=weights,
        results=tmp_path,
        progress=False,
    )
    assert {text.partition(" ")[0] for text in results.plan.left_out} == unserved
    failed = {record.trial.cell.strategy: record.error for record in results if record.status != "ok"}
    assert not failed
    assert len(results) == len(STRATEGIES) - len(unserved)
    for record in results:
        assert record.metrics is not None and 0 <= record.metrics.accuracy <= 1
