"""Distillation against the papers' equations, and teachers that normalise images in their own way."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from builders import make_backbone
from safetensors.torch import save_file
from torch import nn

import tlbench
from tlbench import Look, Train
from tlbench.contracts import Backbone, Preprocessing
from tlbench.contracts.batch import Batch
from tlbench.contracts.model import TransferModel
from tlbench.contracts.seen import Seen
from tlbench.engine.renormalise import renormalising
from tlbench_packaged.small_cnn import small_cnn
from tlbench_strategies.distillation import FeatureDistill, feature_distill, soft_loss


def test_the_soft_loss_has_hintons_gradient() -> None:
    """dC/dz = T · (q - p) / N, for T² · KL: equation 2, multiplied by T²."""
    torch.manual_seed(0)
    student, teacher = torch.randn(4, 5, requires_grad=True), torch.randn(4, 5)
    soft_loss(student, teacher, 3.0).backward()  # type: ignore[no-untyped-call]
    q, p = (student / 3).softmax(1), (teacher / 3).softmax(1)
    torch.testing.assert_close(student.grad, (3.0 * (q - p) / 4).detach())
    assert soft_loss(teacher, teacher, 3.0).item() == pytest.approx(0, abs=1e-6)


def test_a_teacher_sees_the_images_as_it_wants_them() -> None:
    own = Preprocessing((0.1, 0.2, 0.3), (0.5, 0.6, 0.7))
    given = Preprocessing((0.5, 0.4, 0.3), (0.2, 0.3, 0.4))
    torch.manual_seed(0)
    module = small_cnn().build(3, image_size=8, pretrained=False)
    backbone = Backbone(lambda *_, **__: module, head="classifier", preprocessing=own)
    made = renormalising(backbone, given)
    model = TransferModel(made.build(3, image_size=8, pretrained=False), made)
    pixels = torch.rand(2, 3, 8, 8)

    def normalised(how: Preprocessing) -> torch.Tensor:
        mean, std = (torch.tensor(each).view(3, 1, 1) for each in (how.mean, how.std))
        return (pixels - mean) / std

    torch.testing.assert_close(model.module(normalised(given)), module(normalised(own)))
    assert model.head_paths == ("model.classifier",)
    assert list(model.block_paths) == [f"model.{path}" for path in TransferModel(module, backbone).block_paths]


@pytest.fixture(scope="module")
def teacher_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(1)
    file = tmp_path_factory.mktemp("teacher") / "small.safetensors"
    module = small_cnn().build(10, image_size=32, pretrained=False)
    save_file(module.state_dict(), file)
    return file


@pytest.mark.slow
def test_teachers_of_all_kinds(tmp_path: Path, teacher_file: Path) -> None:
    """The same backbone, another one, and one from a file; what the teacher costs is in the trial's cost."""
    results = tlbench.run(
        strategies=[
            "full",
            "distill:weight=0",
            "distill",
            "distill:teacher=packaged/small_cnn",
            f"distill:teacher=packaged/small_cnn:weights={teacher_file}",
            "feature-distill",
            "feature-distill:teacher=packaged/small_cnn",
        ],
        datasets="digits:train=60:test=40",
        image_size=32,
        epochs=1,
        batch_size=20,
        results=tmp_path,
        progress=False,
    )
    records = {record.trial.cell.strategy.removeprefix("builtin/"): record for record in results}
    assert {record.status for record in records.values()} == {"ok"}, [record.error for record in records.values()]
    phases = {name: len(record.cost.phases) for name, record in records.items() if record.cost}
    given = next(name for name in phases if "weights=" in name)
    assert phases.pop("full") == phases.pop(given) == 1
    assert set(phases.values()) == {2}
    parameters = {
        record.cost.trainable_parameters for name, record in records.items() if record.cost and "feature" not in name
    }
    assert len(parameters) == 1  # the student's
    others = records["distill:teacher=packaged/small_cnn"].trial.cell.others
    assert [(other.backbone, other.weights.reason) for other in others] == [("packaged/small_cnn", "none-published")]


def test_an_unknown_teacher_is_told_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(tlbench.UserError, match="unknown backbone 'resnet81'"):
        tlbench.run(strategies="distill:teacher=resnet81", results=tmp_path, progress=False)


class Tiny(nn.Module):
    """A convolution and a head, as wide as asked for."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, width, 3), nn.Linear(width, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.fc(self.conv(images).relu().mean((2, 3)))
        return logits


def test_hints_are_the_squared_difference_of_mapped_features() -> None:
    """FitNets, equation 3, as a mean over features: a teacher that is wider than the student."""
    torch.manual_seed(0)
    student, teacher = (TransferModel(Tiny(width), make_backbone("fc")) for width in (4, 7))
    student.another = {"wide": teacher}.__getitem__
    options = FeatureDistill(teacher="wide", strength=0.5)
    images, labels = torch.randn(6, 3, 8, 8), torch.arange(6) % 3
    phases = feature_distill.phases(student, options)
    first = next(phases)
    assert isinstance(first, Train) and first.of is teacher and first.part == teacher.everything
    look = next(phases)
    assert isinstance(look, Look)
    widths = look.apply(student, iter([Batch(images, labels)]))
    assert widths == (4, 7)
    joint = phases.send(widths)  # type: ignore[attr-defined]
    assert isinstance(joint, Train) and joint.objective is not None
    with student.watched((), head_input=True) as activations:
        ours = joint.objective(Seen(student, Batch(images, labels), student.module, F.cross_entropy, activations))
    loss = F.cross_entropy(student.module(images), labels)
    mapped = student.module.get_submodule("hint_regressor")(student.module.conv(images).relu().mean((2, 3)))  # type: ignore[operator]
    hints = teacher.module.conv(images).relu().mean((2, 3))  # type: ignore[operator]
    torch.testing.assert_close(ours, loss + 0.5 * ((mapped - hints) ** 2).sum() / (6 * 7))
    assert not any(each.requires_grad for each in teacher.module.parameters())
    assert next(phases, None) is None
    student.detach()  # as the engine does in the end
    assert set(student.module.state_dict()) == set(Tiny(4).state_dict())
