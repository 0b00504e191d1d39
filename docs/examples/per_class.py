"""Metrics of one's own: the recall of the worst class, and of one class that matters."""

from tlbench import ExtraMetric, Metric, hookimpl

tlbench_api = 1
MATTERS = 3


def recalls(kept):
    """The recall of each class that occurs, by its number; `kept` has N labels and N predicted classes."""
    labels, predicted = kept["labels"], kept["predicted"]
    return {int(each): float((predicted[labels == each] == each).float().mean()) for each in labels.unique()}


def worst(kept):
    """The least recall of a class."""
    return min(recalls(kept).values(), default=None)


def of_one(kept):
    """The recall of the class that matters; None where it does not occur."""
    return recalls(kept).get(MATTERS)


@hookimpl
def tlbench_register_metrics(register):
    register(ExtraMetric(Metric("worst_recall", "Worst class", "higher"), ("single-label",), worst))
    register(ExtraMetric(Metric("recall_of_3", "Recall of 3", "higher"), ("single-label",), of_one))
