"""What was measured or found on this machine, and need not be again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from tlbench.cache.folder import cache_folder
from tlbench.files import write_whole

T = TypeVar("T")


class Remembered(Generic[T]):
    """One thing of a kind, known by all that it depends on (JSON), in a small file of the cache."""

    def __init__(self, kind: str, key: object, kept_as: TypeAdapter[T]) -> None:
        digest = hashlib.sha256(json.dumps(key, default=str).encode()).hexdigest()[:16]
        self.path: Path = cache_folder() / kind / f"{digest}.json"
        self._kept_as = kept_as

    def read(self) -> T | None:
        """What was kept; None where nothing was, or the file is damaged or of another release."""
        try:
            return self._kept_as.validate_json(self.path.read_bytes())
        except (OSError, ValidationError):
            return None

    def keep(self, value: T) -> bool:
        """Keep it for next time; False where the cache can't be written: then it will be measured again."""
        try:
            write_whole(self.path, self._kept_as.dump_json(value).decode())
        except OSError:
            return False
        return True

    def or_else(self, measure: Callable[[], T]) -> T:
        """What was kept, or what is measured now and kept."""
        found = self.read()
        if found is None:
            found = measure()
            self.keep(found)
        return found
