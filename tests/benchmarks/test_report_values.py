"""What the report says is what a direct count of the predictions says."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from trackbench.benchmarks.report import read_sections, write_report
from trackbench.benchmarks.report.breakdown import ELSEWHERE, by_ganglion, by_neuron
from trackbench.benchmarks.report.figures import figures
from trackbench.benchmarks.report.neurons import SHARES
from trackbench.benchmarks.report.paired import pairs
from trackbench.benchmarks.session import run as run_session
from trackbench.benchmarks.store import Store

GANGLIA = {f"N{i}": "Even" if i % 2 == 0 else "Odd" for i in range(9)}


@pytest.fixture
def store(registry, options, planned):
    """Two matchers, a noisy dataset; N10 and ONLY-TEST are in no ganglion."""
    wanted = planned(datasets="trial[n_cases=60]", matchers="counted,leaky")
    run_session(registry, options, wanted)
    return Store.open(options.out)


@pytest.fixture
def section(store):
    return read_sections(store)[0]


def counted(store, name, metric="m_pair"):
    """Give (case, truth, given, probability) of one matcher's clean headline neurons."""
    import pandas as pd

    frame = pd.read_parquet(store.folder / "predictions.parquet")
    rows = pd.read_parquet(store.folder / "rows.parquet")
    clean = rows[(rows["matcher"] == name) & (rows["status"] == "ok")]["case"]
    own = frame[(frame["matcher"] == name) & (frame["truth"] != "") & frame["in_template"]]
    return own[own["case"].isin(clean)]


def entry_of(section, name):
    return next(entry for entry in section.entries if entry.headline["matcher"] == name)


@pytest.mark.parametrize("matcher", ["counted", "leaky"])
def test_each_neuron_is_counted_over_the_clean_cases_alone(store, section, matcher):
    own = counted(store, matcher)
    neurons = entry_of(section, matcher).neurons
    expected = own.assign(right=own["truth"] == own["name"]).groupby("truth")["right"]
    assert list(neurons.names) == sorted(expected.groups)
    assert dict(zip(neurons.names, neurons.n, strict=True)) == expected.size().to_dict()
    assert dict(zip(neurons.names, neurons.right, strict=True)) == expected.sum().to_dict()


def test_a_contaminated_case_is_in_no_breakdown(section):
    assert "000000" not in entry_of(section, "leaky").neurons.cases
    assert "000000" in entry_of(section, "counted").neurons.cases


def test_the_name_most_often_given_instead(registry, options, planned):
    run_session(registry, options, planned(datasets="trial[n_cases=60,noise_um=6]"))
    store = Store.open(options.out)
    section = read_sections(store)[0]
    own = counted(store, "counted")
    wrong = own[(own["truth"] != own["name"]) & (own["name"] != "")]
    neurons = entry_of(section, "counted").neurons
    assert len(wrong) > 10  # the noise is large enough for the test to say something
    for name, said in zip(neurons.names, neurons.mistaken_for, strict=True):
        counts = wrong[wrong["truth"] == name]["name"].value_counts()
        assert (said == "") if counts.empty else counts[said] == counts.max()


def test_the_raster_holds_every_neuron_of_every_case(store, section):
    neurons = entry_of(section, "counted").neurons
    assert ((neurons.raster == 1).sum(axis=1) == neurons.right).all()
    assert ((neurons.raster > 0).sum(axis=1) == neurons.n).all()
    row = {name: i for i, name in enumerate(neurons.names)}
    column = {case: i for i, case in enumerate(neurons.cases)}
    for item in counted(store, "counted").itertuples():
        state = 1 if item.name == item.truth else 3 if item.name == "" else 2
        assert neurons.raster[row[item.truth], column[item.case]] == state


def test_curves_agree_with_the_metrics_of_the_summary(section):
    for entry in section.entries:
        coverage = dict(zip(SHARES, entry.neurons.coverage, strict=True))
        for percent in (50, 80, 90, 100):
            assert coverage[percent] == pytest.approx(entry.metrics[f"coverage{percent}"]["mean"])
        count, confidence, right = entry.neurons.calibration
        gap = np.abs(confidence - right).sum() / count.sum()
        assert gap == pytest.approx(entry.metrics["ece"]["mean"])


def test_the_cumulative_error_is_a_distribution(section):
    drawn = {item["title"]: item for item in figures(section)}["Cumulative error of the neurons"]
    for series in drawn["series"]:
        neurons = section.drawn[series["m"]].neurons
        assert series["x"] == sorted(series["x"])
        assert series["y"] == sorted(series["y"])
        assert series["y"][-1] == 1
        middle = len(series["x"]) // 2
        expected = np.mean(neurons.error[neurons.covered].round(4) <= series["x"][middle])
        assert series["y"][middle] == pytest.approx(expected, abs=1e-4)


