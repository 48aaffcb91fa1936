import pytest
from pydantic import BaseModel, ConfigDict, Field

from trackbench.core.config_file import read_config_file
from trackbench.errors import UsageError


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Simulator(Section):
    mirror: float = Field(default=0.5, ge=0, le=1)


class Run(Section):
    steps: int
    simulator: Simulator = Simulator()
    parts: tuple[Simulator, ...] = ()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.toml"


def test_a_config_is_read_with_its_sections(path):
    path.write_text("steps = 3\n[simulator]\nmirror = 0.25", encoding="utf-8")
    assert read_config_file(path, Run) == Run(steps=3, simulator=Simulator(mirror=0.25))


@pytest.mark.parametrize(
    ("text", "problem", "mend"),
    [
        ("stepz = 3\nsteps = 3", "no field stepz", "did you mean 'steps'?"),
        ("steps = 3\n[simulator]\nmirorr = 1", "no field simulator.mirorr", "'mirror'?"),
        ("steps = 3\n[[parts]]\nmirorr = 1", "no field parts.0.mirorr", "'mirror'?"),
        ("steps = 3\nquux = 1", "no field quux", "remove it"),
        ("[simulator]\nmirror = 1", "steps is missing", "add it"),
        ("steps = 'many'", "steps = 'many' won't do (input should be a valid integer", "another"),
        ("steps = 3\n[simulator]\nmirror = 2", "simulator.mirror = 2 won't do", "another value"),
        ("steps = ", "is no TOML (Invalid value", "mend the training config"),
    ],
)
def test_a_wrong_config_is_one_line_that_names_its_fault(path, text, problem, mend):
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as raised:
        read_config_file(path, Run)
    assert raised.value.problem.startswith(str(path))
    assert problem in raised.value.problem
    assert mend in raised.value.mend
    assert "\n" not in str(raised.value)


def test_a_file_that_is_no_text_or_not_there_is_named(path):
    with pytest.raises(UsageError, match=r"run\.toml: No such file.*give the path"):
        read_config_file(path, Run)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match=r"run\.toml is no TOML"):
        read_config_file(path, Run)
