"""VPT against a loop written by hand, which runs a model's blocks on class token, prompts and patches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
import timm
import torch
from builders import make_backbone, make_images, make_protocol, make_setting
from torch import nn
from torchvision.models import VisionTransformer, swin_t

from tlbench import Rewrite, Train
from tlbench.contracts.model import TransferModel
from tlbench.engine.feed import Feed
from tlbench.engine.loop import prepare_phase, train
from tlbench_peft import vpt

SIZE, TOKENS = 32, 3
Depth = Literal["deep", "shallow"]
DEPTHS: tuple[Depth, ...] = ("deep", "shallow")


def of_timm(name: str = "vit_tiny_patch16_224", **changes: Any) -> TransferModel:
    module = timm.create_model(name, img_size=SIZE, num_classes=5, **changes)
    return TransferModel(module, make_backbone("head"))


def of_torchvision() -> TransferModel:
    module = VisionTransformer(SIZE, 8, 3, 2, 24, 48, num_classes=5)
    nn.init.normal_(module.get_parameter("heads.head.weight"))
    return TransferModel(module, make_backbone("heads.head"))


MODELS = {"timm": of_timm, "torchvision": of_torchvision}


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> TransferModel:
    torch.manual_seed(0)
    made = MODELS[request.param]()
    made.module.eval()
    return made


def begun(model: TransferModel, depth: Depth, tokens: int = TOKENS) -> Train:
    """Insert prompts; gives the phase that trains them."""
    phases = vpt.phases(model, vpt.options(tokens=tokens, depth=depth))
    insert = next(phases)
    assert isinstance(insert, Rewrite)
    insert.apply(model)
    phase = next(phases)
    assert isinstance(phase, Train) and not list(phases)
    return phase


def prompts_of(model: TransferModel) -> list[torch.Tensor]:
    """From the first block to the last."""
    return [each for name, each in model.module.named_parameters() if name.endswith(".tokens")]


def by_hand(module: Any, images: torch.Tensor, prompts: list[torch.Tensor]) -> torch.Tensor:
    """Equations 4 to 8 of the paper: prompts before each block, or only before the first, in a plain ViT's sequence."""
    if isinstance(module, VisionTransformer):
        patches = module.conv_proj(images).flatten(2).transpose(1, 2)
        sequence = torch.cat([module.class_token.expand(len(images), 1, -1), patches], 1)
        sequence = sequence + module.encoder.pos_embedding
        blocks, norm, head = module.encoder.layers, module.encoder.ln, module.heads
    else:
        patches = module.patch_embed(images)
        sequence = torch.cat([module.cls_token.expand(len(images), 1, -1), patches], 1) + module.pos_embed
        blocks, norm, head = module.blocks, module.norm, module.head
    first, patches = sequence[:, :1], sequence[:, 1:]
    for number, block in enumerate(blocks):
        if number < len(prompts):
            learned = prompts[number].expand(len(images), -1, -1)
        first, learned, patches = block(torch.cat([first, learned, patches], 1)).split(
            [1, prompts[0].shape[0], patches.shape[1]], 1
        )
    logits: torch.Tensor = head(norm(torch.cat([first, patches], 1))[:, 0])
    return logits


@pytest.mark.parametrize("depth", DEPTHS)
def test_logits_are_those_of_the_papers_equations(model: TransferModel, depth: Depth) -> None:
    images = torch.randn(2, 3, SIZE, SIZE)
    plain = MODELS["torchvision" if isinstance(model.module, VisionTransformer) else "timm"]().module.eval()
    plain.load_state_dict(model.module.state_dict())
    begun(model, depth)
    with torch.no_grad():
        without, ours = plain(images), model.module(images)
        expected = by_hand(plain, images, prompts_of(model))
    torch.testing.assert_close(ours, expected)
    assert not torch.allclose(ours, without, atol=1e-3)


