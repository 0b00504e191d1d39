"""`tlbench cache`."""

from __future__ import annotations

import json
import shutil
from typing import Annotated

import typer

from tlbench.cli.app import Debug, app

cache = typer.Typer(
    help="Decoded datasets, features and compiled code that are kept between runs.", no_args_is_help=True
)
app.add_typer(cache, name="cache")


@cache.command()
def info(
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
    debug: Debug = False,
) -> None:
    """Show where it lies, what is in it, and how large it may grow."""
    from tlbench.cache import LIMIT_VARIABLE, StageCache, cache_limit_bytes, compile_folder, folder_bytes, spelled_bytes

    stages = StageCache()
    kinds: dict[str, dict[str, int]] = {}
    for entry in stages.entries():
        kind = kinds.setdefault(entry.kind, {"entries": 0, "bytes": 0, "in_use": 0})
        kind["entries"] += 1
        kind["bytes"] += entry.size_bytes
        kind["in_use"] += entry.leased
    limit, compiled = cache_limit_bytes(), folder_bytes(compile_folder())
    left = sum(map(folder_bytes, stages.leftovers()))
    if as_json:
        document = {
            "folder": str(stages.folder),
            "limit_bytes": limit,
            "kinds": kinds,
            "compiled_bytes": compiled,
            "leftover_bytes": left,
        }
        print(json.dumps(document, indent=1))
        return
    print(f"{stages.folder}, at most {spelled_bytes(limit)} (${LIMIT_VARIABLE})")
    for name, kind in kinds.items():
        print(f"{name}: {_entries(kind['entries'])}, {spelled_bytes(kind['bytes'])}, {kind['in_use']} in use")
    if compiled:
        print(f"compiled code: {spelled_bytes(compiled)} in {compile_folder()}")
    if left:
        print(f"left by killed processes: {spelled_bytes(left)} (tlbench cache clear removes them)")
    if not kinds and not compiled and not left:
        print("empty")


@cache.command()
def clear(debug: Debug = False) -> None:
    """Remove all that no run is using, and compiled code."""
    from tlbench.cache import StageCache, compile_folder, folder_bytes, spelled_bytes

    entries, size = StageCache().clear()
    size += folder_bytes(compile_folder())
    shutil.rmtree(compile_folder(), ignore_errors=True)
    print(f"{_entries(entries)} removed, {spelled_bytes(size)}")


def _entries(number: int) -> str:
    return f"{number} {'entry' if number == 1 else 'entries'}"
