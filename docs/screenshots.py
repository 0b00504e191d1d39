"""Pictures of the report for the README and the docs, from committed runs: python docs/screenshots.py.

Needs Debian's chromium and chromium-driver, and the packages of the test extra.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
PICTURES = (
    ("report", "reference", "", 1200, 940, "light"),
    ("report-cell", "reference", "cell", 1200, 1560, "light"),
    ("report-strategies", "strategies", "#filter=accuracy%3E0.8&equal=1", 1200, 1100, "dark"),
)
"""By name: the run, its state (`cell` for the page of the first cell), width, height, colours."""


def main() -> None:
    """Make all pictures."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        # thumbnails are of decoded images, which a dry run puts into the cache
        config = ROOT / "results" / "reference" / "config.toml"
        tlbench("run", "--config", str(config), "--dry-run", "--results", folder)
        for name, run, state, width, height, colours in PICTURES:
            page = Path(folder) / f"{run}.html"
            tlbench("report", str(ROOT / "results" / run), "--no-open", "-o", str(page))
            size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
            browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            scheme = {"name": "prefers-color-scheme", "value": colours}
            browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
            browser.get("about:blank")
            browser.get(page.as_uri() + ("" if state == "cell" else state))
            if state == "cell":
                browser.execute_script("document.querySelectorAll('#dataset-0 tbody a')[1].click()")
                browser.execute_script("document.activeElement.blur()")
            time.sleep(0.3)
            browser.save_screenshot(str(IMAGES / f"{name}.png"))


def tlbench(*arguments: str) -> None:
    """Run a command of tlbench."""
    subprocess.run([shutil.which("tlbench") or "tlbench", *arguments], check=True, capture_output=True)


@contextmanager
def chromium() -> Iterator[Any]:
    """A headless browser."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium"
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(argument)
    browser = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        yield browser
    finally:
        browser.quit()


if __name__ == "__main__":
    main()
