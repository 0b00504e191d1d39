"""An option is declared once: its flag, configuration key and keyword have the same name and the same help."""

from __future__ import annotations

import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import typer
from builders import make_dataset, make_split
from typer.testing import CliRunner

from tlbench.cli.options import given_values, with_flags_of
from tlbench.errors import UserError
from tlbench.keywords import RunOptions
from tlbench.plan.cell import Protocol
from tlbench.plan.config import config_of, read_config
from tlbench.plan.defaults import protocol_for
from tlbench.plan.option import option
from tlbench.plan.recipe import Recipe
from tlbench.plan.request import Request, make_request
from tlbench.report import text

DATASET = make_dataset(make_split(np.zeros((2, 8, 8, 3), np.uint8)))


class WithMomentum(Recipe):
    """A recipe with one option more: what follows is made from this field."""

    momentum: float = option(0.9, "Of SGD, and nothing else.", ge=0, lt=1)


class Larger(WithMomentum, Request):
    """A request of that recipe."""


class LargerProtocol(WithMomentum, Protocol):
    """The protocol of such a request."""


def command() -> tuple[typer.Typer, list[dict[str, object]]]:
    """A command with the flags of the larger request, and what it was given."""
    app, seen = typer.Typer(), list[dict[str, object]]()

    @app.command()
    @with_flags_of(Larger)
    def run(**given: Any) -> None:
        seen.append({name: value for name, value in given_values(given).items() if value is not None})

    return app, seen


def test_a_new_field_is_a_flag_with_help_and_a_configuration_key(tmp_path: Path) -> None:
    app, seen = command()
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).stdout
    assert "--momentum" in shown and "Of SGD, and nothing else." in shown and "(0.9)" in shown
    assert CliRunner().invoke(app, ["--momentum", "0.5", "--datasets", "a,b", "--datasets", "c"]).exit_code == 0
    assert seen == [{"momentum": "0.5", "datasets": ("a", "b", "c")}]
    assert Larger.model_validate(seen[0]).momentum == 0.5
    file = tmp_path / "bench.toml"
    file.write_text(config_of(Larger(momentum=0.7)))
    assert Larger.model_validate(read_config(file, Larger)).momentum == 0.7


def test_a_new_field_of_the_recipe_is_said_under_the_table() -> None:
    def said(**options: object) -> str:
        request = Larger.model_validate(options)
        return text.protocol(protocol_for(request, DATASET, "cpu", [], LargerProtocol), "cpu")

    assert ", momentum 0.5, " in said(momentum=0.5)
    assert "momentum" not in said()  # the default


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "adamw (weight decay 0.01), cosine schedule (warm-up 0.1), gradients clipped at norm 1, no augmentation"),
        ({"warmup": 0, "schedule": "constant"}, "constant schedule (warm-up 0)"),
        ({"augment": "flip,crop"}, "crop and flip augmentation"),
        ({"vary": "order"}, "seeds vary order alone"),
        ({"vary": ""}, "seeds vary nothing"),
        ({"patience": 3}, "best epoch on val, patience 3"),
        ({"batchnorm": "frozen", "class_weights": True}, "all classes weighted alike, BatchNorm statistics: frozen"),
        ({"compile": "auto", "deterministic": False}, "compile auto"),
        ({"normalisation": "dataset", "label_smoothing": 0.1}, "normalisation dataset, label smoothing 0.1"),
    ],
)
def test_what_departs_from_the_usual_is_said(options: dict[str, object], expected: str) -> None:
    protocol = protocol_for(make_request(**options), DATASET, "cpu", [])
    assert expected in text.protocol(protocol, "cpu")


def test_a_new_field_is_a_typed_keyword(generate: ModuleType) -> None:
    assert "    momentum: float | None\n" in generate.keywords.module(Larger)


@pytest.mark.parametrize("name", Request.model_fields)
def test_every_option_has_a_help_a_flag_and_a_keyword(name: str) -> None:
    assert (Request.model_fields[name].description or "").strip()
    assert name in RunOptions.__annotations__
    app, _ = command()
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).stdout
    assert f"--{name.replace('_', '-')} " in shown


def test_the_keywords_are_the_options_and_nothing_else() -> None:
    assert set(RunOptions.__annotations__) == set(Request.model_fields)


def test_a_request_comes_back_from_its_configuration(tmp_path: Path) -> None:
    request = make_request(
        backbones=("timm/resnet18", "small_cnn"), tune="lr=1e-3,3x", train_size="all", jobs="auto", timeout=3.5,
        augment="crop,flip", class_weights=True, data_root=Path("/data"), no_plugin=("timm",),
    )  # fmt: skip
    file = tmp_path / "bench.toml"
    file.write_text(config_of(request))
    assert make_request(**read_config(file)) == request


def test_keys_may_have_dashes_and_unknown_ones_get_a_suggestion(tmp_path: Path) -> None:
    file = tmp_path / "bench.toml"
    file.write_text('batch-size = 64\nstrategies = "freeze,full"\n')
    assert make_request(**read_config(file)).batch_size == 64
    file.write_text("batchsize = 64\n")
    with pytest.raises(UserError, match=r"bench\.toml: there is no option 'batchsize'; did you mean batch_size"):
        read_config(file)
    file.write_text("epochs = \n")
    with pytest.raises(UserError, match=r"bench\.toml is not TOML"):
        read_config(file)
    with pytest.raises(UserError, match=r"nowhere\.toml can't be read: No such file"):
        read_config(tmp_path / "nowhere.toml")


def test_plans_of_earlier_releases_have_another_name_for_the_time_limit() -> None:
    assert Request.model_validate({"timeout_seconds": 5}).timeout == 5
    assert tomllib.loads(config_of(Request(timeout=5)))["timeout"] == 5
