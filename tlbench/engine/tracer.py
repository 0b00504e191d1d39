"""A tracer that goes as far as it can."""

from __future__ import annotations

from typing import Any

from torch import fx, nn


class ForgivingTracer(fx.Tracer):
    """Traces into modules as far as it can: one whose code depends on its input's values stays whole, as a leaf."""

    def call_module(self, m: nn.Module, forward: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Trace into a module, or put it into the graph as it is."""
        known, stack = len(self.graph.nodes), self.module_stack.copy()
        try:
            return super().call_module(m, forward, args, kwargs)
        except Exception:  # whatever a module's code raises when it is handed a proxy
            for node in reversed(list(self.graph.nodes)[known:]):
                self.graph.erase_node(node)
            self.module_stack = stack
            return self.create_proxy("call_module", self.path_of_module(m), args, kwargs)
