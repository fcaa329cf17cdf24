"""Omniboard in a real browser: it shows the runs, their metrics and artifacts, and can change nothing."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.container.conftest import Project
from tests.container.test_database import until
from tests.figures.page.test_browser import CHROMIUM, QUIET

pytestmark = [
    pytest.mark.container,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt install chromium"),
]


@pytest.fixture(scope="module")
def board(project: Project) -> str:
    """The address of the project's Omniboard, with a pretrained and judged run to show."""
    project(
        *("run", "--rm", "-T", "reproduce", "python", "-m", "repro.run", "with", "byol", "phantom", "smoke"),
        *("data.limit=100", "pretrain.epochs=1", "pretrain.batch_size=32", "evaluate.protocols=['knn']"),
    )
    project("--profile", "dashboard", "up", "-d", "omniboard")
    address = f"http://127.0.0.1:{project.port}"
    until("Omniboard's answer", 180, lambda: answers(address))
    return address


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=30) as answer:
            return answer.status == 200
    except OSError:  # its port is open before it listens
        return False


@pytest.fixture
def page(board: str) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        opened = browser.new_page(viewport={"width": 1500, "height": 1000})
        opened.goto(board)
        opened.get_by_text("additional_positive").first.wait_for(timeout=60_000)
        yield opened
        browser.close()


def test_it_shows_a_run_with_its_metrics_and_artifacts(page: Page, project: Project):
    assert page.get_by_text("COMPLETED").count() >= 1
    page.get_by_text("►").first.click()
    page.get_by_text("pretrain/loss", exact=True).first.wait_for(state="attached", timeout=30_000)
    assert page.locator(".js-plotly-plot path.js-line").count() > 5
    page.get_by_text("Artifacts", exact=True).click()
    page.get_by_text("encoder.safetensors", exact=True).wait_for(timeout=30_000)
    page.get_by_text("Config", exact=True).click()
    page.get_by_text("deterministic").last.wait_for(timeout=30_000)
    page.screenshot(path=project.folder / "omniboard.png")


def test_it_can_take_away_nothing(board: str, project: Project):
    before = project.runs()
    request = urllib.request.Request(f"{board}/runs/api/v1/Runs/{before[0]['id']}", method="DELETE")
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(request, timeout=30).read()
    assert project.runs() == before
    with urllib.request.urlopen(f"{board}/runs/api/v1/Runs/count", timeout=30) as answer:
        assert json.load(answer)["count"] == len(before)
