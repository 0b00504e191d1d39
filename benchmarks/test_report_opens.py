"""How long the HTML report of 1,000 trials takes to open, from the request until its table is drawn.

What it stands beside is the same browser opening a page of as many bytes with nothing to draw.
"""

from __future__ import annotations

import shutil
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from made_runs import Runs

from tlbench.report.of_run import report_data
from tlbench.report.page import to_html
from tlbench.results.store import RunFolder

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
MOST_SECONDS = 3.0
ROUNDS = 5
SHAPES = {"334 cells of 3 seeds": (334, 3), "1,000 cells of 1 seed": (1_000, 1)}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    if not CHROMIUM or not DRIVER:
        pytest.skip("needs Debian's chromium and chromium-driver")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


@pytest.mark.parametrize("shape", SHAPES)
def test_a_thousand_trials_open_in_under_three_seconds(chromium: Any, tmp_path: Path, shape: str) -> None:
    cells, seeds = SHAPES[shape]
    run = Runs(tmp_path).write("many", {f"model{n}": 0.5 + n / cells / 2.2 for n in range(cells)}, seeds=seeds)
    begun = time.perf_counter()
    page = made_page(run)
    made = time.perf_counter() - begun
    drawn, empty = tmp_path / "drawn.html", tmp_path / "empty.html"
    drawn.write_text(page, "utf-8")
    empty.write_text(f"<!doctype html><title>x</title><!-- {'x' * len(page)} -->", "utf-8")
    seconds = {file: statistics.median(opened(chromium, file) for _ in range(ROUNDS)) for file in (drawn, empty)}
    rows = chromium_rows(chromium, drawn)
    print(
        f"\n{shape}: made in {made:.1f} s, {len(page) / 2**20:.1f} MiB, opened in {seconds[drawn]:.2f} s "
        f"(as many bytes without a table: {seconds[empty]:.2f} s)"
    )
    assert rows == cells
    assert seconds[drawn] < MOST_SECONDS


def made_page(run: RunFolder) -> str:
    plan = run.plan()
    return to_html(plan, run, report_data(plan, run, run.records()))


def opened(chromium: Any, file: Path) -> float:
    """Seconds until the page is loaded, which is after its script has drawn the table, and laid out."""
    chromium.get("about:blank")
    begun = time.perf_counter()
    chromium.get(file.as_uri())
    chromium.execute_script("return document.body.getBoundingClientRect().height")
    return time.perf_counter() - begun


def chromium_rows(chromium: Any, file: Path) -> int:
    chromium.get(file.as_uri())
    return int(chromium.execute_script("return document.querySelectorAll('#dataset-0 tbody tr').length"))
