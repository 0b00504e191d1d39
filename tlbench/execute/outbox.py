"""What a job leaves beside its records: predictions, models, files of plugins, laid out as in a run's folder."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from tlbench.files import move_whole
from tlbench.results.store import RunFolder
from tlbench.temporary import temporary_folder


def new_outbox() -> Path:
    """An empty folder of this machine."""
    return Path(tempfile.mkdtemp(prefix="outbox-", dir=temporary_folder()))


def deliver(outbox: Path, folder: RunFolder) -> None:
    """Move what lies in an outbox to where it belongs; raises OSError where it can't be."""
    for room, place in ((RunFolder(outbox).trials, folder.trials), (RunFolder(outbox).models, folder.models)):
        for each in sorted(room.iterdir()) if room.is_dir() else ():
            move_whole(each, place / each.name)
    discard(outbox)


def discard(outbox: Path) -> None:
    """Remove an outbox."""
    shutil.rmtree(outbox, ignore_errors=True)
