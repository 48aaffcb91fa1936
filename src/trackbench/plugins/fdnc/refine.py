"""Refinement: the template is bent onto the test, and the residuals join the network's scores.

Expectation and maximisation in turn, as in coherent point drift (Myronenko and Song 2010), but
started from the network's correspondence instead of a search: a few rounds are enough. Views
of one animal are nearly the same worm, bent; where the bent template passes close to the test
and agrees with the network's own matches, position decides. Two animals differ neuron by
neuron, and the network knows more of that than a smooth map does; there the scores stay as
they are.

One test at a time: its tables stay in the processor's cache, and nothing is padded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.linalg.lapack import sposv
from scipy.spatial.distance import cdist

from trackbench.plugins.fdnc.normalise import normalised, normalised_in_place

if TYPE_CHECKING:
    from trackbench.plugins.fdnc.normalise import Floats, Normalised

__all__ = ["Bendable", "Refined", "Refinement", "bendable", "refined"]

SCALES_UM: Final = ((30.0, 5.0), (15.0, 1.5))
"""Distance over which neurons move together, and the standard deviation of that movement."""

MODES: Final = 24
LINEAR: Final = 0.3
SHIFT_UM: Final = 10.0
"""Prior standard deviations of a linear map's coefficients and of a shift."""

GAIN, FINAL_GAIN = 3.0, 4.5
"""Log-likelihood of a residual of 0 against that of a neuron anywhere, while the template is
being bent and at the end."""

FURTHER: Final = 1.3
"""Factor of a round's movement, but in the first and the last: the width falls faster than the
template can follow. On simulated pairs ten such rounds do what twelve plain ones do."""

DISAGREEMENT_UM: Final = 1.0
"""What a residual grows by if the bent template agrees with none of the network's matches."""

GATE_UM: Final = 0.03
LEAST_UM: Final = 0.7
SHARPER: Final = 1.2
"""The last width is the residual times a factor, between LEAST_UM and the configured width."""


@dataclass(frozen=True)
class Refinement:
    """Settings of the refinement; lengths in µm.

    Parameters
    ----------
    rounds : int
        0 leaves the scores as they are.
    start_um, end_um : float
        Width of the correspondence in the first round and in the last.
    limit_um : float
        Misfit above which the two clouds count as two animals: the residual an axis, plus
        DISAGREEMENT_UM times the share of the network's matches that the bend disagrees with.
    prior : float
        Factor of the network's scores where the bent template fits.
    """

    rounds: int
    start_um: float
    end_um: float
    limit_um: float
    prior: float


@dataclass(frozen=True, eq=False)
class Refined:
    """What the refinement gives.

    Parameters
    ----------
    scores : (m + 1, n + 1) array of float32
        See `normalise`; the largest is a few units above 0 at most.
    residual_um : float
        Root mean square distance an axis between the test and the bent template.
    """

    scores: Floats
    residual_um: float


@dataclass(frozen=True, eq=False)
class Bendable:
    """A template and basis functions of its smooth movements.

    Their coefficients have independent standard normal priors.

    Parameters
    ----------
    zyx_um : (n, 3) array of float32
    basis : (n, k) array of float32
    beside : (n, k + 3) array of float32
        The basis and the positions.
    turned : (k, n) array of float32
        The basis, turned.
    """

    zyx_um: Floats
    basis: Floats
    beside: Floats
    turned: Floats


def bendable(template_um: Floats) -> Bendable:
    """Prepare a template (n, 3) in the anatomical frame.

    The basis: eigenvectors of a sum of Gaussian kernels, then a linear map and a shift.
    """
    squared = cdist(template_um, template_um, "sqeuclidean")
    kernel = sum(size**2 * np.exp(-0.5 * squared / reach**2) for reach, size in SCALES_UM)
    values, vectors = np.linalg.eigh(kernel)
    modes = vectors[:, -MODES:] * np.sqrt(np.maximum(values[-MODES:], 0))
    shift = np.full((len(template_um), 1), SHIFT_UM)
    basis = np.hstack([modes, LINEAR * template_um, shift]).astype(np.float32)
    beside = np.hstack([basis, template_um])
    return Bendable(template_um, basis, beside, np.ascontiguousarray(basis.T))


