"""What images are asked: their class, which labels apply to them, or numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlbench import hookimpl

if TYPE_CHECKING:
    from tlbench import Options, Task
    from tlbench.toolkit import RegisterTask

tlbench_api = 1

# the factories are named make_*: importing a submodule would replace a function of its name


def make_single_label(_options: Options) -> Task:
    """One class for each image."""
    from tlbench_tasks.single_label import SingleLabel

    return SingleLabel()


def make_multi_label(_options: Options) -> Task:
    """Any number of labels for each image."""
    from tlbench_tasks.multi_label import MultiLabel

    return MultiLabel()


def make_regression(_options: Options) -> Task:
    """One number or several for each image."""
    from tlbench_tasks.regression import Regression

    return Regression()


@hookimpl
def tlbench_register_tasks(register: RegisterTask) -> None:
    """Register all of them."""
    register("single-label", make_single_label, summary="one class for each image: softmax, cross-entropy, accuracy")
    register("multi-label", make_multi_label, summary="any number of labels for each image: sigmoids, BCE, mAP")
    register("regression", make_regression, summary="one number or several for each image: squared error, MAE")
