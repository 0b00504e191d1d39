"""From a request to the cross product of cells and trials, and what has to be known before any of them runs."""

from __future__ import annotations

from tlbench.plan.cell import Cell, Numerics, OtherBackbone, Protocol, ResolvedOptions, Trial, WeightsPlan, trial_id
from tlbench.plan.choices import (
    AUGMENTATIONS,
    CHANCES,
    MEMORY_FORMATS,
    Budget,
    Chance,
    CompilePolicy,
    FeaturesPolicy,
    MemoryFormat,
    Precision,
)
from tlbench.plan.plan import Plan
from tlbench.plan.request import OwnRate, Request, TunedRate, make_request

__all__ = [
    "AUGMENTATIONS",
    "CHANCES",
    "MEMORY_FORMATS",
    "Budget",
    "Cell",
    "Chance",
    "CompilePolicy",
    "FeaturesPolicy",
    "MemoryFormat",
    "Numerics",
    "OtherBackbone",
    "OwnRate",
    "Plan",
    "Precision",
    "Protocol",
    "Request",
    "ResolvedOptions",
    "Trial",
    "TunedRate",
    "WeightsPlan",
    "make_request",
    "trial_id",
]
