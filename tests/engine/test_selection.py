"""Which epoch is kept, with val accuracies that are made to order: the head's bias decides the class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from builders import load_split, make_backbone, make_protocol, make_setting, noise, save_split
from torch import nn

from tlbench.contracts.model import TransferModel
from tlbench.engine.feed import Feed
from tlbench.engine.selection import Selection
from tlbench.measure.spans import Spans

CPU = torch.device("cpu")
LABELS = np.array([0, 0, 0, 1, 1, 2])
"""So that always saying 0, 1 or 2 is right in 1/2, 1/3 or 1/6 of the cases."""


class Says(nn.Module):
    """Always says the class with the largest bias."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(1, 3)
        self.drop = nn.Dropout()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.fc(self.drop(torch.zeros(len(images), 1)))
        return logits

    def say(self, answer: int) -> None:
        with torch.no_grad():
            self.fc.bias.copy_(torch.eye(3)[answer])


def epochs(folder: Path, answers: list[int], **protocol: object) -> tuple[Says, Selection, list[bool], Spans]:
    save_split(folder, "val", noise(len(LABELS)), LABELS)
    val = load_split(folder, "val")
    module, spans = Says().train(), Spans()
    model, setting = TransferModel(module, make_backbone("fc")), make_setting(make_protocol(**protocol))
    selection = Selection(model, 2, lambda: Feed(val, module), setting, spans)
    stops = []
    for epoch, answer in enumerate(answers, 1):
        module.say(answer)
        stops.append(selection.after_epoch(epoch, 1.0 / epoch))
        assert module.drop.training
    return module, selection, stops, spans


def said(module: Says) -> int:
    return int(module.fc.bias.argmax())


def test_the_last_epoch_is_kept_and_val_not_looked_at(tmp_path: Path) -> None:
    module, selection, stops, spans = epochs(tmp_path, [0, 1, 2])
    history = selection.end()
    assert said(module) == 2
    assert stops == [False] * 3
    assert [(each.epoch, each.val, each.kept) for each in history] == [
        (1, None, False),
        (2, None, False),
        (3, None, True),
    ]
    assert "validate" not in spans.seconds


def test_the_best_epoch_is_kept_the_first_of_equals(tmp_path: Path) -> None:
    module, selection, stops, spans = epochs(tmp_path, [2, 0, 1, 0], select="best")
    history = selection.end()
    assert said(module) == 0
    assert stops == [False] * 4
    assert [each.val for each in history] == pytest.approx([1 / 6, 1 / 2, 1 / 3, 1 / 2])
    assert [each.kept for each in history] == [False, True, False, False]
    assert [each.train_loss for each in history] == pytest.approx([1, 1 / 2, 1 / 3, 1 / 4])
    assert {each.phase for each in history} == {2}
    assert spans.seconds["validate"] > 0


@pytest.mark.parametrize(
    ("answers", "patience", "stops"),
    [([0, 1, 1], 2, [False, False, True]), ([0, 1], 1, [False, True]), ([2, 1, 0], 1, [False] * 3)],
)
def test_patience(tmp_path: Path, answers: list[int], patience: int, stops: list[bool]) -> None:
    assert epochs(tmp_path, answers, select="best", patience=patience)[2] == stops
