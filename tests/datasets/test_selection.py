import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackbench.datasets.selection import evenly


@given(n=st.integers(0, 200), limit=st.integers(1, 250))
def test_evenly_gives_as_many_as_asked_in_order_and_each_once(n, limit):
    chosen = evenly(range(n), limit)
    assert len(chosen) == min(n, limit)
    assert list(chosen) == sorted(set(chosen))
    if n and limit > 1:
        assert (chosen[0], chosen[-1]) == (0, n - 1)


@pytest.mark.parametrize(
    ("limit", "chosen"), [(None, tuple(range(9))), (3, (0, 4, 8)), (1, (0,)), (9, tuple(range(9)))]
)
def test_evenly(limit, chosen):
    assert evenly(range(9), limit) == chosen
