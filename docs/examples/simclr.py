"""SimCLR on the target's own images, without labels, before fine-tuning (Chen et al. 2020, arXiv:2002.05709)."""

from pydantic import Field

from tlbench import Options, Train, TrainData, hookimpl, strategy

tlbench_api = 1


class SimclrOptions(Options):
    """The contrastive phase."""

    epochs: float = Field(1.0, gt=0, description="epochs of it, in multiples of the protocol's")
    temperature: float = Field(0.5, gt=0, description="temperature of the similarities")
    width: int = Field(64, ge=1, description="outputs of the projector")


def two_views(images):
    """Crops of half the side or more, left-right, brightness: images N×C×S×S in 0..1, one draw for each."""
    import torch
    from torch.nn import functional as F

    size, found = images.shape[-1], []
    for image in images:
        side = int(torch.randint(size // 2, size + 1, ()))
        top, left = (int(torch.randint(0, size - side + 1, ())) for _ in range(2))
        crop = image[None, :, top : top + side, left : left + side]
        found.append(F.interpolate(crop, (size, size), mode="bilinear")[0] * (0.6 + 0.8 * torch.rand(())))
    changed = torch.stack(found)
    return changed.flip(-1) if torch.rand(()) < 0.5 else changed


def nt_xent(views, temperature):
    """The loss of eq. 1, of projections views × images × D."""
    import torch
    from torch.nn import functional as F

    rows = F.normalize(views.flatten(0, 1), dim=1)
    alike = (rows @ rows.T / temperature).fill_diagonal_(float("-inf"))
    return F.cross_entropy(alike, torch.arange(len(rows), device=rows.device).roll(len(rows) // 2))


@strategy(
    "simclr-then-full",
    learning_rates={"adamw": 3e-4, "sgd": 0.03},
    options=SimclrOptions,
    passes=lambda options: 2 * options.epochs + 1,
)
def simclr_then_full(model, options):
    """Contrast two views of each image, then fine-tune everything with the labels."""
    from torch import nn

    width = model.linear_head.in_features
    projector = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, options.width))
    part = model.attach("projector", projector)

    def objective(seen):
        loss = nt_xent(seen.by_view(projector(seen.features)), options.temperature)
        model.log("contrastive loss", loss)
        return loss

    views = TrainData(views=2, augment=two_views, labels=False)
    yield Train(model.body | part, epochs=options.epochs, objective=objective, data=views)
    model.detach("projector")
    yield Train(model.everything)


@hookimpl
def tlbench_register_strategies(register):
    register(simclr_then_full)
