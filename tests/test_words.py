"""Numbers, names, and texts that nobody obeys."""

from __future__ import annotations

from pathlib import Path

import pytest

from tlbench.words import counted, listed, one_line, printable, split_names, spreadsheet_field


def test_numbers_and_their_nouns() -> None:
    said = [counted(0, "image"), counted(1, "image"), counted(1234, "image"), counted(2, "class", "classes")]
    assert said == ["0 images", "1 image", "1,234 images", "2 classes"]


def test_names_up_to_some() -> None:
    assert listed(["a", "b"]) == "a, b"
    assert listed(list("abcdefghijkl")) == "a, b, c, d, e, f, g, h, i, j and 2 more"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ünï 漢", "plain ünï 漢"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("bell\a\r", "bell\\x07\\r"),
        ("turn\u202e", "turn\\u202e"),
        ("caf\udce9", "caf\\udce9"),
        ("two\nlines", "two\nlines"),
    ],
)
def test_what_a_terminal_would_obey_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_one_line() -> None:
    assert one_line("two\r\nlines\x1b") == "two\\nlines\\x1b"


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ("=1+1", "'=1+1"), ("+1", "'+1"), ("-x", "'-x"), ("@a", "'@a"), ("\t=1", "'\\t=1"), ("plain", "plain"),
        (-1.5, -1.5), (None, None), ("", ""),
    ],
)  # fmt: skip
def test_no_text_is_a_formula_in_a_spreadsheet(value: object, field: object) -> None:
    assert spreadsheet_field(value) == field


def test_names_between_commas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("cats, dogs", "a,b,c"):
        (tmp_path / name).mkdir()
    for text, names in (
        ("vgg16,resnet50", ["vgg16", "resnet50"]),
        ("digits:train=5, cifar10", ["digits:train=5", "cifar10"]),
        ("folder:cats, dogs", ["folder:cats, dogs"]),
        ("folder:cats, dogs:val=0.1,digits", ["folder:cats, dogs:val=0.1", "digits"]),
        ("digits,folder:path=a,b,c,folder:cats, dogs", ["digits", "folder:path=a,b,c", "folder:cats, dogs"]),
        ("folder:x,y", ["folder:x", "y"]),
        ("'folder:x,y',digits", ["folder:x,y", "digits"]),
        (f"folder:{tmp_path}/a,b,c", [f"folder:{tmp_path}/a,b,c"]),
    ):
        assert split_names(text) == names
