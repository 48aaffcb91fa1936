"""What a combination did neuron by neuron, read from a store's table of predictions."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from trackbench.benchmarks.metrics.case import ece_bins
from trackbench.benchmarks.report.rows import IDENTITY
from trackbench.benchmarks.tables import PREDICTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

    from trackbench.benchmarks.report.rows import Cases, Who

__all__ = ["COVERED", "SHARES", "Neurons", "read_neurons"]

SHARES: Final = tuple(range(5, 101, 5))
"""Per cent of the neurons, the surest first, at which accuracy is drawn."""

ABSENT, RIGHT, WRONG, UNNAMED = range(4)
COVERED: Final = 1 / 3
"""Share of the cases in which a neuron must be annotated to enter the cumulative error (Yu et
al. 2021, Fig. 3D)."""


@dataclass(frozen=True, eq=False)
class Neurons:
    """The headline's neurons of one combination: those that its metric is taken over.

    Parameters
    ----------
    names : (k,) array of str
        True names, in alphabetical order.
    n, right : (k,) array of int
        Cases in which a name was asked for, and in which it was given to the right neuron.
    mistaken_for : tuple of k str
        The name most often given instead; "" where there is none.
    cases : (c,) array of str
        Their ids.
    calibration : (3, 10) array of float64
        Count, sum of probabilities, number right of the names given, by bin of probability.
    coverage : (20,) array of float64
        Accuracy at each of `SHARES`, mean over cases.
    raster : (k, c) array of uint8
        0 not asked for, 1 right, 2 wrong, 3 no name given.
    """

    names: NDArray[np.object_]
    n: NDArray[np.int64]
    right: NDArray[np.int64]
    mistaken_for: tuple[str, ...]
    cases: NDArray[np.object_]
    calibration: NDArray[np.float64]
    coverage: NDArray[np.float64]
    raster: NDArray[np.uint8]

    @property
    def error(self) -> NDArray[np.float64]:
        """Share of its cases in which each neuron was not named right, shape (k,)."""
        return 1.0 - self.right / self.n

    @property
    def covered(self) -> NDArray[np.bool_]:
        """Whether a neuron is annotated in at least a third of the cases, shape (k,)."""
        return self.n >= COVERED * len(self.cases)


def read_neurons(store: Path, wanted: Mapping[Who, tuple[str, Cases]]) -> dict[Who, Neurons]:
    """Read combinations from the table of predictions, one at a time.

    Parameters
    ----------
    store : Path
    wanted : mapping
        For each combination its headline metric and the cases that count.
    """
    found: dict[Who, list[pa.Table]] = {}
    done: dict[Who, Neurons] = {}
    for who, part in _parts(store, wanted):
        for other in [key for key in found if key != who]:  # all of one combination stand together
            done[other] = _neurons(found.pop(other), *wanted[other])
        found.setdefault(who, []).append(part)
    return done | {who: _neurons(parts, *wanted[who]) for who, parts in found.items()}


def _parts(store: Path, wanted: Mapping[Who, Any]) -> Iterator[tuple[Who, pa.Table]]:
    """Give the row groups of the wanted combinations; a row group holds one combination alone."""
    import pyarrow.parquet as pq

    columns = ["case", "truth", "name", "probability", "in_template"]
    file = pq.ParquetFile(store / PREDICTIONS, read_dictionary=["case", "truth", "name"])
    place = {file.schema.column(i).path: i for i in range(len(file.schema))}
    for i in range(file.num_row_groups):
        group = file.metadata.row_group(i)
        if group.num_rows:
            who = tuple(group.column(place[name]).statistics.min for name in IDENTITY)
            if who in wanted:
                yield who, file.read_row_group(i, columns=columns)


def _neurons(parts: list[pa.Table], metric: str, cases: Cases) -> Neurons:
    import pandas as pd
    import pyarrow as pa

    frame = pa.concat_tables(parts, promote_options="default").unify_dictionaries().to_pandas()
    place = pd.Index(cases.ids).get_indexer(frame["case"].cat.categories)
    case = place[frame["case"].cat.codes]
    asked = (frame["truth"] != "").to_numpy() & (case >= 0)
    if metric.startswith("m_pair"):
        asked &= frame["in_template"].to_numpy()
    own = frame[asked]
    truth = pd.Categorical(own["truth"].astype(object))
    return _summed(
        np.asarray(truth.categories, dtype=object),
        _Asked(
            truth.codes,
            case[asked],
            own["name"].astype(object).to_numpy(),
            own["name"].astype(object).to_numpy() == own["truth"].astype(object).to_numpy(),
            own["probability"].to_numpy(np.float64),
        ),
        cases,
    )


@dataclass(frozen=True, eq=False)
class _Asked:
    """The neurons that count, one entry each: (n,) arrays."""

    truth: NDArray[np.integer[Any]]
    case: NDArray[np.integer[Any]]
    given: NDArray[np.object_]
    right: NDArray[np.bool_]
    probability: NDArray[np.float64]


def _summed(names: NDArray[np.object_], asked: _Asked, cases: Cases) -> Neurons:
    raster = np.zeros((len(names), len(cases.ids)), dtype=np.uint8)
    missed = np.where(asked.given == "", UNNAMED, WRONG)
    raster[asked.truth, asked.case] = np.where(asked.right, RIGHT, missed)
    return Neurons(
        names,
        np.bincount(asked.truth, minlength=len(names)),
        np.bincount(asked.truth[asked.right], minlength=len(names)),
        _mistaken(asked, len(names)),
        cases.ids,
        ece_bins(asked.right, asked.probability),
        _coverage(asked),
        raster,
    )


def _mistaken(asked: _Asked, n_names: int) -> tuple[str, ...]:
    """Give the name most often given instead of each; of equally frequent ones the first."""
    wrong = ~asked.right & (asked.given != "")
    counts = Counter(zip(asked.truth[wrong].tolist(), asked.given[wrong].tolist(), strict=True))
    worst = [("", 0)] * n_names
    for (truth, given), n in sorted(counts.items()):
        if n > worst[truth][1]:
            worst[truth] = (given, n)
    return tuple(name for name, _ in worst)


def _coverage(asked: _Asked) -> NDArray[np.float64]:
    """Accuracy of the surest shares of each case, mean over cases, shape (20,)."""
    if not len(asked.case):
        return np.full(len(SHARES), np.nan)
    order = np.lexsort((-asked.probability, asked.case))
    _, first, counts = np.unique(asked.case[order], return_index=True, return_counts=True)
    total = np.concatenate([[0], np.cumsum(asked.right[order])])
    kept = -(-counts[:, None] * np.array(SHARES) // 100)
    hits = total[first[:, None] + kept] - total[first][:, None]
    mean: NDArray[np.float64] = (hits / kept).mean(axis=0)
    return mean
