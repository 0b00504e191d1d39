"""The worked examples of docs/examples, each run as its page says."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from conftest import QUICK, Cli
from safetensors.torch import load_file, save_file

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"
pytestmark = pytest.mark.slow


def run_example(cli: Cli, name: str, *more: str) -> dict[str, Any]:
    """The record of a run of one trial with an example; what is not given is QUICK's."""
    quick = {flag: value for flag, value in zip(QUICK[::2], QUICK[1::2], strict=True) if flag not in more}
    asked = [word for pair in quick.items() for word in pair]
    finished = cli("run", "--name", name, *asked, "--plugin", str(EXAMPLES / f"{name}.py"), "--json", *more)
    assert finished.status == 0, finished.stderr
    (record,) = finished.records
    return record


def test_sam_steps_twice_and_at_radius_0_is_full(cli_here: Cli) -> None:
    sam = run_example(cli_here, "sam", "--strategies", "sam")
    assert len(sam["curves"]["gradient norm"]["values"]) == 3
    plain = ("--batchnorm", "frozen", "--backbones", "timm/resnet10t", "--weights", "random")  # no dropout
    still = run_example(cli_here, "sam", "--strategies", "sam:rho=0", *plain, "--name", "still")
    full = run_example(cli_here, "sam", "--strategies", "full", *plain, "--name", "full")
    assert still["history"][0]["train_loss"] == pytest.approx(full["history"][0]["train_loss"], rel=1e-4)
    assert still["distance"]["l2"] == pytest.approx(full["distance"]["l2"], rel=1e-3)


def test_simclr_trains_a_projector_that_the_model_does_not_keep(cli_here: Cli) -> None:
    record = run_example(cli_here, "simclr", "--strategies", "simclr-then-full", "--save", "all")
    losses = record["curves"]["contrastive loss"]["values"]
    assert len(losses) == 3 and all(0 < each < 10 for each in losses)
    assert [phase["images"] for phase in record["cost"]["phases"]] == [192, 96]
    assert "model" not in record["notes"]  # it is saved


def test_fixmatch_uses_the_images_of_another_dataset(cli_here: Cli) -> None:
    record = run_example(cli_here, "fixmatch", "--strategies", "fixmatch")
    assert all(0 <= each <= 1 for each in record["curves"]["share of confident images"]["values"])
    (other,) = record["trial"]["cell"]["other_datasets"]
    assert other["dataset"] == "packaged/digits:train=500"


def test_a_zero_shot_head_is_the_classes_embeddings(cli_here: Cli, tmp_path: Path) -> None:
    drawn = torch.Generator().manual_seed(0)
    width = 512  # of what the head of small_cnn is given
    vectors = {str(digit): torch.randn(width, generator=drawn) for digit in range(10)}
    save_file(vectors, tmp_path / "classes.safetensors")
    name = f"zero-shot:embeddings={tmp_path / 'classes.safetensors'}"
    record = run_example(cli_here, "zero_shot", "--strategies", name, "--save", "all")
    assert record["cost"]["trainable_parameters"] == 0
    (file,) = (tmp_path / "results" / "zero_shot" / "models").rglob("*.safetensors")
    head = next(tensor for tensor in load_file(file).values() if tensor.shape == (10, width))
    assert torch.allclose(head[3], vectors["3"] / vectors["3"].norm(), atol=1e-6)
    refused = cli_here(
        "run", *QUICK, "--plugin", str(EXAMPLES / "zero_shot.py"), "--strategies", "zero-shot:embeddings=x"
    )
    assert refused.status == 2 and "there is no file x; write the embeddings there" in refused.stderr


def test_images_of_five_channels_are_read_and_learned(cli_here: Cli, tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    for number, kind in enumerate(("dividing", "resting")):
        (tmp_path / "cells" / kind).mkdir(parents=True)
        for place in range(30):
            array = draw.integers(0, 200, (32, 32, 5), np.uint8)
            array[..., 4] = 55 * number + draw.integers(0, 20, (32, 32), np.uint8)
            np.save(tmp_path / "cells" / kind / f"{place}.npy", array)
    record = run_example(
        cli_here, "microscopy", "--datasets", f"cells:path={tmp_path / 'cells'}", "--backbones", "timm/resnet10t",
        "--image-size", "32", "--weights", "random", "--strategies", "full",
    )  # fmt: skip
    assert record["data"]["names"] == ["dividing", "resting"]
    assert len(record["preprocessing"]["mean"]) == 5


def test_a_detectors_body_is_a_backbone_and_says_that_its_weights_are_not_here(cli_here: Cli) -> None:
    record = run_example(
        cli_here, "detector_body", "--backbones", "ssdlite-body", "--strategies", "freeze", "--image-size", "64"
    )
    assert record["trial"]["cell"]["weights"]["reason"] == "unavailable"
    assert record["cost"]["trainable_parameters"] == (672 + 480 + 1) * 10


def test_metrics_of_ones_own_are_columns(cli_here: Cli, tmp_path: Path) -> None:
    record = run_example(cli_here, "per_class", "--strategies", "full", "--epochs", "3")
    found = record["metrics"]["test"]
    recalls = record["metrics"]["by_target"].get("recall")
    assert found["worst_recall"] <= found["accuracy"]
    assert recalls is None or found["worst_recall"] == pytest.approx(min(each for each in recalls if each is not None))
    plugin = ("--plugin", str(EXAMPLES / "per_class.py"))
    shown = cli_here("show", "per_class", *plugin, "--columns", "worst_recall,recall_of_3")
    assert "Worst class" in shown.stdout and "Recall of 3" in shown.stdout


class Taken(BaseHTTPRequestHandler):
    """Keeps what is posted."""

    documents: ClassVar[list[tuple[str | None, dict[str, Any]]]] = []

    def do_POST(self) -> None:
        """A document."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.documents.append((self.headers["Authorization"], json.loads(body)))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    """A tracker on this machine."""
    Taken.documents.clear()
    made = HTTPServer(("127.0.0.1", 0), Taken)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{made.server_port}/trials"
    made.shutdown()


def test_a_private_tracker_is_posted_each_trial(cli: Cli, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    plugin = ("--plugin", str(EXAMPLES / "private_tracker.py"))
    refused = cli("run", *QUICK, *plugin, "--reporters", f"tracker:url={server}")
    assert refused.status == 2 and "reporter tracker: $TRACKER_TOKEN is not set" in refused.stderr
    monkeypatch.setenv("TRACKER_TOKEN", "secret")
    record = run_example(cli, "private_tracker", "--strategies", "full", "--reporters", f"tracker:url={server}")
    ((token, document),) = Taken.documents
    assert token == "Bearer secret"
    assert (document["run"], document["trial"], document["status"]) == ("private_tracker", record["trial"]["id"], "ok")
    assert document["row"]["accuracy"] == pytest.approx(record["metrics"]["test"]["accuracy"])
