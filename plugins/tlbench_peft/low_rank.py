"""LoRA, DoRA and IA³: peft wraps layers in place; what they have learned is merged into the layers at the end."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from tlbench import Options, Phase, Rewrite, Train, strategy
from tlbench_peft import rates

if TYPE_CHECKING:
    from tlbench.contracts.model import TransferModel
    from tlbench.contracts.part import Part

MAGNITUDES, FACTORS = "lora_magnitude_vector", "ia3_l"
"""peft's names of what multiplies weights, and so is not decayed: its neutral value is not 0."""
Layers = Literal["all", "linear", "conv"]


class Wrapped(Options):
    """Which layers."""

    layers: Layers = Field("all", description="which layers of the body: all, linear or conv (but no grouped one)")


class LowRank(Wrapped):
    """Of what rank, and how strong."""

    r: int = Field(8, ge=1, description="rank of what is added to each layer's weight")
    alpha: float = Field(16.0, gt=0, description="it is scaled by alpha / r")


def wrapped_layers(model: TransferModel, options: Wrapped) -> list[str]:
    """The paths of the body's linear layers and ungrouped convolutions.

    Subclasses are left out: they may pad or compute in their own way.
    """
    from torch import nn

    from tlbench_peft.layers import called_layers

    def fits(layer: nn.Module) -> bool:
        is_linear = type(layer) is nn.Linear and options.layers != "conv"
        is_conv = type(layer) is nn.Conv2d and layer.groups == 1 and options.layers != "linear"
        return is_linear or is_conv

    return [path for path, layer in called_layers(model) if fits(layer)]


def serves(model: TransferModel, options: Any) -> str | None:
    """Why no layer of a model can be wrapped, if so."""
    if wrapped_layers(model, options):
        return None
    kinds = sorted({type(each).__name__ for each in model.module.modules() if not any(each.children())})
    return f"its body has no layer to wrap ({options.layers}); it has {', '.join(kinds)}"


@strategy(
    "lora",
    learning_rates=rates.ADDED,
    options=LowRank,
    paper="Hu et al. 2022, LoRA: Low-Rank Adaptation of Large Language Models, arXiv:2106.09685",
    when="memory for gradients and the optimizer is short, or many variants of one model are kept",
    serves=serves,
)
def lora(model: TransferModel, options: LowRank) -> Iterator[Phase]:
    """Train the head and a product of two thin matrices that is added to each layer's weight, and merged at the end.

    The layers are the body's linear ones and ungrouped convolutions (`layers`), but none inside PyTorch's multi-head
    attention; the paper adapts the projections of attention alone. The first matrix starts as in the authors' code
    (uniform; normal in the paper), the second at 0, so that the model starts as the backbone.
    """
    yield from tuned(model, wrapped_layers(model, options), lambda names: low_rank_config(names, options, dora=False))


@strategy(
    "dora",
    learning_rates=rates.ADDED,
    options=LowRank,
    paper="Liu et al. 2024, DoRA: Weight-Decomposed Low-Rank Adaptation, arXiv:2402.09353",
    when="lora falls short of full; a step costs more",
    serves=serves,
)
def dora(model: TransferModel, options: LowRank) -> Iterator[Phase]:
    """Train as lora does, and the norm of each output's weights besides; merged at the end.

    The layers are those of lora, convolutions among them, which the paper does not try. Norms are not decayed: they
    start at those of the source's weights, and 0 is not their neutral value.
    """
    yield from tuned(
        model, wrapped_layers(model, options), lambda names: low_rank_config(names, options, dora=True), MAGNITUDES
    )


@strategy(
    "ia3",
    learning_rates=rates.FACTORS,
    options=Wrapped,
    paper="Liu et al. 2022, Few-Shot Parameter-Efficient Fine-Tuning is Better and Cheaper, arXiv:2205.05638",
    when="as few parameters as can be are to be trained: one for each output of a layer",
    serves=serves,
)
def ia3(model: TransferModel, options: Wrapped) -> Iterator[Phase]:
    """Train the head and a factor for each output of each layer, and merge the factors at the end.

    The paper has factors for keys, values and the inner activations of MLPs alone; here the layers are those of lora,
    so that any backbone has some. Factors start at 1 and are not decayed.
    """
    yield from tuned(model, wrapped_layers(model, options), ia3_config, FACTORS)


def low_rank_config(names: str, options: LowRank, dora: bool) -> Any:
    """peft's configuration."""
    from peft import LoraConfig

    return LoraConfig(r=options.r, lora_alpha=options.alpha, target_modules=names, use_dora=dora)  # type: ignore[arg-type]


def ia3_config(names: str) -> Any:
    """peft's configuration: all factors are of outputs."""
    from peft import IA3Config

    return IA3Config(target_modules=names, feedforward_modules=[])


def tuned(
    model: TransferModel, layers: list[str], configure: Callable[[str], Any], multiplier: str = ""
) -> Iterator[Phase]:
    """Wrap, train what is new and the head, merge; tensors of peft's name `multiplier` are not decayed."""
    from tlbench.contracts.part import Part

    before = {name for name, _ in model.module.named_parameters()}
    config = configure("|".join(re.escape(path) for path in layers))
    yield Rewrite(lambda model: wrap(model, config))
    new = added(model, before)
    undecayed = Part(frozenset(), frozenset(name for name in new.tensors if multiplier in name.split(".")))
    yield Train(model.head | new, no_decay=undecayed)
    yield Rewrite(merge)


def wrap(model: TransferModel, config: Any) -> None:
    """Have peft replace the layers in place."""
    from peft import inject_adapter_in_model

    inject_adapter_in_model(config, model.module)


def added(model: TransferModel, before: set[str]) -> Part:
    """The tensors that wrapping has added: those that no layer had before."""
    from tlbench.contracts.part import Part

    names = (name for name, _ in model.module.named_parameters())
    return Part(frozenset(), frozenset(name for name in names if name.replace(".base_layer", "") not in before))


def merge(model: TransferModel) -> None:
    """Put what was learned into the layers' own weights, and the layers back into their places."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    for path, layer in list(model.module.named_modules()):
        if isinstance(layer, BaseTunerLayer):
            layer.merge()
            model.module.set_submodule(path, layer.get_base_layer())
