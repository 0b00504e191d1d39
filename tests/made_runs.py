"""Runs of made records on disk, with predictions as their accuracies have them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from builders import NOON, make_cell, make_metrics, make_plan, make_record
from safetensors.numpy import save_file

from tlbench.plan import Cell
from tlbench.results.records import DataRecord, Record
from tlbench.results.store import RunFolder

IMAGES = 1_000
HARD = np.random.default_rng(0).random(IMAGES)
MACHINE = {"cpu": "EPYC", "usable_cores": 2, "threads": 2, "packages": {"torch": "2.11"}, "boot_id": "one"}


class Runs:
    """Runs of made records in a folder, with predictions as the accuracies have them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(
        self,
        name: str,
        accuracies: Mapping[str, float],
        *,
        seeds: int = 3,
        environment: Any = MACHINE,
        started: datetime = NOON,
        **changes: Any,
    ) -> RunFolder:
        """A cell for each backbone; what else is given is of cells, and of costs where a cost is called so."""
        costs = {key: changes.pop(key) for key in tuple(changes) if key not in Cell.model_fields}
        cells = [(make_cell(f"a/{backbone}", **changes), accuracy) for backbone, accuracy in accuracies.items()]
        run = RunFolder(self.folder / name)
        run.trials.mkdir(parents=True)
        plan = make_plan(*(cell for cell, _ in cells), name=name, seeds=seeds)
        run.write_plan(plan.model_copy(update={"created": started}))
        for cell, accuracy in cells:
            for seed in range(seeds):
                self.record(run, cell, seed, accuracy, environment, costs, started)
        return run

    @staticmethod
    def record(
        run: RunFolder, cell: Cell, seed: int, accuracy: float, environment: Any, costs: Any, started: datetime = NOON
    ) -> None:
        """Write a trial with such a share of its test images right."""
        noise = np.random.default_rng([seed, int(accuracy * 1_000)]).normal(0, 0.02, IMAGES)
        right = HARD + noise < accuracy
        own = {key: each(seed) if callable(each) else each for key, each in costs.items()}
        data = DataRecord(train_images=9, val_images=9, test_images=IMAGES, duplicates_train_test=0)
        record: Record = make_record(cell, seed, **own)
        file = f"{record.trial.id}.safetensors"
        update = {"metrics": make_metrics(float(right.mean())), "data": data, "predictions": file}
        save_file({"indices": np.arange(IMAGES), "example_scores": right}, run.trials / file)
        run.write_record(record.model_copy(update=update | {"environment": environment, "started": started}))
