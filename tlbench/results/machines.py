"""Which machine a record's figures were measured on."""

from __future__ import annotations

from typing import Any

from tlbench.results.records import Record

NAMED_BY = {"cpu": "{}", "usable_cores": "{} cores", "threads": "{} threads", "accelerator": "{}"}
"""What of an environment names a machine, as far as its times go, and how it is said."""


def machine_name(environment: dict[str, Any]) -> str:
    """A machine's processor, cores, threads and accelerator."""
    return ", ".join(said.format(environment[name]) for name, said in NAMED_BY.items() if environment.get(name))


def machine_of(record: Record) -> str | None:
    """The machine of a record; None where it is not known."""
    return machine_name(record.environment) if record.environment else None
