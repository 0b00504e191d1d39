"""Whether a phase's BatchNorm statistics move, and statistics estimated again where averaging has mixed them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import nn
from torch.optim.swa_utils import update_bn

from tlbench.contracts.batch import Batch
from tlbench.contracts.model import TransferModel
from tlbench.contracts.strategy import BatchNormPolicy
from tlbench.engine.undone import modes_restored
from tlbench.plan.cell import Protocol
from tlbench.results.costs import BatchNormRecord

BatchNorm = nn.modules.batchnorm._BatchNorm
TIME_CONSTANTS = 100
"""So many times 1/momentum steps are enough for new statistics: 1,000 at a momentum of 0.1. With 80 steps, frozen ones
are better on val for EfficientNet-Lite0 and MobileNetV2 on two datasets, at each one's best rate (docs/rates.md)."""
SMALL_BATCH = 16
"""Below so many images, the statistics of a batch are noise (Wu & He 2018, Group Normalization, fig. 1)."""
USUAL_MOMENTUM = 0.1


def settle(
    model: TransferModel, protocol: Protocol, steps: int, pretrained: bool, default: BatchNormPolicy
) -> BatchNormRecord | None:
    """Put the BatchNorms that a prepared phase trains into train or eval mode; None where it trains none.

    `default` is the strategy's own choice where the request leaves it open. `auto` freezes the statistics of a
    pretrained model where the phase's batches or steps are too few for new ones, as is usual in detection (He et al.
    2017, Mask R-CNN, arXiv:1703.06870) and in fine-tuning with few images. A layer without statistics (a new one)
    always gets some.
    """
    layers = [each for each in model.module.modules() if isinstance(each, BatchNorm) and each.training]
    if not layers:
        return None
    statistics, reason = _wanted(layers, protocol, steps, pretrained, default)
    if statistics == "frozen":
        for layer in layers:
            layer.training = not _has_statistics(layer)
    moving = sum(layer.training for layer in layers)
    return BatchNormRecord(
        statistics="train" if moving == len(layers) else "frozen", moving=moving, layers=len(layers), reason=reason
    )


def _wanted(
    layers: Sequence[nn.Module], protocol: Protocol, steps: int, pretrained: bool, default: BatchNormPolicy
) -> tuple[str, str]:
    if protocol.batchnorm != "auto":
        return protocol.batchnorm, f"--batchnorm {protocol.batchnorm}"
    if not pretrained:
        return "train", "the model starts from random weights"
    if protocol.batch_size < SMALL_BATCH:
        return "frozen", f"batches of fewer than {SMALL_BATCH} images give noisy statistics"
    if default != "auto":
        return default, "the strategy's default"
    momentum = min(each.momentum or USUAL_MOMENTUM for each in layers if isinstance(each, BatchNorm))
    needed = round(TIME_CONSTANTS / momentum)
    if steps < needed:
        return "frozen", f"{steps} steps are too few for new statistics, which take {needed} (momentum {momentum:.2g})"
    return "train", f"{steps} steps are enough for new statistics, which take {needed} (momentum {momentum:.2g})"


def _has_statistics(layer: nn.Module) -> bool:
    """Whether a layer has seen anything: statistics start at mean 0 and variance 1."""
    if not isinstance(layer, BatchNorm) or layer.running_mean is None or layer.running_var is None:
        return False
    return bool((layer.running_mean != 0).any() or (layer.running_var != 1).any())


def reestimate(model: TransferModel, batches: Iterable[Batch]) -> None:
    """Estimate all BatchNorm statistics from some batches, as stochastic weight averaging does (Izmailov et al. 2018).

    Parameters and modes stay as they are.
    """
    with modes_restored(model.module), torch.no_grad():
        update_bn((batch.images for batch in batches), model.module)
    model.statistics_mixed = False
