"""The report in headless Chromium: it works, asks for nothing, and can be read by everyone."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import make_cell, make_plan, make_record

from tlbench.report.of_run import report_data
from tlbench.report.page import to_html
from tlbench.results.store import RunFolder

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not CHROMIUM or not DRIVER, reason="needs Debian's chromium and chromium-driver")
RESULTS = Path(__file__).parents[3] / "results"
CELLS = 66


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The addresses of the reports of committed runs."""
    folder, found = tmp_path_factory.mktemp("pages"), {}
    for name in ("strategies", "tasks"):
        run = RunFolder(RESULTS / name)
        plan = run.plan()
        (folder / f"{name}.html").write_text(to_html(plan, run, report_data(plan, run, run.records())), "utf-8")
        found[name] = (folder / f"{name}.html").as_uri()
    (folder / "over.html").write_text(over_datasets(folder / "over"), "utf-8")
    return found | {"over": (folder / "over.html").as_uri()}


def over_datasets(folder: Path) -> str:
    """The report of made records of four cells on six datasets."""
    cells = [make_cell(f"a/m{model}", dataset=f"a/d{data}") for data in range(6) for model in range(4)]
    random = np.random.default_rng(0)
    records = [
        make_record(cell, accuracy=0.6 + 0.1 * int(cell.backbone[-1]) + random.normal(0, 0.02)) for cell in cells
    ]
    run = RunFolder(folder)
    run.trials.mkdir(parents=True)
    run.write_plan(make_plan(*cells))
    for record in records:
        run.write_record(record)
    return to_html(run.plan(), run, report_data(run.plan(), run, run.records()))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--window-size=1280,1000",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "localhost,127.0.0.1")
        driver = webdriver.Chrome(options=options, service=Service(DRIVER))
        yield driver
        driver.quit()


Open = Callable[..., Any]


@pytest.fixture
def opened(chromium: Any, pages: dict[str, str]) -> Iterator[Open]:
    """Opens a report; what was written to the console, or asked for, is a failure."""

    def look(name: str = "strategies", state: str = "", width: int = 1280, **media: str) -> Any:
        size = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": width < 500}
        chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        features = [{"name": key.replace("_", "-"), "value": value} for key, value in media.items()]
        chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        chromium.get("about:blank")
        chromium.get(pages[name] + state)
        return chromium

    yield look
    assert chromium.get_log("browser") == []
    messages = [json.loads(each["message"])["message"] for each in chromium.get_log("performance")]
    asked = [each["params"]["request"]["url"] for each in messages if each["method"] == "Network.requestWillBeSent"]
    assert not [each for each in asked if not each.startswith(("file:", "data:", "about:"))]


def rows(page: Any) -> list[str]:
    found: list[str] = page.execute_script(
        "return [...document.querySelectorAll('#dataset-0 tbody tr')]"
        ".map((row) => row.cells[0].textContent + ' ' + row.cells[1].textContent)"
    )
    return found


def column(page: Any, heading: str) -> list[str]:
    found: list[str] = page.execute_script(
        "const heads = [...document.querySelectorAll('#dataset-0 thead th')]"
        ".map((each) => each.textContent.replace(/ [▲▼]/, ''));"
        "const place = heads.indexOf(arguments[0]);"
        "return [...document.querySelectorAll('#dataset-0 tbody tr')].map((row) => row.cells[place].textContent)",
        heading,
    )
    return found


def find(page: Any, selector: str) -> Any:
    from selenium.webdriver.common.by import By

    return page.find_element(By.CSS_SELECTOR, selector)


def press(page: Any, heading: str) -> None:
    from selenium.webdriver.common.by import By

    buttons = page.find_elements(By.CSS_SELECTOR, "#dataset-0 thead button")
    next(each for each in buttons if each.text.split(" ▲")[0].split(" ▼")[0] == heading).click()


def violations(page: Any) -> list[str]:
    import axe_core_python

    page.execute_script((Path(axe_core_python.__file__).parent / "axe.min.js").read_text("utf-8"))
    found: list[str] = page.execute_async_script(
        "const done = arguments[0]; axe.run().then((found) => done(found.violations.filter((each) =>"
        " ['serious', 'critical'].includes(each.impact)).map((each) => each.id + ' ' + each.nodes[0].html)))"
    )
    return found


def test_the_answer_comes_first_and_all_cells_are_there(opened: Open) -> None:
    page = opened()
    assert find(page, "main p").text.startswith("Best is mobilenet_v2")
    assert len(rows(page)) == CELLS
    assert find(page, "#count").text == f"{CELLS} of {CELLS} cells are shown"


