"""`freeze` against scikit-learn's logistic regression on the same features, on real weights and real photographs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from builders import accuracy, make_setting
from sklearn.linear_model import LogisticRegression

import tlbench
from tlbench.contracts.model import TransferModel
from tlbench.data.batches import Images, TrialData
from tlbench.data.prepare import prepare
from tlbench.data.prepared import Limits, PreparedDataset, Wanted
from tlbench.engine.feed import Feed, in_order
from tlbench.engine.loop import prepare_phase, train
from tlbench.plan import Protocol
from tlbench_packaged.efficientnet_lite import efficientnet_lite
from tlbench_tasks.single_label import SingleLabel
from tlbench_torchvision.catalogue import DEBIAN_FASHION_MNIST, TorchvisionOptions, load

pytestmark = pytest.mark.skipif(not DEBIAN_FASHION_MNIST.is_dir(), reason="needs Debian's dataset-fashion-mnist")

SIZE = 96
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def clothes(tmp_path_factory: pytest.TempPathFactory) -> PreparedDataset:
    """2,000 training and 1,000 test images at 96 pixels, as `tlbench run` prepares them."""
    options = TorchvisionOptions(train=2000, test=1000)
    dataset = load("fashion-mnist", options)
    wanted = Wanted("fashion-mnist", "tasks/single-label", options, Limits(), SIZE, "bicubic")
    return prepare(wanted, dataset, SingleLabel(), tmp_path_factory.mktemp("clothes"))


def scikit_learns_accuracy(clothes: PreparedDataset) -> float:
    """Logistic regression on the pooled features of the frozen backbone."""
    backbone = efficientnet_lite(0)
    module = backbone.build(10, image_size=SIZE, pretrained=True)
    module.classifier = torch.nn.Identity()
    module.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    data = TrialData(clothes, backbone.preprocessing, CPU)

    def features(images: Images) -> np.ndarray:
        with torch.inference_mode():
            return torch.cat([module(batch.images) for batch in in_order(images, 100)]).numpy()

    data.last_choice_made()
    test = data.open_test()
    probe = LogisticRegression(C=0.1, max_iter=1000).fit(features(data.train), data.train.labels.numpy())
    return float(probe.score(features(test), test.labels.numpy()))


@pytest.mark.slow
def test_freeze_is_as_good_as_scikit_learns_probe(clothes: PreparedDataset, tmp_path: Path) -> None:
    results = tlbench.run(
        datasets=["fashion-mnist:train=2000:test=1000"],
        strategies=["freeze"],
        image_size=SIZE,
        epochs=4,
        results=tmp_path,
        progress=False,
    )
    (record,) = results.records
    assert record.trial.cell.dataset_digest == clothes.digest  # the same images
    assert accuracy(record) >= 0.83
    assert abs(accuracy(record) - scikit_learns_accuracy(clothes)) <= 0.02


def test_frozen_means_frozen(clothes: PreparedDataset) -> None:
    """Not one bit of the body moves: no parameter, no BatchNorm statistic."""
    backbone = efficientnet_lite(0)
    model = TransferModel(backbone.build(10, image_size=SIZE, pretrained=True), backbone)
    data = TrialData(clothes, backbone.preprocessing, CPU)
    before = {name: tensor.clone() for name, tensor in model.module.state_dict().items()}
    protocol = Protocol(epochs=1, batch_size=64, image_size=SIZE, train_size=None, test_size=None, precision="fp32")
    phase = tlbench.Train(model.head, epochs=0.1)
    prepare_phase(model, phase)
    setting = make_setting(protocol, learning_rate=3e-3, classes=10)
    train(model, phase, 0, setting, Feed(data.train, model.module))
    changed = {name for name, tensor in model.module.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {"classifier.weight", "classifier.bias"}


@pytest.mark.slow
def test_full_beats_scratch_on_500_images(tmp_path: Path) -> None:
    results = tlbench.run(
        datasets=["fashion-mnist:train=500:test=500"],
        strategies=["full", "scratch"],
        image_size=64,
        epochs=3,
        results=tmp_path,
        progress=False,
    )
    full, scratch = map(accuracy, results)
    assert full > scratch + 0.1
