import csv

import numpy as np
import pytest
from tests.cli.running import trackbench


def write(path, points, names=None, extra=""):
    header = "z,y,x" + (",name" if names else "")
    rows = [",".join(f"{value:.3f}" for value in row) for row in points]
    if names:
        rows = [f"{row},{name}" for row, name in zip(rows, names, strict=True)]
    path.write_text("\n".join([header, *rows]) + extra + "\n", encoding="utf-8")
    return path


@pytest.fixture
def points():
    return np.random.default_rng(0).normal(size=(50, 3)) * [8.0, 8.0, 30.0]


def test_names_by_a_template(tmp_path, points):
    names = [f"N{i}" for i in range(50)]
    template = write(tmp_path / "template.csv", points, names)
    worm = write(tmp_path / "worm.csv", points[::-1] + 2, names[::-1])
    done = trackbench(
        *("identify", worm, "--template", template, "--labeler", "vote", "--mirrored", "no"),
        *("--max-error", 1, "-o", tmp_path / "out.csv"),
    )
    assert done.returncode == 0, done.stderr_text
    assert "50 of 50 as in the file" in done.stdout_text
    with (tmp_path / "out.csv").open(encoding="utf-8") as file:
        assert [row["name"] for row in csv.DictReader(file)] == names[::-1]
    assert (tmp_path / "out.png").exists()
    assert (tmp_path / "out.html").exists()


def test_without_a_template_the_default_abstains(tmp_path, points):
    worm = write(tmp_path / "worm.csv", points)
    done = trackbench("identify", worm, "--no-picture", "-o", tmp_path / "out.csv")
    assert done.returncode == 0, done.stderr_text
    assert "handedness not given" in done.stderr_text
    assert not (tmp_path / "out.png").exists()
    with (tmp_path / "out.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 50
    assert any(not row["name"] for row in rows)
    assert all(row["candidate_1"] for row in rows)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--labeler", "bets"], "did you mean 'best'"),
        (["--labeler", "vote"], "--template"),
        (["-o", "nowhere/out.csv"], "nowhere"),
        (["-o", "out.txt"], ".csv"),
        (["--max-error", "2"], "max-error"),
        (["--template", "worm.csv"], "no names"),
    ],
)
def test_wrong_use_is_one_line_and_writes_nothing(tmp_path, points, words, problem):
    write(tmp_path / "worm.csv", points)
    done = trackbench("identify", "worm.csv", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert problem in done.stderr_text
    assert "Traceback" not in done.stderr_text
    assert [path.name for path in tmp_path.iterdir()] == ["worm.csv"]


def test_a_bad_worm_is_one_line(tmp_path, points):
    points[3, 1] = np.nan
    worm = write(tmp_path / "worm.csv", points)
    done = trackbench("identify", worm, "-o", tmp_path / "out.csv")
    assert done.returncode == 2
    assert "worm.csv" in done.stderr_text
    assert done.stderr_text.count("\n") == 1
    assert not (tmp_path / "out.csv").exists()
