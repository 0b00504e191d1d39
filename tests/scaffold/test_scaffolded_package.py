"""A package of every kind that `tlbench plugin new` wrote: installed by pip, run, tested, typed and formatted."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from conftest import run_cli

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the package."""
    folder = tmp_path_factory.mktemp("scaffolded")
    made = run_cli("plugin", "new", "acme-vision", "--kind", "all", cwd=folder)
    assert made.status == 0, made.stderr
    return folder / "acme-vision"


@pytest.fixture(scope="module")
def scripts(package: Path) -> Path:
    """The commands of a fresh virtual environment into which the wheels of tlbench and of the package were installed.

    What they depend on is this environment's own, by a path file behind everything else.
    """
    folder = package.parent
    for project in (ROOT, package):
        build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
        subprocess.run([*build, "-w", str(folder / "wheels"), str(project)], check=True)
    environment = folder / "venv"
    venv.create(environment, with_pip=False)
    python = environment / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-deps", "--no-index"]
    subprocess.run([*install, *map(str, (folder / "wheels").iterdir())], check=True)
    site = next((environment / "lib").glob("python*/site-packages"))
    (site / "zz_shared.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return environment / "bin"


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [str(each) for each in command], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def test_the_cross_product_of_its_components_and_the_built_in_ones(scripts: Path, tmp_path: Path) -> None:
    done = run(
        *(scripts / "tlbench", "run", "--json", "--name", "one", "--epochs", "6", "--lr", "3e-3"),
        *("--image-size", "32", "--batch-size", "16"),
        *("--backbones", "acme-vision/small-conv:width=8,small_cnn", "--strategies", "acme-vision/head-first,full"),
        *("--datasets", "acme-vision/shapes,acme-vision/spots"),
        *("--reporters", "acme-vision/diary", "--executor", "acme-vision/timed"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    records = json.loads(done.stdout)["records"]
    cells = [record["trial"]["cell"] for record in records]
    assert [(cell["dataset"], cell["backbone"], cell["strategy"]) for cell in cells] == [
        (f"acme-vision/{dataset}", backbone, strategy)
        for dataset in ("shapes", "spots")
        for backbone in ("acme-vision/small-conv:width=8", "packaged/small_cnn")
        for strategy in ("acme-vision/head-first", "builtin/full")
    ]
    assert {record["status"] for record in records} == {"ok"}
    origin = records[0]["provenance"]["strategy"]
    assert [origin[name] for name in ("plugin", "distribution", "version")] == ["acme-vision", "acme-vision", "0.1.0"]
    best = max(record["metrics"]["test"]["accuracy"] for record in records[:4])
    assert best > 0.7  # of three shapes
    assert all(
        0 <= record["metrics"]["test"]["worst_class"] <= record["metrics"]["test"]["accuracy"] for record in records[:4]
    )
    assert min(record["metrics"]["test"]["count_error"] for record in records[4:]) < 1.2  # of 0 to 4 spots
    assert len((tmp_path / "jobs.txt").read_text().splitlines()) == 8
    *lines, last = (tmp_path / "results" / "one" / "diary.txt").read_text("utf-8").splitlines()
    assert len(lines) == 8 and last == "8 of 8 trials are ok"
    shown = run(scripts / "tlbench", "show", "one", "--format", "csv", cwd=tmp_path)
    first = next(csv.DictReader(shown.stdout.splitlines()))
    chance = records[0]["metrics"]["chance"]
    assert float(first["above_chance"]) == pytest.approx(float(first["accuracy"]) - chance, abs=1e-4)


def test_its_own_tests_pass(package: Path, scripts: Path) -> None:
    done = run(scripts / "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=package)
    assert done.returncode == 0, done.stdout + done.stderr


def test_its_types_are_complete(package: Path, scripts: Path) -> None:
    # mypy reads tlbench as it is installed, by its py.typed
    done = run(sys.executable, "-m", "mypy", "--python-executable", scripts / "python", cwd=package)
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_is_formatted_and_linted(package: Path) -> None:
    for command in (("format", "--check", "."), ("check", ".")):
        done = run(sys.executable, "-m", "ruff", *command, "--no-cache", cwd=package)
        assert done.returncode == 0, done.stdout + done.stderr


def test_importing_it_imports_nothing_heavy(scripts: Path, tmp_path: Path) -> None:
    heavy = ("torch", "numpy", "torchvision", "timm", "scipy")
    probe = f"import sys, acme_vision; print(sorted(set(sys.modules) & set({heavy})))"
    assert run(scripts / "python", "-c", probe, cwd=tmp_path).stdout == "[]\n"
