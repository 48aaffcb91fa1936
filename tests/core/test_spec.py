import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from trackbench import Config
from trackbench.core.configure import describe_fields, make_config
from trackbench.core.spec import Spec, parse_combination, parse_specs
from trackbench.errors import UsageError


class Drift(Config):
    beta: float = Field(default=2.0, gt=0, le=100, description="width in µm")
    starts: int = Field(default=8, ge=1, description="poses")
    mode: str | None = Field(default=None, description="nothing or a name")


def test_parameters_and_sweeps():
    assert parse_specs("cpd[beta=1|2,w=0.1], nearest") == [
        Spec("cpd", (("beta", "1"), ("w", "0.1"))),
        Spec("cpd", (("beta", "2"), ("w", "0.1"))),
        Spec("nearest"),
    ]


def test_sums_of_labelers_multiply_their_sweeps():
    combinations = parse_combination("vote+color[weight=1|2],atlas")
    assert [tuple(map(str, sum_)) for sum_ in combinations] == [
        ("vote", "color[weight=1]"),
        ("vote", "color[weight=2]"),
        ("atlas",),
    ]


names = st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True)
values = st.from_regex(r"[A-Za-z0-9.-]{1,6}", fullmatch=True)


@given(names, st.dictionaries(names, values, max_size=4))
def test_what_is_printed_can_be_read_back(name, parameters):
    spec = Spec(name, tuple(parameters.items()))
    assert parse_specs(str(spec)) == [spec]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("cpd[beta]", "write field=value"),
        ("cpd[beta=1", "can't read"),
        ("cpd]", "can't read"),
        ("cpd[a=1,a=2]", "sets 'a' twice"),
        ("cpd[a=" + "|".join(map(str, range(1001))) + "]", "at most 1000"),
    ],
)
def test_unreadable_specs_say_how_to_write_them(text, says):
    with pytest.raises(UsageError, match=says):
        parse_specs(text)


def test_a_config_is_made_from_text():
    config = make_config("drift", Drift, {"beta": "3.5", "starts": "4", "mode": "None"})
    assert config == Drift(beta=3.5, starts=4)


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"beta": "-1"}, r"beta=-1 .*beta is float > 0(\.0)? <= 100"),
        ({"starts": "many"}, r"starts=many .*starts is int >= 1 \(default 8\)"),
        ({"bta": "1"}, r"no parameter 'bta': did you mean 'beta'\?"),
        ({"zzz": "1"}, "its fields: beta, starts, mode"),
        ({"beta": "nan"}, "beta=nan"),
    ],
)
def test_a_wrong_parameter_names_field_and_range(parameters, says):
    with pytest.raises(UsageError, match=says):
        make_config("drift", Drift, parameters)


def test_fields_are_described():
    assert ("beta", "float > 0 <= 100 (default 2.0)", "width in µm") in describe_fields(Drift)
