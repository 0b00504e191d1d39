"""The steps of `action.yml` run as a runner does it: in order, each by its shell, with inputs, outputs and conditions.

Steps that use other actions are not run: they need GitHub. `gh` is an executable that keeps what it is asked, and
answers from a folder.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
SHELL = ("bash", "--noprofile", "--norc", "-eo", "pipefail")

GH = """#!{python}
import json, os, sys
from pathlib import Path

state = Path(os.environ["FAKE_GH"])
arguments = sys.argv[1:]
assert os.environ["GH_TOKEN"] == "secret" and arguments[0] == "api"
address = next(each for each in arguments[1:] if each.startswith("repos/"))
given = sys.stdin.read() if "--input" in arguments else None
with (state / "calls.jsonl").open("a") as calls:
    method = arguments[arguments.index("--method") + 1] if "--method" in arguments else "GET"
    calls.write(json.dumps([method, address]) + "\\n")
if (state / "refuse").exists():
    sys.exit("gh: Resource not accessible by integration (HTTP 403)")
if address.endswith("/zip"):
    sys.stdout.buffer.write((state / "artifact.zip").read_bytes())
elif "/actions/artifacts?" in address:
    print((state / "artifacts.json").read_text())
elif given is not None:
    (state / "comment.json").write_text(given)
elif (state / "comment.json").exists():
    print(json.dumps({{"id": 5, "body": json.loads((state / "comment.json").read_text())["body"]}}))
"""


@dataclass
class Runner:
    """A job that uses the action with some inputs, in a folder of its own."""

    folder: Path
    inputs: dict[str, str]
    event: dict[str, Any] = field(default_factory=dict)
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)
    log: str = ""

    def __post_init__(self) -> None:
        for name in ("bin", "gh", "temp", "workspace"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "bin" / "gh").write_text(GH.format(python=sys.executable))
        (self.folder / "bin" / "gh").chmod(0o755)
        (self.folder / "event.json").write_text(json.dumps(self.event))
        defaults = {name: each.get("default", "") for name, each in ACTION["inputs"].items()}
        self.inputs = defaults | {"token": "secret", "install": "", "python-version": ""} | self.inputs

    @property
    def runs(self) -> Path:
        """Where the action keeps its runs."""
        return self.folder / "temp" / "tlbench" / self.inputs["report"]

    @property
    def summary(self) -> str:
        """The summary of all steps."""
        file = self.folder / "summary.md"
        return file.read_text("utf-8") if file.exists() else ""

    def calls(self) -> list[list[str]]:
        """What `gh` was asked: methods and addresses."""
        file = self.folder / "gh" / "calls.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def go(self) -> int:
        """Run all steps whose conditions hold; 0, or the exit status of the first that failed."""
        failed = 0
        for step in ACTION["runs"]["steps"]:
            if "run" not in step or not self.holds(step.get("if", ""), failed == 0):
                continue
            status, outputs = self.run_step(step)
            outcome = "failure" if status else "success"
            self.steps[step.get("id", step["name"])] = {"outputs": outputs, "outcome": outcome, "status": status}
            failed = failed or status
        return failed

    def run_step(self, step: Mapping[str, Any]) -> tuple[int, dict[str, str]]:
        """Run one step, whatever its condition; its exit status and outputs."""
        script, output = self.folder / "step.sh", self.folder / "output"
        script.write_text(step["run"])
        output.write_text("")
        given = {name: self.filled(str(value)) for name, value in step.get("env", {}).items()}
        github = {
            "GITHUB_ACTION_PATH": str(ROOT), "GITHUB_OUTPUT": str(output), "GITHUB_ENV": str(self.folder / "env"),
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary.md"),
            "GITHUB_EVENT_PATH": str(self.folder / "event.json"),
            "GITHUB_REPOSITORY": "acme/photos", "GITHUB_SERVER_URL": "https://github.com", "GITHUB_RUN_ID": "77",
            "RUNNER_TEMP": str(self.folder / "temp"), "FAKE_GH": str(self.folder / "gh"),
        }  # fmt: skip
        path = os.pathsep.join([str(self.folder / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
        done = subprocess.run(
            [*SHELL, str(script)], cwd=self.folder / "workspace", env=os.environ | github | given | {"PATH": path},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        self.log += f"--- {step['name']}\n{done.stdout}"
        return done.returncode, dict(line.split("=", 1) for line in output.read_text().splitlines())

    def filled(self, text: str) -> str:
        """A text with its `${{ … }}` computed."""
        return re.sub(r"\$\{\{(.*?)\}\}", lambda found: str(self._computed(found[1])), text)

    def holds(self, condition: str, success: bool) -> bool:
        """Whether a step's condition holds; one that asks for no status wants success."""
        inner = condition.removeprefix("${{").removesuffix("}}").strip()
        if not re.search(r"\b(always|cancelled|failure|success)\(\)", inner):
            return success and bool(self._computed(inner or "true"))
        return bool(self._computed(inner.replace("!cancelled()", "true")))

    def _computed(self, expression: str) -> Any:
        """An expression of names, texts, `==`, `!=`, `&&` and `||`, as GitHub computes it."""
        parts = re.findall(r"'[^']*'|[\w.-]+|==|!=|&&|\|\|", expression)
        words = {"&&": "and", "||": "or", "true": "True", "==": "==", "!=": "!="}
        return eval(" ".join(each if each[0] == "'" else words.get(each) or repr(self._value(each)) for each in parts))

    def _value(self, name: str) -> str:
        first, *rest = name.split(".")
        found: Any = {
            "inputs": self.inputs, "steps": self.steps, "runner": {"temp": str(self.folder / "temp")},
            "github": {"base_ref": "main", "event": self.event, "token": "secret"},
        }[first]  # fmt: skip
        for each in rest:
            found = found.get(each, "") if isinstance(found, dict) else ""
        return str(found)
