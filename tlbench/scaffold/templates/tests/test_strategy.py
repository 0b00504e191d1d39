"""The strategy keeps tlbench's contract, and trains what it says."""

from __future__ import annotations

from collections import OrderedDict

import pytest
from tlbench import Backbone, Train, TransferModel
from tlbench.testing import conformance
from torch import nn

from my_plugin.strategy import HeadFirstOptions, head_first

test_it_conforms = conformance("strategy", "my-plugin/head-first")


def make_model() -> TransferModel:
    layers = OrderedDict(stem=nn.Conv2d(3, 4, 3), block=nn.Conv2d(4, 4, 3), head=nn.Linear(4, 2))
    backbone = Backbone(lambda *_, **__: nn.Sequential(layers), head="head", blocks=lambda _: ("stem", "block"))
    return TransferModel(nn.Sequential(layers), backbone)


def test_the_head_is_first_and_lower_blocks_have_lower_rates() -> None:
    model = make_model()
    first, second = head_first.phases(model, HeadFirstOptions(head=0.25, decay=0.5))
    assert isinstance(first, Train) and isinstance(second, Train)
    assert (first.part, first.epochs) == (model.head, 0.25)
    assert (second.part, second.epochs) == (model.everything, 0.75)
    stem, block = model.blocks
    assert list(second.rates) == [(block, 0.5), (stem, 0.25)]


def test_a_share_of_the_head_above_1_is_refused() -> None:
    with pytest.raises(ValueError, match="less than 1"):
        HeadFirstOptions(head=1.5)
