"""Whether the kernel has killed for want of memory."""

from __future__ import annotations

from pathlib import Path

VMSTAT = Path("/proc/vmstat")


class OomWatch:
    """Tells, of a process that ended while it watched, whether the kernel killed it for want of memory."""

    def __init__(self) -> None:
        self._before = oom_kills()

    def explains(self, end: str) -> bool:
        """Whether an end (a signal's name, or an exit status) was such a kill."""
        return end == "SIGKILL" and oom_kills() > self._before


def oom_kills(vmstat: Path = VMSTAT) -> int:
    """How many processes the kernel has killed for want of memory since it booted; 0 where it doesn't say (not Linux).

    Limits of a control group count like those of the machine. The count is the whole system's: a kill by somebody
    else in the same seconds can't be told apart.
    """
    try:
        lines = vmstat.read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
