"""From a spec on the command line to a component."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tlbench.contracts import SplitOptions
from tlbench.errors import UserError
from tlbench.registry.kinds import Registry
from tlbench.registry.plugins import load_plugins
from tlbench_packaged.folder import FolderOptions


@pytest.fixture(scope="module")
def registry() -> Registry:
    """The built-in components."""
    return Registry.of(load_plugins())


@pytest.mark.parametrize(
    ("spec", "ref"),
    [
        ("digits", "packaged/digits"),
        ("digits:train=500", "packaged/digits:train=500"),
        ("digits:val=0.2:train=500", "packaged/digits:train=500:val=0.2"),
        ("packaged/digits:train=500.0", "packaged/digits:train=500"),
        ("folder:some/where:val=0.1", "packaged/folder:path=some/where:val=0.1"),
        ("folder:C:/photos", "packaged/folder:path=C:/photos"),
        ("folder:path=a", "packaged/folder:path=a"),
    ],
)
def test_the_canonical_name(registry: Registry, spec: str, ref: str) -> None:
    component = registry.datasets.resolve(spec)
    assert component.ref == ref
    assert registry.datasets.resolve(ref).ref == ref


def test_options_are_typed(registry: Registry) -> None:
    options: Any = registry.datasets.resolve("folder:x:train=10").options
    assert options == FolderOptions(path=Path("x"), train=10)
    assert isinstance(registry.datasets.resolve("digits").options, SplitOptions)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("digits:train=-1", "train must be a number of images or a fraction between 0 and 1, not -1"),
        ("digits:train=1.5", "not 1.5"),
        ("digits:train=nan", "train must be a number"),
        ("digits:train=5:train=6", "option train of dataset packaged/digits is given twice"),
        ("digits:trian=5", "has no option 'trian'; did you mean train?"),
        ("timm/digits", "no plugin named 'timm' has datasets"),
    ],
)
def test_bad_specs(registry: Registry, spec: str, said: str) -> None:
    with pytest.raises(UserError) as refusal:
        registry.datasets.resolve(spec)
    assert said in str(refusal.value)


def test_registering_calls_no_factory_and_bad_names_are_the_plugins_fault(registry: Registry) -> None:
    from tlbench.contracts import Dataset
    from tlbench.registry.provenance import Provenance
    from tlbench.registry.register import RegisterNamed

    register = RegisterNamed[Dataset]("dataset", Provenance(plugin="p", distribution="d", version="1"))
    register("fine", lambda options: 1 / 0)  # type: ignore[arg-type, return-value]
    assert [entry.qualified for entry in register.entries] == ["p/fine"]
    with pytest.raises(ValueError, match="'a:b' can't name a dataset"):
        register("a:b", lambda options: 1 / 0)  # type: ignore[arg-type, return-value]


def test_a_name_that_two_plugins_have_is_suggested_once(registry: Registry) -> None:
    with pytest.raises(UserError) as raised:
        registry.backbones.resolve("resnet5O")
    words = str(raised.value).replace("?", " ").split()
    assert words.count("resnet50") == 1
