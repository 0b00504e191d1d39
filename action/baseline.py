"""Finds what the run is compared with, and says so in the step's output `path`; without one, the output is empty.

$BASELINE is the path of a run or CSV file, or the name of an artifact, of which the newest of $BASE_BRANCH is taken.
A run is copied to $RUNS/base.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any


def main() -> None:
    """Write the output."""
    name, runs = os.environ["BASELINE"], Path(os.environ["RUNS"])
    given = Path(name)
    if (given / "plan.json").exists():
        shutil.copytree(given, runs / "base", dirs_exist_ok=True)
        found = "base"
    elif given.suffix.lower() == ".csv" and given.exists():
        found = name
    elif len(given.parts) > 1 or given.suffix.lower() == ".csv":
        sys.exit(f"::error::baseline {name}: there is no run and no CSV file of that path")
    else:
        found = "base" if _downloaded(name, runs / "base") else ""
    with Path(os.environ["GITHUB_OUTPUT"]).open("a", encoding="utf-8") as output:
        output.write(f"path={found}\n")


def _downloaded(name: str, to: Path) -> bool:
    """Fetch the run of the newest artifact of a name; False where the base branch has none."""
    repository, branch = os.environ["GITHUB_REPOSITORY"], os.environ["BASE_BRANCH"]
    listed = json.loads(_gh(f"repos/{repository}/actions/artifacts?name={name}&per_page=100"))["artifacts"]
    usable = [each for each in listed if _is_of(each, branch)]
    if not usable:
        print(f"::notice::{branch} has no artifact {name} yet; there is nothing to compare with")
        return False
    newest = max(usable, key=lambda each: each["created_at"])
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "artifact.zip"
        archive.write_bytes(_gh(f"repos/{repository}/actions/artifacts/{newest['id']}/zip"))
        with zipfile.ZipFile(archive) as content:
            content.extractall(folder)
        if not (Path(folder) / "head" / "plan.json").exists():
            sys.exit(
                f"::error::artifact {name} of {branch} has no run head/; `baseline` names one that this action made"
            )
        shutil.copytree(Path(folder) / "head", to, dirs_exist_ok=True)
    print(f"compared with {name} of {branch}, made {newest['created_at']}")
    return True


def _is_of(artifact: dict[str, Any], branch: str) -> bool:
    """Whether an artifact is of a branch of this repository; a fork may have one of its name."""
    run = artifact.get("workflow_run") or {}
    own = run.get("head_repository_id") == run.get("repository_id")
    return own and run.get("head_branch") == branch and not artifact["expired"]


def _gh(address: str) -> bytes:
    try:
        return subprocess.run(["gh", "api", address], stdout=subprocess.PIPE, check=True).stdout
    except (subprocess.CalledProcessError, OSError) as error:
        sys.exit(f"::error::artifacts can't be read: {error}; the job needs gh, and `permissions: actions: read`")


if __name__ == "__main__":
    main()
