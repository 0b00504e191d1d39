"""How fast a finished model predicts, in batches of several sizes."""

from __future__ import annotations

import pytest
import torch
from builders import make_protocol
from torch import nn

from tlbench.engine.inference import BATCHES, inference


class Counting(nn.Module):
    """Notes the sizes of the batches that it is given, and in which mode."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[int, bool]] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.seen.append((len(images), self.training))
        return images


def test_each_size_is_a_real_batch_of_the_model_in_eval_mode() -> None:
    module = Counting().train()
    found = inference(module, torch.randn(5, 3, 4, 4), make_protocol())
    sizes = [each.batch_size for each in found]
    assert sizes == list(BATCHES)[: len(sizes)]
    assert {size for size, _ in module.seen} == set(sizes)
    assert not any(training for _, training in module.seen)
    for each in found:
        assert each.images_per_second == pytest.approx(1e3 * each.batch_size / each.batch_ms)


def test_larger_batches_are_left_out_where_they_bring_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {1: 0.001, 8: 0.004, 32: 0.016, 128: 0.016}
    monkeypatch.setattr("tlbench.engine.inference._median_seconds", lambda _m, batch, _p: seconds[len(batch)])
    found = inference(Counting(), torch.randn(5, 3, 4, 4), make_protocol())
    assert [each.batch_size for each in found] == [1, 8, 32]
    assert [round(each.images_per_second) for each in found] == [1000, 2000, 2000]
