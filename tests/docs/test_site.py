"""The site of the docs: built strictly, complete, searched and read in a browser without a network."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parents[2]
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
needs_browser = pytest.mark.skipif(not CHROMIUM or not DRIVER, reason="needs Debian's chromium and chromium-driver")
pytestmark = pytest.mark.slow
PAGES = ("index", "tutorial", "plugins", "contracts", "results-format", "strategies-compared", "api", "glossary")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built site; a warning would be an error."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


class Links(HTMLParser):
    """What a page refers to, and what in it can be referred to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.to: set[str] = set()
        self.loaded: set[str] = set()
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value for name, value in attrs if value}
        self.ids |= {given[name] for name in ("id", "name") if name in given}
        self.to |= {given["href"]} if tag == "a" and "href" in given else set()
        self.loaded |= {given[name] for name in ("src", "href") if tag not in ("a", "input") and name in given}


def test_every_page_of_docs_is_in_the_navigation(site: Path) -> None:
    pages = {f"{file.stem}.html" for file in (ROOT / "docs").glob("*.md")}
    index = Links((site / "index.html").read_text("utf-8"))
    assert pages <= index.to
    assert not list(site.rglob("*.py")) and (site / "source" / "tlbench" / "hookspecs.py.html").is_file()


def test_every_link_within_the_site_leads_somewhere(site: Path) -> None:
    pages = {file: Links(file.read_text("utf-8")) for file in site.rglob("*.html")}
    assert len(pages) > 30
    lost = []
    for file, links in pages.items():
        for link in links.to | links.loaded:
            parts = urlsplit(link)
            if parts.scheme in ("http", "https", "data", "mailto") or file.name == "404.html":
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            known = pages[target].ids if target in pages else set()
            if not target.exists() or (parts.fragment and target in pages and unquote(parts.fragment) not in known):
                lost.append(f"{file.name}: {link}")
    assert lost == []


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    for file in site.rglob("*.html"):
        loaded = Links(file.read_text("utf-8")).loaded
        assert not [each for each in loaded if urlsplit(each).scheme in ("http", "https") or each.startswith("//")]


def test_the_readmes_links_lead_to_files() -> None:
    """On GitHub, where the pages are read as they are."""
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for link in re.findall(r"\]\(([^)\s#]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
            assert link.startswith("http") or (page.parent / link).exists(), f"{page.name}: {link}"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "localhost,127.0.0.1")
        driver = webdriver.Chrome(options=options, service=Service(DRIVER))
        yield driver
        driver.quit()


Open = Callable[[str, int], Any]


@pytest.fixture
def opened(chromium: Any, site: Path) -> Iterator[Open]:
    """Opens a page from its file; what was written to the console, or asked of a network, is a failure."""

    def look(page: str, width: int) -> Any:
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        chromium.get("about:blank")
        chromium.get((site / f"{page}.html").as_uri())
        return chromium

    yield look
    assert chromium.get_log("browser") == []
    messages = [json.loads(each["message"])["message"] for each in chromium.get_log("performance")]
    asked = [each["params"]["request"]["url"] for each in messages if each["method"] == "Network.requestWillBeSent"]
    assert not [each for each in asked if not each.startswith(("file:", "data:", "about:", "blob:"))]


@needs_browser
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("page", PAGES)
def test_a_page_fits_its_window(opened: Open, page: str, width: int) -> None:
    browser = opened(page, width)
    assert browser.execute_script("return document.querySelector('h1').textContent.length") > 2
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width


@needs_browser
@pytest.mark.parametrize("width", [1280, 390])
def test_search_finds_a_word_without_a_server(opened: Open, width: int) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    browser = opened("index", width)
    if width < 500:
        browser.find_element(By.CSS_SELECTOR, "label.md-header__button[for=__search]").click()
        time.sleep(0.5)  # it slides in
    browser.find_element(By.CSS_SELECTOR, "input[data-md-component=search-query]").send_keys("jackknife")
    links = "a.md-search-result__link"
    WebDriverWait(browser, 20).until(lambda page: page.find_elements(By.CSS_SELECTOR, links))
    found = [each.get_attribute("href") for each in browser.find_elements(By.CSS_SELECTOR, links)]
    assert any("contracts.html" in each for each in found), found
