"""A detector's backbone as a feature extractor: the body of torchvision's SSDlite, pooled, with a new head."""

from tlbench import Backbone, hookimpl

tlbench_api = 1


def build(num_classes, *, image_size, pretrained):
    """The body of the detector; with `pretrained`, of the one that was trained on COCO."""
    import torch
    from torch import nn
    from torchvision.models import detection

    class Classifier(nn.Module):
        def __init__(self):
            super().__init__()
            weights = "DEFAULT" if pretrained else None
            self.body = detection.ssdlite320_mobilenet_v3_large(weights=weights, weights_backbone=None).backbone
            self.head = nn.Linear(672 + 480, num_classes)

        def forward(self, images):
            maps = list(self.body(images).values())[:2]  # strides 16 and 32
            return self.head(torch.cat([each.mean((2, 3)) for each in maps], 1))

    return Classifier()


def ssdlite(options):
    """Its weights are torchvision's COCO_V1; its images are scaled to -1..1."""
    from torchvision.models.detection import SSDLite320_MobileNet_V3_Large_Weights as Published

    from tlbench import Preprocessing, Weights, WeightsUnavailable

    def fetch():
        try:
            Published.DEFAULT.get_state_dict(progress=False)
        except OSError as error:
            raise WeightsUnavailable(str(error)) from error

    return Backbone(
        build,
        head="head",
        preprocessing=Preprocessing(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), size=320),
        weights=Weights("torchvision/ssdlite320-coco", fetch, Published.DEFAULT.url),
    )


@hookimpl
def tlbench_register_backbones(register):
    register("ssdlite-body", ssdlite, summary="the body of SSDlite, trained on COCO")
