"""What people expect of a command line: -h, --quiet, sentences for mistakes, nothing that a terminal would obey."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from conftest import QUICK, TLBENCH, Cli, Finished


def test_short_help(cli: Cli) -> None:
    for command in (("-h",), ("run", "-h"), ("show", "-h")):
        assert cli(*command).stdout == cli(*command[:-1], "--help").stdout


def test_shell_completion_can_be_shown(cli: Cli) -> None:
    shown = cli("--show-completion", "bash", environment={"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"})
    assert "_TLBENCH_COMPLETE" in shown.stdout


def test_quiet_writes_results_alone(cli: Cli) -> None:
    done = cli("run", *QUICK, "--strategies", "scratch", "--quiet")
    assert done.status == 0
    assert done.stderr == ""
    assert "scratch" in done.stdout


@pytest.mark.parametrize("name", ["two\nlines", "bell\a", "x" * 300, "a/b", "..", ""])
def test_names_that_name_no_folder(cli: Cli, name: str, tmp_path: Path) -> None:
    refused = cli("run", *QUICK, "--name", name)
    assert refused.status == 2
    assert refused.stderr.startswith("error: --name ")
    assert len(refused.stderr.splitlines()) == 1
    assert not (tmp_path / "results").exists()


def test_a_plugin_to_block_that_there_is_not(cli: Cli) -> None:
    refused = cli("list", "strategies", environment={"TLBENCH_PLUGINS_DISABLED": "peft,tim"})
    assert refused.status == 2
    assert (
        refused.stderr
        == "error: $TLBENCH_PLUGINS_DISABLED: there is no plugin named 'tim' to disable; did you mean timm?\n"
    )


def test_a_full_disk_behind_stdout_is_a_sentence(trained: tuple[Path, Finished]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [TLBENCH, "show", "trained"], cwd=trained[0], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 2
    assert done.stderr == "error: the output can't be written: No space left on device\n"


def test_characters_that_the_output_does_not_know_are_replaced(trained: tuple[Path, Finished], cli: Cli) -> None:
    folder = str(trained[0] / "results" / "trained")
    shown = cli("show", folder, environment={"PYTHONIOENCODING": "ascii"})
    assert shown.status == 0, shown.stderr
    assert "freeze" in shown.stdout
    assert shown.stdout.isascii()


def test_a_search_that_finds_nothing_says_so(cli: Cli) -> None:
    listed = cli("list", "strategies", "--search", "zzz", "--json")
    assert (listed.status, listed.stdout, listed.stderr) == (
        0,
        "[]\n",
        "none of the strategies has 'zzz' in its name\n",
    )


@pytest.mark.slow
def test_show_counts_what_is_missing_and_names_what_is_damaged(cli: Cli, tmp_path: Path) -> None:
    assert cli("run", *QUICK, "--strategies", "scratch", "--seeds", "3", "--name", "three").status == 0
    trials = tmp_path / "results" / "three" / "trials"
    first, second, _ = sorted(trials.glob("*.json"))
    first.unlink()
    second.write_text(second.read_text("utf-8")[:100], "utf-8")
    shown = cli("show", "three")
    assert shown.status == 0
    assert "scratch" in shown.stdout
    assert f"{second.name} is not a tlbench document" in shown.stderr
    assert "2 of 3 planned trials have no record: tlbench resume" in shown.stderr
    resumed = cli("resume", "three")
    assert "1 done already, 2 to go" in resumed.stderr
    assert cli("show", "three").stderr == ""


@pytest.mark.slow
def test_names_that_a_terminal_would_obey_are_escaped_everywhere(cli: Cli, tmp_path: Path) -> None:
    import numpy as np
    import PIL.Image

    folder = tmp_path / "=cmd()\x1b[31m|<b>\u202e"
    random = np.random.default_rng(0)
    for name in ("a", "b\x07"):
        (folder / name).mkdir(parents=True)
        for number in range(12):
            pixels = random.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            PIL.Image.fromarray(pixels).save(folder / name / f"{number}.png")
    options = ("--strategies", "scratch", "--backbones", "small_cnn", "--epochs", "1", "--name", "odd")
    done = cli("run", "--datasets", f"folder:{folder}", *options)
    assert done.status == 0, done.stderr
    written = [done.stdout, done.stderr, *(cli("show", "odd", "--format", form).stdout for form in ("markdown", "csv"))]
    for each in written:
        assert not {"\x1b", "\x07", "\u202e"} & set(each)
        assert "\\x1b[31m" in each
    assert "<b>" not in written[2]
    shown = cli("show", "odd", "--format", "json")
    assert shown.records[0]["data"]["names"] == ["a", "b\x07"]


def test_a_folder_in_place_of_a_dataset_says_how_to_name_it(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    refused = cli("run", "--datasets", "photos")
    assert refused.status == 2
    assert "unknown dataset 'photos'" in refused.stderr
    assert "for the images in photos, say folder:photos" in refused.stderr


def test_a_path_with_a_comma(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "cats, dogs").mkdir()
    for spec in ("folder:cats, dogs", "'folder:cats, dogs'"):
        refused = cli("run", "--datasets", spec)
        assert "cats, dogs is empty: it needs a folder of images for each class" in refused.stderr
