"""The values that flow through trackbench: frozen, checked once when they are made.

Axis order is z, y, x everywhere and the unit stands in the field's name. Arrays are made
read-only, so that a plugin can't change what the next one sees.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from trackbench.errors import ContractError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

    FloatArray = NDArray[np.floating[Any]]  # any float goes in, float32 is kept

__all__ = ["ANONYMOUS", "Case", "Evidence", "Labels", "Match", "PointCloud", "Truth", "Volume"]

ANONYMOUS: Final = "?"
"""First letter of a candidate that has no name: a template's unnamed neuron. It takes part in
the assignment like any other, and whoever is assigned to it stays unlabeled."""

MAX_POINTS: Final = 100_000
"""More points than this are a wrong file, not a worm."""

ROW_SUM_TOLERANCE: Final = 1e-3
HARD_LOG_P: Final = float(np.log(1e-6))


class _ReadOnly:
    """Keeps arrays read-only on the way through pickle, which forgets that flag."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        for value in state.values():
            if isinstance(value, np.ndarray):
                value.setflags(write=False)
        self.__dict__.update(state)


def _frozen(values: ArrayLike, dtype: type[np.generic]) -> NDArray[Any]:
    array = np.array(values, dtype=dtype, order="C", copy=True)
    array.setflags(write=False)
    return array


def _checked_points(zyx_um: ArrayLike, who: str) -> FloatArray:
    points = _frozen(zyx_um, np.float32)
    if points.size == 0:
        points = _frozen(np.zeros((0, 3)), np.float32)
    if points.ndim != 2 or points.shape[1] != 3:
        raise InputError(
            f"{who}: positions have shape {points.shape}", "give one row (z, y, x) in µm a neuron"
        )
    if len(points) > MAX_POINTS:
        raise InputError(
            f"{who}: {len(points)} points", f"a point cloud holds at most {MAX_POINTS}"
        )
    bad = np.flatnonzero(~np.isfinite(points).all(axis=1))
    if len(bad):
        raise InputError(
            f"{who}: the position of row {bad[0]} is not finite ({len(bad)} such rows)",
            "remove these rows or mend their coordinates",
        )
    return points


def _checked_names(names: Iterable[str], n: int, who: str) -> tuple[str, ...]:
    checked = tuple(map(str, names))
    if len(checked) != n:
        raise InputError(f"{who}: {len(checked)} names for {n} points", "give one name a point")
    if len(set(checked)) + max(0, checked.count("") - 1) < n:
        twice = [name for name, count in Counter(checked).items() if name and count > 1]
        raise InputError(
            f"{who}: the name {', '.join(sorted(twice))} stands more than once",
            "a name belongs to one neuron: leave the others blank",
        )
    return checked


def _checked_log_p(log_p: ArrayLike, columns: int | None, who: str) -> FloatArray:
    table = _frozen(log_p, np.float32)
    if table.ndim != 2 or table.shape[1] < 1 or (columns is not None and table.shape[1] != columns):
        wanted = f"(n_test, {columns})" if columns is not None else "(n_test, candidates + 1)"
        raise ContractError(f"{who}: log_p has shape {table.shape}", f"it must be {wanted}")
    with np.errstate(over="ignore"):
        sums = np.einsum("ij->i", np.exp(table))
    if (np.abs(sums - 1) <= ROW_SUM_TOLERANCE).all():  # of a row with NaN or +inf it is not true
        return table
    bad = np.flatnonzero(~(table < np.inf).all(axis=1))
    if len(bad):
        raise ContractError(
            f"{who}: log_p holds NaN or +inf in row {bad[0]}",
            "return finite log-probabilities (or -inf)",
        )
    worst = int(np.abs(sums - 1).argmax())
    raise ContractError(
        f"{who}: the probabilities of row {worst} sum to {sums[worst]:.4g}",
        "normalise each row, the last column ('none') included",
    )


@dataclass(frozen=True, eq=False)
class Volume(_ReadOnly):
    """One image volume.

    Parameters
    ----------
    data : (c, z, y, x) array
        Intensities, any real dtype.
    voxel_um : (3,) array of float64
        Voxel pitch (dz, dy, dx) in µm.
    channels : tuple of str
        One name a channel, the static (red) label first.
    time_s : float
        Acquisition time in s.
    id : str
    """

    data: NDArray[Any]
    voxel_um: NDArray[np.float64] | tuple[float, float, float]
    channels: tuple[str, ...] = ("red",)
    time_s: float = 0.0
    id: str = ""

    def __post_init__(self) -> None:
        data = np.asarray(self.data)
        who = f"volume {self.id!r}"
        if data.ndim != 4 or 0 in data.shape:
            raise InputError(f"{who}: shape {data.shape}", "a volume is (channel, z, y, x)")
        if len(self.channels) != data.shape[0]:
            raise InputError(
                f"{who}: {len(self.channels)} channel names for {data.shape[0]} channels",
                "name each channel once; the axis order is (channel, z, y, x)",
            )
        pitch = _frozen(self.voxel_um, np.float64)
        if pitch.shape != (3,) or not np.isfinite(pitch).all() or (pitch <= 0).any():
            raise InputError(f"{who}: voxel_um {self.voxel_um}", "give (dz, dy, dx) > 0 in µm")
        view = data.view()
        view.setflags(write=False)
        object.__setattr__(self, "data", view)
        object.__setattr__(self, "voxel_um", pitch)


