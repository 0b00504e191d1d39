"""One image size for all members of a suite."""

from __future__ import annotations

from builders import make_protocol

from tlbench.plan.request import make_request
from tlbench.plan.suites import in_one_size


def test_members_have_the_largest_size_of_theirs_and_other_datasets_their_own() -> None:
    protocols = {name: make_protocol(image_size=size) for name, size in (("a", 32), ("b", 96), ("c", 64), ("d", 32))}
    found = in_one_size(protocols, {"some": ("a", "b"), "gone": ("e",)}, make_request())
    assert {name: each.image_size for name, each in found.items()} == {"a": 96, "b": 96, "c": 64, "d": 32}
    assert found["a"] == protocols["a"].model_copy(update={"image_size": 96})


def test_a_size_that_is_asked_for_is_everyones_already() -> None:
    protocols = {"a": make_protocol(image_size=48), "b": make_protocol(image_size=48)}
    assert in_one_size(protocols, {"some": ("a", "b")}, make_request(image_size=48)) == protocols