def test_ganglia_pool_their_neurons(section):
    lines = {line.name: line for line in by_ganglion(section, GANGLIA)}
    assert list(lines) == ["Even", "Odd", ELSEWHERE]
    neurons = by_neuron(section, GANGLIA)
    even = [line for line in neurons if line.ganglion == "Even"]
    total = sum(line.n[0] for line in even)
    right = sum(line.n[0] * line.shares[0] for line in even)
    assert lines["Even"].n[0] == total
    assert lines["Even"].shares[0] == pytest.approx(right / total)


def test_a_table_of_ganglia_that_knows_few_of_the_neurons_says_nothing(section):
    assert by_ganglion(section, {"N0": "Even"}) == []


def test_tests_between_methods_are_those_of_scipy(registry, options, planned):
    from scipy.stats import wilcoxon

    wanted = planned(
        datasets="trial[n_cases=30,noise_um=5,n_animals=6]", matchers="counted,nearest,truth"
    )
    run_session(registry, options, wanted)
    section = read_sections(Store.open(options.out))[0]
    (pair,) = pairs(section)  # truth is an oracle: it is in no test
    values = [
        dict(zip(e.cases.ids, e.cases.values, strict=True)) for e in (pair.first, pair.second)
    ]
    difference = np.array([values[0][case] - values[1][case] for case in values[0]]).round(12)
    assert pair.n_cases == 30
    assert pair.n_animals == 6
    assert pair.difference == pytest.approx(difference.mean())
    assert (pair.better, pair.worse) == ((difference > 0).sum(), (difference < 0).sum())
    expected = wilcoxon(difference).pvalue if np.any(difference) else 1.0
    assert pair.wilcoxon == pytest.approx(expected)
    assert 0 < pair.permutation <= 1


def test_one_animal_alone_has_no_test_over_animals(registry, options, planned):
    wanted = planned(datasets="trial[n_cases=9,n_animals=1]", matchers="counted,nearest")
    run_session(registry, options, wanted)
    section = read_sections(Store.open(options.out))[0]
    assert [pair.permutation for pair in pairs(section)] == [None]
    assert section.one_animal
    assert "Identity over time" in {item["title"] for item in figures(section)}


def test_csv_tables_hold_the_breakdowns(store, section, tmp_path):
    written = write_report(
        store.folder, tmp_path / "r.html", ganglia=GANGLIA, tables=tmp_path / "tables"
    )
    names = ["r.html", "per_neuron.csv", "per_ganglion.csv", "per_lab.csv", "paired.csv"]
    assert [path.name for path in written] == names
    rows = list(csv.DictReader((tmp_path / "tables" / "per_neuron.csv").open()))
    neurons = entry_of(section, "counted").neurons
    own = [row for row in rows if row["matcher"] == "counted"]
    assert [row["neuron"] for row in own] == list(neurons.names)
    assert [int(row["n"]) for row in own] == neurons.n.tolist()
    labs = list(csv.DictReader((tmp_path / "tables" / "per_lab.csv").open()))
    assert {row["lab"] for row in labs} == {"lab-0", "lab-1"}
    assert sum(int(row["n_cases"]) for row in labs if row["matcher"] == "counted") == 60


def test_labs_have_means_over_cases_and_intervals_over_animals(section):
    import pandas as pd

    entry = entry_of(section, "counted")
    cases = entry.cases
    frame = pd.DataFrame({"lab": cases.groups, "animal": cases.animals, "value": cases.values})
    assert list(entry.labs) == ["lab-0", "lab-1"]
    for lab, own in frame.groupby("lab"):
        found = entry.labs[lab]
        assert found.mean == pytest.approx(own["value"].mean())
        assert found.mean == pytest.approx(entry.headline["groups"][lab]["mean"])
        assert (found.n_cases, found.n_animals) == (len(own), own["animal"].nunique())
        assert found.low <= found.mean <= found.high
        by_animal = own.groupby("animal")["value"].mean()
        assert by_animal.min() - 1e-9 <= found.low
        assert found.high <= by_animal.max() + 1e-9


def test_a_protocol_without_any_score_has_no_figures(registry, options, planned, tmp_path):
    run_session(registry, options, planned(matchers="nan"))
    section = read_sections(Store.open(options.out))[0]
    assert section.drawn == ()
    assert section.best is None
    write_report(options.out, tmp_path / "r.html")
    html = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert 'class="plot"' not in html
    assert "Failures (6)" in html


def test_two_protocols_are_two_sections(registry, options, planned):
    wanted = replace(options, protocols="trial-pairs,trial-several")
    run_session(registry, wanted, planned(protocols="trial-pairs,trial-several"))
    found = read_sections(Store.open(options.out))
    assert [section.protocol for section in found] == ["trial-pairs", "trial-several"]
    assert [section.metric for section in found] == ["m_pair", "m_test"]