@dataclass(frozen=True, eq=False)
class Evidence(_ReadOnly):
    """What one labeler knows about each test neuron: a table over names.

    Parameters
    ----------
    names : tuple of str, length k
        Candidate names; those that begin with ``?`` are a template's unnamed neurons.
    log_p : (n_test, k + 1) array of float32
        Natural log-probability, rows normalised, last column = none of these.
    preference : float
        Log-odds by which the assignment prefers names to anonymous candidates and to none; see
        `core.evidence.prefer_named`. The table itself stays as it is.
    """

    names: tuple[str, ...]
    log_p: FloatArray
    preference: float = 0.0

    def __post_init__(self) -> None:
        names = tuple(self.names)
        names = _checked_names(names, len(names), "evidence")
        object.__setattr__(self, "names", names)
        log_p = _checked_log_p(self.log_p, len(names) + 1, "evidence")
        object.__setattr__(self, "log_p", log_p)

    @classmethod
    def of_match(cls, names: Iterable[str], match: Match, preference: float = 0.0) -> Evidence:
        """Read a match as a table over the names of its template's neurons.

        Its table is shared: it was checked when the match was made.
        """
        checked = _checked_names(names, match.n_template, "evidence")
        evidence = object.__new__(cls)
        evidence.__dict__.update(names=checked, log_p=match.log_p, preference=preference)
        return evidence


@dataclass(frozen=True, eq=False)
class PointCloud(_ReadOnly):
    """The neurons of one worm at one moment.

    Parameters
    ----------
    zyx_um : (n, 3) array of float32
        Positions in µm.
    color : (n, c) array of float32, optional
        Intensities, one column a channel.
    names : tuple of str, length n, optional
        "" where a neuron is unlabeled; None where nothing is known of names.
    id, animal : str
        Which recording and volume; which worm. `animal` is the unit of statistics.
    mirrored : bool, optional
        Handedness of the acquisition: True where the axes form a mirror image of the anatomy,
        None where it is not known.
    evidence : Evidence, optional
        What an identity-aware segmenter already knows.
    notes : tuple of str
        What a reader had to mend; each result row repeats it.

    Raises
    ------
    InputError
        Positions that aren't finite, wrong shapes, a name that stands twice.
    """

    zyx_um: FloatArray
    color: FloatArray | None = None
    names: tuple[str, ...] | None = None
    id: str = ""
    animal: str = ""
    mirrored: bool | None = None
    evidence: Evidence | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        who = f"point cloud {self.id!r}"
        points = _checked_points(self.zyx_um, who)
        object.__setattr__(self, "zyx_um", points)
        if self.color is not None:
            object.__setattr__(self, "color", self._checked_color(len(points), who))
        if self.names is not None:
            object.__setattr__(self, "names", _checked_names(self.names, len(points), who))
        if self.evidence is not None and len(self.evidence.log_p) != len(points):
            raise InputError(
                f"{who}: evidence for {len(self.evidence.log_p)} of {len(points)} points"
            )

    def _checked_color(self, n: int, who: str) -> FloatArray:
        color = _frozen(self.color if self.color is not None else (), np.float32)
        if color.ndim != 2 or len(color) != n:
            raise InputError(
                f"{who}: colors have shape {color.shape}", f"give {n} rows of channels"
            )
        bad = np.flatnonzero(~np.isfinite(color).all(axis=1))
        if len(bad):
            raise InputError(
                f"{who}: the color of row {bad[0]} is not finite", "mend or drop color"
            )
        return color

    def __len__(self) -> int:
        return len(self.zyx_um)

    def without_names(self) -> PointCloud:
        """Give the same cloud with nothing said of names."""
        return dataclasses.replace(self, names=None) if self.names is not None else self

    def take(self, index: NDArray[np.intp]) -> PointCloud:
        """Give the neurons at `index` (n_kept,), in that order."""
        evidence = self.evidence
        return dataclasses.replace(
            self,
            zyx_um=self.zyx_um[index],
            color=None if self.color is None else self.color[index],
            names=None if self.names is None else tuple(self.names[i] for i in index),
            evidence=evidence
            and Evidence(evidence.names, evidence.log_p[index], evidence.preference),
        )


