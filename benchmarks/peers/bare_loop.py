"""The yardstick: what one who knows PyTorch writes by hand. All images in memory, decoded once, and a bare loop.

python bare_loop.py FOLDER freeze|full EPOCHS; prints the accuracy on test after training.

The arithmetic is that of tlbench's default protocol: channels_last, fp32, warm-up and cosine by the step, clipping.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import torch
from data import BATCH, SIZE, lite0
from PIL import Image
from torch import nn
from torchvision.datasets import ImageFolder


def decoded(folder: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """All images as uint8, N×S×S×3, and their labels."""
    files, labels = zip(*ImageFolder(str(folder)).samples, strict=True)
    pixels = torch.empty(len(files), SIZE, SIZE, 3, dtype=torch.uint8)
    for row, file in zip(pixels.numpy(), files, strict=True):
        row[:] = np.asarray(Image.open(file).convert("RGB").resize((SIZE, SIZE), Image.Resampling.BICUBIC))
    return pixels, torch.tensor(labels)


def normalised(pixels: torch.Tensor) -> torch.Tensor:
    """A batch as the network takes it, in channels_last order."""
    return pixels.permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def main(folder: Path, strategy: str, epochs: int) -> None:
    """Train, then evaluate once."""
    torch.manual_seed(0)
    images, labels = decoded(folder / "train")
    model = lite0().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if strategy == "freeze":
        model.requires_grad_(False)
        model.get_submodule("classifier").requires_grad_(True)
    model.train(strategy == "full")
    trained = [each for each in model.parameters() if each.requires_grad]
    rate = 3e-3 if strategy == "freeze" else 1e-3
    decayed, others = [each for each in trained if each.ndim > 1], [each for each in trained if each.ndim == 1]
    groups = [{"params": decayed}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=rate, weight_decay=0.01, fused=True)
    steps = epochs * math.ceil(len(images) / BATCH)
    warmup = round(0.1 * steps)

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        return 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))

    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    for _ in range(epochs):
        for chosen in torch.randperm(len(images)).split(BATCH):  # type: ignore[no-untyped-call]
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(normalised(images[chosen])), labels[chosen]).backward()
            nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            scheduler.step()
    model.eval()
    images, labels = decoded(folder / "test")
    with torch.inference_mode():
        predicted = torch.cat([model(normalised(batch)).argmax(1) for batch in images.split(128)])
    print(f"accuracy {(predicted == labels).float().mean():.4f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
