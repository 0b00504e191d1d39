"""FixMatch-like use of unlabelled images (Sohn et al. 2020, arXiv:2001.07685)."""

from pydantic import Field

from tlbench import Options, Train, TrainData, hookimpl, strategy

tlbench_api = 1


class FixmatchOptions(Options):
    """Which images have no labels, and how they are used."""

    unlabelled: str = Field("digits:train=500", description="the dataset whose images are used without labels")
    threshold: float = Field(0.8, ge=0, lt=1, description="confidence from which a prediction is a label")
    weight: float = Field(1.0, ge=0, description="weight of the unlabelled images' loss")


def shifted(images):
    """A shift by up to an eighth of the side, for each image its own: the strong change."""
    import torch

    reach = max(1, images.shape[-1] // 8)
    shifts = torch.randint(-reach, reach + 1, (len(images), 2)).tolist()
    return torch.stack([image.roll(tuple(shift), (-2, -1)) for image, shift in zip(images, shifts, strict=True)])


@strategy(
    "fixmatch",
    learning_rates={"adamw": 3e-4, "sgd": 0.03},
    options=FixmatchOptions,
    datasets=lambda options: (options.unlabelled,),
)
def fixmatch(model, options):
    """Learn labelled images, and unlabelled ones by the model's own confident predictions (eq. 4)."""
    import torch
    from torch.nn import functional as F

    def objective(seen):
        (unlabelled,) = seen.beside  # changed weakly, by the protocol's augmentation
        with torch.no_grad():
            confidence, label = model.module(unlabelled.images).softmax(1).max(1)
        sure = (confidence >= options.threshold).float()
        model.log("share of confident images", sure.mean())
        losses = F.cross_entropy(model.module(shifted(unlabelled.images)), label, reduction="none")
        return seen.loss + options.weight * (sure * losses).mean()

    yield Train(model.everything, objective=objective, beside=(TrainData(options.unlabelled, labels=False),))


@hookimpl
def tlbench_register_strategies(register):
    register(fixmatch)
