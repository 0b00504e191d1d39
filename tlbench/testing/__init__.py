"""For test suites: the pytest plugin, and the conformance kit that plugin authors check their components with.

The names are loaded when they are first used, so that importing this imports nothing heavy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tlbench.testing.kit.checks import CheckResult
    from tlbench.testing.kit.conformance import conformance
    from tlbench.testing.kit.runner import CarriedOut, Trained, run_strategy
    from tlbench.testing.kit.running import check_component, check_plugin

_HOMES = {
    "CarriedOut": "tlbench.testing.kit.runner",
    "CheckResult": "tlbench.testing.kit.checks",
    "Trained": "tlbench.testing.kit.runner",
    "check_component": "tlbench.testing.kit.running",
    "check_plugin": "tlbench.testing.kit.running",
    "conformance": "tlbench.testing.kit.conformance",
    "run_strategy": "tlbench.testing.kit.runner",
}
__all__ = ["CarriedOut", "CheckResult", "Trained", "check_component", "check_plugin", "conformance", "run_strategy"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tlbench.testing' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
