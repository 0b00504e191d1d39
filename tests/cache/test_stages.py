"""Stages kept in the cache: computed once, found damaged, removed in the order of their last use."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tlbench.cache import LIMIT_VARIABLE, StageCache, cache_limit_bytes
from tlbench.cache.stages import _verified
from tlbench.errors import UserError


def write(text: str, calls: list[str] | None = None) -> object:
    def compute(folder: Path) -> None:
        (folder / "result").write_text(text)
        if calls is not None:
            calls.append(text)

    return compute


def get(cache: StageCache, name: str, calls: list[str] | None = None, size: int = 0) -> str:
    kept = cache.get("demo", {"name": name}, write(name + "x" * size, calls))  # type: ignore[arg-type]
    return (kept.path / "result").read_text()


def names(cache: StageCache) -> list[str]:
    return [(entry.path / "result").read_text().rstrip("x") for entry in cache.entries()]


def release(cache: StageCache) -> None:
    """As if the processes that use the entries had ended."""
    for lease in cache.folder.glob("*/*/leases/*"):
        lease.rename(lease.with_name("1-ended"))


def test_a_stage_is_computed_once_for_a_key(tmp_path: Path) -> None:
    calls: list[str] = []
    for _ in range(2):
        assert get(StageCache(tmp_path), "one", calls) == "one"
    assert get(StageCache(tmp_path), "other", calls) == "other"
    assert calls == ["one", "other"]


def test_what_it_took_is_remembered(tmp_path: Path) -> None:
    def slow(folder: Path) -> None:
        time.sleep(0.05)
        (folder / "result").touch()

    first = StageCache(tmp_path).get("demo", {}, slow)
    second = StageCache(tmp_path).get("demo", {}, slow)
    assert (first.reused, second.reused) == (False, True)
    assert second.seconds == first.seconds >= 0.05


@pytest.mark.parametrize("damage", ["changed", "shortened", "removed", "manifest"])
def test_a_damaged_result_is_found_and_computed_again(tmp_path: Path, damage: str) -> None:
    calls: list[str] = []
    get(StageCache(tmp_path), "one", calls)
    (entry,) = StageCache(tmp_path).entries()
    file = entry.path / ("stage.json" if damage == "manifest" else "result")
    if damage == "removed":
        file.unlink()
    else:
        file.write_text({"changed": "onE", "shortened": "on", "manifest": "{"}[damage])
    _verified.clear()  # another process would read it through
    assert get(StageCache(tmp_path), "one", calls) == "one"
    assert calls == ["one", "one"]


def test_what_fails_leaves_nothing_and_is_tried_again(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        StageCache(tmp_path).get("demo", {"name": "one"}, fail)
    assert get(StageCache(tmp_path), "one") == "one"
    assert [path.name for path in (tmp_path / "stages" / "demo").glob("*.tmp")] == []


def compute_slowly(folder: str, log: str) -> None:
    def compute(path: Path) -> None:
        with Path(log).open("a") as file:
            file.write("computed\n")
        time.sleep(0.5)
        (path / "result").touch()

    StageCache(Path(folder)).get("demo", {}, compute)


def test_several_processes_compute_it_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    log = tmp_path / "log"
    processes = [context.Process(target=compute_slowly, args=(str(tmp_path), str(log))) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert log.read_text() == "computed\n"


def test_the_least_recently_used_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = StageCache(tmp_path)
    for name in ("a", "b", "c", "a"):  # a is used again: b is now the oldest
        get(cache, name, size=700)
        time.sleep(0.02)
    release(cache)
    total = sum(entry.size_bytes for entry in cache.entries())
    monkeypatch.setenv(LIMIT_VARIABLE, str(total + 50))
    get(cache, "d", size=700)
    assert names(cache) == ["c", "a", "d"]


def test_what_a_run_is_using_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = StageCache(tmp_path)
    get(cache, "theirs", size=900)
    release(cache)
    get(cache, "mine", size=900)
    monkeypatch.setenv(LIMIT_VARIABLE, "1000")
    cache.make_room()
    assert names(cache) == ["mine"]
    assert cache.clear() == (0, 0)
    assert [entry.leased for entry in cache.entries()] == [True]


def test_clear_removes_the_rest(tmp_path: Path) -> None:
    cache = StageCache(tmp_path)
    get(cache, "one")
    release(cache)
    number, size = cache.clear()
    assert number == 1
    assert size > 0
    assert cache.entries() == []


@pytest.mark.parametrize(
    ("text", "expected"), [("500", 500), ("1k", 1024), ("500MiB", 500 * 2**20), ("1.5 GB", 3 * 2**29), ("2T", 2**41)]
)
def test_limits_as_people_write_them(monkeypatch: pytest.MonkeyPatch, text: str, expected: int) -> None:
    monkeypatch.setenv(LIMIT_VARIABLE, text)
    assert cache_limit_bytes() == expected


def test_a_bad_limit_is_a_users_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LIMIT_VARIABLE, "much")
    with pytest.raises(UserError, match="'much' is not a size"):
        cache_limit_bytes()


def test_a_cache_that_can_not_be_written_is_a_users_mistake(tmp_path: Path) -> None:
    (tmp_path / "stages").write_text("a file")
    with pytest.raises(UserError, match="TLBENCH_CACHE"):
        get(StageCache(tmp_path), "one")


HOLDS = """
import sys
from pathlib import Path
from tlbench.cache import StageCache
StageCache(Path(sys.argv[1])).get("demo", {"name": "theirs"}, lambda folder: (folder / "result").write_text("theirs"))
print("has it", flush=True)
sys.stdin.read()
"""


def test_an_entry_is_in_use_as_long_as_its_process_lives_whatever_its_number(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "has it\n"
    cache = StageCache(tmp_path)
    assert [entry.leased for entry in cache.entries()] == [True]
    assert cache.clear() == (0, 0)
    process.kill()
    process.wait()
    assert [entry.leased for entry in cache.entries()] == [False]
    assert not list(tmp_path.glob(f"leases/{process.pid}-*"))
    assert not list(tmp_path.glob("stages/demo/*/leases/*"))


def test_a_lease_that_nobody_holds_here_is_replaced_by_one_of_this_process(tmp_path: Path) -> None:
    """As on another machine than the run's: what it computes must stay while it is used."""
    get(StageCache(tmp_path, lease="1-of-another-host"), "mine")
    (entry,) = StageCache(tmp_path).entries()
    assert entry.leased


KILLED = """
import os, sys
from pathlib import Path
from tlbench.cache import StageCache
def half(folder):
    (folder / "result").write_text("x" * 1000)
    os.kill(os.getpid(), 9)
StageCache(Path(sys.argv[1])).get("demo", {"name": "half"}, half)
"""


def test_what_a_killed_process_left_is_counted_and_cleared(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    cache = StageCache(tmp_path)
    (left,) = cache.leftovers()
    assert cache.entries() == []
    assert cache.clear() == (1, 1000)
    assert not left.exists()
    assert not list((tmp_path / "stages" / "demo").iterdir())


FULL = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from tlbench.cache import StageCache
from tlbench.data.arrays import new_array
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
def compute(folder):
    new_array(folder / "a.npy", (10, 100_000), np.uint8)[:] = 1
StageCache(Path(sys.argv[1])).get("demo", {"name": "large"}, compute)
"""


def test_where_there_is_no_room_nothing_is_written_and_the_process_lives(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "UserError: the cache" in done.stderr
    assert "can't be written: File too large" in done.stderr
    assert StageCache(tmp_path).leftovers() == []
