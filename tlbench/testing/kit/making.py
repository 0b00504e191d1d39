"""Whether a component can be made at all: asked of every kind before anything else."""

from __future__ import annotations

from tlbench.errors import UserError
from tlbench.testing.kit.checks import Failed, NotApplicable, check
from tlbench.testing.kit.subject import Subject


@check("component", "can be made")
def can_be_made(subject: Subject) -> None:
    """The check of its options does not refuse them, and its factory gives an object of its kind.

    A component that says itself why it can't be made on this machine (UserError) is not checked any further.
    """
    try:
        subject.component.check()
        subject.made()
    except UserError as error:
        subject.fault = error
        raise NotApplicable(f"it can't be made here: {error}") from error
    except NotApplicable:
        fault = subject.fault
        if isinstance(fault, UserError):
            raise NotApplicable(f"it can't be made here: {fault}") from fault
        if isinstance(fault, Failed):
            raise fault from None
        raise Failed(f"its factory raised {type(fault).__name__}: {fault}; it must return the component") from fault
