"""A backbone on a decoded dataset, in the precision that was asked for or measured to be its fastest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tlbench.contracts.backbone import Backbone, Family
from tlbench.plan.cell import Numerics, Protocol
from tlbench.plan.cells import Pair, local_sources
from tlbench.plan.datasets import Decoder, Loaded
from tlbench.plan.found import Note, Preflight
from tlbench.plan.looked import Looked
from tlbench.plan.machine import note_peak
from tlbench.plan.named import parts_among
from tlbench.plan.numerics import measured
from tlbench.results.records import NumericsCandidate


@dataclass(frozen=True)
class Pairing:
    """Decodes datasets for backbones, and says what all cells of the two have in common.

    `known` has the numerics that a run which goes on has chosen, by backbone and dataset.
    """

    device: str
    looked: Looked
    decoder: Decoder
    known: Mapping[tuple[str, str], Numerics]
    found: Preflight

    def of(
        self, ref: str, backbone: Backbone, dataset: Loaded, protocol: Protocol, family: Family
    ) -> tuple[Pair, list[NumericsCandidate]]:
        """The pair, and what was tried to choose its precision; `backbone` is built for the dataset's channels."""
        component, looked = self.looked.backbones[ref], self.looked
        data = self.decoder.prepared(dataset, protocol, backbone.preprocessing.interpolation)
        tried: list[NumericsCandidate] = []
        if protocol.auto_precision:
            numerics, tried = self._fastest(ref, backbone, dataset, protocol)
            protocol = protocol.model_copy(update=numerics.model_dump())
        note_peak(self.found, self.device, protocol.precision)
        resolved = {
            "backbone": component.resolved,
            "dataset": dataset.component.resolved,
            "task": dataset.task_component.resolved,
        }
        parts = {
            name: each.source_digest or "" for name, each in parts_among(self.found.provenance).items() if each.local
        }
        pair = Pair(
            ref, dataset.ref, dataset.task_component.ref, self.device, protocol, looked.weights[ref], family, data,
            resolved, local_sources(component, dataset.component, dataset.task_component) | parts,
        )  # fmt: skip
        return pair, tried

    def _fastest(
        self, ref: str, backbone: Backbone, dataset: Loaded, protocol: Protocol
    ) -> tuple[Numerics, list[NumericsCandidate]]:
        """The precision and memory format that are fastest, and what was measured to choose them."""
        import torch

        from tlbench.engine.numerics import choose

        known = self.known.get((ref, dataset.ref))
        if known is not None and protocol.asked_memory_format in (None, known.memory_format):
            return known, []
        text = f"trying number formats and memory layouts for {ref} ({dataset.ref})"
        data = self.decoder.prepared(dataset, protocol, backbone.preprocessing.interpolation)
        tried = measured(
            ref, backbone, protocol, self.looked.weights[ref], data, dataset.component.load, dataset.task,
            torch.device(self.device), self.found.threads, lambda: self.decoder.tell(Note(text)),
        )  # fmt: skip
        return choose(tried, protocol.memory_format), tried
