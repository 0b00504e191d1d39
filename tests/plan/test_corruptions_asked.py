"""Corruptions as they are asked for: by name, with the strengths that an image size gives, where they are possible."""

from __future__ import annotations

from typing import Any

import pytest
from builders import make_cell

from tlbench.data.levels import Levels
from tlbench.errors import UserError
from tlbench.plan.cell import ShiftPlan
from tlbench.plan.corruptions import CORRUPTIONS, SEVERITIES, check_bits, check_channels, strengths_of
from tlbench.plan.request import make_request

PLAIN_ID = "8d0c6f37c5593047"
"""What `make_cell()` was before there were corruptions."""


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("jpeg,noise", ("noise", "jpeg")),
        (("blur", "blur"), ("blur",)),
        ("all", tuple(CORRUPTIONS)),
        ("contrast,all", tuple(CORRUPTIONS)),
        ("", ()),
    ],
)
def test_names_are_in_one_order_and_all_is_all(asked: object, expected: tuple[str, ...]) -> None:
    assert make_request(corruptions=asked).corruptions == expected


def test_an_unknown_name_gets_a_suggestion() -> None:
    with pytest.raises(
        UserError, match=r"--corruptions .*no corruption 'nois'; did you mean noise\?; there are noise, "
    ):
        make_request(corruptions="nois")


def test_lengths_follow_the_image_size_and_levels_do_not() -> None:
    small, paper = (strengths_of(("noise", "blur"), size) for size in (56, 224))
    assert small["noise"] == paper["noise"] == CORRUPTIONS["noise"].strengths
    assert paper["blur"] == (1, 2, 3, 4, 6)
    assert small["blur"] == (0.25, 0.5, 0.75, 1, 1.5)
    assert all(len(each.strengths) == len(SEVERITIES) for each in CORRUPTIONS.values())


def test_they_are_a_part_of_the_cells_id_and_without_them_it_is_as_it_was() -> None:
    plain = make_cell()
    assert plain.id == PLAIN_ID
    noise, weaker = (make_cell(corruptions={"noise": strengths}) for strengths in ((0.1,) * 5, (0.05,) * 5))
    assert len({plain.id, noise.id, weaker.id}) == 3


def test_images_of_other_channels_or_more_bits_are_refused_where_any_is_asked_for() -> None:
    with pytest.raises(UserError, match=r"--corruptions noise,blur is for images of 1 or 3 channels, and scans has 4"):
        check_channels(("noise", "blur"), "scans", 4)
    with pytest.raises(
        UserError, match=r"is for images of 8 bits, and those of scans have more \(values from 0 to 4095\)"
    ):
        check_bits(("noise",), "scans", Levels(0, 4095))
    for channels in (1, 3):
        check_channels(("noise",), "scans", channels)
    check_channels((), "scans", 4)
    check_bits((), "scans", Levels(0, 4095))
    check_bits(("noise",), "scans", None)


def test_so_is_the_digest_of_each_dataset_that_models_are_tested_on() -> None:
    def name(**changes: Any) -> str:
        return make_cell(test_on=(ShiftPlan(**({"dataset": "a/far", "digest": "1", "test_images": 5} | changes)),)).id

    assert name() not in (make_cell().id, name(digest="2"), name(options={"a": 1}))
    assert name() == name(test_images=6, train_images_shared=2)  # what follows from the digests
