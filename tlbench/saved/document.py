"""What is written of a trained model beside its tensors: all that is needed to rebuild it and to use it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from tlbench.contracts.backbone import Interpolation
from tlbench.errors import UserError, first_fault
from tlbench.files import written_whole
from tlbench.plan.cell import ResolvedOptions
from tlbench.plan.choices import MemoryFormat, Precision
from tlbench.registry.provenance import Provenance
from tlbench.results.store import find_run

if TYPE_CHECKING:
    import torch

DOCUMENT, TENSORS = "model.json", "model.safetensors"


class SavedPart(BaseModel):
    """The base of the document's parts."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SavedComponent(SavedPart):
    """A component by its qualified name, with the values of all its options."""

    name: str
    options: ResolvedOptions


class SavedPreprocessing(SavedPart):
    """How images become the input: their central square resized, uint8 / 255, less `mean`, over `std`, by channel.

    `levels` are the values that become black and white in images of more than 8 bits.
    """

    image_size: int
    interpolation: Interpolation
    mean: tuple[float, ...]
    std: tuple[float, ...]
    levels: tuple[float, float] | None = None


class SavedDocument(SavedPart):
    """A trained model: the components that it is rebuilt from, what its outputs mean, and how it computes.

    `names` are those of classes, labels or targets; `statistics` what the task knows of the training labels.
    """

    schema_version: Literal[1] = 1
    trial: str
    dataset: str
    backbone: SavedComponent
    strategy: SavedComponent
    task: SavedComponent
    names: tuple[str, ...]
    statistics: dict[str, list[float]]
    preprocessing: SavedPreprocessing
    precision: Precision
    memory_format: MemoryFormat
    weights_digest: str | None = None
    provenance: dict[str, Provenance] = {}


def write_model(folder: Path, document: SavedDocument, tensors: Mapping[str, torch.Tensor]) -> None:
    """Write a model's document and its tensors into a new folder, both or none."""
    from safetensors.torch import save_file

    kept = {name: each.detach().cpu().contiguous().clone() for name, each in tensors.items()}
    with written_whole(folder) as temporary:
        save_file(kept, temporary / TENSORS)
        (temporary / DOCUMENT).write_text(document.model_dump_json(indent=1) + "\n", "utf-8")


def read_document(folder: Path) -> SavedDocument:
    """A saved model's document; raises UserError where it is missing or damaged."""
    path = folder / DOCUMENT
    try:
        return SavedDocument.model_validate_json(path.read_bytes())
    except OSError as error:
        raise UserError(
            f"there is no saved model in {folder} ({DOCUMENT}: {error.strerror}); name the folder of one, "
            f"results/RUN/models/TRIAL_ID"
        ) from error
    except ValidationError as error:
        raise UserError(f"{path} is not a saved model of this tlbench: {first_fault(error)}") from error


def find_model(model: str, results: Path) -> Path:
    """The folder of a saved model: a folder itself, or `RUN/TRIAL_ID`; raises UserError that says what there is."""
    if (Path(model).expanduser() / DOCUMENT).is_file():
        return Path(model).expanduser()
    run, slash, trial = model.rstrip("/").rpartition("/")
    if not slash:
        raise UserError(f"there is no saved model in {model!r}; give RUN/TRIAL_ID, or the folder of a saved model")
    folder = find_run(run, results)
    if (folder.model(trial) / DOCUMENT).is_file():
        return folder.model(trial)
    saved = sorted(each.parent.name for each in folder.models.glob(f"*/{DOCUMENT}"))
    there = f"it has {', '.join(saved)}" if saved else "none was saved: run with --save best or --save all"
    raise UserError(f"run {run} has no saved model of trial {trial!r}; {there}")
