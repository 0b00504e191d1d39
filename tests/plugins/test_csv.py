"""Your own images by a table: what its columns are taken for, and every mistake with its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from tlbench.contracts import Dataset
from tlbench.errors import UserError
from tlbench_packaged.csv_file import csv_file
from tlbench_packaged.csv_options import CsvOptions


def table(folder: Path, *lines: str, images: int = 6) -> Path:
    """A table beside a folder of images, `a/0.png` and so on."""
    (folder / "a").mkdir(exist_ok=True)
    for number in range(images):
        PIL.Image.fromarray(np.full((12, 10, 3), 40 * number, np.uint8)).save(folder / "a" / f"{number}.png")
    file = folder / "labels.csv"
    file.write_text("\n".join(lines) + "\n", "utf-8")
    return file


def read(folder: Path, *lines: str, **options: Any) -> Dataset:
    return csv_file(CsvOptions(path=table(folder, *lines), **options))


def test_a_column_of_texts_is_classes_and_images_are_read_relative_to_the_file(tmp_path: Path) -> None:
    dataset = read(tmp_path, "image,kind", "a/1.png,dog", "a/2.png,cat", "a/3.png,dog")
    assert (dataset.task, list(dataset.classes)) == ("single-label", ["cat", "dog"])
    assert list(dataset.train.labels) == [1, 0, 1]
    assert np.asarray(dataset.train.image(2))[0, 0].tolist() == [120, 120, 120]
    assert dataset.train.describe(1) == f"{tmp_path / 'a' / '2.png'} (line 3 of {tmp_path / 'labels.csv'})"
    assert (dataset.val, dataset.test, dataset.native_size) == (None, None, 10)


def test_few_integers_are_classes_in_the_order_of_their_values_and_a_note_says_so(tmp_path: Path) -> None:
    dataset = read(tmp_path, "image,stars", "a/1.png,10", "a/2.png,9", "a/3.png,10")
    assert (dataset.task, list(dataset.classes), list(dataset.train.labels)) == ("single-label", ["9", "10"], [1, 0, 1])
    assert "column stars: 2 different integers are taken for classes; task=regression takes numbers" in dataset.notes


def test_integers_are_numbers_where_it_is_said(tmp_path: Path) -> None:
    dataset = read(tmp_path, "image,stars", "a/1.png,10", "a/2.png,9", "a/3.png,10", task="regression")
    assert (dataset.task, list(dataset.classes)) == ("regression", ["stars"])
    assert np.asarray(dataset.train.labels).tolist() == [[10.0], [9.0], [10.0]]


def test_several_columns_of_numbers_are_targets_and_of_zeros_and_ones_labels(tmp_path: Path) -> None:
    numbers = read(tmp_path, "image;x;y", "a/1.png;0.5;2", "a/2.png;-1;3e2")
    assert (numbers.task, list(numbers.classes)) == ("regression", ["x", "y"])
    assert np.asarray(numbers.train.labels).tolist() == [[0.5, 2.0], [-1.0, 300.0]]
    labels = read(tmp_path, "image,cat,dog", "a/1.png,1,0", "a/2.png,1,1", "a/3.png,0,0")
    assert (labels.task, list(labels.classes)) == ("multi-label", ["cat", "dog"])
    assert np.asarray(labels.train.labels).tolist() == [[1, 0], [1, 1], [0, 0]]


def test_a_separator_parts_labels_in_one_field_and_an_empty_one_has_none(tmp_path: Path) -> None:
    lines = ("image,tags", "a/1.png,sea|sky", "a/2.png,", "a/3.png,sky | sun")
    dataset = read(tmp_path, *lines, separator="|")
    assert (dataset.task, list(dataset.classes)) == ("multi-label", ["sea", "sky", "sun"])
    assert np.asarray(dataset.train.labels).tolist() == [[1, 1, 0], [0, 0, 0], [0, 1, 1]]
    suspicious = read(tmp_path, "image,tags", "a/1.png,sea|sky", "a/3.png,sky|sun")
    assert suspicious.task == "single-label"
    assert "column tags: 2 fields have '|'; where it parts several classes, say separator=|" in suspicious.notes


def test_a_column_of_splits_is_read_as_folders_are(tmp_path: Path) -> None:
    lines = (
        "file,kind,split",
        "a/0.png,x,Train",
        "a/1.png,y,train",
        "a/2.png,x,valid",
        "a/3.png,y,test",
        "a/4.png,x,test",
    )
    dataset = read(tmp_path, *lines)
    assert dataset.val is not None and dataset.test is not None
    assert [len(each) for each in (dataset.train, dataset.val, dataset.test)] == [2, 1, 2]
    assert list(dataset.test.labels) == [1, 0]
    assert dataset.test.describe(1).endswith(f"(line 6 of {tmp_path / 'labels.csv'})")


def test_the_fingerprint_changes_with_the_table_and_with_an_image(tmp_path: Path) -> None:
    lines = ("image,kind", "a/1.png,dog", "a/2.png,cat")
    first = read(tmp_path, *lines).fingerprint
    assert read(tmp_path, *lines).fingerprint == first
    assert read(tmp_path, *lines, "a/3.png,cat").fingerprint != first
    file = table(tmp_path, *lines)
    PIL.Image.fromarray(np.zeros((12, 10, 3), np.uint8)).save(tmp_path / "a" / "2.png")
    assert csv_file(CsvOptions(path=file)).fingerprint != first


@pytest.mark.parametrize(
    ("lines", "options", "said"),
    [
        (("image,angle", "a/0.png,1.5", "a/1.png,n"), {"task": "regression"}, "line 3: angle is 'n', which is no"),
        (("image,angle", "a/9.png,1.5"), {}, "line 2: there is no image"),
        (("image,kind", "a/0.png,x", "a/1.png,"), {}, "line 3: kind is empty"),
        (("image,kind", "a/0.png,x", "a/1.png"), {}, "line 3: 1 field, and the header names 2"),
        (("image,kind,split", "a/0.png,x,train", "a/1.png,y,tain"), {}, "line 3: split is 'tain'; it is train,"),
        (("image,cat,dog", "a/0.png,1,0", "a/1.png,2,0"), {"task": "multi-label"}, "line 3: cat is '2'; it is 0 or 1"),
        (("image,kind", 'a/0.png,"x'), {}, "line 2: a quotation mark is not closed"),
        (("image,kind,kind", "a/0.png,x,y"), {}, "line 1: two columns are named 'kind'"),
        (("image,kind,", "a/0.png,x,y"), {}, "line 1: column 3 has no name"),
        (("image,kind", "a/0.png,x"), {"targets": ("kidn",)}, "has no column 'kidn' (targets=kidn); did you mean"),
        (("image,kind", "a/0.png,x"), {"images": "photo"}, "has no column 'photo' (images=photo)"),
        (("image,kind,age", "a/0.png,x,3"), {}, "what are the columns kind, age?"),
        (("image,kind,age", "a/0.png,x,3"), {"task": "single-label"}, "one class for each image is one column"),
        (("image", "a/0.png"), {}, "a column of targets is missing"),
        (("image,kind",), {}, "has a header and no rows"),
        (("",), {}, "has no header: its first line names the columns"),
        (("image,kind,split", "a/0.png,x,test"), {}, "has no row whose split is train"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line(
    tmp_path: Path, lines: tuple[str, ...], options: dict[str, Any], said: str
) -> None:
    with pytest.raises(UserError) as error:
        read(tmp_path, *lines, **options)
    assert said in str(error.value)
    assert str(tmp_path / "labels.csv") in str(error.value)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    lines = ("image,angle,split", "a/0.png,1.5", ",2,train", "a/1.png,x,train", "a/2.png,,never")
    with pytest.raises(UserError) as error:
        read(tmp_path, *lines, task="regression")
    told = str(error.value).splitlines()
    assert told[0].endswith("has 5 mistakes:")
    assert [line.partition(":")[0].strip() for line in told[1:]] == ["line 2", "line 3", "line 4", "line 5", "line 5"]


def test_what_is_no_table_is_said(tmp_path: Path) -> None:
    for path, said in ((tmp_path, "is a folder; name a file"), (tmp_path / "none.csv", "is missing")):
        with pytest.raises(UserError, match=said):
            csv_file(CsvOptions(path=path))
    (tmp_path / "latin.csv").write_bytes("image,kind\na/0.png,café\n".encode("latin-1"))
    with pytest.raises(UserError, match="line 2: it is not UTF-8"):
        csv_file(CsvOptions(path=tmp_path / "latin.csv"))
