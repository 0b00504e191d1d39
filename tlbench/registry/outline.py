"""What a backbone's model is made of: its blocks and its head, with their parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tlbench.contracts.backbone import Backbone
from tlbench.errors import BackboneError, UserError
from tlbench.plan.sizes import SIZES
from tlbench.registry.components import Component

if TYPE_CHECKING:
    from tlbench.contracts.model import TransferModel
    from tlbench.contracts.part import Part

USUAL_SIZE = 224
CLASSES = 1000


def outline(name: str, component: Component[Backbone]) -> dict[str, Any]:
    """A backbone's blocks and head, for ImageNet's images and classes where it takes them; raises UserError.

    The modules of a block are those that have parameters.
    """
    try:
        model = _built(component.load())
    except BackboneError as error:
        raise UserError(f"backbone {name}: {error}") from error
    owners = {path for path, _ in model.parameters(model.everything)}

    def used(paths: tuple[str, ...]) -> list[str]:
        return [path for path in paths if any(f"{owner}.".startswith(f"{path}.") for owner in owners)]

    blocks = [
        {
            "block": place,
            "stage": block.stage,
            "parameters": _size(model, part),
            "output": block.name,
            "modules": used(block.modules),
            "neck": used(block.neck),
        }
        for place, (block, part) in enumerate(zip(model.layout, model.blocks, strict=True))
    ]
    head = {"parameters": _size(model, model.head), "modules": list(model.head_paths)}
    return {"head": head, "blocks": blocks}


def _built(backbone: Backbone) -> TransferModel:
    """The model without numbers, in a size that it takes; with them where it can't be (RegNet computes its widths)."""
    import torch

    from tlbench.contracts.model import TransferModel

    problem = ""
    for device, size in (*(("meta", size) for size in (USUAL_SIZE, *SIZES)), ("cpu", USUAL_SIZE)):
        try:
            with torch.device(device):
                return TransferModel(backbone.build(CLASSES, image_size=size, pretrained=False), backbone)
        except BackboneError:
            raise
        except Exception as error:
            problem = f"{type(error).__name__}: {error}".partition("\n")[0]
    raise BackboneError(f"its model can't be built ({problem})")


def _size(model: TransferModel, part: Part) -> int:
    return sum(parameter.numel() for _, parameter in model.parameters(part))
