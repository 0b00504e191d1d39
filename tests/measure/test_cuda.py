"""Measurements on an NVIDIA GPU: events against the wall, the allocator's own figures, outcomes, energy."""

from __future__ import annotations

import time

import pytest
import torch
from conftest import Cli, PluginMaker

from tlbench.engine.device import take_device
from tlbench.measure.energy import energy_meter
from tlbench.measure.memory import PeakMemory, optimizer_bytes
from tlbench.measure.peak import measure_peak_flops
from tlbench.measure.timing import EventClock, step_clock

pytestmark = pytest.mark.cuda

CUDA = torch.device("cuda")


def work(square: torch.Tensor, times: int) -> None:
    for _ in range(times):
        torch.mm(square, square)


def calibrated(seconds: float) -> tuple[torch.Tensor, int]:
    """A matrix, and how many products of it take about so long."""
    square = torch.randn(4096, 4096, device=CUDA)
    work(square, 10)
    torch.cuda.synchronize()
    begun = time.perf_counter()
    work(square, 50)
    torch.cuda.synchronize()
    return square, max(1, round(50 * seconds / (time.perf_counter() - begun)))


def test_events_agree_with_a_synchronised_wall_clock_within_1_percent() -> None:
    square, times = calibrated(0.5)
    clock = step_clock(CUDA)
    assert isinstance(clock, EventClock)
    ratios = []
    for _ in range(5):
        torch.cuda.synchronize()
        begun = time.perf_counter()
        clock.start()
        work(square, times)
        clock.stop("optimizer")
        torch.cuda.synchronize()
        wall = time.perf_counter() - begun
        (step,) = clock.resolve()
        ratios.append(step.seconds / wall)
    assert min(abs(ratio - 1) for ratio in ratios) < 0.01


def test_marking_does_not_wait_for_the_device() -> None:
    square, times = calibrated(0.5)
    clock = step_clock(CUDA, detail=True)
    torch.cuda.synchronize()
    clock.start()
    work(square, times)
    clock.lap("forward")
    clock.stop("backward")
    end = torch.cuda.Event()
    end.record()
    assert not end.query()  # the device is still at work when the marks have been set
    clock.resolve()


def test_parts_sum_to_the_step() -> None:
    square, times = calibrated(0.05)
    clock = step_clock(CUDA, detail=True)
    clock.start()
    for part, share in (("data", 1), ("forward", 2), ("backward", 4)):
        work(square, share * times)
        clock.lap(part)  # type: ignore[arg-type]
    clock.stop("optimizer")
    (step,) = clock.resolve()
    assert sum(step.parts.values()) == pytest.approx(step.seconds, rel=0.01)
    assert step.parts["backward"] == pytest.approx(2 * step.parts["forward"], rel=0.1)


def test_the_peak_is_the_allocators_own() -> None:
    torch.cuda.empty_cache()
    memory = PeakMemory(CUDA)
    before = torch.cuda.memory_allocated()
    block = torch.empty(100 * 2**20, dtype=torch.uint8, device=CUDA)
    del block
    assert memory.peak_bytes() == torch.cuda.max_memory_allocated() == before + 100 * 2**20
    assert memory.peak_reserved_bytes() == torch.cuda.max_memory_reserved()


def test_optimizer_state_is_what_the_allocator_gave() -> None:
    layer = torch.nn.Linear(1024, 1024, bias=False, device=CUDA)
    optimizer = torch.optim.AdamW(layer.parameters(), fused=True)
    layer(torch.randn(4, 1024, device=CUDA)).sum().backward()
    before = torch.cuda.memory_allocated()
    optimizer.step()
    rounding = 512  # the allocator's smallest block
    assert optimizer_bytes(optimizer) == pytest.approx(torch.cuda.memory_allocated() - before, abs=3 * rounding)


def test_energy_grows_with_work_or_says_why_not() -> None:
    meter = energy_meter(CUDA)
    if meter.reason is not None:
        pytest.skip(meter.reason)
    square, times = calibrated(1.0)
    meter.start()
    work(square, times)
    torch.cuda.synchronize()
    meter.sample()
    assert meter.source == "nvml"
    assert meter.joules is not None
    assert meter.joules > 1


def test_the_peak_of_matrix_products_is_far_above_a_cpus() -> None:
    assert measure_peak_flops(CUDA, torch.bfloat16, 1) > 1e12


QUICK_ON_CUDA = ("--device", "cuda", "--datasets", "digits:train=320:test=100", "--epochs", "2", "--json")


def test_a_trial_on_the_gpu_has_all_its_figures(cli: Cli) -> None:
    done = cli("run", *QUICK_ON_CUDA, "--strategies", "freeze,full", "--detail")
    assert done.status == 0, done.stderr
    for record in done.records:
        cost, environment = record["cost"], record["environment"]
        assert cost["memory_basis"] == "cuda-allocated"
        assert cost["peak_reserved_bytes"] >= cost["peak_memory_bytes"] > cost["memory"]["parameters"]
        assert cost["memory"]["activations_and_temporaries"] >= 0
        assert cost["phases"][0]["step_ms"]["median"] > 0
        assert 0 < cost["peak_share"] < 1
        assert not environment["cudnn_benchmark"]
        assert environment["accelerator"] == torch.cuda.get_device_name()
        assert environment["cudnn"]
    (full,) = (each for each in done.records if each["trial"]["cell"]["strategy"] == "builtin/full")
    side = full["trial"]["cell"]["protocol"]["image_size"]
    assert full["cost"]["memory"]["data"] == 3 * side**2 * (full["data"]["train_images"] + full["data"]["val_images"])


HUNGRY = """
from tlbench import Train, hookimpl, strategy

tlbench_api = 1

@strategy("hungry", learning_rates={"adamw": 1e-3})
def hungry(model, options):
    import torch
    yield Train(model.head, penalty=lambda m: torch.empty(2**45, device="cuda").sum())

@hookimpl
def tlbench_register_strategies(register):
    register(hungry)
"""


def test_out_of_memory_is_a_record_and_the_next_trial_runs(cli: Cli, plugin: PluginMaker) -> None:
    environment = plugin("hungry", HUNGRY).environment
    done = cli("run", *QUICK_ON_CUDA, "--strategies", "hungry,freeze", environment=environment)
    assert [record["status"] for record in done.records] == ["out-of-memory", "ok"]
    assert done.records[0]["error"]["type"] == "OutOfMemoryError"


def test_the_device_of_a_trial_is_the_current_one() -> None:
    last = torch.cuda.device_count() - 1
    try:
        assert take_device(f"cuda:{last}") == torch.device("cuda", last)
        assert torch.cuda.current_device() == last
        assert take_device("cuda", gpu=last) == torch.device("cuda", last)
        assert torch.empty(1, device="cuda").device.index == last
    finally:
        torch.cuda.set_device(0)
