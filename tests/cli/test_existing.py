import pytest
from click.testing import CliRunner
from tests.cli.running import trackbench

from trackbench.cli import app
from trackbench.errors import InputError


@pytest.fixture(autouse=True)
def _in_an_almost_empty_folder(tmp_path, monkeypatch):
    (tmp_path / "a-folder").mkdir()
    (tmp_path / "a-file").touch()
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("words", "problem", "mend"),
    [
        ("identify absent.csv", "absent.csv is not there", ".csv or an fDNC .data file"),
        ("identify a-file --template absent.csv", "absent.csv is not there", ".csv or an fDNC"),
        ("identify a-folder", "'a-folder' is a directory", ".csv or an fDNC .data file"),
        ("track absent.h5", "absent.h5 is not there", "a folder with a file a volume"),
        ("traces absent.h5 tracks.h5", "absent.h5 is not there", "a folder with a file a volume"),
        ("report a-folder --history absent", "absent is not there", "`trackbench run --history`"),
        ("baseline update absent b.json", "absent is not there", "`trackbench run --out`"),
        ("baseline update a-file b.json", "'a-file' is a file", "`trackbench run --out`"),
    ],
)
def test_a_path_that_cannot_be_used_is_answered_with_what_to_give(words, problem, mend):
    done = CliRunner().invoke(app, words.split(), standalone_mode=False)
    assert isinstance(done.exception, InputError)
    assert problem in done.exception.problem
    assert mend in done.exception.mend


def test_the_answer_is_one_line_and_exit_code_2():
    done = trackbench("identify", "absent.csv")
    assert done.returncode == 2
    assert done.stderr_text.startswith("trackbench: absent.csv is not there: give ")
    assert done.stderr_text.count("\n") == 1
