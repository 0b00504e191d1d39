"""A run's folder: what is written is read again, whole or not at all, by one writer."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from builders import make_cell, make_failure, make_metrics, make_plan, make_record
from safetensors.numpy import save_file

from tlbench.errors import UserError
from tlbench.results.records import Record
from tlbench.results.store import RunFolder, check_writable, find_run

CELL = make_cell()
OTHER = make_cell(strategy="builtin/full")


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A run of two cells and two seeds, without records."""
    run = RunFolder(tmp_path / "results" / "first")
    with run.writing():
        run.write_plan(make_plan(CELL, OTHER, seeds=2))
    return run


def test_plan_and_records_come_back_as_they_were(folder: RunFolder) -> None:
    good, bad = make_record(CELL, accuracy=1 / 3, passes=None), make_failure(OTHER, step=3, phase=0)
    with folder.writing():
        folder.write_record(good)
        folder.write_record(bad)
    assert folder.exists
    assert folder.plan() == make_plan(CELL, OTHER, seeds=2)
    assert folder.records() == [good, bad]


def test_records_stand_in_the_plans_order(folder: RunFolder) -> None:
    wanted = [make_record(cell, seed) for seed in (0, 1) for cell in (CELL, OTHER)]
    stranger = make_record(make_cell("timm/unplanned"))
    for record in (stranger, *reversed(wanted)):
        folder.write_record(record)
    assert folder.records() == [*wanted, stranger]


def test_a_record_takes_the_place_of_the_earlier_one(folder: RunFolder) -> None:
    folder.write_record(make_failure(CELL, status="interrupted"))
    folder.write_record(make_record(CELL))
    assert folder.records() == [make_record(CELL)]


def test_writing_leaves_no_temporary(folder: RunFolder) -> None:
    folder.write_record(make_record(CELL))
    written = {file.name for file in folder.path.rglob("*") if file.is_file()} - {".lock"}
    assert written == {"config.toml", "plan.json", f"{CELL.id}-0.json"}


@pytest.mark.parametrize("written", ["NaN", "Infinity", "-Infinity"])
def test_figures_that_are_no_numbers_are_read_as_null(folder: RunFolder, written: str) -> None:
    """As another program may have written them; a damaged document with one in it is still named."""
    text = make_record(CELL).model_dump_json()
    assert '"accuracy":0.9' in text
    (folder.trials / "a.json").write_text(text.replace('"accuracy":0.9', f'"accuracy":{written}'))
    (folder.trials / "b.json").write_text(text.replace('"accuracy":0.9', f'"accuracy":{written}')[:-5])
    (record,), (damaged,) = folder.read()
    assert record.metrics is not None and record.metrics.test["accuracy"] is None
    assert "b.json is not a tlbench document" in damaged


def deep(levels: int) -> str:
    return '{"schema_version": 4, "x": ' + "[" * levels + "]" * levels + "}"


@pytest.mark.parametrize(
    "text", ["", "{", '{"schema_version": 4}', "[1]", "null", '{"schema_version": 4, "x": 2}', deep(100_000)]
)
def test_a_damaged_document_is_named_and_the_others_are_read(folder: RunFolder, text: str) -> None:
    folder.write_record(make_record(CELL))
    (folder.trials / "broken-0.json").write_text(text)
    records, damaged = folder.read()
    assert records == [make_record(CELL)]
    (said,) = damaged
    assert "broken-0.json is not a tlbench document" in said
    assert len(said) < 400


def test_what_is_no_file_is_named_and_written_over(folder: RunFolder) -> None:
    good, taken = make_record(CELL), make_record(OTHER)
    folder.write_record(good)
    os.mkfifo(folder.trials / "fifo.json")
    (folder.trials / "loop.json").symlink_to(folder.trials / "loop.json")
    (folder.trials / f"{OTHER.id}-0.json").mkdir()
    records, damaged = folder.read()
    assert records == [good]
    assert sorted(said.partition(".json ")[2] for said in damaged) == [
        "can't be read: Too many levels of symbolic links",
        "is not a file",
        "is not a file",
    ]
    folder.write_record(taken)
    assert folder.read()[0] == [good, taken]


def test_figures_that_are_no_numbers_are_null(folder: RunFolder) -> None:
    plain = make_record(CELL, passes=math.inf)
    record = Record(**vars(plain) | {"notes": {"a": math.nan, "b": 2.0}})
    assert record.notes == {"a": None, "b": 2.0}
    assert record.cost is not None and record.cost.passes is None
    assert make_metrics(math.nan, train_loss=-math.inf).model_dump(include={"test", "val", "train_loss"}) == {
        "test": {"accuracy": None},
        "val": {"accuracy": None},
        "train_loss": None,
    }
    folder.write_record(record)
    assert folder.records() == [record]


