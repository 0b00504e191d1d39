"""Two runs compared: cells paired by what they are, unlike ones refused, changes with their verdicts, gates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from builders import make_cell, make_protocol
from made_runs import MACHINE, Runs

from tlbench.compare.changes import OTHER_JOB, OTHER_MACHINE, Comparison, compare
from tlbench.compare.gates import Gate, judge, parse_gate, read_gates
from tlbench.compare.of_run import side_of_run
from tlbench.compare.printed import to_markdown
from tlbench.compare.shown import change_text, to_json
from tlbench.compare.side import Side
from tlbench.errors import UserError
from tlbench.results.store import RunFolder


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path)


def compared(base: RunFolder, head: RunFolder, margin: float | None = None) -> Comparison:
    return compare(side_of_run(base, "base"), side_of_run(head, "head"), margin)


def verdicts(found: Comparison) -> dict[str, str]:
    return {pair.name: pair.primary.verdict for pair in found.pairs if pair.primary is not None}


def test_a_run_is_equal_to_itself(runs: Runs) -> None:
    run = runs.write("one", {"x": 0.9, "y": 0.7})
    found = compared(run, run)
    assert verdicts(found) == {"x × freeze": "tie", "y × freeze": "tie"}
    assert not any(each.fell for each in judge(found, [parse_gate("accuracy=0"), parse_gate("step_ms=0%")]))


def test_cells_are_better_worse_or_a_tie_and_missing_or_new(runs: Runs) -> None:
    base = runs.write("base", {"x": 0.9, "y": 0.7, "z": 0.8, "gone": 0.5})
    head = runs.write("head", {"x": 0.85, "y": 0.75, "z": 0.801, "come": 0.5})
    found = compared(base, head)
    assert verdicts(found) == {"x × freeze": "worse", "y × freeze": "better", "z × freeze": "tie"}
    assert [cell.name for cell in found.missing] == ["gone × freeze"]
    assert [cell.name for cell in found.new] == ["come × freeze"]
    markdown = to_markdown(found, [], only_changed=True)
    assert [line.split(" | ")[-1] for line in markdown.splitlines()[2:6]] == [
        "**worse** |", "**better** |", "**missing** |", "**new** |",
    ]  # fmt: skip
    assert "z ×" not in markdown.partition("\n\n")[0]


def test_with_a_margin_a_small_change_is_practically_equal(runs: Runs) -> None:
    found = compared(runs.write("base", {"x": 0.8}), runs.write("head", {"x": 0.801}), margin=3)
    assert verdicts(found) == {"x × freeze": "practically equal"}


def test_a_changed_source_is_another_cell_unless_both_are_asked_for(runs: Runs) -> None:
    base = side_of_run(runs.write("base", {"x": 0.9, "y": 0.7}), "base")
    changed, as_it_was = runs.write("changed", {"x": 0.5}, sources={"backbone": "11"}), runs.write("same", {"y": 0.7})
    head = Side("head", tuple(cell for run in (changed, as_it_was) for cell in side_of_run(run, "head").cells))
    found = compare(base, head)
    assert verdicts(found) == {"y × freeze": "tie"}
    for cells in (found.missing, found.new, found.changed):
        assert [cell.name for cell in cells] == ["x × freeze"]
    assert "Other cells: the source of x × freeze has changed" in to_markdown(found, [], only_changed=False)
    assert json.loads(to_json(found, []))["changed_sources"] == ["x × freeze"]
    both = compare(base, head, changed_sources=True)
    assert verdicts(both) == {"x × freeze": "worse", "y × freeze": "tie"}
    assert not (both.missing or both.new or both.changed)


def test_where_all_sources_have_changed_the_error_says_how_to_compare(runs: Runs) -> None:
    base, head = runs.write("base", {"x": 0.9}), runs.write("head", {"x": 0.9}, sources={"strategy": "11"})
    with pytest.raises(UserError, match=r"no cell in common: the source of x × freeze has changed.*--changed-sources"):
        compared(base, head)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"dataset_digest": "11"}, "dataset_digest is 00 in base and 11 in head"),
        ({"protocol": make_protocol(epochs=9)}, "protocol.epochs is 2 in base and 9 in head"),
        ({"dataset": "packaged/other"}, "dataset is packaged/digits in base and packaged/other in head"),
        ({"device": "cuda:0"}, "device is cpu in base and cuda:0 in head"),
        ({"task": "tasks/other"}, "task is tasks/single-label in base and tasks/other in head"),
    ],
)
def test_unlike_cells_are_refused_by_the_field(runs: Runs, change: dict[str, Any], named: str) -> None:
    base, head = runs.write("base", {"x": 0.9}), runs.write("head", {"x": 0.9})
    if "task" in change:
        plan = base.plan()
        facts = plan.tasks["tasks/single-label"]
        head = runs.write("other", {"x": 0.9}, **change)
        head.write_plan(head.plan().model_copy(update={"tasks": {**plan.tasks, "tasks/other": facts}}))
    else:
        head = runs.write("other", {"x": 0.9}, **change)
    with pytest.raises(UserError, match=named):
        compared(base, head)


def test_another_rate_is_compared_and_told(runs: Runs) -> None:
    found = compared(runs.write("base", {"x": 0.9}), runs.write("head", {"x": 0.9}, learning_rate=0.1))
    assert "Differs: learning_rate 0.003 in base, 0.1 in head." in to_markdown(found, [], only_changed=False)


def test_two_cells_of_the_same_names_on_one_side_are_refused(runs: Runs) -> None:
    base = runs.write("base", {"x": 0.9})
    twice = runs.write("twice", {"x": 0.9})
    Runs.record(twice, make_cell("a/x", protocol=make_protocol(epochs=9)), 0, 0.9, MACHINE, {})
    with pytest.raises(UserError, match=r"head has two cells x × freeze, which differ: protocol\.epochs"):
        compared(base, twice)


def test_nothing_in_common_is_refused(runs: Runs) -> None:
    with pytest.raises(UserError, match="no cell in common; the first of each: x × freeze and y × freeze"):
        compared(runs.write("base", {"x": 0.9}), runs.write("head", {"y": 0.9}))


def steady(seconds: float) -> Any:
    return lambda seed: seconds * (1 + 0.004 * (seed - 1))


def test_costs_are_compared_by_their_ratio(runs: Runs) -> None:
    base = runs.write("base", {"x": 0.9}, train_seconds=steady(10.0), peak_memory_bytes=lambda seed: 1_000 + seed)
    head = runs.write("head", {"x": 0.9}, train_seconds=steady(12.0), peak_memory_bytes=lambda seed: 1_000 + seed)
    (pair,) = compared(base, head).pairs
    assert pair.changes["train_seconds"].verdict == "worse"
    assert pair.changes["train_seconds"].relative == pytest.approx(0.2)
    assert pair.changes["peak_memory_bytes"].verdict == "tie"
    assert change_text(pair.changes["train_seconds"]).startswith("+20.0% (+")


def test_equal_costs_of_all_seeds_are_one_measurement(runs: Runs) -> None:
    base, head = (runs.write(name, {"x": 0.9}, train_seconds=value) for name, value in (("base", 10.0), ("head", 11.0)))
    (pair,) = compared(base, head).pairs
    assert pair.changes["train_seconds"].verdict == "unknown"


@pytest.mark.parametrize(
    ("change", "why"), [({"cpu": "Xeon"}, OTHER_MACHINE), ({"boot_id": "two"}, OTHER_JOB), ({"boot_id": None}, None)]
)
def test_times_of_other_machines_and_jobs_are_not_judged_and_memory_is(
    runs: Runs, change: dict[str, Any], why: str | None
) -> None:
    base = runs.write("base", {"x": 0.9}, train_seconds=steady(10.0), peak_memory_bytes=lambda seed: 1_000 + seed)
    head = runs.write(
        "head",
        {"x": 0.9},
        environment=MACHINE | change,
        train_seconds=steady(20.0),
        peak_memory_bytes=lambda seed: 2_000 + seed,
    )
    found = compared(base, head)
    time, memory = judge(found, [parse_gate("train_seconds=5%"), parse_gate("peak_memory_bytes=5%")])
    assert found.pairs[0].changes["train_seconds"].why_not == why
    assert time.fell == (why is None)
    assert memory.fell
    assert why is None or "tlbench ab" in time.why


@pytest.mark.parametrize(("times", "certain"), [(1.06, False), (1.2, True)])
def test_the_memory_of_a_cpu_varies_between_runs_however_alike_the_seeds_of_one_are(
    runs: Runs, times: float, certain: bool
) -> None:
    base = runs.write("base", {"x": 0.9}, seeds=12, peak_memory_bytes=lambda seed: 10**9 + seed)
    head = runs.write("head", {"x": 0.9}, seeds=12, peak_memory_bytes=lambda seed: int(10**9 * times) + seed)
    (said,) = judge(compared(base, head), [parse_gate("peak_memory_bytes=2%")])
    assert said.fell == certain
    assert said.why == ("beyond the gate, and certain" if certain else "beyond the gate, but not certain")


def test_what_an_allocator_counts_is_the_same_in_all_runs(runs: Runs) -> None:
    base, head = (
        runs.write(name, {"x": 0.9}, memory_basis="cuda-allocated", peak_memory_bytes=bytes_)
        for name, bytes_ in (("base", 10**9), ("head", 10**9 + 512))
    )
    assert compared(base, head).pairs[0].changes["peak_memory_bytes"].verdict == "worse"
    assert compared(base, base).pairs[0].changes["peak_memory_bytes"].verdict == "tie"


def test_exact_figures_differ_however_little(runs: Runs) -> None:
    base, head = (
        runs.write(name, {"x": 0.9}, trainable_parameters=n) for name, n in (("base", 5_000), ("head", 5_001))
    )
    assert compared(base, head).pairs[0].changes["trainable_parameters"].verdict == "worse"


def test_a_gate_falls_where_the_loss_is_larger_and_certain(runs: Runs) -> None:
    found = compared(runs.write("base", {"x": 0.9, "y": 0.8}), runs.write("head", {"x": 0.86, "y": 0.799}))
    said = {(each.gate.text, each.pair.name): (each.fell, each.why) for each in judge(found, [
        parse_gate("accuracy=1.0"), parse_gate("accuracy=10%"), parse_gate("accuracy=0"), parse_gate("y*:accuracy=0"),
    ])}  # fmt: skip
    assert said["accuracy=1.0", "x × freeze"] == (True, "beyond the gate, and certain")
    assert said["accuracy=1.0", "y × freeze"] == (False, "within the gate")
    assert said["accuracy=10%", "x × freeze"] == (False, "within the gate")
    assert not said["accuracy=0", "y × freeze"][0]
    assert ("y*:accuracy=0", "x × freeze") not in said
    document = json.loads(to_json(found, judge(found, [parse_gate("accuracy=1.0")])))
    assert [each["failed"] for each in document["gates"]] == [True, False]


@pytest.mark.parametrize(
    ("text", "gate"),
    [
        ("accuracy=1.0", Gate("accuracy=1.0", "accuracy", 1.0, False)),
        ("step_ms=5%", Gate("step_ms=5%", "step_ms", 0.05, True)),
        (
            "resnet50*:peak_memory_bytes=2 %",
            Gate("resnet50*:peak_memory_bytes=2 %", "peak_memory_bytes", 0.02, True, "resnet50*"),
        ),
    ],
)
def test_gates_are_read_as_they_are_written(text: str, gate: Gate) -> None:
    assert parse_gate(text) == gate


@pytest.mark.parametrize("text", ["accuracy", "accuracy=", "accuracy=-1", "accuracy=nan", "=1", "accuracy=1e999", ""])
def test_what_is_no_gate_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="is no gate; write COLUMN=MOST"):
        parse_gate(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("acuracy=1", "there is no column 'acuracy'; did you mean accuracy"),
        ("vgg*:accuracy=1", "no cell matches 'vgg\\*'; there are x × freeze"),
        ("passes=1", "of passes, neither more nor less is better"),
    ],
)
def test_gates_on_what_there_is_not_are_refused(runs: Runs, text: str, said: str) -> None:
    run = runs.write("one", {"x": 0.9})
    with pytest.raises(UserError, match=said):
        judge(compared(run, run), [parse_gate(text)])


def test_a_metric_that_a_side_has_not_measured_fails_no_gate_and_is_told(runs: Runs) -> None:
    base = runs.write("base", {"x": 0.9})
    head = runs.write("head", {"x": 0.9}, images_per_second=None)
    (said,) = judge(compared(base, head), [parse_gate("images_per_second=5%")])
    assert (said.fell, said.why) == (False, "not measured in head")


def test_gates_come_from_the_configuration_of_runs_too(tmp_path: Path) -> None:
    file = tmp_path / "bench.toml"
    file.write_text('epochs = 3\ngates = ["accuracy=1.0"]\n')
    assert read_gates(file) == ["accuracy=1.0"]
    file.write_text("gates = 3\n")
    with pytest.raises(UserError, match="gates is a list of texts"):
        read_gates(file)
