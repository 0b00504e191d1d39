"""Phases carried out: the model as strategies see it, the training loop, evaluation."""