@dataclass(frozen=True, eq=False)
class Match(_ReadOnly):
    """Correspondence of one test to one template, as probabilities.

    Parameters
    ----------
    log_p : (n_test, n_template + 1) array of float32
        Natural log-probability that a test neuron (row) is a template neuron (column); rows are
        normalised and the last column says: no partner.
    template, test : str
        The ids of both clouds.

    Raises
    ------
    ContractError
        NaN, a wrong shape or rows that don't sum to 1: the fault of the matcher.
    """

    log_p: FloatArray
    template: str = ""
    test: str = ""

    def __post_init__(self) -> None:
        who = f"match of {self.test!r} to {self.template!r}"
        object.__setattr__(self, "log_p", _checked_log_p(self.log_p, None, who))

    @classmethod
    def from_scores(cls, scores: ArrayLike, template: str = "", test: str = "") -> Match:
        """Make a match from unnormalised log-scores (n_test, n_template + 1)."""
        table = np.asarray(scores, dtype=np.float64)
        if table.ndim == 2 and table.size and not np.isnan(table).any():
            table = table - table.max(axis=1, keepdims=True)
            table = table - np.log(np.exp(table).sum(axis=1, keepdims=True))
        return cls(table.astype(np.float32), template, test)

    @classmethod
    def from_pairs(
        cls,
        pairs: Iterable[tuple[int, int]],
        n_test: int,
        n_template: int,
        template: str = "",
        test: str = "",
    ) -> Match:
        """Make a match from hard pairs (row of the test, row of the template).

        Everything that no pair names keeps a probability of 1e-6 for the ranking's sake.
        """
        scores = np.full((n_test, n_template + 1), HARD_LOG_P)
        partner = np.full(n_test, n_template)
        for row, column in pairs:
            if not (0 <= row < n_test and 0 <= column < n_template):
                raise ContractError(f"pair ({row}, {column}) of {n_test} x {n_template} neurons")
            partner[row] = column
        scores[np.arange(n_test), partner] = 0.0
        return cls.from_scores(scores, template, test)

    @property
    def n_template(self) -> int:
        """How many neurons the template has."""
        return int(self.log_p.shape[1]) - 1


@dataclass(frozen=True, eq=False)
class Labels(_ReadOnly):
    """Names for the neurons of one test.

    Parameters
    ----------
    names : tuple of str, length n
        "" where the labeler abstained.
    probability : (n,) array of float32
        Of the name given; 0 where abstained.
    top_names : tuple of n tuples of up to 5 str
        The best candidates of each row, most probable first.
    """

    names: tuple[str, ...]
    probability: FloatArray
    top_names: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", _checked_names(self.names, len(self.names), "labels"))
        probability = _frozen(self.probability, np.float32)
        if probability.shape != (len(self.names),):
            raise ContractError(f"labels: probability has shape {probability.shape}")
        object.__setattr__(self, "probability", probability)


@dataclass(frozen=True, eq=False)
class Truth:
    """What a person said about a test: seen by metrics alone.

    Parameters
    ----------
    names : tuple of str, length n
        "" where unlabeled. One entry a neuron of `Case.test`.
    complete : bool
        Whether every neuron of the worm was annotated; if not, an unlabeled neuron says nothing.
    """

    names: tuple[str, ...]
    complete: bool = False


@dataclass(frozen=True, eq=False)
class Case:
    """One question to a method: name the neurons of `test`, given `templates`.

    Parameters
    ----------
    id : str
        Unique within its protocol.
    templates : sequence of PointCloud
        Worms or volumes with names; the first is the one that pairwise protocols score.
    test : PointCloud
        Positions as a person or a segmenter found them, without names.
    truth : Truth
    animal : str
        The worm, the unit of every confidence interval.
    split, protocol : str
    volume : Volume, optional
        The image that `test` was segmented from, for segmenters.
    oracle : bool
        Whether the inputs were made with the help of the true names.
    """

    id: str
    templates: tuple[PointCloud, ...]
    test: PointCloud
    truth: Truth
    animal: str
    split: str
    protocol: str
    volume: Volume | None = None
    oracle: bool = False
    group: str = field(default="", metadata={"doc": "what results are broken down by: the lab"})

    def __post_init__(self) -> None:
        object.__setattr__(self, "templates", tuple(self.templates))
        if self.test.names is not None:
            raise InputError(f"case {self.id!r}: its test carries names", "put them into `truth`")
        if len(self.truth.names) != len(self.test):
            raise InputError(
                f"case {self.id!r}: {len(self.truth.names)} true names for {len(self.test)} neurons"
            )

    @property
    def notes(self) -> tuple[str, ...]:
        """What readers had to mend in the inputs of this case."""
        clouds: Sequence[PointCloud] = (self.test, *self.templates)
        return tuple(f"{cloud.id}: {note}" for cloud in clouds for note in cloud.notes)