def refined(own: Floats, test_um: Floats, template: Bendable, settings: Refinement) -> Refined:
    """Join the scores and the residuals to the bent template.

    Parameters
    ----------
    own : (m + 1, n + 1) array of float32
        Scores, `normalise.shifted`.
    test_um : (m, 3) array of float32
        In the anatomical frame.
    template : Bendable
    settings : Refinement
    """
    if not settings.rounds:
        return Refined(own, np.inf)
    test = _Test.of(test_um)
    first = found = normalised(own)
    bent = template.zyx_um
    for turn in range(1, settings.rounds + 1):
        width = _width(settings, turn)
        step = np.float32(FURTHER if 1 < turn < settings.rounds else 1.0)
        bent = bent + step * (_bend(found, test, template, width) - bent)
        trust = 1 - (1 - settings.prior) * turn / settings.rounds
        found = normalised_in_place(_joined(own, test, bent, _Mixture(trust, GAIN, width)))
    residual = _residual(found, test, bent)
    misfit = residual + DISAGREEMENT_UM * float((first.best() != found.best()).mean())
    fits = 1 / (1 + np.exp(min((misfit - settings.limit_um) / GATE_UM, 80.0)))
    last = min(max(SHARPER * residual, LEAST_UM), settings.end_um)
    share = 1 - (1 - settings.prior) * fits
    mixture = _Mixture(share, FINAL_GAIN * fits, last / np.sqrt(fits))
    return Refined(_joined(own, test, bent, mixture), residual)


def _width(settings: Refinement, turn: int) -> float:
    """Fall geometrically from the first width to the last."""
    progress = (turn - 1) / max(1, settings.rounds - 1)
    return float(settings.start_um * (settings.end_um / settings.start_um) ** progress)


@dataclass(frozen=True, eq=False)
class _Test:
    """A test (m, 3) and what of it enters every round; a last row of zeros for "no partner".

    Parameters
    ----------
    homogeneous : (m + 1, 4) array
        The points and a column of ones.
    left : (m + 1, 5) array
        The points, half their squared lengths (negative), a column of ones.
    squares : (m + 1,) array
    """

    homogeneous: Floats
    left: Floats
    squares: Floats

    @classmethod
    def of(cls, test_um: Floats) -> _Test:
        """Prepare a test."""
        homogeneous = np.zeros((len(test_um) + 1, 4), dtype=np.float32)
        homogeneous[:-1, :3] = test_um
        squares: Floats = np.square(homogeneous).sum(axis=1)
        left = np.empty((len(homogeneous), 5), dtype=np.float32)
        homogeneous[:-1, 3] = 1
        left[:, :3], left[:, 3], left[:, 4] = homogeneous[:, :3], -0.5 * squares, homogeneous[:, 3]
        return cls(homogeneous, left, squares)


@dataclass(frozen=True)
class _Mixture:
    """Share of the network's scores, plus gain - d^2 / (2 width^2) for a residual d."""

    share: float
    gain: float
    width: float


def _joined(own: Floats, test: _Test, bent: Floats, mixture: _Mixture) -> Floats:
    """Join; the squared distances are a product of five columns."""
    scale = np.float32(1 / mixture.width**2)
    right = np.zeros((5, len(bent) + 1), dtype=np.float32)
    np.multiply(bent.T, scale, out=right[:3, :-1])
    right[3, :-1] = scale
    right[4, :-1] = np.float32(mixture.gain) - 0.5 * scale * np.square(bent).sum(axis=1)
    scores: Floats = test.left @ right
    scores += np.float32(mixture.share) * own
    return scores


def _partners(found: Normalised, test: _Test) -> Floats:
    """Mean place (3, n) of each template neuron's partner, times its probability, the last row."""
    # a product of few rows is several times faster than one of few columns
    weighed: Floats = found.rows[:, None] * test.homogeneous
    sums: Floats = weighed.T @ found.exponential
    sums *= found.columns
    return sums[:, :-1]


def _bend(found: Normalised, test: _Test, template: Bendable, width: float) -> Floats:
    """Move the template (n, 3) onto its expected partners."""
    sums = _partners(found, test)
    product: Floats = (template.turned * sums[3]) @ template.beside
    precision, drawn = product[:, :-3], product[:, -3:]
    precision.flat[:: len(precision) + 1] += np.float32(width**2)
    _, movement, _ = sposv(precision, template.turned @ sums[:3].T - drawn, lower=1)
    bent: Floats = template.zyx_um + template.basis @ movement
    return bent


def _residual(found: Normalised, test: _Test, bent: Floats) -> float:
    """Root mean square distance an axis of the expected pairs, in µm."""
    sums = _partners(found, test)
    ours = found.rows * (found.exponential @ found.columns)
    squares = ours @ test.squares + sums[3] @ np.square(bent).sum(axis=1)
    distances = squares - 2 * np.einsum("ji,ij->", sums[:3], bent)
    return float(np.sqrt(max(distances / (3 * max(sums[3].sum(), 1e-6)), 0.0)))
