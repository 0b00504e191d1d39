"""A backbone of a module, or of a function that builds one: its head, its numbers, its preprocessing."""

from __future__ import annotations

from functools import partial

import pytest
import timm
import torch
import torchvision
from torch import nn

from tlbench import Backbone, Preprocessing, UserError
from tlbench.objects.modules import backbone_of


class Net(nn.Module):
    """A convolution, a hidden layer, and a head."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.hidden = nn.Linear(8, 4)
        self.out = nn.Linear(4, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Scores of each class."""
        scores: torch.Tensor = self.out(self.hidden(self.body(images)).relu())
        return scores


def built(backbone: Backbone, classes: int, pretrained: bool = False) -> nn.Module:
    return backbone.build(classes, image_size=32, pretrained=pretrained)


@pytest.mark.parametrize(
    ("factory", "head"),
    [
        (Net, "out"),
        (lambda number: nn.Sequential(Net(number)), "0.out"),
        (lambda num_classes, width=3: Net(num_classes), "out"),
        (torchvision.models.resnet18, "fc"),
        (torchvision.models.vgg11, "classifier.6"),
        (torchvision.models.squeezenet1_1, "classifier.1"),
        (partial(timm.create_model, "resnet10t"), "fc"),
        (partial(timm.create_model, "vit_tiny_patch16_224"), "head"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_the_head_is_what_differs_between_two_numbers_of_classes(factory: object, head: str) -> None:
    backbone = backbone_of(factory)
    assert backbone.head == head
    assert backbone.weights is None
    module = built(backbone, 3)
    assert not any(parameter.is_meta for parameter in module.parameters())
    assert all(tensor.shape[0] == 3 for tensor in module.get_submodule(head).parameters())


def test_mean_deviation_and_size_are_timms_where_the_module_has_them() -> None:
    found = backbone_of(partial(timm.create_model, "vit_tiny_patch16_224")).preprocessing
    assert (found.mean, found.std, found.interpolation) == ((0.5,) * 3, (0.5,) * 3, "bicubic")
    assert backbone_of(Net).preprocessing == Preprocessing()


def test_a_modules_tensors_are_its_pretrained_weights_but_for_the_head() -> None:
    module = Net(10)
    backbone = backbone_of(module)
    assert backbone.head == "out" and backbone.weights is not None
    kept, fresh = built(backbone, 3, pretrained=True), built(backbone, 3, pretrained=False)
    assert torch.equal(kept.get_parameter("body.0.weight"), module.get_parameter("body.0.weight"))
    assert not torch.equal(fresh.get_parameter("body.0.weight"), module.get_parameter("body.0.weight"))
    assert kept(torch.zeros(2, 3, 8, 8)).shape == (2, 3)
    assert module(torch.zeros(2, 3, 8, 8)).shape == (2, 10)  # the given one is left as it is
    published = backbone.published
    assert published is not None and torch.equal(published(32).get_parameter("out.weight"), module.out.weight)


class Loaded(Net):
    """A model that can be asked for its published numbers."""

    def __init__(self, num_classes: int, pretrained: bool = False) -> None:
        super().__init__(num_classes)
        if pretrained:
            nn.init.ones_(self.hidden.weight)


def test_pretrained_that_is_bound_is_asked_for_where_weights_are_wanted_alone() -> None:
    backbone = backbone_of(partial(Loaded, pretrained=True))
    assert backbone.weights is not None
    assert built(backbone, 3, pretrained=True).get_parameter("hidden.weight").eq(1).all()
    assert not built(backbone, 3, pretrained=False).get_parameter("hidden.weight").eq(1).all()


def test_a_function_that_makes_a_backbone_is_one() -> None:
    made = Backbone(lambda n, image_size, pretrained: Net(n), head="out")
    assert backbone_of(made) is made
    assert backbone_of(lambda: made) is made


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (3, "a int is no backbone"),
        (lambda: Net(3), "it must take the number of classes, as num_classes or as its one argument (it needs none)"),
        (lambda width, depth: Net(3), "it needs width, depth"),
        (lambda number: Net(10), "builds the same module for 5 and 7 classes"),
        (lambda number: "net", "gave a str; a factory builds an nn.Module"),
        (nn.Conv2d(3, 3, 3), "the module Conv2d has no linear layer that could be its head"),
    ],
)
def test_what_is_no_backbone_says_why(given: object, said: str) -> None:
    with pytest.raises(UserError) as refusal:
        backbone_of(given)
    assert said in str(refusal.value)
