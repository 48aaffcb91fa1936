"""Options from files and profiles: what is typed counts more, errors name file and key."""

import json

import pytest
from click.testing import CliRunner

from trackbench.benchmarks.runfile import PROFILES, profiles
from trackbench.cli import app
from trackbench.errors import InputError, NothingComparableError, RegressionError, UsageError

CONFIG = """
matchers = ["counted[sleep_s=0|0.001]", "nearest"]
dataset = "trial"
out = "store"
jobs = 0
timing = false
"""


@pytest.fixture
def run(tmp_path):
    """Give a function that calls `trackbench run` here and gives its standard output."""

    def run_with(*words, config=None):
        if config is not None:
            path = tmp_path / "my.toml"
            path.write_text(config)
            words = ("--config", path, *words)
        done = CliRunner().invoke(app, ["run", *map(str, words)])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == 0, done.output
        return done.stdout

    return run_with


def ways(folder):
    rows = json.loads((folder / "store" / "summary.json").read_text())
    return [(row["matcher"], row["protocol"], row["labeler"]) for row in rows if row["primary"]]


def test_a_file_stands_for_options(run, tmp_path):
    run(config=CONFIG)
    matchers = [matcher for matcher, _, _ in ways(tmp_path)]
    assert matchers == ["counted[sleep_s=0]", "counted[sleep_s=0.001]", "nearest"]


def test_what_is_typed_counts_more(run, tmp_path):
    run("--matchers", "nearest", "--out", tmp_path / "elsewhere" / "store", config=CONFIG)
    assert ways(tmp_path / "elsewhere") == [("nearest", "trial-pairs", "transfer")]
    assert not (tmp_path / "store").exists()


PARTS = """
out = "store"
jobs = 0
timing = false
matchers = "nearest"
[[part]]
dataset = "trial"
[[part]]
dataset = "trial"
protocol = "trial-several"
matchers = "counted"
labelers = "vote"
"""


def test_each_part_is_a_product_of_its_own(run, tmp_path):
    run(config=PARTS)
    assert ways(tmp_path) == [
        ("nearest", "trial-pairs", "transfer"),
        ("counted", "trial-several", "vote"),
    ]


def test_a_typed_matcher_replaces_what_all_parts_run_with(run, tmp_path):
    run("--matchers", "random", config=PARTS)
    assert ways(tmp_path) == [
        ("random", "trial-pairs", "transfer"),
        ("random", "trial-several", "vote"),
    ]


def test_a_typed_dataset_replaces_what_all_parts_run_on(run, tmp_path):
    run("--dataset", "trial[n_cases=2]", "--matchers", "nearest", config=PARTS)
    assert ways(tmp_path) == [("nearest", "trial-pairs", "transfer")]


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ('matcher = "cpd"', "my.toml: matcher: no such key: did you mean 'matchers'"),
        ('jobs = "many"', "my.toml: jobs = 'many'"),
        ("timing = 3", "my.toml: timing = 3: true or false"),
        ("seed = true", "my.toml: seed = True: not true or false"),
        ("jobs = -1", "my.toml: jobs = -1"),
        ("matchers = [1]", "my.toml: matchers: \\[1\\] can't be used"),
        ("matchers = ", "my.toml can't be read"),
        ("[part]\nout = 'x'", "my.toml: part is no table"),
        ("[[part]]\nout = 'x'", "my.toml: part: out: no such key"),
        ("config = 'other.toml'", "my.toml: config: no such key"),
    ],
)
def test_errors_name_file_and_key(run, tmp_path, config, says):
    with pytest.raises(InputError, match=says):
        run(config=config)
    assert [path.name for path in tmp_path.iterdir()] == ["my.toml"]


def test_a_file_that_is_not_there(run, tmp_path):
    with pytest.raises(InputError, match=r"no\.toml is not there"):
        run("--config", tmp_path / "no.toml")


def test_an_unknown_profile_is_guessed(run):
    with pytest.raises(UsageError, match="did you mean 'quick'"):
        run("--profile", "quik")


@pytest.mark.parametrize("name", profiles())
def test_every_profile_makes_a_plan(run, tmp_path, name):
    said = run("--profile", name, "--dry-run", "--out", tmp_path / "store",
               "--dataset", "trial", "--protocol", "trial-pairs")  # fmt: skip
    assert "trial trial-pairs test: 6 of 1000 cases" in said
    assert not (tmp_path / "store").exists()
    first = (PROFILES / f"{name}.toml").read_text().splitlines()[0]
    assert first.startswith("# ")


