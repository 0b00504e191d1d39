"""Every timm model as a backbone: `timm/resnet50`, or with the tag of its weights, `timm/resnet50.a1_in1k`."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from pydantic import Field

from tlbench import Backbone, Options, UserError, hookimpl
from tlbench.toolkit import RegisterBackbone

tlbench_api = 1


def names() -> Iterable[str]:
    """All architectures, and all of them with the tags of their pretrained weights."""
    import timm

    return sorted({*timm.list_models(), *timm.list_models(pretrained=True)})


Pool = Literal["avg", "max", "avgmax", "catavgmax", "token"]


class TimmOptions(Options):
    """How features become one vector."""

    pool: Pool | None = Field(
        None, description="pooling before the head: avg, max, avgmax, or a transformer's class token; none: its own"
    )


def make(name: str, options: TimmOptions) -> Backbone:
    """The backbone of one timm name."""
    from tlbench_timm.backbone import timm_backbone

    return timm_backbone(name, options.pool)


class HubOptions(Options):
    """Which model of the hub."""

    model: str = Field(
        description="OWNER/NAME, with @REVISION behind it where it matters", pattern=r"^[^/\s]+/[^/\s]+$"
    )


class FolderOptions(Options):
    """Where a model that timm has saved lies."""

    path: Path = Field(description="a folder with timm's config.json and the weights beside it")


def make_of_hub(options: HubOptions) -> Backbone:
    """A model of the Hugging Face hub."""
    from tlbench_timm.backbone import timm_backbone

    return timm_backbone(f"hf-hub:{options.model}")


def make_of_folder(options: FolderOptions) -> Backbone:
    """A model of a local folder."""
    from tlbench_timm.backbone import timm_backbone

    return timm_backbone(f"local-dir:{options.path.expanduser()}")


def check_folder(options: FolderOptions) -> None:
    """Raises UserError where there is no model in the folder."""
    if not (options.path.expanduser() / "config.json").is_file():
        raise UserError(f"backbone timm/local-dir: {options.path} has no config.json of timm's; name a folder that has")


@hookimpl
def tlbench_register_backbones(register: RegisterBackbone) -> None:
    """Register all of timm as one family."""
    register.family(names, make, options=TimmOptions, version=version("timm"), summary="timm model")
    register("hf-hub", make_of_hub, options=HubOptions, summary="a timm model of the hub: hf-hub:OWNER/NAME")
    register(
        "local-dir",
        make_of_folder,
        options=FolderOptions,
        check=check_folder,
        summary="a model that timm has saved: local-dir:FOLDER",
    )
