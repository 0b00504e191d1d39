"""Keeps one comment on the pull request: made where something has changed, updated in place from then on.

$RUNS/report has what is said; $RUN_STATUS, $COMPARE_STATUS and $AB_STATUS are exit statuses, empty where nothing was
run. $NAME tells the comments of several uses of the action apart, by a line that is not shown.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

LONGEST = 60_000
"""GitHub takes 65,536 characters."""


def main() -> None:
    """Make or update the comment; that GitHub refuses is a warning, as the token of a fork's request may only read."""
    event = json.loads(Path(os.environ["GITHUB_EVENT_PATH"]).read_text("utf-8"))
    if "pull_request" not in event:
        print("no comment: not a pull request")
        return
    marker = f"<!-- tlbench {os.environ['NAME']} -->"
    address = f"repos/{os.environ['GITHUB_REPOSITORY']}/issues"
    changed, said = _report(Path(os.environ["RUNS"]) / "report")
    body = f"{marker}\n{said}"
    try:
        comments = _gh(
            "--paginate", f"{address}/{event['pull_request']['number']}/comments?per_page=100",
            "--jq", ".[] | {id, body} | @json",
        )  # fmt: skip
        found = next((each for each in map(json.loads, comments.splitlines()) if _is_ours(each, marker)), None)
        if found is not None:
            _send("PATCH", f"{address}/comments/{found['id']}", body)
        elif changed:
            _send("POST", f"{address}/{event['pull_request']['number']}/comments", body)
        else:
            print("no comment: nothing has changed")
    except (subprocess.CalledProcessError, OSError) as error:
        why = (getattr(error, "stderr", None) or str(error)).strip()
        print(f"::warning::no comment: {why}; the job needs gh, and `permissions: pull-requests: write`")


def _is_ours(comment: dict[str, str | None], marker: str) -> bool:
    return (comment["body"] or "").startswith(marker)


def _report(folder: Path) -> tuple[bool, str]:
    """Whether there is anything to tell, and the comment."""
    run, compare, ab = (os.environ.get(f"{each}_STATUS") or "0" for each in ("RUN", "COMPARE", "AB"))
    changed = compare in ("0", "3") and (folder / "compare.json").exists() and _changed(folder / "compare.json")
    failed = (run, compare, ab) != ("0", "0", "0")
    parts = [f"### tlbench: {'failed' if failed else 'changed' if changed else 'nothing has changed'}"]
    if run != "0":
        parts.append("Some trials did not end well; the job's log says which, and why.")
    if compare not in ("0", "3"):
        parts.append("The run can't be compared with the base; the job's log says why.")
    elif (folder / "compare.markdown").exists():
        parts.append(_short((folder / "compare.markdown").read_text("utf-8")))
    if (folder / "ab.txt").exists():
        measured = _fenced(_short((folder / "ab.txt").read_text("utf-8")))
        parts.append(f"Costs, both sides measured in this job:\n\n{measured}")
    server, repository, job = (os.environ[f"GITHUB_{each}"] for each in ("SERVER_URL", "REPOSITORY", "RUN_ID"))
    parts.append(f"[The job, with the full tables and the report]({server}/{repository}/actions/runs/{job})")
    return failed or changed, "\n\n".join(parts)


def _changed(compared: Path) -> bool:
    found: bool = json.loads(compared.read_text("utf-8"))["changed"]
    return found


def _short(text: str) -> str:
    """A text with what a comment has no room for left out."""
    most = LONGEST // 2
    if len(text) <= most:
        return text.strip()
    return text[:most].rpartition("\n")[0] + "\n\n… (the rest is in the job's log)"


def _fenced(text: str) -> str:
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"


def _send(method: str, address: str, body: str) -> None:
    _gh("--method", method, address, "--input", "-", given=json.dumps({"body": body}))
    print("comment made" if method == "POST" else "comment updated")


def _gh(*arguments: str, given: str | None = None) -> str:
    command = ["gh", "api", *arguments]
    return subprocess.run(command, input=given, capture_output=True, text=True, check=True, encoding="utf-8").stdout


if __name__ == "__main__":
    main()
