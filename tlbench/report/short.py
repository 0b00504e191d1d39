"""Components without their plugins' names, where that leaves no doubt."""

from __future__ import annotations

from collections.abc import Iterable


def short(ref: str) -> str:
    """A component without its plugin's name."""
    name, colon, options = ref.partition(":")
    return name.rpartition("/")[2] + colon + options


def short_names(refs: Iterable[str]) -> dict[str, str]:
    """By component its short name; the whole one where two plugins have components of that name."""
    refs = list(refs)
    plugins: dict[str, set[str]] = {}
    for ref in refs:
        plugin, _, name = ref.partition(":")[0].rpartition("/")
        plugins.setdefault(name, set()).add(plugin)
    return {ref: short(ref) if len(plugins[short(ref.partition(":")[0])]) == 1 else ref for ref in refs}
