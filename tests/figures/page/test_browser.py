"""The page in a real browser, without a network, as a reader opens it: on a desk, on a phone, in the dark, on paper."""

import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlparse

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from figures import style
from figures.__main__ import main
from tests.figures.synthetic import add, add_transfers, add_whole_study, config

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt install chromium"),
]

MANY = 40
"""Pixels of one colour that are no mere edge between two others."""

QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def results(stored, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results with every artefact, two studies, a variant, a transfer, a damaged run, and long names."""
    database, address = stored
    database.runs.delete_many({})
    database.metrics.delete_many({})
    made = add_whole_study(database, ("random_init", "supervised", "simclr", "byol", "byol_tracin"), seeds=3)
    add_whole_study(database, ("byol_tracin",), seeds=3, tracin__normalize="dot")
    add_whole_study(
        database, ("byol", "a_method_of_mine"), seeds=1, multi_label=True, data__name="my_own_images_of_lungs"
    )
    encoders = {key: run for key, run in made.items() if key[0] in ("simclr", "byol", "byol_tracin")}
    add_transfers(database, encoders, "pneumoniamnist")
    add(database, config("byol", 9), status="FAILED")
    folder = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REPRO_RUNS", str(tmp_path_factory.mktemp("runs")))
        patch.setenv("REPRO_MONGO_URI", address)
        main(["--out", str(folder)])
    return folder


class Opened:
    """The page, open, and all that the browser complained of or asked the network for."""

    def __init__(self, browser: Browser, folder: Path, width: int, scheme: str, at: str = "", **other) -> None:
        context = browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme=scheme, offline=True, **other
        )
        self.page: Page = context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto((folder / "index.html").as_uri() + at)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [380, 1280])
def test_it_opens_offline_in_silence_and_fits_the_screen(browser, results: Path, width: int, scheme: str) -> None:
    opened = Opened(browser, results, width, scheme)
    page = opened.page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    drawn = page.evaluate("Promise.all([...document.images].map(i => i.decode().then(() => i.naturalWidth)))")
    assert len(drawn) >= 15
    assert min(drawn) > 200
    assert page.locator("h3").count() >= 25
    wide = page.evaluate(
        "[...document.querySelectorAll('main *')].filter(e => !e.closest('.scroll') "
        "&& e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 80))"
    )
    assert wide == []
    assert opened.said == []
    assert [url for url in opened.asked if not url.startswith(("file:", "data:"))] == []


def test_the_dark_page_is_dark_and_its_text_can_be_read(browser, results: Path) -> None:
    contrast = """(selector) => {
      const linear = x => x <= .04045 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4;
      const light = colour => { const v = colour.match(/[\\d.]+/g).slice(0, 3).map(x => linear(x / 255));
        return .2126 * v[0] + .7152 * v[1] + .0722 * v[2] };
      const ink = light(getComputedStyle(document.querySelector(selector)).color);
      const paper = light(getComputedStyle(document.body).backgroundColor);
      return [(Math.max(ink, paper) + .05) / (Math.min(ink, paper) + .05), paper] }"""
    for scheme in ("light", "dark"):
        page = Opened(browser, results, 1200, scheme).page
        for selector in (
            *("main p.caption", "main a", "tbody th.group", "td small", "details.origins", "footer p"),
            *(".card .verdict", ".card .claim", "p.absent", ".filter label", ".contents details summary"),
        ):
            ratio, paper = page.evaluate(contrast, selector)
            assert ratio >= 4.5, (scheme, selector)  # WCAG 2, level AA
            assert (paper < 0.1) == (scheme == "dark")


def test_figures_are_dark_on_a_dark_screen_and_light_on_paper(browser, results: Path) -> None:
    light = [name for name in style.DARK if np.ptp(_rgb(name)) > 40]  # no greys, which edges of others have too
    for scheme, media, colours in (
        ("light", "screen", light),
        ("dark", "screen", [style.DARK[name] for name in light]),
        ("dark", "print", light),
    ):
        page = Opened(browser, results, 1280, scheme).page
        page.emulate_media(media=media, color_scheme=scheme)
        figure = page.locator("figure img").first
        pixels = np.asarray(Image.open(io.BytesIO(figure.screenshot())).convert("RGB")).reshape(-1, 3).astype(int)
        shown = {name: (abs(pixels - _rgb(name)).max(1) < 4).sum() for pair in style.DARK.items() for name in pair}
        drawn = {name for name in colours if shown[name] > MANY}
        other = {style.DARK[name] for name in light} if colours == light else set(light)
        assert drawn, (scheme, media)
        assert not [name for name in other if shown[name] > MANY], (scheme, media)


def _rgb(name: str) -> np.ndarray:
    return np.array([int(name[n : n + 2], 16) for n in (1, 3, 5)])


def test_every_link_leads_somewhere(browser, results: Path) -> None:
    page = Opened(browser, results, 1200, "light").page
    links = page.eval_on_selector_all("a[href]", "all => all.map(a => a.href)")
    assert len(links) > 100
    for link in links:
        target = urlparse(link)
        assert target.scheme == "file"
        assert Path(unquote(target.path)).is_file(), link
        if target.fragment:
            assert page.locator(f"[id='{unquote(target.fragment)}']").count() == 1, link
    page.locator("nav details summary").last.click()
    page.click("nav a[href^='#']:has-text('Claims and verdicts')")
    assert page.evaluate("document.getElementById('overall-claims').getBoundingClientRect().top") < 800


def test_keys_alone_reach_the_content_the_tables_and_the_runs_behind(browser, results: Path) -> None:
    page = Opened(browser, results, 1200, "light").page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the results"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0  # it is seen
    page.keyboard.press("Enter")
    assert page.url.endswith("#results")
    seen = set()
    for _ in range(12):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("document.activeElement.tagName + '.' + document.activeElement.className"))
    assert {"DIV.scroll", "SUMMARY.", "A."} <= seen
    page.focus("details.origins summary")
    page.keyboard.press("Enter")
    assert "python -m repro.reproduce verify 1" in page.locator("details.origins[open]").first.inner_text()


def test_contents_stand_at_the_side_on_a_desk_and_fold_on_a_phone(browser, results: Path) -> None:
    desk = Opened(browser, results, 1280, "light").page
    box, main = (desk.locator(name).bounding_box() for name in (".contents", "main"))
    assert box["x"] + box["width"] < main["x"]
    assert desk.locator(".contents nav").is_visible()
    desk.evaluate("scrollTo(0, 5000)")
    assert 0 <= desk.locator(".contents").bounding_box()["y"] < 100  # it stays
    phone = Opened(browser, results, 380, "light").page
    assert not phone.locator(".contents nav").is_visible()
    phone.click(".contents > summary")
    assert phone.locator(".contents nav").is_visible()
    phone.click("nav > ol > li:nth-child(3) > a")
    assert not phone.locator(".contents nav").is_visible()


def test_the_filter_shows_the_studies_of_some_images_or_with_a_method_and_marks_its_rows(browser, results: Path):
    page = Opened(browser, results, 1280, "light").page
    total = page.locator(".study").count()
    assert total > 1
    page.select_option("select[name=method]", "a_method_of_mine")
    assert page.locator(".study:visible").count() == page.locator("nav [id^=in-contents]:visible").count() == 1
    assert page.locator(".filter output").inner_text() == f"1 of {total} studies"
    assert page.locator("tr.chosen th").first.text_content() == "a_method_of_mine"
    page.select_option("select[name=images]", "DermaMNIST")
    assert page.locator(".study:visible").count() == 0
    page.select_option("select[name=method]", "")
    shown = page.locator(".study:visible")
    assert shown.count() == 1
    assert shown.locator("h2").inner_text().startswith("DermaMNIST")
    hidden = page.locator(".study[hidden] article h3[id]").first.get_attribute("id")
    page.evaluate("hash => { location.hash = hash }", hidden)  # a link to what is filtered out shows it
    page.wait_for_function("id => document.getElementById(id).getBoundingClientRect().height > 0", arg=hidden)


def test_a_link_into_a_folded_study_unfolds_it(browser, results: Path) -> None:
    page = Opened(browser, results, 1280, "light").page
    assert page.locator(".parts").evaluate_all("all => all.map(part => part.open)")[:2] == [True, False]
    last = page.locator(".study").last.locator("article h3[id]").last.get_attribute("id")
    for led in (Opened(browser, results, 1280, "light", at=f"#{last}").page, page):
        if led is page:  # open already, and a link in its contents is followed
            page.evaluate("id => { location.hash = id }", last)
        expect(led.locator(f"[id='{last}']")).to_be_in_viewport()


def test_without_scripts_everything_is_open(browser, results: Path) -> None:
    page = Opened(browser, results, 1280, "light", java_script_enabled=False).page
    hidden = [one for one in page.locator("main article h3").all() if not one.is_visible()]
    assert page.locator("main article h3").count() > 20
    assert hidden == []
    assert not page.locator(".filter").is_visible()
    assert page.locator(".contents nav").is_visible()


def test_a_table_that_is_cut_says_so_and_one_that_fits_does_not(browser, results: Path) -> None:
    page = Opened(browser, results, 380, "light").page
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
    page.wait_for_timeout(200)
    told = page.locator(".scroll").evaluate_all(
        "all => all.map(box => [box.scrollWidth > box.clientWidth + 1, !box.previousElementSibling.hidden])"
    )
    assert {True, False} == {cut for cut, _ in told}
    assert all(cut == said for cut, said in told)


def test_it_prints_without_links_to_files_and_within_the_paper(browser, results: Path, tmp_path: Path) -> None:
    page = Opened(browser, results, 1200, "light").page
    page.emulate_media(media="print")
    assert not page.locator("ul.files").first.is_visible()
    assert page.locator("table").first.is_visible()
    assert page.locator("main article h3").last.is_visible()  # folded studies are printed, too
    pdf = page.pdf(format="A4")
    assert pdf.startswith(b"%PDF")
    assert len(pdf) > 100_000
