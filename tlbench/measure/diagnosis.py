"""What `tlbench doctor` finds out, in a process of its own that has torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tlbench.events import Report
from tlbench.measure.machine import AtStart, Finding, Machine, Readings


@dataclass(frozen=True)
class Diagnosis:
    """A machine: what it is, how it is now, how fast it multiplies matrices, and what spoils measurements on it."""

    device: str
    machine: Machine
    state: AtStart
    readings: Readings
    peak_flops_per_second: dict[str, float]
    energy: str
    findings: list[Finding]

    @property
    def environment(self) -> dict[str, Any]:
        """As a record has it."""
        return {**self.machine.model_dump(), **self.state.model_dump()}


def diagnose(wanted_device: str, _report: Report) -> Diagnosis:
    """Look at the machine; raises UserError where the device is not available."""
    import torch

    from tlbench.measure.energy import energy_meter
    from tlbench.measure.environment import at_start, machine
    from tlbench.measure.health import findings, readings
    from tlbench.measure.peak import measure_peak_flops
    from tlbench.plan.machine import choose_device
    from tlbench.registry.plugins import load_plugins

    name = choose_device(wanted_device)
    device = torch.device(name)
    origins = load_plugins().provenance.values()
    found, state, seen = machine(device, [each.distribution for each in origins]), at_start(device), readings(device)
    meter = energy_meter(device)
    peaks = {
        shown: measure_peak_flops(device, dtype, torch.get_num_threads())
        for shown, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16))
    }
    energy = meter.source or f"not measured: {meter.reason}"
    return Diagnosis(name, found, state, seen, peaks, energy, findings(found, state, seen))
