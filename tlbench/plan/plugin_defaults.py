"""Defaults of a run's options that plugins give."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from tlbench.errors import UserError, nearest
from tlbench.plan.plugged import Plugged
from tlbench.plan.request import Request, make_request
from tlbench.registry.apart import guarded
from tlbench.registry.plugins import Plugins

HOOK = "tlbench_run_defaults"


def with_plugin_defaults(request: Request, plugins: Plugins, tell: Callable[[str], object]) -> Request:
    """The same with the defaults of plugins for what was not asked for; of several plugins the first in order wins.

    A plugin whose defaults are no options, or bad ones, is a fault of it, and gives none.
    """
    asked = {name: getattr(request, name) for name in request.model_fields_set}
    for plugin, caller in plugins.callers(HOOK):
        with guarded(partial(plugins.fault, plugin, HOOK)):
            (given,) = caller()
            found = {name: value for name, value in _checked(given).items() if name not in asked}
            request = make_request(**asked | found)
            asked |= found
            if found:
                tell(f"defaults of plugin {plugin}: {', '.join(f'{name} {value}' for name, value in found.items())}")
    return request


def _checked(given: object) -> Mapping[str, object]:
    """Raise UserError where this is no mapping of options."""
    if not isinstance(given, Mapping):
        raise UserError(f"it gave a {type(given).__name__}; it must give options by name")
    for name in given:
        if name not in Request.model_fields or name in Plugged.model_fields:
            raise UserError(f"{name!r} is no option that a plugin can give{nearest(str(name), Request.model_fields)}")
    return given
