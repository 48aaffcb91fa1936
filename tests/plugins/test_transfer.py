import numpy as np
import pytest

from trackbench.core.pipeline import fit_labelers, label_test
from trackbench.core.types import Match, PointCloud
from trackbench.plugins.baselines.transfer import TransferConfig, TransferLabeler


def named(prefer_named, p, names=("A", "")):
    template = PointCloud(np.zeros((len(names), 3)), names=names)
    labeler = TransferLabeler(TransferConfig(prefer_named=prefer_named))
    test = PointCloud(np.zeros((len(p), 3)))
    return label_test(
        fit_labelers([labeler], [template]), test, [Match.from_scores(np.log(np.asarray(p)))]
    )


def test_names_follow_the_partners():
    labels, _ = named(0.0, [[0.9, 0.05, 0.05], [0.1, 0.8, 0.1]])
    assert labels.names == ("A", "")


@pytest.mark.parametrize(("log_odds", "wanted"), [(0.0, ""), (3.0, "A")])
def test_a_free_name_is_preferred_to_an_unnamed_neuron(log_odds, wanted):
    labels, _ = named(log_odds, [[0.2, 0.75, 0.05]])
    assert labels.names == (wanted,)


def test_a_name_goes_to_its_best_claimant():
    labels, _ = named(3.0, [[0.9, 0.05, 0.05], [0.2, 0.75, 0.05]])
    assert labels.names == ("A", "")


def test_without_preference_the_match_stays_as_it_is():
    p = [[0.2, 0.7, 0.1]]
    _, evidence = named(0.0, p)
    np.testing.assert_allclose(np.exp(evidence.log_p), p, atol=1e-6)


def test_a_template_without_names_gives_none():
    labels, _ = named(3.0, [[0.5, 0.4, 0.1]], names=("", ""))
    assert labels.names == ("",)
