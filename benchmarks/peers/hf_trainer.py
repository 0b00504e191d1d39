"""The same job as Hugging Face's documentation shows it: TrainingArguments, a collator, metrics and a Trainer.

python hf_trainer.py FOLDER freeze|full EPOCHS; prints the accuracy on test after training.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import torch
from data import BATCH, SIZE, lite0
from torch import nn
from torchvision import datasets, transforms
from transformers import EvalPrediction, Trainer, TrainingArguments, set_seed


class Classifier(nn.Module):
    """The network as the Trainer calls it: a batch's columns in, loss and logits out."""

    def __init__(self, strategy: str) -> None:
        super().__init__()
        self.model = lite0()
        self.frozen = strategy == "freeze"
        if self.frozen:
            self.model.requires_grad_(False)
            self.model.get_submodule("classifier").requires_grad_(True)

    def train(self, mode: bool = True) -> Classifier:
        """Never train mode for a frozen body (the Trainer asks for it): BatchNorm's statistics would move."""
        return super().train(mode and not self.frozen)

    def forward(self, pixel_values: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        """Loss and logits."""
        logits = self.model(pixel_values)
        return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}


def collate(examples: list[tuple[torch.Tensor, int]]) -> dict[str, torch.Tensor]:
    """Examples as the columns of a batch."""
    images, labels = zip(*examples, strict=True)
    return {"pixel_values": torch.stack(images), "labels": torch.tensor(labels)}


def compute_metrics(prediction: EvalPrediction) -> dict[str, float]:
    """The share of right predictions."""
    return {"accuracy": float((prediction.predictions.argmax(1) == prediction.label_ids).mean())}


def main(folder: Path, strategy: str, epochs: int) -> None:
    """Train, and evaluate after each epoch."""
    set_seed(0)
    normalize = transforms.Normalize([0.5] * 3, [0.5] * 3)
    transform = transforms.Compose([transforms.Resize((SIZE, SIZE)), transforms.ToTensor(), normalize])
    train, test = (datasets.ImageFolder(str(folder / split), transform) for split in ("train", "test"))
    with tempfile.TemporaryDirectory() as temporary:
        arguments = TrainingArguments(
            output_dir=temporary,
            num_train_epochs=epochs,
            per_device_train_batch_size=BATCH,
            per_device_eval_batch_size=BATCH,
            learning_rate=3e-3 if strategy == "freeze" else 1e-3,
            weight_decay=0.01,  # AdamW is its default optimizer, without decay
            lr_scheduler_type="cosine",
            eval_strategy="epoch",
            save_strategy="no",
            report_to="none",
            use_cpu=True,
            dataloader_num_workers=2,
            remove_unused_columns=False,
            seed=0,
        )
        trainer = Trainer(Classifier(strategy), arguments, collate, train, test, compute_metrics=compute_metrics)
        trainer.train()
    [*_, accuracy] = [entry["eval_accuracy"] for entry in trainer.state.log_history if "eval_accuracy" in entry]
    print(f"\naccuracy {accuracy:.4f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
