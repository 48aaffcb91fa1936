"""The report as a reader has it: in a browser, by mouse and keyboard, on a desk and on a phone."""

import json
import re
from dataclasses import replace

import pytest
from tests.benchmarks.browser import BROWSER, browser

from trackbench.benchmarks.report import write_report
from trackbench.benchmarks.session import run as run_session

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
MATCHERS = "counted,raising,leaky,truth,nearest,nan"
BOARD = ".leaderboard tbody"


def write_history(path):
    """Twelve runs; from the ninth on the accuracy of `nearest` is 0.2 lower."""
    names = ["truth", "nearest", "transfer", "trial[n_cases=30,noise_um=4]", "trial-pairs", "test"]
    with path.open("w") as file:
        for i in range(12):
            mean = (0.9 if i < 8 else 0.7) + 0.001 * (i % 3)
            result = {"names": names, "metric": "m_pair", "mean": mean, "n_cases": 30}
            result |= {"seconds_per_volume": 0.01, "speed": 1.0 + 0.01 * (i % 2)}
            run = {"schema": 1, "time": f"2026-01-{i + 1:02d}T00:00:00+00:00", "trackbench": "0"}
            file.write(json.dumps(run | {"revision": f"r{i}", "results": [result]}) + "\n")


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    from trackbench.benchmarks.session import Options, plan_for
    from trackbench.core.registry import load_registry

    folder = tmp_path_factory.mktemp("report")
    registry = load_registry()
    options = Options(
        out=folder / "store",
        datasets="trial[n_cases=30,noise_um=4]",
        protocols="trial-pairs",
        matchers=MATCHERS,
        workers=0,
        timing_budget=0.2,
    )
    run_session(registry, options, plan_for(registry, options))
    second = replace(options, protocols="trial-several", matchers="nearest", timing=False)
    run_session(registry, second, plan_for(registry, second))
    ganglia = {f"N{i}": "Even" if i % 2 == 0 else "Odd" for i in range(10)}
    write_history(folder / "history.jsonl")
    write_report(
        options.out, folder / "report.html", ganglia=ganglia, history=folder / "history.jsonl"
    )
    return folder / "report.html"


@pytest.fixture(scope="module")
def chromium():
    with browser() as page:
        yield page


@pytest.fixture
def page(chromium, report):
    chromium.complaints.clear()
    chromium.media(scheme="light")
    chromium.open(report)
    yield chromium
    assert chromium.complaints == []


def methods(page, shown="tr:not([hidden])"):
    script = f"[...document.querySelectorAll('#p1 {BOARD} {shown} th')].map((e) => e.innerText)"
    return page.ask(script)


def test_every_figure_is_drawn(page):
    empty = page.ask(
        "[...document.querySelectorAll('.plot')]"
        ".filter((p) => !p.querySelector('svg.chart, canvas')).length"
    )
    assert empty == 0
    assert page.ask("document.querySelectorAll('#p1 .plot').length") == 8
    assert page.ask("document.querySelectorAll('#p1 .time .glyph').length") >= 4
    assert page.ask("document.querySelectorAll('#p1 .time .glyph.hollow').length") >= 1
    ink = page.ask(
        "(() => { const c = document.querySelector('#p1 canvas');"
        "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        "return d.filter((v, i) => i % 4 === 3 && v > 0).length; })()"
    )
    assert ink > 5000


def test_a_change_of_level_in_the_history_is_ringed(page):
    assert page.ask("document.querySelectorAll('#p1 .runs').length") == 2
    assert page.ask("document.querySelectorAll('#p1 .runs .ring').length") == 1
    assert page.ask("document.querySelectorAll('#p1 .runs .glyph').length") == 24
    said = page.ask("document.querySelector('#p1 .runs .ring').nextElementSibling.dataset.tip")
    assert "at r8, 2026-01-09" in said
    assert "the level goes from 0.9009 to 0.7013" in said


def test_no_mark_of_a_figure_lies_at_no_place(page):
    drawn = page.ask("[...document.querySelectorAll('.plot')].map((e) => e.innerHTML).join('')")
    assert not re.findall("NaN|undefined|Infinity", drawn)


@pytest.mark.parametrize("width", [320, 400, 768, 1280])
def test_nothing_sticks_out_sideways(page, width):
    page.resize(width)
    page.settle()
    assert page.ask("document.documentElement.scrollWidth") <= width
    wide = page.ask(
        "[...document.querySelectorAll('.plot > *, figcaption, h1, h2, .legend button')]"
        f".filter((e) => e.getBoundingClientRect().right > {width} + 0.5).length"
    )
    assert wide == 0


def test_figures_are_drawn_again_at_another_width(page):
    before = page.ask("document.querySelector('#p1 .chart').getAttribute('width')")
    page.resize(400)
    page.settle()
    after = page.ask("document.querySelector('#p1 .chart').getAttribute('width')")
    assert float(after) < float(before)


