import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from trackbench.core.color import compressed_color, expanded_color, ranks, scaled_color


def colors(seed, count=40, channels=3):
    return np.random.default_rng(seed).gamma(1.0, 500.0, size=(count, channels))


@given(st.integers(0, 1000), st.floats(0.1, 50.0), st.floats(-100.0, 100.0))
@settings(max_examples=30)
def test_gain_and_background_of_a_microscope_drop_out(seed, gain, background):
    raw = colors(seed)
    np.testing.assert_allclose(scaled_color(gain * raw + background), scaled_color(raw), atol=1e-6)


def test_a_dead_channel_stays_finite():
    raw = colors(0)
    raw[:, 1] = 7.0
    scaled = scaled_color(raw)
    assert np.isfinite(scaled).all()
    np.testing.assert_array_equal(scaled[:, 1], 0.0)


def test_further_channels_are_ignored():
    raw = colors(0, channels=5)
    np.testing.assert_array_equal(scaled_color(raw), scaled_color(raw[:, :3]))


def test_one_neuron_has_a_color():
    assert np.isfinite(scaled_color(colors(0, count=1))).all()


def test_compression_can_be_undone():
    scaled = scaled_color(colors(0))
    np.testing.assert_allclose(expanded_color(compressed_color(scaled)), scaled, atol=1e-9)


def test_ranks_are_free_of_gamma():
    raw = colors(0)
    np.testing.assert_array_equal(ranks(raw), ranks(raw**0.4))
    np.testing.assert_allclose(ranks(raw).min(), -ranks(raw).max())
