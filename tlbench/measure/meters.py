"""All that is measured in one trial, from its first moment to the cost in its record."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

import torch
from torch import nn

from tlbench.measure import steps
from tlbench.measure.energy import energy_meter
from tlbench.measure.memory import PeakMemory, tensor_bytes
from tlbench.measure.pace import Pace
from tlbench.measure.spans import Spans
from tlbench.measure.steps import PhaseSteps
from tlbench.results.costs import (
    BatchNormRecord,
    CompileRecord,
    Cost,
    FeaturesRecord,
    InferenceRecord,
    MemoryParts,
    PartsMs,
    PhaseCost,
    SolveRecord,
)


@dataclass(frozen=True)
class StepProbe:
    """What one step of a phase takes: FLOPs per image, and bytes for the whole batch.

    The forward FLOPs are the whole model's, those of training what a step really computes.
    """

    forward_flops_per_image: float
    train_flops_per_image: float
    gradient_bytes: int
    activation_bytes: int


@dataclass(frozen=True)
class PhaseMeasured:
    """What is known of a phase: its place, the trial's rate in it, its steps, and what a step takes."""

    phase: int
    learning_rate: float | None
    steps: PhaseSteps
    images: int
    trainable_parameters: int
    optimizer_bytes: int
    data_bytes: int
    probe: StepProbe
    features: FeaturesRecord
    compile: CompileRecord | None = None
    batchnorm: BatchNormRecord | None = None


