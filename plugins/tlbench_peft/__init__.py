"""Parameter-efficient strategies: LoRA, DoRA and IA³ by Hugging Face's peft (extra), prompts, SSF, adapters."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from tlbench import Options, UserError, hookimpl
from tlbench_peft.adapters import adapter
from tlbench_peft.low_rank import dora, ia3, lora
from tlbench_peft.prompts import vpt
from tlbench_peft.scale_shift import ssf

if TYPE_CHECKING:
    from tlbench.toolkit import RegisterStrategy

tlbench_api = 1

STRATEGIES = (lora, dora, ia3, vpt, ssf, adapter)


def check_peft(_options: Options) -> None:
    """Raises UserError where peft is not installed."""
    if find_spec("peft") is None:
        raise UserError("lora, dora and ia3 need peft: pip install 'tlbench[peft]'")


@hookimpl
def tlbench_register_strategies(register: RegisterStrategy) -> None:
    """Register all of them."""
    for each in (lora, dora, ia3):
        register(each, check=check_peft)
    for each in (vpt, ssf, adapter):
        register(each)
