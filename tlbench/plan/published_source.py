"""Images that published weights are measured on again: a dataset whose classes are outputs of the published head."""

from __future__ import annotations

from collections.abc import Sequence

from tlbench.contracts.backbone import Backbone
from tlbench.errors import UserError
from tlbench.plan.cell import SINGLE_LABEL
from tlbench.plan.datasets import Loaded, loaded
from tlbench.plan.named_dataset import find_dataset
from tlbench.plan.request import Request
from tlbench.registry.kinds import Registry
from tlbench.words import listed


def source_data(request: Request, registry: Registry) -> Loaded | None:
    """The dataset of `--source-data`; raises UserError where there is none of the name, or its task is another one."""
    if request.source_data is None:
        return None
    if not request.retention:
        raise UserError(f"--source-data {request.source_data} is what --retention measures on; give that, too")
    component = find_dataset(registry, request.source_data)
    component.check()
    data = loaded(registry, component)
    if data.task_component.ref != SINGLE_LABEL:
        raise UserError(
            f"--source-data {request.source_data}: its task is {data.task_component.ref}; published heads are of "
            f"single-label classification"
        )
    return data


def head_places(ref: str, backbone: Backbone, data: Loaded) -> tuple[int, ...] | str:
    """The output of a published head for each class of a dataset, or why there is none.

    Raises UserError that names the classes which are no outputs of the head.
    """
    if backbone.published is None or backbone.source_classes is None:
        return f"{ref} does not state the classes of its published weights"
    places: dict[str, int] = {}
    for place, names in reversed(list(enumerate(backbone.source_classes()))):
        places |= {_plain(name): place for name in names}
    classes: Sequence[str] = data.dataset.classes
    unknown = [name for name in classes if _plain(name) not in places]
    if unknown:
        raise UserError(
            f"--source-data {data.ref}: {listed(unknown)} {'is' if len(unknown) == 1 else 'are'} no class of the "
            f"published weights of {ref}; name folders by WordNet identifiers (n01440764) or by the classes' names"
        )
    return tuple(places[_plain(name)] for name in classes)


def _plain(name: str) -> str:
    return " ".join(name.lower().replace("_", " ").split())
