"""Which epoch's model a phase ends with: the last one's, or the one that val likes best. Test has no part in it."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from tlbench.contracts.model import TransferModel
from tlbench.engine.evaluate import Predictions, predict
from tlbench.engine.feed import Feed
from tlbench.engine.setting import Setting
from tlbench.engine.undone import modes_restored
from tlbench.measure.spans import Spans
from tlbench.results.records import EpochRecord


class Selection:
    """Watches the epochs of one phase; `after_epoch` is the loop's, `end` puts the chosen epoch's model in place.

    `val` gives what val is predicted with, asked once, when it is first needed.

    With `select="best"`, val is predicted after every epoch, and the first epoch with the best primary metric is kept;
    with `patience`, the phase ends when so many epochs in a row have not beaten it.
    """

    def __init__(
        self, model: TransferModel, phase: int, val: Callable[[], Feed], setting: Setting, spans: Spans
    ) -> None:
        self._model = model
        self._phase = phase
        self._make_val = val
        self._val: Feed | None = None
        self._setting = setting
        self._spans = spans
        self._epochs: list[tuple[int, float, float | None]] = []
        self._best_epoch: int | None = None
        self._best_merit = -math.inf
        self._best_state: dict[str, torch.Tensor] = {}

    def after_epoch(self, epoch: int, loss: float) -> bool:
        """Note an epoch; True where patience has run out."""
        if self._setting.protocol.select == "last":
            self._epochs.append((epoch, loss, None))
            return False
        with self._spans.within("validate"):
            val = self._predicted()
            if val.merit[0] > self._best_merit:
                self._best_epoch, self._best_merit = epoch, val.merit[0]
                self._best_state = {name: each.clone() for name, each in self._model.module.state_dict().items()}
        self._epochs.append((epoch, loss, val.value))
        patience = self._setting.protocol.patience
        return patience is not None and self._best_epoch is not None and epoch - self._best_epoch >= patience

    def end(self) -> list[EpochRecord]:
        """Put the chosen epoch's tensors back, and tell of all epochs."""
        kept = self._epochs[-1][0] if self._best_epoch is None else self._best_epoch
        if self._best_state:
            self._model.module.load_state_dict(self._best_state)
            self._best_state = {}
        return [
            EpochRecord(phase=self._phase, epoch=epoch, train_loss=loss, val=val, kept=epoch == kept)
            for epoch, loss, val in self._epochs
        ]

    def _predicted(self) -> Predictions:
        """Val, with the modes of training put back afterwards."""
        if self._val is None:
            self._val = self._make_val()
        places = torch.arange(len(self._val.source))
        with modes_restored(self._model.module):
            return predict(self._model.module, self._val, places, self._setting)
