"""The report: one file, no network, nothing of a failure lost, nothing unescaped."""

import re

import pytest

from trackbench.benchmarks.report import write_report
from trackbench.benchmarks.report.figures import MAX_POINTS
from trackbench.benchmarks.session import Options, plan_for
from trackbench.benchmarks.session import run as run_session
from trackbench.benchmarks.store import Store
from trackbench.errors import StoreError

MATCHERS = "counted,raising,leaky,truth,nearest,nan"


@pytest.fixture(scope="module")
def page(registry, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    options = Options(
        out=folder / "store", datasets="trial", matchers=MATCHERS, workers=0, timing_budget=0.2
    )
    run_session(registry, options, plan_for(registry, options))
    write_report(options.out, folder / "report.html")
    return (folder / "report.html").read_text(encoding="utf-8")


def leaderboard(html):
    """Give the rows of the first leaderboard: method with its marks, then the cells."""
    table = re.search(r'<table class="filtered leaderboard">.*?<tbody>(.*?)</tbody>', html, re.S)
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", table.group(1), re.DOTALL)
    return [
        [
            " ".join(re.sub(r"<[^>]+>", " ", cell).split())
            for cell in re.findall(r"<t[dh].*?</t[dh]>", row, re.S)
        ]
        for row in rows
    ]


def test_the_report_needs_no_network_and_is_small(page):
    assert not re.findall(r"(?:src|href)=[\"'](?:https?:)?//", page)
    assert not re.findall(r"url\(|@import|fetch\(|XMLHttpRequest", page)
    assert len(page) < 200_000


def test_complete_clean_results_come_first_and_published_ones_last(page):
    rows = leaderboard(page)
    names = [row[0] for row in rows]
    assert set(names[:2]) == {"counted &gt; transfer", "nearest &gt; transfer"}
    assert [name for name in names if "oracle" in name] == ["truth &gt; transfer oracle"]
    assert "raising &gt; transfer incomplete" in names
    assert names.index("truth &gt; transfer oracle") > names.index(
        "raising &gt; transfer incomplete"
    )
    assert names[-1] == "somebody, published"
    assert rows[-1][1:] == ["0.500", "a paper"]


def test_the_overview_quotes_no_marked_row(page):
    overview = page[page.index("<nav") : page.index("</nav>")]
    assert "counted &gt; transfer" in overview or "nearest &gt; transfer" in overview
    assert "truth &gt; transfer" not in overview
    assert "leaky" not in overview


def test_a_part_of_the_data_is_no_headline(page, registry, options, planned, tmp_path):
    overview = page[page.index("<nav") : page.index("</nav>")]
    assert '<span class="mark partial">partial</span> 0.9' in overview
    assert "<strong>" not in overview
    assert "on part of the data" in page
    run_session(registry, options, planned(datasets="trial[n_cases=1000]", matchers="nearest"))
    write_report(options.out, tmp_path / "r.html")
    whole = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "<strong>0.9" in whole[whole.index("<nav") : whole.index("</nav>")]
    assert "on part of the data" not in whole


def test_where_all_rows_are_marked_nothing_is_quoted(registry, options, planned, tmp_path):
    run_session(registry, options, planned(matchers="truth"))
    write_report(options.out, tmp_path / "r.html")
    html = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "none may be quoted" in html
    assert '<dl class="facts">' not in html


def test_what_computed_is_told_below_the_leaderboard(page, registry, options, planned, tmp_path):
    assert "Computed:" not in page
    run_session(registry, options, planned(matchers="two-ways"))
    write_report(options.out, tmp_path / "r.html")
    assert "Computed: two-ways by slow (set TRIAL_FAST)." in (tmp_path / "r.html").read_text()


def test_failures_are_gathered_by_reason_and_have_their_logs(page):
    found = re.findall(r'<details class="failure">(.*?)</details>', page, re.DOTALL)
    texts = [" ".join(re.sub(r"<[^>]+>", " ", text).split()) for text in found]
    raising = [text for text in texts if "no idea about this one" in text]
    assert len(raising) == 1
    assert raising[0].startswith("3 failed raising &gt; transfer on trial-pairs (test): ")
    assert "000001, 000003, 000005." in raising[0]
    assert "Traceback (most recent call last)" in raising[0]
    assert sum(int(text.split()[0]) for text in texts) == 3 + 6
    assert "Failures (9)" in page


def test_text_of_plugins_is_escaped(registry, options, planned, tmp_path, monkeypatch):
    cls = registry.matchers()["counted"].cls

    def evil(self, prepared, tests):
        raise ValueError("</script><script>alert(1)</script>")

    monkeypatch.setattr(cls, "match", evil)
    run_session(registry, options, planned())
    write_report(options.out, tmp_path / "r.html")
    html = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert" in html


def test_a_store_without_tables(tmp_path, options):
    Store.create(options.out)
    with pytest.raises(StoreError, match="run trackbench score"):
        write_report(options.out, tmp_path / "r.html")


def test_many_cases_are_thinned(registry, options, planned, tmp_path):
    n = MAX_POINTS + 500
    run_session(registry, options, planned(datasets=f"trial[n_cases={n}]", matchers="nearest"))
    write_report(options.out, tmp_path / "r.html")
    html = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert f"{n} of 1000" in html
    shown = set(re.findall(r'"(\d{6})"', html))
    assert len(shown) == MAX_POINTS
    assert {"000000", f"{n - 1:06d}"} <= shown


def test_many_methods_are_drawn_in_part_and_listed_in_full(registry, options, planned, tmp_path):
    several = "|".join(str(k) for k in range(12))
    run_session(
        registry, options, planned(matchers=f"counted[sleep_s={several.replace('|', 'e-9|')}e-9]")
    )
    write_report(options.out, tmp_path / "r.html")
    html = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "show the first 8 of 12 methods" in html
    assert len([row for row in leaderboard(html) if row[0].startswith("counted")]) == 12
