"""Collected tables: Parquet files of all rows and of all predictions, written as a stream."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from trackbench.benchmarks.atomic import TEMPORARY_PREFIX
from trackbench.benchmarks.metrics import METRICS
from trackbench.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from trackbench.benchmarks.collect import Group
    from trackbench.benchmarks.store import Store

__all__ = ["PREDICTIONS", "ROWS", "Tables", "write_tables"]

ROWS: Final = "rows.parquet"
PREDICTIONS: Final = "predictions.parquet"
IDENTITY: Final = ("segmenter", "matcher", "labeler", "dataset", "protocol", "split")
CASE: Final = ("case", "animal", "group", "status", "reason", "log")
NEURON: Final = ("truth", "name", "probability", "argmax", "top", "log_p_true", "in_template")


ROWS_AT_ONCE: Final = 16_384
"""Rows of small groups are written together: a Parquet row group costs 6 kB however short."""


class Tables:
    """Two open Parquet files; `add` appends one group to each.

    A row group of the predictions holds one group alone, so that a reader can pick it out.
    """

    def __init__(self, rows: Any, predictions: Any) -> None:
        self._rows = rows
        self._predictions = predictions
        self._waiting: list[pa.Table] = []
        self._n_waiting = 0

    def add(self, group: Group) -> None:
        """Append the rows of a group and its predictions."""
        import pyarrow as pa

        if group.rows:
            self._waiting.append(pa.table(_row_columns(group), schema=_row_schema()))
            self._n_waiting += len(group.rows)
            self._predictions.write_table(pa.table(_neuron_columns(group), schema=_neuron_schema()))
        if self._n_waiting >= ROWS_AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        import pyarrow as pa

        if self._waiting:
            self._rows.write_table(pa.concat_tables(self._waiting))
            self._waiting.clear()
            self._n_waiting = 0


@contextmanager
def write_tables(store: Store) -> Iterator[Tables]:
    """Open the tables of a store; they replace the old ones when the block ends well.

    Raises
    ------
    StoreError
        The disk is full or can't be written; the old tables stay.
    """
    import pyarrow.parquet as pq

    names = (ROWS, PREDICTIONS)
    parts = [store.folder / f"{TEMPORARY_PREFIX}{name}" for name in names]
    try:
        with (
            pq.ParquetWriter(parts[0], _row_schema(), compression="zstd") as rows,
            pq.ParquetWriter(parts[1], _neuron_schema(), compression="zstd") as predictions,
        ):
            tables = Tables(rows, predictions)
            yield tables
            tables.flush()
        for part, name in zip(parts, names, strict=True):
            part.replace(store.folder / name)
    except OSError as error:
        raise StoreError(
            f"can't write the tables of {store.folder} ({error.strerror or error})",
            "free some space, then run the same command again",
        ) from error
    finally:
        for part in parts:
            part.unlink(missing_ok=True)


def _row_schema() -> pa.Schema:
    import pyarrow as pa

    text = [(name, pa.string()) for name in (*IDENTITY, "headline", *CASE, "notes")]
    return pa.schema(
        [
            ("seed", pa.int64()),
            *text,
            ("oracle", pa.bool_()),
            *[(name, pa.int64()) for name in ("n_points", "n_templates", "n_scored")],
            *[(metric, pa.float64()) for metric in METRICS if metric != "ece"],
        ]
    )


def _neuron_schema() -> pa.Schema:
    import pyarrow as pa

    kinds: dict[str, Any] = {
        "probability": pa.float32(),
        "top": pa.list_(pa.string()),
        "log_p_true": pa.float32(),
        "in_template": pa.bool_(),
    }
    return pa.schema(
        [
            ("seed", pa.int64()),
            *[(name, pa.string()) for name in (*IDENTITY, "case")],
            ("neuron", pa.int64()),
            *[(name, kinds.get(name, pa.string())) for name in NEURON],
        ]
    )


def _row_columns(group: Group) -> dict[str, list[Any]]:
    n = len(group.rows)
    columns: dict[str, list[Any]] = {name: [value] * n for name, value in _identity(group).items()}
    columns["headline"] = [group.head.protocol.metric] * n
    for name in (*CASE, "oracle", "n_points", "n_templates"):
        columns[name] = [getattr(row, name) for row in group.rows]
    columns["notes"] = [json.dumps(row.notes, ensure_ascii=False) for row in group.rows]
    columns["n_scored"] = [0 if score is None else score.n_scored for score in group.scores]
    for metric in METRICS:
        if metric != "ece":
            columns[metric] = [
                None if score is None else score.values[metric] for score in group.scores
            ]
    return columns


def _neuron_columns(group: Group) -> dict[str, list[Any]]:
    found = [(row.case, row.prediction) for row in group.rows if row.prediction is not None]
    columns: dict[str, list[Any]] = {
        name: [value for _, item in found for value in getattr(item, name)] for name in NEURON
    }
    n = len(columns["truth"])
    columns["case"] = [case for case, item in found for _ in item.truth]
    columns["neuron"] = [i for _, item in found for i in range(len(item.truth))]
    return columns | {name: [value] * n for name, value in _identity(group).items()}


def _identity(group: Group) -> dict[str, Any]:
    head = group.head
    return {
        "seed": head.seed,
        "segmenter": head.segmenter,
        "matcher": head.matcher,
        "labeler": head.labeler,
        "dataset": head.dataset,
        "protocol": head.protocol.name,
        "split": head.split,
    }
