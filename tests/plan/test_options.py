"""An option is declared once: its flag, configuration key and keyword have the same name and the same help."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from tlbench.api import RunOptions
from tlbench.cli.options import given_values, with_flags_of
from tlbench.errors import UserError
from tlbench.plan.config import config_of, read_config
from tlbench.plan.option import option
from tlbench.plan.request import Request, make_request


class Larger(Request):
    """A request with one option more."""

    momentum: float = option(0.9, "Of SGD, and nothing else.", ge=0, lt=1)


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
        augment="crop,flip", class_weights=True, data_root=Path("/data"), block=("timm",),
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