def test_a_record_that_could_not_be_read_again_is_kept_as_a_failure(folder: RunFolder) -> None:
    good = make_record(CELL)
    assert good.cost is not None
    odd = good.model_copy(update={"cost": good.cost.model_copy(update={"train_seconds": math.nan})})
    kept = folder.write_record(odd)
    assert folder.records() == [kept]
    assert kept.status == "failed"
    assert kept.error is not None
    assert kept.error.message.startswith("its record can't be written; cost.train_seconds is None")


def test_messages_are_bounded_and_what_is_no_text_is_escaped(folder: RunFolder) -> None:
    huge = make_failure(CELL, message="x" * 50_000_000 + "end", traceback="t" * 50_000_000)
    odd = make_failure(OTHER, message="caf\udce9.png can't be read")
    for record in (huge, odd):
        folder.write_record(record)
    first, second = folder.records()
    assert first.error is not None and second.error is not None
    assert "49,996,0" in first.error.message and len(first.error.message) <= 4000
    assert first.error.message.endswith("end")
    assert (folder.trials / f"{CELL.id}-0.json").stat().st_size < 100_000
    assert second.error.message == "caf\\udce9.png can't be read"


def test_a_finished_record_is_told_from_one_that_resuming_tries_again(folder: RunFolder) -> None:
    folder.write_record(make_record(CELL))
    folder.write_record(make_failure(OTHER, status="interrupted"))
    assert folder.is_finished(f"{CELL.id}-0")
    assert not folder.is_finished(f"{OTHER.id}-0")
    assert not folder.is_finished("never-0")


def test_a_document_that_is_not_text_is_named(folder: RunFolder) -> None:
    (folder.path / "plan.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"plan\.json is not a tlbench document"):
        folder.plan()


@pytest.mark.parametrize("version", [1, 5, None, "4"])
def test_a_foreign_schema_version_is_named(folder: RunFolder, version: object) -> None:
    document = json.loads(make_record(CELL).model_dump_json()) | {"schema_version": version}
    (folder.trials / f"{CELL.id}-0.json").write_text(json.dumps(document))
    assert f"has schema version {version} and this tlbench reads 4" in folder.read()[1][0]


def test_each_images_score_is_read_in_the_order_of_the_test_set_and_none_where_it_is_not_kept(
    folder: RunFolder,
) -> None:
    record = make_record(CELL).model_copy(update={"predictions": "one.safetensors"})
    kept = {
        "indices": np.array([7, 2, 5]),
        "labels": np.array([0.5, 1.5, 2.5]),
        "predicted": np.array([0.5, 1.0, 2.0]),
        "loss": np.zeros(3, np.float32),
    }
    assert folder.example_scores(make_record(CELL)) is None
    assert folder.example_scores(record) is None  # copied without its predictions
    file = folder.trials / "one.safetensors"
    save_file(kept, file)
    assert folder.example_scores(record) is None  # of a metric that is no mean over images
    save_file(kept | {"example_scores": np.array([0.25, 0.5, 0.75], np.float32)}, file)
    found = folder.example_scores(record)
    assert found is not None and found.tolist() == [0.5, 0.75, 0.25]  # of images 2, 5 and 7
    file.write_bytes(b"damaged")
    assert folder.example_scores(record) is None


def test_a_second_writer_is_refused_until_the_first_is_done(folder: RunFolder) -> None:
    program = (
        "import sys, pathlib\n"
        "from tlbench.errors import UserError\n"
        "from tlbench.results.store import RunFolder\n"
        "try:\n"
        "    with RunFolder(pathlib.Path(sys.argv[1])).writing(): print('written')\n"
        "except UserError as error: print(error)\n"
    )

    def second() -> str:
        command = [sys.executable, "-c", program, str(folder.path)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    with folder.writing():
        assert "run first is being written by another process" in second()
    assert second() == "written\n"


def test_the_lock_is_freed_by_an_error(folder: RunFolder) -> None:
    with pytest.raises(ZeroDivisionError), folder.writing():
        raise ZeroDivisionError
    with RunFolder(folder.path).writing():
        pass


def test_find_run_by_name_and_by_path(folder: RunFolder, tmp_path: Path) -> None:
    assert find_run("first", folder.path.parent).path == folder.path
    assert find_run(str(folder.path), tmp_path / "elsewhere").path == folder.path


def test_find_run_suggests_the_nearest(folder: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no run 'frist' in .*did you mean first"):
        find_run("frist", folder.path.parent)
    with pytest.raises(UserError) as raised:
        find_run("first", tmp_path / "elsewhere")
    assert "did you mean" not in str(raised.value)


def test_check_writable_leaves_nothing_behind(tmp_path: Path) -> None:
    check_writable(tmp_path / "new" / "deep")
    assert list(tmp_path.iterdir()) == []


def test_a_path_under_a_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "results"
    file.write_text("")
    for path in (file, file / "deep", file / "deep" / "er"):
        with pytest.raises(UserError, match=f"{file} is not a folder; name another one with --results"):
            check_writable(path)
        with pytest.raises(UserError, match="can't be written"), RunFolder(path).writing():
            pass


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="can't be written"):
        check_writable(tmp_path / "results")
