"""Floors on real worms of the validation split: what the labelers reach, less a margin."""

import numpy as np
import pytest

from trackbench.core.pipeline import fit_labelers, label_test
from trackbench.core.registry import load_registry
from trackbench.core.spec import parse_combination, parse_specs


def cases(real_data, dataset, protocol):
    found = load_registry().create("dataset", parse_specs(dataset)[0])
    return list(found.cases(protocol, "validation", real_data))


def share(case, names, wanted):
    return np.mean([a == b for a, b in zip(names, case.truth.names, strict=True) if b in wanted])


def m_test(real_data, labelers, protocol="wormnd", limit=6):
    registry = load_registry()
    (specs,) = parse_combination(labelers)
    found = cases(real_data, f"neuropal[limit={limit}]", protocol)
    fitted = fit_labelers([registry.create("labeler", s) for s in specs], found[0].templates)
    shares = [
        share(case, label_test(fitted, case.test, [])[0].names, {*case.truth.names} - {""})
        for case in found
    ]
    return np.mean(shares)


@pytest.mark.real_data
@pytest.mark.slow
@pytest.mark.parametrize(("labelers", "floor"), [("best", 0.80), ("crf", 0.70)])
def test_worms_of_seven_labs(real_data, labelers, floor):
    assert m_test(real_data, labelers) > floor


@pytest.mark.real_data
@pytest.mark.slow
def test_neighbours_help_where_there_are_no_colors(real_data):
    alone = m_test(real_data, "crf[coupling=0]", "wormnd-position", limit=12)
    assert m_test(real_data, "crf", "wormnd-position", limit=12) > alone


@pytest.mark.real_data
@pytest.mark.slow
def test_the_moving_worm_by_a_hundred_volumes(real_data):
    found = cases(real_data, "calcium[limit=10]", "nguyen2017-100")
    labeler = load_registry().create("labeler", parse_specs("nerve")[0])
    fitted = fit_labelers([labeler], found[0].templates)
    assigned, nearest, surprise = [], [], []
    for case in found:
        labels, table = label_test(fitted, case.test, [])
        wanted = {name for name in case.templates[0].names if name}
        named = [k for k, name in enumerate(table.names) if name in wanted]
        best = [table.names[named[k]] for k in table.log_p[:, named].argmax(axis=1)]
        assigned.append(share(case, labels.names, wanted))
        nearest.append(share(case, best, wanted))
        true = [
            (i, table.names.index(name))
            for i, name in enumerate(case.truth.names)
            if name in wanted
        ]
        surprise.append(-np.mean([table.log_p[pair] for pair in true]))
    assert np.mean(assigned) > 0.89
    assert np.mean(nearest) > 0.97
    assert np.mean(surprise) < 0.7
