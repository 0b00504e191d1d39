"""Pages of the site that are no files of docs/: the README's first part, and the sources that pages refer to.

The pages are written for GitHub, where `../tlbench/hookspecs.py` is a link to a file of the repository. The site has
each such file as a page, so that it can be read without a network.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
END_OF_INDEX = "<!-- the site's first page ends here -->"
OUTSIDE = re.compile(r"\]\(\.\./([\w./-]+)\)")
"""A link of a page to a file or folder that is not in docs/."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the index, and a page for each file or folder that a page refers to."""
    files.append(File.generated(config, "index.md", content=index()))
    for path in sorted(set(_referred())):
        files.append(File.generated(config, f"source/{path}.md", content=source(ROOT / path)))
    return files


def on_page_markdown(markdown: str, **_given: Any) -> str:
    """Refer to the pages of sources."""
    return OUTSIDE.sub(r"](source/\1.md)", markdown)


def index() -> str:
    """The README's first part, whose links are as from docs/."""
    first, mark, _ = (ROOT / "README.md").read_text("utf-8").partition(END_OF_INDEX)
    assert mark, "README.md has no mark where the site's first page ends"
    return first.replace("](docs/", "](")


def source(path: Path) -> str:
    """A file as a block of code; of a folder, its modules in a line each."""
    name = path.relative_to(ROOT).as_posix()
    if path.is_dir():
        modules = (f"| `{each.name}` | {_first_line(each)} |" for each in sorted(path.glob("*.py")))
        return "\n".join([f"# {name}", "", "| module | |", "| --- | --- |", *modules])
    return f"# {name}\n\n````{path.suffix.removeprefix('.')}\n{path.read_text('utf-8').rstrip()}\n````\n"


def _first_line(module: Path) -> str:
    described = ast.get_docstring(ast.parse(module.read_text("utf-8"))) or ""
    return described.partition("\n")[0].replace("|", "\\|")


def _referred() -> Iterator[str]:
    for page in Path(__file__).parent.glob("*.md"):
        yield from (path.rstrip("/") for path in OUTSIDE.findall(page.read_text("utf-8")))
