"""What tests share: the real command line, made-up plugins that are really discovered, one trained run."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
import pickle
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from filelock import FileLock

from tlbench.cli import main
from tlbench.cli.app import state

TLBENCH = str(Path(sys.executable).parent / "tlbench")

NO_NETWORK = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
"""A proxy where nothing listens: what is downloaded fails at once, on any machine."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs an NVIDIA GPU where there is none."""
    on_gpu = [item for item in items if item.get_closest_marker("cuda")]
    if on_gpu:
        import torch

        if not torch.cuda.is_available():
            for item in on_gpu:
                item.add_marker(pytest.mark.skip(reason="needs an NVIDIA GPU"))


@dataclass(frozen=True)
class Finished:
    """A command's exit status and output."""

    status: int
    stdout: str
    stderr: str

    @property
    def records(self) -> list[dict[str, Any]]:
        """The records that `--json` printed."""
        records: list[dict[str, Any]] = json.loads(self.stdout)["records"]
        return records


Cli = Callable[..., Finished]


@pytest.fixture(scope="session", autouse=True)
def environment(tmp_path_factory: pytest.TempPathFactory) -> None:
    """One thread a process (tests run side by side), a cache shared by all workers, no network."""
    os.environ |= {"OMP_NUM_THREADS": "1", "TLBENCH_CACHE": str(_shared(tmp_path_factory) / "cache"), **NO_NETWORK}


def _shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all xdist workers see."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base


def run_cli(*arguments: str, cwd: Path, environment: dict[str, str] | None = None, timeout: float = 300) -> Finished:
    """Run the installed `tlbench`."""
    done = subprocess.run(
        [TLBENCH, *arguments],
        cwd=cwd,
        env=os.environ | (environment or {}),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


Once = Callable[[str, Callable[[Path], Any]], tuple[Path, Any]]


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """Makes what several tests look at in a folder: by the worker that needs it first, for all of them."""

    def once(name: str, make: Callable[[Path], Any]) -> tuple[Path, Any]:
        folder = _shared(tmp_path_factory) / "once" / name
        made = folder.with_suffix(".made")
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_suffix(".lock")):
            if not made.exists():
                made.write_bytes(pickle.dumps(make(folder)))
        return folder, pickle.loads(made.read_bytes())

    return once


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """The command line in an empty folder."""

    def run(*arguments: str, **options: Any) -> Finished:
        return run_cli(*arguments, cwd=tmp_path, **options)

    return run


@pytest.fixture
def cli_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command line in an empty folder, in this process, whose server of processes need not be started again."""

    def run(*arguments: str, environment: dict[str, str] | None = None) -> Finished:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["tlbench", *arguments])
        for name, value in (environment or {}).items():
            monkeypatch.setenv(name, value)
        out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
        state.debug = False
        handler, status = signal.getsignal(signal.SIGTERM), 0
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                main()
        except SystemExit as left:
            status = int(left.code or 0)
        except Exception:  # with --debug
            traceback.print_exc(file=err)
            status = 1
        finally:
            signal.signal(signal.SIGTERM, handler)
        said = [stream.buffer.getvalue().decode() for stream in (out, err)]  # type: ignore[attr-defined]
        return Finished(status, *said)

    return run


@pytest.fixture
def cli_warm(cli: Cli, cli_here: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """In this process, with the plugins that lie on a path, unless the command needs an environment of its own."""

    def run(*arguments: str, **options: Any) -> Finished:
        environment = options.get("environment", {})
        if options.keys() - {"environment"} or environment.keys() - {"PYTHONPATH"}:
            return cli(*arguments, **options)
        with monkeypatch.context() as patch:
            for path in reversed(environment.get("PYTHONPATH", "").split(os.pathsep)):
                if path and path not in sys.path:
                    patch.syspath_prepend(path)
            try:
                return cli_here(*arguments)
            finally:
                _forget_modules_below(tmp_path)

    return run


def _forget_modules_below(folder: Path) -> None:
    """Have what was imported from a folder imported again: another test has other files of the same names."""
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(folder)):
            del sys.modules[name]


@pytest.fixture(scope="session")
def generate() -> Iterator[ModuleType]:
    """The script that makes the pages of the docs, as a module."""
    docs = Path(__file__).parents[1] / "docs"
    spec = importlib.util.spec_from_file_location("generate", docs / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(docs)  # as for a script there
        spec.loader.exec_module(module)
        yield module


QUICK = ("--datasets", "digits:train=96:test=60", "--epochs", "1", "--backbones", "small_cnn")
"""A run of about a second a trial."""


@pytest.fixture(scope="session")
def trained(once: Once) -> tuple[Path, Finished]:
    """A finished run of real weights on real images, two seeds: its folder of runs, and what the command said."""
    folder, finished = once(
        "trained",
        lambda folder: run_cli(
            *("run", "--name", "trained", "--json", "--seeds", "2", "--epochs", "2", "--image-size", "32"),
            *("--datasets", "digits:train=200:test=100"),
            cwd=folder,
        ),
    )
    assert finished.status == 0, finished.stderr
    return folder, finished


@dataclass(frozen=True)
class PluginMaker:
    """Writes plugins as pip would install them: a module, and metadata with an entry point."""

    site: Path

    @property
    def environment(self) -> dict[str, str]:
        """What puts them on the path of a command."""
        return {"PYTHONPATH": os.pathsep.join([str(self.site), *filter(None, [os.environ.get("PYTHONPATH")])])}

    def __call__(self, name: str, source: str) -> PluginMaker:
        """Write the plugin `name`."""
        (self.site / f"{name}_module.py").write_text(source)
        metadata = self.site / f"{name}-1.0.dist-info"
        metadata.mkdir(parents=True)
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(f"[tlbench]\n{name} = {name}_module\n")
        return self


@pytest.fixture
def plugin(tmp_path: Path) -> PluginMaker:
    """Makes plugins."""
    site = tmp_path / "site"
    site.mkdir()
    return PluginMaker(site)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Let a worker that is done take tests from one that is not: some take half a minute, and most none."""
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log)