def test_data_that_is_not_here_is_left_out_where_that_is_allowed(run, tmp_path, monkeypatch):
    monkeypatch.delenv("TRACKBENCH_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "no-cache"))
    words = ("--dataset", "trial,neuropal", "--protocol", "trial-pairs,chaudhary", "--dry-run")
    said = CliRunner().invoke(app, ["run", *words, "--skip-missing", "--matchers", "nearest"])
    assert said.exit_code == 0
    assert "left out: neuropal chaudhary" in said.output
    assert "trial trial-pairs" in said.output
    with pytest.raises(InputError):
        run("--dataset", "neuropal", "--skip-missing", "--dry-run")


def test_a_dry_run_says_what_is_cached_and_what_the_rest_costs(run):
    assert "12 s" not in run("--dry-run", config=CONFIG)
    run("--matchers", "nearest", config=CONFIG.replace("timing = false", "timing-budget = 0.05"))
    said = " ".join(run("--dry-run", config=CONFIG).split())
    assert "truth > nearest > transfer 6 0 -" in said
    assert "truth > counted[sleep_s=0] > transfer 0 6 unknown" in said
    assert "1 cells are in" in said
    assert "and an unknown time for counted[sleep_s=0.001] > transfer, counted" in said
    again = " ".join(run("--dry-run", "--no-resume", config=CONFIG).split())
    assert "truth > nearest > transfer 0 6 0.0" in again


def test_which_cells_run_again(run, calls):
    def matched(*words):
        before = len(calls("match"))
        run(*words, config=CONFIG + 'labelers = "transfer"\n')
        return len(calls("match")) - before

    assert matched("--matchers", "counted") == 6
    assert matched("--matchers", "counted", "--only-missing") == 0
    assert matched("--matchers", "counted", "--rerun", "failed") == 0
    assert matched("--matchers", "counted", "--rerun", "all") == 6
    assert matched("--matchers", "counted", "--no-resume") == 6
    with pytest.raises(UsageError, match="contradict"):
        run("--only-missing", "--no-resume")


def test_every_run_is_a_line_of_the_history(run, tmp_path):
    for _ in range(2):
        run(config=CONFIG)
    assert len((tmp_path / "store" / "history.jsonl").read_text().splitlines()) == 2
    run("--history", tmp_path / "h.jsonl", config=CONFIG)
    assert len((tmp_path / "h.jsonl").read_text().splitlines()) == 1


HOLD = CONFIG.replace('"trial"', '"trial[n_cases=60,n_animals=30]"')


def test_a_run_is_held_against_a_baseline(run, tmp_path):
    run("--matchers", "counted", config=HOLD)
    baseline = tmp_path / "baseline.json"
    CliRunner().invoke(app, ["baseline", "update", str(tmp_path / "store"), str(baseline)])
    held = ("--matchers", "counted", "--against", baseline)
    assert "no regression in 1 combinations" in run(*held, config=HOLD)

    better = json.loads(baseline.read_text())
    scores = better["results"][0]["by_unit"]
    better["results"][0]["by_unit"] = {unit: score + 0.03 for unit, score in scores.items()}
    baseline.write_text(json.dumps(better))
    with pytest.raises(RegressionError):
        run(*held, config=HOLD)
    run(*held, config=HOLD + "[gates]\naccuracy = -0.05\n")
    with pytest.raises(NothingComparableError):
        run("--matchers", "nearest", "--against", baseline, config=HOLD)


def test_a_slowdown_is_measured_again_and_counts_when_it_stays(run, tmp_path):
    timed = HOLD.replace("timing = false", "timing-budget = 0.3")
    run("--matchers", "counted[sleep_s=0.004]", config=timed)
    baseline = tmp_path / "baseline.json"
    CliRunner().invoke(app, ["baseline", "update", str(tmp_path / "store"), str(baseline)])
    quicker = json.loads(baseline.read_text())
    quicker["results"][0]["speed"]["seconds"] /= 2
    baseline.write_text(json.dumps(quicker))
    (timing,) = (tmp_path / "store" / "timing").iterdir()
    before = json.loads(timing.read_text())["repeats"]
    with pytest.raises(RegressionError):
        run("--matchers", "counted[sleep_s=0.004]", "--against", baseline, config=timed)
    assert json.loads(timing.read_text())["repeats"] > 2 * before


def test_a_sweep_is_drawn(run, tmp_path):
    from matplotlib import image

    run("--plot", tmp_path / "sweep.png", config=CONFIG)
    assert image.imread(tmp_path / "sweep.png").std() > 0.05


@pytest.mark.parametrize(
    ("name", "says"),
    [("no.png", "no parameter was given several values"), ("no.odt", r"can't draw .*no\.odt")],
)
def test_a_picture_that_cannot_be_drawn_is_told_before_the_run(run, tmp_path, name, says):
    with pytest.raises(UsageError, match=says):
        run("--plot", tmp_path / name, "--matchers", "nearest", config=CONFIG)
    assert not (tmp_path / "store").exists()
