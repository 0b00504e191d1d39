"""The tables that a notebook shows."""

from __future__ import annotations

from html.parser import HTMLParser

from builders import make_cell, make_failure, make_record, report_of

from tlbench.report import text
from tlbench.report.html_table import to_html_tables
from tlbench.report.tables import tables


class Cells(HTMLParser):
    """The contents of a document's cells, and all of its tags."""

    def __init__(self) -> None:
        super().__init__()
        self.cells: list[str] = []
        self.tags: set[str] = set()
        self.inside = False

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag == "td":
            self.inside = True
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag != "td"

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.cells[-1] += data


def read(document: str) -> Cells:
    found = Cells()
    found.feed(document)
    return found


def test_every_value_of_every_row_is_there() -> None:
    data = report_of([make_record(make_cell("a/x"), accuracy=0.25), make_record(make_cell("a/y"), accuracy=0.75)])
    (table,) = tables(data)
    expected = [line[name] for line in text.lines(table) for name in text.headings(table)]
    document = to_html_tables(data)
    assert read(document).cells == expected
    assert document.count("<b>75.0% ±25.0</b>") == 1


def test_hostile_names_and_messages_add_no_tag() -> None:
    hostile = "<script>alert('x')</script>\x1b[31m\u202e"
    failure = make_failure(make_cell(f"a/{hostile}", f"b/{hostile}", dataset=hostile), message=hostile)
    document = to_html_tables(report_of([failure]))
    assert read(document).tags == {"table", "caption", "thead", "tbody", "tr", "th", "td", "p", "small", "br"}
    assert "\x1b" not in document and "\u202e" not in document
