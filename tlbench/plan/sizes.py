"""Whether a backbone takes images of a size, found without computing a number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlbench.contracts.backbone import Backbone
from tlbench.errors import BackboneError, UserError

if TYPE_CHECKING:
    from tlbench.contracts.model import TransferModel

SIZES = (
    8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 96, 112, 128, 160, 192, 224, 256, 288, 299, 320, 384, 448, 512,
)  # fmt: skip
"""Image sizes that are tried to name one that a backbone takes."""


def check_size(ref: str, backbone: Backbone, dataset: str, size: int) -> None:
    """Raise UserError where a backbone can't take images of a size that it would take in another size.

    Raise it, too, where its head or its blocks are stated wrongly. A backbone that takes no size at all is broken, not
    misused: its trials will say so.
    """
    try:
        problem = refusal(backbone, size)
    except BackboneError as error:
        raise UserError(f"backbone {ref}: {error}") from error
    if problem is None:
        return
    larger = [each for each in SIZES if each > size]
    smaller = [each for each in reversed(SIZES) if each < size]
    fitting = next((each for each in (*larger, *smaller) if refusal(backbone, each) is None), None)
    if fitting is not None:
        raise UserError(
            f"backbone {ref} does not take the {size}-pixel images of {dataset} ({problem}); "
            f"it takes {fitting}: --image-size {fitting}"
        )


def on_meta(backbone: Backbone, size: int) -> TransferModel | None:
    """A backbone's model with names and shapes, but no numbers; None where it can't be built so.

    Raises BackboneError where its head or its blocks are stated wrongly.
    """
    import torch

    from tlbench.contracts.model import TransferModel

    try:
        with torch.device("meta"):
            return TransferModel(backbone.build(2, image_size=size, pretrained=False), backbone)
    except BackboneError:
        raise
    except Exception:  # its trials will say what is wrong with it
        return None


def refusal(backbone: Backbone, size: int) -> str | None:
    """Why a backbone does not take a batch of a size; None where it does. No numbers are computed (meta device).

    Raises BackboneError where its head or its blocks are stated wrongly.
    """
    import torch

    from tlbench.contracts.blocks import blocks_of

    for device in ("meta", "cpu"):
        try:
            with torch.device(device):
                module = backbone.build(2, image_size=size, pretrained=False)
                blocks_of(module, backbone)
                module.train()(torch.empty(2, len(backbone.preprocessing.mean), size, size))
        except BackboneError:
            raise
        except NotImplementedError:
            continue  # an operation without a meta implementation: compute it
        except Exception as error:
            message = str(error).partition("\n")[0]
            if "meta tensor" in message.lower():
                continue
            return message
        return None
    return None