def test_a_click_on_a_header_sorts_and_another_one_turns_the_order(page):
    values = (
        f"[...document.querySelectorAll('#p1 {BOARD} tr')].map((r) => r.cells[1].dataset.value)"
        ".filter((v) => v !== '').map(Number)"
    )
    page.click("#p1 .leaderboard th button", 1)
    assert page.ask(values) == sorted(page.ask(values), reverse=True)
    assert page.ask("document.querySelectorAll('#p1 .leaderboard th')[1].ariaSort") == "descending"
    page.click("#p1 .leaderboard th button", 1)
    assert page.ask(values) == sorted(page.ask(values))
    last = page.ask(f"[...document.querySelectorAll('#p1 {BOARD} tr')].at(-1).innerText")
    assert "nan" in last  # what has no value stays at the end


def test_names_sort_as_names(page):
    page.click("#p1 [aria-label^='By neuron'] th button", 0)
    names = page.ask(
        "[...document.querySelectorAll(\"#p1 [aria-label^='By neuron'] tbody th\")]"
        ".map((e) => e.innerText)"
    )
    assert names == [f"N{i}" for i in range(10)]


def test_the_filter_is_reached_and_used_by_keyboard(page):
    everyone = methods(page)
    page.press("/", "/")
    assert page.ask("document.activeElement.className") == "filter"
    page.type("NEAREST")
    assert methods(page) == ["nearest > transfer"]
    page.ask("document.activeElement.select()")
    page.type(" ")
    assert methods(page) == everyone


def test_a_table_of_neurons_has_a_filter_of_its_own(page):
    place = "#p1 [aria-label^='By neuron']"
    page.ask(
        f'document.querySelector("{place}").previousElementSibling.querySelector("input").focus()'
    )
    page.type("Odd")
    shown = page.ask(f'document.querySelectorAll("{place} tbody tr:not([hidden])").length')
    assert shown == 5
    count = f'document.querySelector("{place}").previousElementSibling.innerText'
    assert "5 of 10 rows" in page.ask(count)
    assert len(methods(page)) == len(methods(page, "tr"))


def test_a_method_is_hidden_from_all_figures_by_keyboard(page):
    drawn = "document.querySelectorAll('#p1 .lines .line.s0').length"
    assert page.ask(drawn) == 3
    page.ask("document.querySelector('#p1 .legend button').focus()")
    page.press("Enter", "\r")
    assert page.ask("document.querySelector('#p1 .legend button').ariaPressed") == "false"
    assert page.ask(drawn) == 0
    assert page.ask("document.querySelectorAll('#p1 .lines .line.s1').length") == 3
    page.press("Enter", "\r")
    assert page.ask(drawn) == 3


def test_with_all_methods_hidden_the_page_still_stands(page):
    for k in range(page.ask("document.querySelectorAll('#p1 .legend button').length")):
        page.click("#p1 .legend button", k)
    assert page.ask("document.querySelectorAll('#p1 .plot [data-m]').length") == 0


def test_pointing_at_a_case_names_it_and_finds_it_everywhere(page):
    page.point("#p1 .case", 7)
    assert page.ask("document.getElementById('tip').hidden") is False
    name, _, said = page.ask("document.getElementById('tip').innerText").partition(": ")
    assert re.fullmatch(r"[01]\.\d{3}, .+ > transfer", said)
    found = page.ask("[...document.querySelectorAll('#p1 .case.found')].map((e) => e.dataset.case)")
    assert len(found) >= 3
    assert set(found) == {name}


def test_the_raster_shows_the_method_that_is_chosen(page):
    picture = "document.querySelector('#p1 canvas').toDataURL()"
    before = page.ask(picture)
    page.click("#p1 .raster .choice button", 2)
    assert page.ask(picture) != before
    assert (
        page.ask("document.querySelectorAll('#p1 .raster .choice button')[2].ariaPressed") == "true"
    )


def test_light_and_dark(page):
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.ask(paper)
    page.click("button.theme")
    dark = page.ask(paper)
    assert light == "rgb(255, 255, 255)"
    assert sum(map(int, dark[4:-1].split(","))) < 120
    page.click("button.theme")
    assert page.ask(paper) == light
    page.media(scheme="dark")
    page.ask("delete document.documentElement.dataset.theme")
    assert page.ask(paper) == dark


def test_a_table_is_saved_as_csv(page):
    page.ask(
        "window.saved = ''; URL.createObjectURL = (blob) => "
        "{ blob.text().then((text) => { window.saved = text; }); return '#'; }"
    )
    page.click("#p1 .csv", 0)
    page.settle()
    lines = page.ask("window.saved").splitlines()
    assert lines[0].startswith("method,m_pair,95 % interval")
    assert len(lines) == 1 + len(methods(page, "tr"))


def test_the_log_of_a_failure_opens(page):
    page.click("details.failure summary")
    assert "Traceback" in page.ask("document.querySelector('details.failure pre').innerText")


def test_it_prints(page):
    pdf = page.print_pages()
    assert pdf.startswith(b"%PDF")
    assert len(pdf) > 20_000


def test_everything_that_can_be_used_has_a_name(page):
    nameless = page.ask(
        "[...document.querySelectorAll('button, input, a, [role=region], [role=img]')]"
        ".filter((e) => !(e.textContent.trim() || e.ariaLabel || e.labels?.length)).length"
    )
    assert nameless == 0
    ids = page.ask("[...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))
