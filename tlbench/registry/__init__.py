"""Entry points become components with validated options."""

from __future__ import annotations

from tlbench.registry.components import Component, Entry, Family
from tlbench.registry.kinds import Kind, Registry
from tlbench.registry.options import option_type
from tlbench.registry.register import (
    RegisterBackbone,
    RegisterColumn,
    RegisterDataset,
    RegisterExecutor,
    RegisterMetric,
    RegisterNamed,
    RegisterReporter,
    RegisterStrategy,
    RegisterTask,
)

__all__ = [
    "Component",
    "Entry",
    "Family",
    "Kind",
    "RegisterBackbone",
    "RegisterColumn",
    "RegisterDataset",
    "RegisterExecutor",
    "RegisterMetric",
    "RegisterNamed",
    "RegisterReporter",
    "RegisterStrategy",
    "RegisterTask",
    "Registry",
    "option_type",
]
