"""Names and messages from plugins, folders and others' files stay text in every format that shows them."""

from __future__ import annotations

import csv
import io
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest
from builders import make_cell, make_failure, make_plan, make_record
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from rich.console import Console

from tlbench.cli.output import document
from tlbench.compare.changes import compare
from tlbench.compare.gates import judge, parse_gate
from tlbench.compare.of_run import side_of_run
from tlbench.compare.printed import print_comparison
from tlbench.compare.printed import to_markdown as comparison_to_markdown
from tlbench.compare.shown import to_json as comparison_to_json
from tlbench.report.html_table import to_html_tables
from tlbench.report.of_run import report_data
from tlbench.report.table import print_tables
from tlbench.results.store import RunFolder
from tlbench.trends.documents import to_csv as history_to_csv
from tlbench.trends.documents import to_json as history_to_json
from tlbench.trends.of_runs import history_of
from tlbench.trends.printed import print_history
from tlbench.trends.printed import to_markdown as history_to_markdown

HOSTILE = {
    "tag": "<script>alert(1)</script>",
    "closing": "</script></td>]]>",
    "formula": "=cmd()|'/c calc'!A0",
    "newline": "two\nlines | and a pipe",
    "escape": "\x1b[31mred\x1b]0;title\x07",
    "path": "../../../etc/passwd",
    "long": "x" * 300,
    "right-to-left": "\u202efdp.exe\u2066",
    "quotes": "\"'`\\ {{content}} ${x}",
}
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]")
"""What a terminal or a reader's eye obeys: control characters but tab and newline, and marks of direction."""


def run_of(folder: Path, name: str, text: str) -> RunFolder:
    """A run whose names are hostile, and the message of one of its failures."""
    cells = [make_cell(f"a/{text}{number}", f"b/{text}", dataset=f"c/{text}") for number in range(2)]
    run = RunFolder(folder / name)
    run.trials.mkdir(parents=True)
    run.write_plan(make_plan(*cells, name=name, seeds=2))
    for cell in cells:
        run.write_record(make_record(cell))
    run.write_record(make_failure(cells[0], 1, message=text))
    return run


@pytest.fixture(params=HOSTILE)
def run(request: pytest.FixtureRequest, tmp_path: Path) -> RunFolder:
    run_of(tmp_path, "before", HOSTILE[request.param])
    return run_of(tmp_path, "run", HOSTILE[request.param])


def shown(run: RunFolder, form: str) -> str:
    return document(run.plan(), run, report_data(run.plan(), run, run.records()), form)


def on_console(write: Callable[[Console], None]) -> str:
    file = io.StringIO()
    write(Console(file=file, width=120, force_terminal=False, color_system=None))
    return file.getvalue()


def test_nothing_that_a_terminal_obeys_is_printed(run: RunFolder) -> None:
    data = report_data(run.plan(), run, run.records())
    history = history_of(None, (), run.path.parent)
    found = compare(side_of_run(run, "base"), side_of_run(run, "head"))
    judged = judge(found, [parse_gate("peak_memory_bytes=1%")])
    for output in (
        on_console(lambda console: print_tables(data, console, detail=True)),
        on_console(lambda console: print_comparison(found, judged, False, console)),
        on_console(lambda console: print_history(history, False, console)),
        *(shown(run, form) for form in ("markdown", "csv", "junit", "openmetrics", "html", "pytest-benchmark", "json")),
        comparison_to_markdown(found, judged, False), history_to_markdown(history, False), history_to_csv(history),
    ):  # fmt: skip
        assert not OBEYED.search(output), OBEYED.search(output)


def test_markup_is_text(run: RunFolder) -> None:
    data = report_data(run.plan(), run, run.records())
    for output in (to_html_tables(data), shown(run, "markdown")):
        assert "<script" not in output and "</script" not in output
    page = shown(run, "html")
    assert page.count("<script") == 2 == page.count("</script>")
    assert "{{" not in page.partition('id="content"')[0].replace("{{content}}", "")


def test_a_row_of_markdown_has_as_many_fields_as_its_heading(run: RunFolder) -> None:
    history = history_of(None, (), run.path.parent)
    for output in (shown(run, "markdown"), history_to_markdown(history, False)):
        fields = 0
        for line in output.splitlines():
            if not line.startswith("|"):
                fields = 0
                continue
            parts = len(re.findall(r"(?<!\\)\|", line))
            assert fields in (0, parts), line
            fields = parts


def test_no_field_is_a_formula(run: RunFolder) -> None:
    for output in (shown(run, "csv"), history_to_csv(history_of(None, (), run.path.parent))):
        for row in csv.DictReader(io.StringIO(output)):
            assert None not in row
            assert not [each for each in row.values() if each and each[0] in "=+@"]


def test_documents_parse_and_keep_the_names(run: RunFolder) -> None:
    names = {record.trial.cell.backbone for record in run.records()}
    assert {each["trial"]["cell"]["backbone"] for each in json.loads(shown(run, "json"))["records"]} == names
    suites = ET.fromstring(shown(run, "junit"))
    assert len(list(suites.iter("testcase"))) == 2 and len(list(suites.iter("failure"))) == 1
    assert list(text_string_to_metric_families(shown(run, "openmetrics")))
    assert len(json.loads(shown(run, "pytest-benchmark"))["benchmarks"]) >= 2
    assert json.loads(history_to_json(history_of(None, (), run.path.parent)))["cells"]
    found = compare(side_of_run(run, "base"), side_of_run(run, "head"))
    assert len(json.loads(comparison_to_json(found, []))["cells"]) == 2
