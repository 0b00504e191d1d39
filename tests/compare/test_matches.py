"""Cells by a pattern, as gates and histories have them."""

from __future__ import annotations

import pytest

from tlbench.compare.side import matches

NAMES = ("resnet50", "lora:r=8", "packaged/digits")
KEY = ("torchvision/resnet50", "peft/lora:r=8", "packaged/digits", "cpu")


@pytest.mark.parametrize(
    ("pattern", "meant"),
    [
        ("resnet50", True),
        ("resnet*", True),
        ("lora*", True),
        ("resnet50 × lora:r=8", True),
        ("resnet50/lora*", True),
        ("resnet50 × lora:r=8 × packaged/digits", True),
        ("torchvision/*", True),
        ("ResNet50", False),
        ("resnet5", False),
        ("resnet50 × full", False),
    ],
)
def test_a_cell_is_meant_by_one_of_its_names_or_the_first_of_them(pattern: str, meant: bool) -> None:
    assert matches(pattern, NAMES, KEY) == meant


def test_a_name_means_itself_whatever_is_in_it() -> None:
    assert matches("folder:a[1]", ("folder:a[1]",))
