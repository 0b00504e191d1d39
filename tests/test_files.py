"""Files and folders are seen whole or not at all, whatever goes wrong while they are written."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tlbench.files import move_whole, write_whole, written_whole


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    file = tmp_path / "new" / "a.json"
    for content in ("one\n", "two"):
        write_whole(file, content)
        assert file.read_text() == content
    assert list(file.parent.iterdir()) == [file]


def test_what_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.json"
    write_whole(file, "one")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(file, "two")
    assert file.read_text() == "one"
    assert list(tmp_path.iterdir()) == [file]


def test_a_folder_has_its_name_when_all_of_it_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    with written_whole(folder) as temporary:
        (temporary / "a").write_text("1")
        assert not folder.exists()
    with pytest.raises(RuntimeError), written_whole(folder) as temporary:
        (temporary / "b").write_text("2")
        raise RuntimeError
    assert [each.name for each in folder.iterdir()] == ["a"]
    with written_whole(folder) as temporary:
        (temporary / "c").write_text("3")
    assert [each.name for each in folder.iterdir()] == ["c"]
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("across", [False, True], ids=["one disk", "two disks"])
def test_files_and_folders_are_moved_in_place_of_older_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, across: bool
) -> None:
    outbox, there = tmp_path / "outbox", tmp_path / "there"
    (outbox / "model").mkdir(parents=True)
    (outbox / "model" / "new").write_text("1")
    (outbox / "a.txt").write_text("2")
    (there / "model").mkdir(parents=True)
    (there / "model" / "old").write_text("0")
    (there / "a.txt").write_text("0")
    if across:
        rename = Path.replace

        def refused(self: Path, target: Path) -> Path:
            if self.parent == outbox:
                raise OSError(errno.EXDEV, "Invalid cross-device link")
            return rename(self, target)

        monkeypatch.setattr(Path, "replace", refused)
    move_whole(outbox / "model", there / "model")
    move_whole(outbox / "a.txt", there / "a.txt")
    assert [each.name for each in (there / "model").iterdir()] == ["new"]
    assert (there / "a.txt").read_text() == "2"
    assert list(outbox.iterdir()) == []
    assert {each.name for each in there.iterdir()} == {"model", "a.txt"}