class Meters:
    """The stopwatch, the pace, the memory gauge and the energy meter of a trial, and the measurements of its phases."""

    def __init__(self, device: torch.device) -> None:
        self.spans = Spans()
        self.energy = energy_meter(device)
        self.pace = Pace(device, self.spans)
        self._device = device
        self.memory = PeakMemory(device)
        self._peaks: tuple[int, int | None] | None = None
        self._phases: list[PhaseMeasured] = []
        self._solves: list[SolveRecord] = []
        self._shared_seconds = 0.0
        self._features_bytes: list[int] = []
        self._other_images = 0
        self._inference: list[InferenceRecord] = []

    def share(self, features: FeaturesRecord) -> None:
        """Features have been asked for."""
        self._shared_seconds += features.shared_seconds or 0.0
        if features.peak_memory_bytes is not None:
            self._features_bytes.append(features.peak_memory_bytes)

    def add(self, phase: PhaseMeasured) -> None:
        """A phase has ended."""
        self._phases.append(phase)

    def add_solve(self, solve: SolveRecord) -> None:
        """A head has been fitted."""
        self._solves.append(solve)

    def add_images(self, number: int) -> None:
        """Training images have gone through the model outside of steps and fits."""
        self._other_images += number

    def add_inference(self, found: list[InferenceRecord]) -> None:
        """The finished model has predicted."""
        self._inference = found

    def end_memory(self) -> None:
        """What is held from now on is the harness's own, and does not count."""
        self._peaks = self.memory.peak_bytes(), self.memory.peak_reserved_bytes()

    def cost(
        self,
        module: nn.Module,
        trained_parameters: int,
        concurrent_trials: int,
        peak_flops_per_second: float | None,
        budget_images: int,
    ) -> Cost:
        """The trial's cost; `trained_parameters` is how many numbers any of its phases trained.

        `budget_images` is how many images the protocol's epochs have, over all learning rates that were tried.
        """
        phases = [phase.steps for phase in self._phases]
        steady_images_per_second = steps.images_per_second(phases)
        flops = self._train_flops_per_image()
        achieved = None if flops is None or steady_images_per_second is None else flops * steady_images_per_second
        if self._peaks is None:
            self.end_memory()
        assert self._peaks is not None
        peak_memory_bytes, reserved = self._peaks
        memory = self._memory_parts(module, peak_memory_bytes)
        costs = [_phase_cost(phase) for phase in self._phases]
        features = [*(each.features for each in self._phases), *(each.features for each in self._solves)]
        shared = sum(each.shared_seconds or 0.0 for each in features)
        paid_seconds, spans = self.spans.end(), self.spans.seconds
        features_seconds = spans["features"] + shared if "features" in spans else None
        train_seconds = spans.get("train", 0.0)
        images = sum(phase.images for phase in self._phases) + sum(solve.images for solve in self._solves)
        fastest = max((each.images_per_second for each in self._inference), default=None)
        return Cost(
            concurrent_trials=concurrent_trials,
            paid_seconds=paid_seconds,
            load_seconds=spans["load"],
            measure_seconds=spans.get("measure", 0.0),
            features_seconds=features_seconds,
            features_paid_seconds=spans.get("features"),
            shared_seconds=self._shared_seconds,
            compile_seconds=spans.get("compile"),
            train_seconds=train_seconds,
            validate_seconds=spans.get("validate"),
            evaluate_seconds=spans["evaluate"],
            robustness_seconds=spans.get("robustness"),
            save_seconds=spans["save"],
            warmup_steps=sum(phase.warmup_steps for phase in phases),
            warmup_seconds=sum(phase.warmup_seconds for phase in phases),
            images_per_second=end_to_end(images, train_seconds, features_seconds),
            passes=(images + self._other_images) / budget_images if budget_images else None,
            inference=self._inference,
            inference_images_per_second=fastest,
            inference_images_per_second_one=self._inference[0].images_per_second if self._inference else None,
            phases=costs,
            solves=self._solves,
            peak_memory_bytes=peak_memory_bytes,
            peak_reserved_bytes=reserved,
            memory_basis="cuda-allocated" if self._device.type == "cuda" else "resident-growth",
            memory=memory,
            pace_ms=self.pace.median_ms,
            energy_joules=self.energy.joules,
            energy_source=self.energy.source,
            energy_reason=self.energy.reason,
            flops_per_image=self._phases[-1].probe.forward_flops_per_image if self._phases else None,
            train_flops_per_image=flops,
            achieved_flops_per_second=achieved,
            peak_flops_per_second=peak_flops_per_second,
            peak_share=achieved / peak_flops_per_second if achieved and peak_flops_per_second else None,
            trainable_parameters=trained_parameters,
            total_parameters=sum(each.numel() for each in module.parameters()),
        )

    def _train_flops_per_image(self) -> float | None:
        """The mean over all training steps; None where there were none."""
        if not self._phases:
            return None
        weights = [len(phase.steps.steps) for phase in self._phases]
        return statistics.fmean([phase.probe.train_flops_per_image for phase in self._phases], weights=weights)

    def _memory_parts(self, module: nn.Module, peak_bytes: int) -> MemoryParts:
        parameters, buffers = tensor_bytes(module.parameters()), tensor_bytes(module.buffers())
        gradients = max((phase.probe.gradient_bytes for phase in self._phases), default=0)
        optimizer = max((phase.optimizer_bytes for phase in self._phases), default=0)
        on_cuda = self._device.type == "cuda"
        data = max((phase.data_bytes for phase in self._phases), default=0)
        return MemoryParts(
            parameters=parameters,
            buffers=buffers,
            gradients=gradients,
            optimizer=optimizer,
            activations=max((phase.probe.activation_bytes for phase in self._phases), default=None),
            features=max(self._features_bytes, default=None),
            data=data if on_cuda else None,
            activations_and_temporaries=(
                peak_bytes - parameters - buffers - gradients - optimizer - data if on_cuda else None
            ),
        )


def end_to_end(images: int, train_seconds: float, features_seconds: float | None) -> float | None:
    """Images per second of the whole training, features included; None where no image was trained on."""
    seconds = train_seconds + (features_seconds or 0.0)
    return images / seconds if images and seconds else None


def _phase_cost(measured: PhaseMeasured) -> PhaseCost:
    log = measured.steps
    parts = steps.parts_ms([log])
    return PhaseCost(
        phase=measured.phase,
        learning_rate=measured.learning_rate,
        steps=len(log.steps),
        images=measured.images,
        warmup_steps=log.warmup_steps,
        warmup_seconds=log.warmup_seconds,
        step_ms=steps.step_ms([log]),
        parts_ms=PartsMs.model_validate(parts) if parts else None,
        images_per_second=steps.images_per_second([log]),
        trainable_parameters=measured.trainable_parameters,
        forward_flops_per_image=measured.probe.forward_flops_per_image,
        train_flops_per_image=measured.probe.train_flops_per_image,
        features=measured.features,
        compile=measured.compile,
        batchnorm=measured.batchnorm,
    )
