"""Sharpness-aware minimisation (Foret et al. 2021, arXiv:2010.01412): SAM as a strategy, on any optimizer."""

from pydantic import Field

from tlbench import Options, Train, hookimpl, strategy

tlbench_api = 1


class SamOptions(Options):
    """How far the weights are moved before the gradient is taken."""

    rho: float = Field(0.05, ge=0, description="radius of the neighbourhood, an L2 norm")


@strategy("sam", learning_rates={"adamw": 3e-4, "sgd": 0.03}, options=SamOptions)
def sam(model, options):
    """Fine-tune everything by the gradient at the worst weights within a radius (eq. 2 and 3)."""
    import torch

    moved = {}

    def take_back(parameter):  # when its gradient is there, before the optimizer's step
        parameter.data.sub_(moved.pop(parameter))

    def objective(seen):
        parameters = seen.model.trainable()
        gradients = torch.autograd.grad(seen.loss, parameters)
        norm = torch.stack([each.norm() for each in gradients]).norm()
        for parameter, gradient in zip(parameters, gradients, strict=True):
            moved[parameter] = gradient * (options.rho / (norm + 1e-12))
            parameter.data.add_(moved[parameter])
        model.log("gradient norm", norm)
        return seen.task_loss(seen.forward(seen.images), seen.labels)

    handles = [each.register_post_accumulate_grad_hook(take_back) for each in model.module.parameters()]
    yield Train(model.everything, objective=objective)
    for handle in handles:
        handle.remove()


@hookimpl
def tlbench_register_strategies(register):
    register(sam)
