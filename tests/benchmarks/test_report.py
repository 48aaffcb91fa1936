"""The report: one file, no network, nothing of a failure lost, nothing unescaped."""

import re
import shutil
import subprocess
from dataclasses import replace

import pytest

from trackbench.benchmarks.report import write_report
from trackbench.benchmarks.report_data import MAX_POINTS
from trackbench.benchmarks.session import run as run_session
from trackbench.errors import StoreError

MATCHERS = "counted,raising,leaky,truth,nearest,nan"
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")


@pytest.fixture
def page(registry, options, planned, tmp_path):
    wanted = replace(options, timing=True)
    run_session(registry, wanted, planned(matchers=MATCHERS))
    target = tmp_path / "report.html"
    write_report(options.out, target)
    return target


def tables(html):
    """Give the cells of every table row, as text."""
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", html, re.DOTALL)
    return [
        [re.sub(r"<[^>]+>", "", cell).strip() for cell in re.findall(r"<td.*?</td>", row, re.S)]
        for row in rows
    ]


def test_the_report_needs_no_network(page):
    html = page.read_text(encoding="utf-8")
    ours = re.sub(r"<script>.*?</script>", "", html, flags=re.DOTALL)
    assert not re.findall(r"(?:src|href)=[\"']https?:", ours)
    assert len(html) > 1_000_000  # plotly is in it


def test_complete_clean_results_come_first_and_published_ones_last(page):
    rows = [row for row in tables(page.read_text(encoding="utf-8")) if len(row) == 8]
    names = [row[0] for row in rows]
    assert set(names[:2]) == {"counted &gt; transfer", "nearest &gt; transfer"}
    assert [name for name in names if "oracle" in name] == ["truth &gt; transfer oracle"]
    assert "raising &gt; transfer incomplete" in names
    assert names.index("truth &gt; transfer oracle") > names.index(
        "raising &gt; transfer incomplete"
    )
    assert names[-1] == "somebody, published"
    assert rows[-1][-1] == "a paper"


def test_failures_have_their_logs(page):
    html = page.read_text(encoding="utf-8")
    assert html.count("<details>") == 3 + 6
    assert "no idea about this one" in html
    assert "Traceback (most recent call last)" in html


def test_text_of_plugins_is_escaped(registry, options, planned, tmp_path, monkeypatch):
    cls = registry.matchers()["counted"].cls

    def evil(self, prepared, tests):
        raise ValueError("<script>alert(1)</script>")

    monkeypatch.setattr(cls, "match", evil)
    run_session(registry, options, planned())
    write_report(options.out, tmp_path / "r.html")
    html = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert" in html


def test_a_store_without_tables(tmp_path, options):
    from trackbench.benchmarks.store import Store

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


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
def test_a_browser_draws_the_figures_without_complaint(page, tmp_path):
    done = subprocess.run(
        [
            *(BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom"),
            *("--virtual-time-budget=20000", "--enable-logging=stderr"),
            *(f"--user-data-dir={tmp_path / 'profile'}", page.as_uri()),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout.count('class="main-svg"') >= 3
    assert not [line for line in done.stderr.splitlines() if "CONSOLE" in line]
