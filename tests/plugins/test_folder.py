"""Folders of people's own images: which are splits and which classes, what is data, and how pixels are read."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from builders import write_tree

from tlbench.errors import UserError
from tlbench_packaged.folder import FolderOptions, check_folder, folder


def test_a_folder_of_classes(tmp_path: Path) -> None:
    dataset = folder(FolderOptions(path=write_tree(tmp_path, {"dog": 3, "cat": 2})))
    assert list(dataset.classes) == ["cat", "dog"]
    assert np.asarray(dataset.train.labels).tolist() == [0, 0, 1, 1, 1]
    assert dataset.native_size == 20
    assert dataset.train.describe(2) == str(tmp_path / "dog" / "000.png")
    assert list(dataset.notes) == []


@pytest.mark.parametrize(
    ("train", "val", "test"),
    [
        ("train", "valid", "test"),
        ("Train", "Val", "Test"),
        ("training", "validation", "testing"),
        ("TRAINING", "dev", "Testing"),
        ("training_set", "Validation Set", "test-set"),
        ("train_data", None, "testdata"),
        ("train", None, None),
        ("train", "val", None),
    ],
)
def test_the_usual_names_of_splits_in_any_case(tmp_path: Path, train: str, val: str | None, test: str | None) -> None:
    for name, number in ((train, 4), (val, 1), (test, 2)):
        if name:
            write_tree(tmp_path / name, {"cat": number, "dog": number})
    dataset = folder(FolderOptions(path=tmp_path))
    assert list(dataset.classes) == ["cat", "dog"]
    sizes = [None if split is None else len(split) for split in (dataset.train, dataset.val, dataset.test)]
    assert sizes == [8, 2 if val else None, 4 if test else None]


def test_classes_that_are_called_like_splits(tmp_path: Path) -> None:
    write_tree(tmp_path, {"train": 2, "plane": 3, "car": 1})
    assert list(folder(FolderOptions(path=tmp_path)).classes) == ["car", "plane", "train"]
    shutil.rmtree(tmp_path / "plane")
    shutil.rmtree(tmp_path / "car")
    write_tree(tmp_path, {"test": 3})
    assert list(folder(FolderOptions(path=tmp_path, layout="classes")).classes) == ["test", "train"]


@pytest.mark.parametrize(
    ("folders", "said"),
    [
        ({"train": "classes", "holdout": "classes"}, "folders called train, and beside them holdout"),
        ({"Test": "classes", "Val": "classes"}, "but none called train"),
        ({"train": "classes", "training": "classes"}, "train, training mean the same split"),
        ({"train": "classes", "val": "classes", "dev": "classes"}, "dev, val mean the same split"),
        ({"train": "images", "test": "images"}, "but no folder for each class"),
    ],
)
def test_what_is_half_recognised_is_refused(tmp_path: Path, folders: dict[str, str], said: str) -> None:
    for name, content in folders.items():
        if content == "classes":
            write_tree(tmp_path / name, {"cat": 1, "dog": 1})
        else:
            write_tree(tmp_path, {name: 2})
    with pytest.raises(UserError, match=said) as refused:
        check_folder(FolderOptions(path=tmp_path))
    assert "layout=classes" in str(refused.value)


def test_a_folder_beside_the_splits_without_images_is_no_matter(tmp_path: Path) -> None:
    write_tree(tmp_path / "train", {"cat": 2, "dog": 2})
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "readme.txt").write_text("of the authors", "utf-8")
    assert len(folder(FolderOptions(path=tmp_path)).train) == 4


def test_splits_may_lack_classes_but_have_none_that_train_lacks(tmp_path: Path) -> None:
    write_tree(tmp_path / "train", {"ant": 1, "cat": 1, "dog": 1})
    write_tree(tmp_path / "test", {"ant": 1, "dog": 2})
    dataset = folder(FolderOptions(path=tmp_path))
    assert dataset.test is not None
    assert np.asarray(dataset.test.labels).tolist() == [0, 2, 2]
    write_tree(tmp_path / "test", {"dgo": 1})
    with pytest.raises(UserError, match="test has the class 'dgo', of which train has no folder"):
        check_folder(FolderOptions(path=tmp_path))


def test_a_class_folder_that_is_nested_too_deep_says_which_to_name(tmp_path: Path) -> None:
    write_tree(tmp_path / "dataset", {"cat": 1, "dog": 1})
    with pytest.raises(UserError, match=f"its folders are in {tmp_path / 'dataset'}: name that"):
        check_folder(FolderOptions(path=tmp_path))


def test_images_without_classes_an_archive_and_a_table_say_what_to_do(tmp_path: Path) -> None:
    write_tree(tmp_path, {"flat": 3})
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("cat/1.png", b"")
    (tmp_path / "labels.csv").write_text("file,class\n", "utf-8")
    for name, said in (
        ("flat", "has 3 images in it, but no folders of classes"),
        ("photos.zip", "is an archive; unpack it"),
        ("labels.csv", "is a table, not a folder"),
        ("flat/000.png", "is one image"),
        ("nothing", "is missing"),
    ):
        with pytest.raises(UserError, match=said):
            check_folder(FolderOptions(path=tmp_path / name))


def test_hidden_and_foreign_files_are_left_out_and_counted(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "photos", {"cat": 3, "dog": 3})
    image = root / "cat" / "000.png"
    for place in (
        "cat/.ipynb_checkpoints/000.png",
        "cat/@eaDir/000.png/thumb.png",
        "cat/._000.png",
        "__MACOSX/cat/000.png",
        ".cache/dog/1.png",
    ):
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(image, root / place)
    (root / "cat" / "Thumbs.db").write_bytes(b"x")
    (root / "dog" / "notes.txt").write_text("good dogs", "utf-8")
    (root / "dog" / "gone.png").symlink_to(root / "nowhere.png")
    dataset = folder(FolderOptions(path=root))
    assert list(dataset.classes) == ["cat", "dog"]
    assert len(dataset.train) == 6
    assert list(dataset.notes) == ["left out: 6 hidden or system files, 1 broken link, 1 .txt file"]


def test_whatever_pillow_reads_is_an_image_and_linked_folders_are_followed(tmp_path: Path) -> None:
    write_tree(tmp_path / "elsewhere", {"more": 2})
    root = write_tree(tmp_path / "photos", {"cat": 1, "dog": 1})
    photo = PIL.Image.new("RGB", (8, 8), (1, 2, 3))
    for name in ("a.jfif", "b.JPEG", "c.jp2", "d.tga", "e.WEBP"):
        photo.save(root / "cat" / name, "jpeg" if name.endswith(("jfif", "JPEG")) else None)
    (root / "dog" / "linked").symlink_to(tmp_path / "elsewhere" / "more")
    (root / "dog" / "around").symlink_to(root / "dog")
    dataset = folder(FolderOptions(path=root))
    assert np.bincount(np.asarray(dataset.train.labels)).tolist() == [6, 3]
    assert list(dataset.notes) == ["left out: 1 link back to a folder above"]


def test_exif_orientation_is_applied_or_left(tmp_path: Path) -> None:
    root = write_tree(tmp_path, {"cat": 1, "dog": 1})
    photo = PIL.Image.new("RGB", (40, 20), "white")
    photo.paste((0, 0, 0), (0, 0, 20, 20))
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # to be turned by 90° clockwise
    photo.save(root / "cat" / "000.png", exif=exif)
    turned = np.asarray(folder(FolderOptions(path=root)).train.image(0))
    left = np.asarray(folder(FolderOptions(path=root, exif=False)).train.image(0))
    assert (turned.shape, left.shape) == ((40, 20, 3), (20, 40, 3))
    assert (turned[:20] == 0).all() and (turned[20:] == 255).all()
    fingerprints = {folder(FolderOptions(path=root, exif=exif)).fingerprint for exif in (True, False)}
    assert len(fingerprints) == 2


def test_the_fingerprint_follows_content_and_place_alone(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "a", {"cat": 4, "dog": 4})
    before = folder(FolderOptions(path=root)).fingerprint
    copied = shutil.copytree(root, tmp_path / "b")
    assert folder(FolderOptions(path=copied)).fingerprint == before
    (copied / "dog" / "000.png").rename(copied / "cat" / "900.png")
    assert folder(FolderOptions(path=copied)).fingerprint != before


def test_a_range_must_rise() -> None:
    with pytest.raises(ValueError, match="the value of black is below that of white"):
        FolderOptions(path=Path(), range=(4095, 0))