@pytest.mark.parametrize("changes", [{"global_pool": "avg"}, {"global_pool": "avg", "class_token": False}])
def test_pooling_sees_the_images_own_tokens(changes: dict[str, Any]) -> None:
    """The mean of as many tokens as without prompts, class token or not."""
    model = of_timm(**changes)
    model.module.eval()
    begun(model, "shallow")
    with model.watched(["norm"]) as seen, torch.no_grad():
        logits = model.module(torch.randn(2, 3, SIZE, SIZE))
    patches = (SIZE // 16) ** 2
    tokens = seen["norm"]
    assert tokens.shape[1] == patches + model.module.num_prefix_tokens  # type: ignore[operator]
    pooled = model.module.fc_norm(tokens[:, -patches:].mean(1))  # type: ignore[operator]
    torch.testing.assert_close(logits, model.module.head(pooled))  # type: ignore[operator]


@pytest.mark.parametrize(("depth", "times"), [("deep", 3), ("shallow", 1)])
def test_trained_are_the_prompts_and_the_head_and_all_else_stays_bit_for_bit(
    depth: Depth, times: int, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    model = of_torchvision()
    source = model.snapshot()
    phase = begun(model, depth)
    prepare_phase(model, phase)
    head = {"heads.head.weight", "heads.head.bias"}
    trained = {name: each for name, each in model.module.named_parameters() if each.requires_grad}
    assert sum(each.numel() for each in trained.values()) == times * TOKENS * 24 + 5 * 24 + 5
    prompts = set(trained) - head
    assert len(prompts) == times
    assert all(name.endswith(".tokens") for name in prompts)

    before = {name: each.detach().clone() for name, each in trained.items()}
    images = make_images(tmp_path, 8, size=SIZE)
    setting = make_setting(make_protocol(epochs=2), learning_rate=0.05, classes=5)
    train(model, phase, 0, setting, Feed(images, model.module))
    state = model.module.state_dict()
    assert not any(torch.equal(state[name], before[name]) for name in trained)
    frozen = [each for name, each in state.items() if name not in trained]
    kept = [each for name, each in source.items() if name not in head]
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(frozen, kept, strict=True))


def test_prompts_start_within_the_bound_of_the_papers_code() -> None:
    model = of_torchvision()
    begun(model, "deep", tokens=200)
    bound = (6 / (3 * 8 * 8 + 24)) ** 0.5
    assert [each.shape for each in prompts_of(model)] == [(200, 24)] * 3
    for each in prompts_of(model):
        assert each.abs().max().item() == pytest.approx(bound, rel=0.01)
        assert each.std().item() == pytest.approx(bound / 3**0.5, rel=0.05)


def unfit() -> Iterator[Any]:
    """Models whose attention depends on where tokens are, or that are given more than tokens."""
    for name, found in {
        "swin_tiny_patch4_window7_224": "WindowAttention",
        "beit_base_patch16_224": "relative_position_bias_table",
        "vit_relpos_small_patch16_224": "RelPosAttention",
        "eva02_tiny_patch14_224": "RotaryEmbeddingCat",
        "cait_xxs24_224": "TalkingHeadAttn",
        "resnet10t": "no attention",
    }.items():
        yield pytest.param(lambda name=name: timm.create_model(name), found, id=name)
    yield pytest.param(swin_t, "ShiftedWindowAttention", id="torchvision's swin_t")


@pytest.mark.parametrize(("build", "found"), list(unfit()))
def test_other_models_are_refused_by_what_they_have(build: Any, found: str) -> None:
    with torch.device("meta"):
        module = build()
    head = "fc" if hasattr(module, "fc") else "head"
    assert vpt.serves is not None
    assert found in str(vpt.serves(TransferModel(module, make_backbone(head)), vpt.options()))


def test_blocks_that_are_another_kind_are_refused() -> None:
    class Own(timm.models.vision_transformer.Block):
        """Does as it likes."""

    model = of_timm(block_fn=Own)
    assert vpt.serves is not None
    assert "Own" in str(vpt.serves(model, vpt.options()))


@pytest.mark.parametrize("name", ["deit_tiny_distilled_patch16_224", "deit3_small_patch16_224", "vit_tiny_patch16_224"])
def test_plain_vision_transformers_are_served(name: str) -> None:
    model = of_timm(name)
    assert vpt.serves is not None
    assert vpt.serves(model, vpt.options()) is None
