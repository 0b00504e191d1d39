"""The machine's speed at matrix products, measured and kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tlbench.measure import peak
from tlbench.measure.peak import measure_peak_flops, peak_flops

CPU = torch.device("cpu")


def test_it_is_measured_once_for_each_machine_dtype_and_number_of_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TLBENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(peak, "SECONDS", 0.05)
    first = peak_flops(CPU, torch.float32, 1)
    assert peak_flops(CPU, torch.float32, 1) == first  # two measurements would differ in some digit
    peak_flops(CPU, torch.float32, 2)
    files = list((tmp_path / "peaks").iterdir())
    assert len(files) == 2


def test_a_damaged_file_is_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLBENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(peak, "SECONDS", 0.05)
    peak_flops(CPU, torch.float32, 1)
    (file,) = (tmp_path / "peaks").iterdir()
    file.write_text("{")
    assert peak_flops(CPU, torch.float32, 1) == json.loads(file.read_text())


def test_the_threads_of_the_process_stay_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peak, "SECONDS", 0.0)
    before = torch.get_num_threads()
    assert measure_peak_flops(CPU, torch.float32, before + 1) > 1e8
    assert torch.get_num_threads() == before


def test_where_products_take_long_the_matrices_stay_small(monkeypatch: pytest.MonkeyPatch) -> None:
    widths: list[int] = []

    def seconds(left: torch.Tensor, right: torch.Tensor) -> float:
        widths.append(len(left))
        return len(left) / 1_024

    monkeypatch.setattr("tlbench.measure.peak._seconds", seconds)
    monkeypatch.setattr("tlbench.measure.peak.SECONDS", 0)
    assert measure_peak_flops(CPU, torch.float16, 1) == 2 * 256**3 / 0.25
    assert set(widths) == {256}


@pytest.mark.parametrize("allowed", [False, True])
def test_the_peak_is_in_tf32_where_convolutions_may_be(allowed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    monkeypatch.setattr(peak, "SECONDS", 0.0)
    monkeypatch.setattr(peak, "LONGEST_SECONDS", 0.0)
    monkeypatch.setattr(peak, "_seconds", lambda *_: seen.append(torch.backends.cuda.matmul.allow_tf32) or 1.0)
    with torch.backends.cudnn.flags(allow_tf32=allowed):
        measure_peak_flops(CPU, torch.float32, 1)
    assert set(seen) == {allowed}
    assert not torch.backends.cuda.matmul.allow_tf32
