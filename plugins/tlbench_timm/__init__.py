"""Every timm model as a backbone: `timm/resnet50`, or with the tag of its weights, `timm/resnet50.a1_in1k`."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version

from tlbench import Backbone, Options, hookimpl
from tlbench.registry import RegisterBackbone

tlbench_api = 1


def names() -> Iterable[str]:
    """All architectures, and all of them with the tags of their pretrained weights."""
    import timm

    return sorted({*timm.list_models(), *timm.list_models(pretrained=True)})


def make(name: str, _options: Options) -> Backbone:
    """The backbone of one timm name."""
    from tlbench_timm.backbone import timm_backbone

    return timm_backbone(name)


@hookimpl
def tlbench_register_backbones(register: RegisterBackbone) -> None:
    """Register all of timm as one family."""
    register.family(names, make, version=version("timm"), summary="timm model")
