"""The same job as Lightning's documentation shows it: a LightningModule, and a Trainer that validates each epoch.

python lightning_trainer.py FOLDER freeze|full EPOCHS; prints the accuracy on test after training.
"""

from __future__ import annotations

import sys
from pathlib import Path

import lightning as L
import torch
from data import BATCH, SIZE, lite0
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torchmetrics.classification import MulticlassAccuracy
from torchvision import datasets, transforms


class Classifier(L.LightningModule):
    """The network, its step, its optimizer and its metric."""

    def __init__(self, strategy: str) -> None:
        super().__init__()
        self.model = lite0()
        self.accuracy = MulticlassAccuracy(10, average="micro")
        self.rate = 3e-3 if strategy == "freeze" else 1e-3
        if strategy == "freeze":
            self.model.requires_grad_(False).eval()  # the Trainer keeps each module's mode
            self.model.get_submodule("classifier").requires_grad_(True)

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], _index: int) -> torch.Tensor:
        """The loss of a batch."""
        inputs, labels = batch
        loss = F.cross_entropy(self.model(inputs), labels)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: tuple[torch.Tensor, torch.Tensor], _index: int) -> None:
        """Count what is right of a batch."""
        inputs, labels = batch
        self.accuracy(self.model(inputs), labels)
        self.log("val_accuracy", self.accuracy, prog_bar=True)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW on what is trained, and its rate along a cosine, epoch by epoch."""
        optimizer = torch.optim.AdamW([each for each in self.parameters() if each.requires_grad], lr=self.rate)
        assert self.trainer.max_epochs is not None
        return [optimizer], [torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.trainer.max_epochs)]


def main(folder: Path, strategy: str, epochs: int) -> None:
    """Train, and validate after each epoch, as the Trainer does."""
    L.seed_everything(0)
    normalize = transforms.Normalize([0.5] * 3, [0.5] * 3)
    transform = transforms.Compose([transforms.Resize((SIZE, SIZE)), transforms.ToTensor(), normalize])
    train, test = (
        DataLoader(datasets.ImageFolder(str(folder / split), transform), BATCH, shuffle=split == "train", num_workers=2)
        for split in ("train", "test")
    )
    trainer = L.Trainer(accelerator="cpu", max_epochs=epochs, logger=False, enable_checkpointing=False)
    trainer.fit(Classifier(strategy), train, test)
    print(f"\naccuracy {trainer.callback_metrics['val_accuracy']:.4f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
