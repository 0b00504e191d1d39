"""What a command line imports: nothing heavy where nothing is computed. Checked on sys.modules, not by the clock."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"torch", "torchvision", "timm", "sklearn", "scipy"}

PROBE = """
import json, sys
sys.argv = ["tlbench", *json.loads(sys.argv[1])]
from tlbench.cli import main
status = 0
try:
    main()
except SystemExit as stop:
    status = stop.code or 0
print(json.dumps([status, sorted(name for name in sys.modules if "." not in name)]))
"""


def imported(*arguments: str, cwd: Path) -> tuple[int, set[str]]:
    """A command's exit status, and the packages that its process had imported at the end."""
    command = [sys.executable, "-c", PROBE, json.dumps(arguments)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=True)
    status, modules = json.loads(done.stdout.splitlines()[-1])
    return status, set(modules)


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("--help",), 0),
        (("run", "--help"), 0),
        (("plugin", "check", "--help"), 0),
        (("plugin", "check", "nowhere.py"), 2),
        (("list", "strategies", "-v"), 0),
        (("list", "datasets"), 0),
        (("list", "plugins"), 0),
        (("list", "backbones", "--search", "resnet50"), 0),
        (("run", "--seeds", "0"), 2),
        (("run", "--strategies", "freze"), 2),
        (("run", "--datasets", "digits:train=many"), 2),
        (("run", "--datasets", "folder:nowhere"), 2),
        (("run", "--backbones", "resnet5O"), 2),
        (("show", "nothing"), 2),
        (("plugin", "new", "class"), 2),
        (("plugin", "new", "acme", "--kind", "all"), 0),
        (("history", "nothing"), 2),
    ],
)
def test_nothing_heavy_is_imported(arguments: tuple[str, ...], status: int, tmp_path: Path) -> None:
    got, modules = imported(*arguments, cwd=tmp_path)
    assert got == status
    assert not modules & HEAVY


def test_showing_a_run_needs_no_torch(trained: tuple[Path, object]) -> None:
    for arguments in (("show", "trained", "--format", "csv"), ("history",)):
        status, modules = imported(*arguments, cwd=trained[0])
        assert status == 0
        assert not modules & {"torch", "torchvision", "timm", "ruptures"}


def test_help_imports_the_parser_alone(tmp_path: Path) -> None:
    assert not imported("--help", cwd=tmp_path)[1] & {"numpy", "PIL", "pydantic", "pluggy"}