def test_a_heading_sorts_and_the_address_keeps_it(opened: Open) -> None:
    page = opened()
    press(page, "Params")
    ascending = column(page, "Params")
    press(page, "Params")
    assert column(page, "Params") != ascending
    assert "sort=trainable_parameters" in page.current_url and "order=descending" in page.current_url
    page.refresh()
    assert find(page, "th[aria-sort=descending]").text.startswith("Params")


def test_a_filter_narrows_table_and_front_and_a_wrong_one_is_told(opened: Open) -> None:
    page = opened()
    whole = find(page, "figure figcaption").text
    find(page, "#filter").send_keys("strategy=l* accuracy>0.8")
    kept = rows(page)
    assert kept and all(each.split(" ")[1].startswith("l") for each in kept)
    assert find(page, "figure figcaption").text != whole
    find(page, "#filter").clear()
    find(page, "#filter").send_keys("acuracy>0.8")
    assert find(page, "#count").text == "Filter: there is no column acuracy"
    assert find(page, "#filter").get_attribute("aria-invalid") == "true"


def test_the_front_is_of_the_cells_shown_and_of_the_cost_chosen(opened: Open) -> None:
    page = opened(state="#filter=backbone%3Defficientnet*&cost=trainable_parameters")
    front = page.execute_script(
        "return [...document.querySelectorAll('.dot.front title')].map((each) => each.textContent)"
    )
    assert front and all(each.startswith("efficientnet_lite0 × ") and ", Params " in each for each in front)
    shares = sorted((float(each.split("Params ")[1].rstrip("kM")), each) for each in front if each.endswith("k"))
    accuracies = [float(each.split(": ")[1].split("%")[0]) for _, each in shares]
    assert accuracies == sorted(accuracies)


def test_equal_columns_can_be_hidden_and_hidden_ones_shown(opened: Open) -> None:
    page = opened()
    heads = lambda: find(page, "#dataset-0 thead").text  # noqa: E731
    assert "Device" in heads() and "Step" not in heads()
    find(page, "#equal").click()
    assert "Device" not in heads() and "Accuracy" in heads()
    find(page, "#all").click()
    assert "Step" in heads()


def test_a_cell_opens_by_keyboard_and_closes_by_escape(opened: Open) -> None:
    from selenium.webdriver import ActionChains, Keys

    page = opened()
    page.execute_script("document.querySelector('#dataset-0 tbody a').focus()")
    ActionChains(page).send_keys(Keys.ENTER).perform()
    assert find(page, "dialog[open] h2").text.startswith("mobilenet_v2")
    text = find(page, "dialog").text
    for part in (
        "Command to repeat it",
        "tlbench run --backbones",
        "Seeds",
        "Learning curves",
        "Accuracy of each class",
    ):
        assert part in text
    assert "T-shirt/top" in text  # classes by their names
    assert "cell=" in page.current_url
    ActionChains(page).send_keys(Keys.ESCAPE).perform()
    time.sleep(0.1)
    assert not page.execute_script("return document.querySelector('dialog').open") and "cell=" not in page.current_url
    page.back()
    assert page.execute_script("return document.querySelector('dialog').open")


@pytest.mark.parametrize("name", ["strategies", "tasks"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(opened: Open, name: str, scheme: str) -> None:
    page = opened(name, prefers_color_scheme=scheme)
    assert violations(page) == []
    page.execute_script("document.querySelector('#dataset-0 tbody a').click()")
    assert violations(page) == []


def test_mean_ranks_are_a_critical_difference_diagram(opened: Open) -> None:
    page = opened("over")
    names = page.execute_script(
        "return [...document.querySelectorAll('#over-0 title')].map((each) => each.textContent)"
    )
    assert names == [f"m{model} × freeze: mean rank {4 - model}.00" for model in (3, 2, 1, 0)]
    # critical difference 4.690 / sqrt(6): only neighbours are joined, three times
    assert "critical difference 1.91" in find(page, "#over-0").text
    assert page.execute_script("return document.querySelectorAll('#over-0 .joined').length") == 3


def test_it_can_be_read_on_a_telephone(opened: Open) -> None:
    page = opened(width=390)
    assert page.execute_script("return document.documentElement.scrollWidth") == 390
    page.execute_script("document.querySelector('#dataset-0 tbody a').click()")
    assert page.execute_script("const found = document.querySelector('dialog'); return found.scrollWidth <= 390")


def test_it_prints_without_controls_and_with_what_is_folded(opened: Open) -> None:
    page = opened()
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    shown = "return getComputedStyle(document.querySelector(arguments[0])).display"
    assert page.execute_script(shown, ".controls") == "none"
    assert page.execute_script(shown, "thead button") != "none"
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
