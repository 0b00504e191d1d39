"""Counts the blocks of architectures of both providers on the meta device: python benchmarks/blocks.py.

Writes benchmarks/results/blocks.json, which tests/plugins/test_blocks_of_providers.py checks.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

from tlbench.registry.kinds import Registry
from tlbench.registry.outline import outline
from tlbench.registry.plugins import load_plugins

RESULTS = Path(__file__).parent / "results" / "blocks.json"

TORCHVISION = (
    "alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "efficientnet_v2_s", "googlenet", "inception_v3",
    "maxvit_t", "mnasnet1_0", "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small", "regnet_x_400mf",
    "regnet_y_400mf", "resnet18", "resnet50", "resnext50_32x4d", "shufflenet_v2_x1_0", "squeezenet1_0", "swin_t",
    "swin_v2_t", "vgg11", "vgg11_bn", "vgg16", "vit_b_16", "wide_resnet50_2",
)  # fmt: skip

TIMM = (
    "beit_base_patch16_224", "botnet26t_256", "caformer_s18", "cait_xxs24_224", "coat_lite_tiny", "coatnet_0_rw_224",
    "convit_tiny", "convmixer_768_32", "convnext_tiny", "cs3darknet_m", "davit_tiny", "deit3_small_patch16_224",
    "deit_tiny_distilled_patch16_224", "densenet121", "dla34", "dpn68", "edgenext_xx_small", "efficientformer_l1",
    "efficientformerv2_s0", "efficientnet_b0", "efficientvit_b0", "efficientvit_m0", "eva02_tiny_patch14_224",
    "fasternet_t0", "fastvit_t8", "focalnet_tiny_srf", "gcvit_xxtiny", "gernet_s", "ghostnet_050", "hgnetv2_b0",
    "hiera_tiny_224", "hrnet_w18_small", "inception_next_tiny", "inception_resnet_v2", "inception_v3", "inception_v4",
    "lcnet_050", "levit_128s", "mambaout_femto", "maxvit_tiny_tf_224", "mixer_s32_224", "mnasnet_100",
    "mobilenetv2_100", "mobilenetv3_large_100", "mobilenetv3_small_100", "mobilenetv4_conv_small", "mobileone_s0",
    "mobilevit_xxs", "mvitv2_tiny", "nest_tiny", "nextvit_small", "nf_resnet50", "pit_ti_224", "poolformer_s12",
    "pvt_v2_b0", "regnetx_004_tv", "regnety_004", "repvgg_a0", "repvit_m0_9", "res2net50_14w_8s", "resmlp_12_224",
    "resnest14d", "resnet18", "resnet50", "resnetv2_50", "resnext50_32x4d", "rexnet_100", "sequencer2d_s",
    "skresnet18", "starnet_s050", "swin_tiny_patch4_window7_224", "swinv2_tiny_window8_256", "tf_efficientnet_b0",
    "tf_efficientnet_lite0", "tf_efficientnetv2_s", "tiny_vit_5m_224", "tnt_s_patch16_224", "tresnet_m",
    "twins_svt_small", "vgg11", "vgg11_bn", "vgg16", "visformer_tiny", "vit_base_patch16_224", "vit_tiny_patch16_224",
    "volo_d1_224", "vovnet39a", "wide_resnet50_2", "xception41", "xcit_nano_12_p16_224",
)  # fmt: skip


def main() -> None:
    """Count, and write the table."""
    registry = Registry.of(load_plugins())
    rows = []
    for provider, names in (("torchvision", TORCHVISION), ("timm", TIMM)):
        for name in names:
            ref = f"{provider}/{name}"
            blocks = outline(ref, registry.backbones.resolve(ref))["blocks"]
            row = {
                "architecture": name,
                "provider": provider,
                "blocks": len(blocks),
                "stages": blocks[-1]["stage"] + 1,
                "smallest_block_parameters": min(block["parameters"] for block in blocks),
            }
            rows.append(row)
            print(*row.values())
    versions = {package: version(package) for package in ("torch", "torchvision", "timm")}
    lines = ",\n  ".join(json.dumps(row) for row in rows)
    RESULTS.write_text(f'{{"versions": {json.dumps(versions)},\n "rows": [\n  {lines}\n]}}\n', "utf-8")


if __name__ == "__main__":
    main()
