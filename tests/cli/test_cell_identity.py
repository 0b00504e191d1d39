"""What makes a trial another one: every option as resolved; and that a run does not mix plugins' releases."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from builders import make_cell
from conftest import Cli, PluginMaker

from tlbench.plan import Cell


@pytest.fixture
def cli(cli_warm: Cli) -> Cli:
    """Mostly in this process, whose server of processes is up."""
    return cli_warm


RANKED = '''
from pydantic import Field
from tlbench import Options, Train, hookimpl, strategy

tlbench_api = 1

class Rank(Options):
    r: int = Field(8, description="the rank")

@strategy("ranked", learning_rates={"adamw": 1e-3}, options=Rank)
def ranked(model, options):
    model.notes["rank"] = options.r
    yield Train(model.head)

@hookimpl
def tlbench_register_strategies(register):
    register(ranked)
'''  # fmt: skip

COMMAND = (
    *("run", "--backbones", "small_cnn", "--datasets", "digits:train=64:test=40", "--image-size", "16"),
    *("--epochs", "1", "--name", "ranks"),
)


def release(plugin: PluginMaker, version: str, rank: int) -> None:
    """Another release of the plugin, with another default."""
    (plugin.site / "mine_module.py").write_text(RANKED.replace("Field(8", f"Field({rank}"))
    metadata = plugin.site / "mine-1.0.dist-info" / "METADATA"
    metadata.write_text(re.sub(r"^Version: \d\.\d", f"Version: {version}", metadata.read_text(), flags=re.MULTILINE))


@pytest.mark.slow
def test_a_default_that_changes_makes_another_cell_and_a_release_is_not_mixed(cli: Cli, plugin: PluginMaker) -> None:
    environment = plugin("mine", RANKED).environment
    first = cli(*COMMAND, "--strategies", "ranked,ranked:r=16", "--json", environment=environment).records
    cells = [record["trial"]["cell"] for record in first]
    assert [cell["strategy"] for cell in cells] == ["mine/ranked", "mine/ranked:r=16"]
    assert [cell["options"]["strategy"] for cell in cells] == [{"r": 8}, {"r": 16}]
    assert cells[0]["options"]["dataset"]["train"] == 64

    release(plugin, "1.0", 16)
    changed = cli("resume", "ranks", environment=environment)
    assert changed.status == 2
    assert "exists with a different plan (options.strategy.r 8 there, 16 here)" in changed.stderr

    release(plugin, "2.0", 8)
    mixed = cli("resume", "ranks", environment=environment)
    assert mixed.status == 2
    assert "was made with other releases (plugin mine: mine 1.0 there, mine 2.0 here)" in mixed.stderr

    release(plugin, "1.0", 8)
    again = cli("resume", "ranks", environment=environment)
    assert again.status == 0, again.stderr
    assert "2 done already, 0 to go" in again.stderr


@pytest.mark.parametrize("kind", ["backbone", "dataset", "strategy"])
def test_every_option_decides_the_id(kind: str) -> None:
    cell = make_cell()
    with_options = [cell.model_copy(update={"options": {kind: {"r": value}}}) for value in (8, 16)]
    assert len({cell.id, *(each.id for each in with_options)}) == 3


def test_a_record_without_resolved_options_keeps_its_id(pytestconfig: pytest.Config) -> None:
    """Those of earlier releases have none."""
    from tlbench.results.store import RunFolder

    folder = RunFolder(Path(pytestconfig.rootpath) / "results" / "rates")
    for record in folder.records():
        assert isinstance(record.trial.cell, Cell) and not record.trial.cell.options
        assert record.trial.cell.id == record.trial.cell_id
