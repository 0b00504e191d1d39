"""The loop of PyTorch's transfer learning tutorial: ImageFolder, a DataLoader with workers, each epoch evaluated.

python tutorial.py FOLDER freeze|full EPOCHS; prints the accuracy on test after each epoch.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from data import BATCH, SIZE, lite0
from torch import nn
from torch.utils.data import DataLoader
from torchvision import datasets, transforms


def main(folder: Path, strategy: str, epochs: int) -> None:
    """Train, and evaluate after each epoch, as the tutorial does."""
    torch.manual_seed(0)
    normalize = transforms.Normalize([0.5] * 3, [0.5] * 3)
    transform = transforms.Compose([transforms.Resize((SIZE, SIZE)), transforms.ToTensor(), normalize])
    loaders = {
        split: DataLoader(
            datasets.ImageFolder(str(folder / split), transform), BATCH, shuffle=split == "train", num_workers=2
        )
        for split in ("train", "test")
    }
    model = lite0()
    if strategy == "freeze":
        for name, parameter in model.named_parameters():
            parameter.requires_grad = name.startswith("classifier.")
    rate = 3e-3 if strategy == "freeze" else 1e-3
    optimizer = torch.optim.AdamW([each for each in model.parameters() if each.requires_grad], lr=rate)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    criterion = nn.CrossEntropyLoss()
    for _ in range(epochs):
        model.train(strategy == "full")  # in train mode, a frozen body's BatchNorm statistics would move
        for inputs, labels in loaders["train"]:
            optimizer.zero_grad()
            loss = criterion(model(inputs), labels)
            loss.backward()
            optimizer.step()
        scheduler.step()
        model.eval()
        right = 0
        with torch.no_grad():
            for inputs, labels in loaders["test"]:
                right += int((model(inputs).argmax(1) == labels).sum())
        print(f"accuracy {right / len(loaders['test'].dataset):.4f}")  # type: ignore[arg-type]


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
