"""Content decides: whatever names, sizes and times say."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from tlbench.cache import Remembered
from tlbench.data import contents
from tlbench.data.contents import content_digest


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLBENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    root = tmp_path / "data"
    root.mkdir()
    found = [root / f"{number}.bin" for number in range(4)]
    for number, file in enumerate(found):
        file.write_bytes(bytes([number]) * 100)
    return found


def remembered(root: Path) -> Path:
    """The file of the cache that holds what is known of a folder's files."""
    return Remembered(contents.KIND, str(root.absolute()), TypeAdapter(dict[str, str])).path


def digest(files: list[Path]) -> str:
    return content_digest(files[0].parent, files)


def test_files_swapped_with_equal_sizes_and_times_are_another_content(files: list[Path]) -> None:
    for file in files:
        os.utime(file, ns=(1, 1))
    before = digest(files)
    one, other = files[0].read_bytes(), files[1].read_bytes()
    files[0].write_bytes(other)
    files[1].write_bytes(one)
    for file in files:
        os.utime(file, ns=(1, 1))
    assert digest(files) != before


def test_a_rename_is_another_content_and_the_order_of_files_is_none(files: list[Path]) -> None:
    before = digest(files)
    assert digest(files[::-1]) == before
    assert digest([files[3].rename(files[3].with_name("x.bin")), *files[:3]]) != before


def test_unchanged_files_are_read_once(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    real = contents._digest
    monkeypatch.setattr(contents, "_digest", lambda file: read.append(file) or real(file))
    monkeypatch.setattr(contents, "SETTLED_SECONDS", -1.0)
    first = digest(files)
    assert sorted(read) == files
    assert digest(files) == first
    assert len(read) == 4
    files[2].write_bytes(b"changed")
    assert digest(files) != first
    assert read[4:] == [files[2]]


def test_files_changed_just_now_are_not_remembered(files: list[Path]) -> None:
    digest(files)
    assert remembered(files[0].parent).read_text("utf-8") == "{}"


def test_a_damaged_memory_costs_time_alone(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    before = digest(files)
    remembered(files[0].parent).write_text("[1,", "utf-8")
    assert digest(files) == before


def test_many_unchanged_files_take_a_share_of_the_time_of_reading(tmp_path: Path) -> None:
    """Counted, not timed: no file is opened the second time, even where none may be read any more."""
    root = tmp_path / "many"
    root.mkdir()
    files = [root / f"{number}" for number in range(300)]
    for file in files:
        file.write_bytes(file.name.encode())
    time.sleep(contents.SETTLED_SECONDS + 0.1)
    first = content_digest(root, files)
    opened: list[object] = []
    real = Path.open
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "open", lambda self, *rest, **more: opened.append(self) or real(self, *rest, **more))
        assert content_digest(root, files) == first
    assert not set(opened) & set(files)
