"""Which plugins and components a name stands for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tlbench import UserError
from tlbench.testing import check_component
from tlbench.testing.kit.asked import Asked, asked_for, components_of
from tlbench.testing.kit.checks import CheckResult

PLUGIN = """
from pathlib import Path
from pydantic import Field
from tlbench import Backbone, Dataset, Options, hookimpl
from tlbench.contracts import ModelSize

tlbench_api = 1

def make(name, options):
    return Backbone(lambda *given: None, "fc", size=ModelSize({"huge": 10**9, "small": 10**6}[name], 1))

class Place(Options):
    place: Path = Field(description="a folder")

def make_images(options):
    Path("downloaded").mkdir()

@hookimpl
def tlbench_register_backbones(register):
    register.family(lambda: ["huge", "small"], make, version="1")

@hookimpl
def tlbench_register_datasets(register):
    register("needs-place", make_images, options=Place)
    register("downloads", make_images, present=lambda options: False)
"""


def names(asked: Asked) -> list[str]:
    """The names of the components that are checked, in order."""
    return [each.component if isinstance(each, CheckResult) else each.name for each in components_of(asked)]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A plugin with a family, and with components that can't be checked."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "asked.py").write_text(PLUGIN)
    return "asked.py"


def test_of_a_family_the_first_member_that_is_no_giant_is_checked_or_the_named_ones(file: str) -> None:
    assert names(asked_for(file)) == ["asked/small", "asked/needs-place", "asked/downloads"]
    assert names(asked_for(file, ["huge", "asked/needs-place:there"])) == [
        "asked/huge",
        "asked/needs-place:place=there",
    ]
    with pytest.raises(UserError, match=r"--only hgue: plugin asked.py has no component 'hgue'; did you mean huge\?"):
        list(components_of(asked_for(file, ["hgue"])))


def test_what_needs_an_option_is_skipped_and_says_how_it_is_checked(file: str) -> None:
    (skipped,) = (each for each in components_of(asked_for(file)) if isinstance(each, CheckResult))
    assert (skipped.outcome, skipped.said) == (
        "skipped", "it needs its option place; check it by --only needs-place:PLACE",
    )  # fmt: skip


def test_nothing_is_downloaded(file: str, tmp_path: Path) -> None:
    (result,) = check_component("dataset", "asked/downloads", file)
    assert result.outcome == "skipped"
    assert "does not lie on this machine, and nothing is downloaded here" in result.said
    assert not (tmp_path / "downloaded").exists()


def test_a_plugin_is_named_by_itself_or_by_what_brings_it() -> None:
    assert asked_for("timm").plugins == ("timm",)
    assert {"timm", "packaged", "peft"} < set(asked_for("tlbench").plugins)
    assert asked_for("timm").chosen.distributions == ("tlbench",)
    with pytest.raises(UserError, match="no installed plugin and no module named 'tim'; did you mean timm"):
        asked_for("tim")
