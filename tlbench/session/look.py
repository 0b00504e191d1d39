"""What is found out before a run, in a process of its own."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from tlbench.cache import hold_lease
from tlbench.data.root import VARIABLE as DATA_ROOT_VARIABLE
from tlbench.data.root import data_root
from tlbench.errors import UserError
from tlbench.events import Report
from tlbench.execute.crash import CONTIGUOUS, crash
from tlbench.execute.process import ProcessDied, call
from tlbench.plan.batch_size import fits
from tlbench.plan.cell import Numerics, Trial
from tlbench.plan.found import Note, Preflight, Preparing
from tlbench.plan.plan import Plan
from tlbench.plan.preflight import preflight
from tlbench.plan.request import Request
from tlbench.plan.weights import Means
from tlbench.registry.kinds import Registry
from tlbench.registry.plugins import load_plugins
from tlbench.results.store import RunFolder
from tlbench.session.display import Display, show
from tlbench.session.jobs import job_of


def looked_at(request: Request, temporary: Path, folder: RunFolder, display: Display, means: Means) -> Preflight:
    """What preflight finds; a process of it that dies is told of by name."""
    last: list[str] = []

    def tell(event: Note | Preparing) -> None:
        last[:] = [event.text if isinstance(event, Note) else f"decoding {event.dataset}"]
        show(event, display)

    known = _numerics(folder.plan()) if folder.exists else {}
    root = request.data_root or data_root()
    try:
        found: Preflight = call(
            preflight_in_process, request, temporary, root, known, hold_lease(), means, on_event=tell
        )
        return _with_batch_size(request, found, folder, display) if request.find_batch_size else found
    except ProcessDied as death:
        crashed = crash(death.end)
        how = f"ended by {death.end}" if crashed is None else f"crashed: {crashed}"
        tries_channels_last = request.precision == "auto" and request.memory_format != "contiguous"
        remedy = f"; {CONTIGUOUS}" if crashed and tries_channels_last and request.device in ("auto", "cpu") else ""
        raise UserError(f"the process that prepares the run {how}{_after(last)}{remedy}") from death


def _after(last: list[str]) -> str:
    return "".join(f" (last: {text})" for text in last)


def preflight_in_process(
    request: Request,
    folder: Path,
    root: Path,
    known: dict[tuple[str, str], Numerics],
    lease: str,
    means: Means,
    report: Report,
) -> Preflight:
    """What the process of preflight does."""
    os.environ[DATA_ROOT_VARIABLE] = str(root)
    return preflight(request, Registry.of(load_plugins()), folder, report, known, lease, means)  # type: ignore[arg-type]


def _numerics(plan: Plan) -> dict[tuple[str, str], Numerics]:
    """What a run that goes on has chosen for each backbone on each dataset."""
    return {
        (cell.backbone, cell.dataset): Numerics(
            precision=cell.protocol.precision, memory_format=cell.protocol.memory_format
        )
        for cell in (*plan.sources, *plan.cells)
    }


def plan_of(request: Request, found: Preflight, folder: RunFolder) -> Plan:
    """The plan of what was found."""
    return Plan(
        name=folder.path.name,
        created=datetime.now(UTC),
        request=request,
        cells=tuple(found.cells),
        sources=tuple(found.sources),
        suites=found.suites,
        left_out=tuple(found.left_out),
        provenance=found.provenance,
        tasks=found.tasks,
        batched=tuple(found.batched),
    )


def _with_batch_size(request: Request, found: Preflight, folder: RunFolder, display: Display) -> Preflight:
    """Halve the batch size until a step of every cell fits into memory; a run that goes on keeps the one it found."""
    size = request.batch_size
    if folder.exists:
        size = folder.plan().cells[0].protocol.batch_size
    else:
        plan = plan_of(request, found, folder)
        for cell in (*plan.sources, *plan.cells):
            job = job_of(Trial(cell=cell, seed=0), plan, found, folder)
            while not fits(job, size):
                if size == 1:
                    raise UserError(
                        f"not even a batch of one image fits into memory: {cell.backbone} × {cell.strategy} "
                        f"at {cell.protocol.image_size} px; try a smaller --image-size"
                    )
                display.note(f"{cell.backbone} × {cell.strategy}: batch {size} does not fit")
                size //= 2
    if size == request.batch_size:
        return found
    changes = {"batch_size": size, "asked_batch_size": request.batch_size}
    display.note(f"batch size {size} instead of {request.batch_size}, for all cells alike")
    return found.with_protocol(changes)
