"""Objects in place of names: `tlbench.run(backbones=[build], datasets=[dataset], strategies=[mine, "full"])`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import tlbench
from tlbench import Results, Train, UserError, strategy

SCRIPT = """
import sys
import numpy as np
from torch import nn
import tlbench
from tlbench import Train, strategy

RATE = float(sys.argv[1])
PIXELS = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 3), np.uint8)

class Noise:
    classes = ("even", "odd")
    targets = [place % 2 for place in range(60)]
    def __len__(self): return 60
    def __getitem__(self, place): return PIXELS[place], self.targets[place]

def tiny(num_classes):
    return nn.Sequential(nn.Conv2d(3, 8, 3, stride=4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(8, num_classes))

@strategy("half", learning_rates={"adamw": RATE, "sgd": 1e-1})
def half(model, options):
    yield Train(model.head, epochs=0.5)

results = tlbench.run(backbones=[tiny, "small_cnn"], datasets={"noise": Noise()}, strategies=[half, "full"], epochs=2,
                      image_size=16, name=sys.argv[2], progress=False)
for record in results:
    print(record.trial.cell.backbone, record.trial.cell.dataset, record.trial.cell.strategy, record.status)
print(results.records[0].trial.cell.sources, results.records[0].provenance["strategy"].distribution)
"""


def run_script(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "script.py", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_a_script_without_a_guard_hands_its_own_functions_and_classes_to_the_trials(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    done = run_script(tmp_path, "1e-3", "one")
    assert done.returncode == 0, done.stderr
    *lines, last = done.stdout.splitlines()
    assert lines == [
        f"{backbone} python/noise {strategy} ok"
        for backbone in ("python/tiny", "packaged/small_cnn")
        for strategy in ("python/half", "builtin/full")
    ]
    assert "'strategy': " in last and "'backbone': " in last and last.endswith(" script.py")
    again = run_script(tmp_path, "1e-3", "one")  # goes on with the run, which has nothing left
    assert again.returncode == 0, again.stderr
    (tmp_path / "script.py").write_text(SCRIPT.replace("epochs=0.5", "epochs=1.0"))
    changed = run_script(tmp_path, "1e-3", "one")
    assert "run one in results exists with a different plan (sources." in changed.stderr


def test_objects_of_a_session_are_read_from_its_modules(tmp_path: Path) -> None:
    results = run_here(tmp_path, "one")
    (record,) = results
    assert (record.status, record.trial.cell.strategy) == ("ok", "python/quarter")
    assert record.provenance["strategy"].distribution == "test_objects_in_a_run.py"
    assert results.cell("quarter").strategy == "quarter"


@strategy("quarter", learning_rates={"adamw": 1e-3, "sgd": 1e-1})
def quarter(model, options):  # type: ignore[no-untyped-def]
    """A quarter of the epochs for the head."""
    yield Train(model.head, epochs=0.25)


def run_here(folder: Path, name: str) -> Results:
    return tlbench.run(
        backbones="small_cnn", datasets="digits:train=96:test=60", strategies=quarter, epochs=4, results=folder,
        name=name, progress=False,
    )  # fmt: skip


@pytest.mark.slow
def test_a_run_of_objects_is_resumed_by_the_program(tmp_path: Path) -> None:
    run_here(tmp_path, "one")
    command = [sys.executable, "-m", "tlbench", "resume", "one", "--results", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 2
    assert "strategy python/quarter was an object of a Python program; call tlbench.run again" in done.stderr
    shown = subprocess.run([*command[:3], "show", *command[4:]], capture_output=True, text=True, check=False)
    assert shown.returncode == 0 and "quarter" in shown.stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"strategies": [lambda model, options: None]}, "a strategy is a function under @tlbench.strategy"),
        ({"backbones": 3, "strategies": "full"}, "a int is no backbone"),
        ({"datasets": (x for x in "ab")}, "dataset genexpr can't be handed to a trial's process: TypeError"),
    ],
)
def test_what_is_no_component_is_refused(tmp_path: Path, options: dict[str, object], said: str) -> None:
    with pytest.raises(UserError) as refusal:
        tlbench.run(results=tmp_path, progress=False, **options)  # type: ignore[arg-type]
    assert said in str(refusal.value)


def test_equal_names_are_numbered(tmp_path: Path) -> None:
    from tlbench.objects.given import objects_named

    with objects_named({"strategies": [quarter, "full", quarter], "backbones": "resnet18", "epochs": 3}) as named:
        assert named == {
            "strategies": ["python/quarter", "full", "python/quarter-2"], "backbones": "resnet18", "epochs": 3,
        }  # fmt: skip
