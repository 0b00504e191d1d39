"""Rounds while a verdict is open, on made measurements: what is found, how often, and after how many rounds."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tlbench.ab.course import Budget, Outcome, carry_out
from tlbench.ab.installation import Installation
from tlbench.ab.rounds import Round
from tlbench.ab.shown import conclusion, document
from tlbench.compare.gates import parse_gate
from tlbench.compare.shown import gate_line
from tlbench.compare.side import Figure, Measured, Side
from tlbench.errors import UserError
from tlbench.stats import Sample

FIGURES = (
    Figure("accuracy", "Accuracy", "share", "higher", metric=True),
    Figure("step_ms", "Step", "ms", "lower"),
    Figure("images_per_second", "Img/s", "per-second", "higher"),
    Figure("trainable_parameters", "Params", "count", "lower", exact=True),
)
BUDGET = Budget(seconds=3_600, rounds=30, error_rate=0.05)


def side(name: str, step_ms: float, accuracy: float = 0.9, parameters: int = 10) -> Side:
    values = {"step_ms": {0: step_ms}, "images_per_second": {0: 1_000 / step_ms}}
    values |= {"accuracy": {0: accuracy}, "trainable_parameters": {0: parameters}}
    sample = Sample({0: accuracy}, {}, 1_000, True)
    return Side(name, (Measured(("x", "full"), ("x", "full"), FIGURES, sample, values),))


def rounds(ratio: Callable[[int], float], seed: int = 0, noise: float = 0.03) -> Callable[[int], Round]:
    """Rounds in which a step of head takes so many times that of base, both with noise."""
    random = np.random.default_rng(seed)

    def run(number: int) -> Round:
        base, head = 10 * np.exp(random.normal(0, noise / 2**0.5, 2)) * (1, ratio(number))
        return Round(number, "base", side("base", base), side("head", head), 1.0)

    return run


def outcome(ratio: float, gate: str = "step_ms=5%", seed: int = 0, **budget: float) -> Outcome:
    limits = Budget(**{**vars(BUDGET), **budget})  # type: ignore[arg-type]
    return carry_out(rounds(lambda _: ratio, seed), [parse_gate(gate)], limits, lambda _: None)


def test_of_forty_equal_pairs_at_most_two_are_alarms() -> None:
    found = [outcome(1.0, seed=seed) for seed in range(40)]
    assert sum(any(each.fell for each in one.first.judgements) for one in found) <= 2
    assert not any(one.confirmed for one in found)


@pytest.mark.parametrize("gate", ["step_ms=5%", "images_per_second=5%", "x*:step_ms=0.5"])
def test_a_slow_down_of_a_tenth_is_found_and_confirmed(gate: str) -> None:
    found = [outcome(1.1, gate, seed) for seed in range(20)]
    assert sum(bool(one.confirmed) for one in found) >= 19
    assert all(one.rerun is not None for one in found if one.confirmed)


def test_rounds_end_as_soon_as_the_verdict_is_clear() -> None:
    clear, close = outcome(2.0), outcome(1.05)
    assert len(clear.first.rounds) < 10
    assert len(close.first.rounds) > len(clear.first.rounds)
    assert len(outcome(1.0).first.rounds) < BUDGET.rounds


def test_what_the_budget_leaves_open_is_said_and_fails_nothing() -> None:
    found = outcome(1.1, rounds=3)
    assert not found.confirmed and found.rerun is None
    assert next(map(gate_line, found.first.judgements)).endswith("undecided.")
    assert "Undecided after 3 rounds: x × full: gate step_ms=5%" in next(conclusion(found))
    assert len(outcome(1.1, seconds=0).first.rounds) == 1


def test_a_regression_that_a_rerun_does_not_find_again_fails_nothing() -> None:
    seen: list[int] = []

    def disturbed(number: int) -> float:
        seen.append(number)
        return 1.5 if number < 6 else 1.0

    found = carry_out(rounds(disturbed), [parse_gate("step_ms=5%")], BUDGET, lambda _: None)
    assert [each.fell for each in found.first.judgements] == [True]
    assert found.rerun is not None and not found.confirmed
    assert seen == list(range(len(found.first.rounds) + len(found.rerun.rounds)))
    assert "not confirmed by a rerun" in list(conclusion(found))[-1]


def test_a_smaller_error_rate_takes_more_rounds() -> None:
    strict, lenient = outcome(1.2, error_rate=1e-6), outcome(1.2, error_rate=0.2)
    assert len(strict.first.rounds) > len(lenient.first.rounds)
    assert strict.confirmed and lenient.confirmed
    assert strict.first.comparison.pairs[0].changes["step_ms"].p_value < 1e-6


def test_an_improvement_is_told_and_passes() -> None:
    found = outcome(0.8)
    change = found.first.comparison.pairs[0].changes["step_ms"]
    assert (change.verdict, found.confirmed) == ("better", ())
    assert change.interval is not None and change.interval[0] < 0.8 < change.interval[1] < 1


def test_figures_that_do_not_vary_are_judged_at_once() -> None:
    def run(number: int) -> Round:
        return Round(number, "base", side("base", 10.0), side("head", 10.0, parameters=12), 1.0)

    found = carry_out(run, [parse_gate("trainable_parameters=10%")], BUDGET, lambda _: None)
    assert [each.gate.name for each in found.confirmed] == ["trainable_parameters"]
    assert len(found.first.rounds) == 3


def test_a_gate_on_an_unknown_column_suggests_one() -> None:
    with pytest.raises(UserError, match=r"no column 'step_m'.*step_ms"):
        outcome(1.0, "step_m=5%")


def test_the_document_has_both_sides_and_every_round(tmp_path: Path) -> None:
    found = outcome(1.1)
    base, head = (Installation(name, tmp_path / name, name, "0.1") for name in ("a", "b"))
    kept = json.loads(document(found, base, head))
    assert kept["sides"]["base"]["python"] == str(tmp_path / "a")
    assert len(kept["first"]["rounds"]) == len(found.first.rounds)
    assert kept["first"]["rounds"][0]["base"]["x × full"]["step_ms"][0] > 0
    assert kept["first"]["comparison"]["gates"][0]["failed"] and kept["rerun"] and kept["confirmed"]
