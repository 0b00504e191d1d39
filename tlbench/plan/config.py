"""A request as a TOML file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import tomli_w

from tlbench.errors import UserError, nearest
from tlbench.plan.request import Request


def read_config(path: Path, model: type[Request] = Request) -> dict[str, object]:
    """The options in a file, by their names; raises UserError on an unknown one, or a file that can't be read."""
    found = read_toml(path)
    named = {key.replace("-", "_"): value for key, value in found.items()}
    named.pop("gates", None)  # of `tlbench compare`
    for key in named:
        if key not in model.model_fields:
            raise UserError(f"--config {path}: there is no option {key!r}{nearest(key, model.model_fields)}")
    return {key: tuple(value) if isinstance(value, list) else value for key, value in named.items()}


def read_toml(path: Path) -> dict[str, Any]:
    """What a configuration has; raises UserError where it can't be read."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UserError(f"--config {path} can't be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"--config {path} is not TOML: {error}") from error


def config_of(request: Request) -> str:
    """A request as such a file; what follows from the machine and the dataset is left out."""
    return tomli_w.dumps(request.model_dump(mode="json", exclude_none=True))
