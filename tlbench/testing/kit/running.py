"""Checks carried out: of one component, and of a whole plugin with all of its components."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from tlbench.registry.apart import kept_apart
from tlbench.registry.chosen import using
from tlbench.testing.kit.asked import Asked, asked_for, components_of
from tlbench.testing.kit.checks import GENERAL, Check, CheckResult, Failed, NotApplicable, checks_for, checks_of
from tlbench.testing.kit.registering import Registering
from tlbench.testing.kit.subject import Subject, subject_of, with_plugin

Tell = Callable[[str], object]


def check_component(kind: str, name: str, plugin: str | None = None) -> list[CheckResult]:
    """Carry out all checks of a component: `check_component("strategy", "my-plugin/half")`.

    `plugin` is the file or the module of one that is not installed. Raises UserError where there is no such component.
    """
    subject = subject_of(kind, name, with_plugin(plugin))
    return list(_told(subject, kind, lambda _said: None))


def check_plugin(given: str, only: Sequence[str] = (), tell: Tell = lambda _said: None) -> list[CheckResult]:
    """Carry out the checks of a plugin and of all its components; of a family, of its first member.

    `given` is the name of an installed distribution or of its plugin, a Python file, or a module. `only` names the
    components to check (`net`, `mine/net`, with options where they need some). `tell` is told what is being checked.
    Raises UserError where there is no such plugin or component.
    """
    return list(plugin_checked(asked_for(given, only), tell))


def plugin_checked(asked: Asked, tell: Tell) -> Iterator[CheckResult]:
    """The results, one by one; raises UserError before the first where a component that was named is none."""
    components = list(components_of(asked))
    for plugin in asked.plugins:
        yield from _told(Registering(plugin, asked.chosen), "plugin", tell)
    for subject in components:
        yield from _told(subject, subject.kind, tell) if isinstance(subject, Subject) else [subject]


def _told(subject: Subject | Registering, kind: str, tell: Tell) -> Iterator[CheckResult]:
    for each in checks_for(kind):
        if not left_out(each, subject):
            tell(f"{kind} {subject.name}: {each.name}")
            yield carried_out(each, subject)


def left_out(each: Check, subject: Subject | Registering) -> bool:
    """Whether there is nothing to check: options of a component without any, or a component that can't be made."""
    if not isinstance(subject, Subject):
        return False
    if each.kind == "options":
        return not subject.component.entry.options.model_fields
    return each.kind not in GENERAL and subject.fault is not None


def carried_out(each: Check, subject: Subject | Registering) -> CheckResult:
    """What comes of one check; it is carried out once, behind those that it needs."""
    if each.name not in subject.results:
        subject.results[each.name] = _carried_out(each, subject)
    return subject.results[each.name]


def _carried_out(each: Check, subject: Subject | Registering) -> CheckResult:
    """What comes of a check now; whatever is raised in it but Ctrl-C is the component's fault."""
    kind = "plugin" if isinstance(subject, Registering) else subject.kind

    def result(outcome: str, said: str = "") -> CheckResult:
        return CheckResult(each.name, outcome, said, kind, subject.name)  # type: ignore[arg-type]

    needed = [carried_out(other, subject) for other in checks_of(each.kind) if other.name in each.needs]
    if failed := [other.check for other in needed if other.outcome == "failed"]:
        return result("skipped", f"it is not asked where the {kind} fails in: {failed[0]}")
    try:
        with using(subject.chosen), kept_apart():
            if each.kind not in GENERAL and isinstance(subject, Subject):
                subject.made()
            each.run(subject)
    except NotApplicable as reason:
        return result("skipped", str(reason))
    except Failed as found:
        return result("failed", f"{kind} {subject.name}: {found}")
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return result("failed", f"{kind} {subject.name}: it raised {type(error).__name__}: {error} ({each.name})")
    return result("passed")
