"""Cut the rows of one episode out of data files that may hold many."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from world4rl_core.data.columns import vector
from world4rl_core.data.records import Record
from world4rl_core.errors import DataError


class RowFiles:
    """The data files of a dataset; the last file and the last row groups stay open, so reading in order is cheap."""

    def __init__(self, root: Path, records: Sequence[Record]) -> None:
        self._root = root
        self._first_rows: dict[Path, int] = {}
        for record in records:
            first = self._first_rows.get(record.data_path, record.first_row)
            self._first_rows[record.data_path] = min(first, record.first_row)
        self._opened: tuple[Path, pq.ParquetFile] | None = None
        self._loaded: tuple[object, pa.Table] | None = None

    def read(self, record: Record, columns: Sequence[str]) -> pa.Table:
        """The episode's rows of `columns`; raises DataError when the file is damaged or holds other rows there."""
        file = self._file(record.data_path)
        present = set(file.schema_arrow.names)
        for name in columns:
            if name not in present:
                raise DataError(f"{record.data_path} has no column '{name}', though info.json lists it")
        start = record.first_row - self._first_rows[record.data_path]
        groups, skipped = _groups_of(file, start, record.length)
        table = self._load(record.data_path, groups, columns).slice(start - skipped, record.length)
        if table.num_rows != record.length:
            raise DataError(
                f"{record.data_path} has {table.num_rows} rows of the episode, its metadata says {record.length}"
            )
        if (vector(table, "episode_index", np.int64) != record.index).any():
            raise DataError(f"{record.data_path} holds rows of another episode where the metadata points")
        return table

    def _load(self, path: Path, groups: list[int], columns: Sequence[str]) -> pa.Table:
        key = (path, tuple(groups), tuple(columns))
        if self._loaded is None or self._loaded[0] != key:
            self._loaded = None
            try:
                wanted = list(dict.fromkeys([*columns, "episode_index"]))
                table = self._file(path).read_row_groups(groups, columns=wanted, use_threads=False)
            except (OSError, pa.ArrowException) as error:
                raise DataError(f"{path}: damaged data file ({error}); restore it from a copy") from error
            self._loaded = key, table
        return self._loaded[1]

    def _file(self, path: Path) -> pq.ParquetFile:
        if self._opened is None or self._opened[0] != path:
            if self._opened is not None:
                self._opened[1].close()
                self._opened = None
            try:
                self._opened = path, pq.ParquetFile(self._root / path)
            except FileNotFoundError as error:
                raise DataError(f"{path} is missing; restore it from a copy") from error
            except (OSError, pa.ArrowException) as error:
                raise DataError(f"{path}: damaged data file ({error}); restore it from a copy") from error
        return self._opened[1]


def _groups_of(file: pq.ParquetFile, start: int, length: int) -> tuple[list[int], int]:
    """Row groups that overlap [start, start + length), and the number of rows before the first of them."""
    sizes = [file.metadata.row_group(group).num_rows for group in range(file.metadata.num_row_groups)]
    ends = np.cumsum(sizes)
    groups = [group for group, end in enumerate(ends) if end > start and end - sizes[group] < start + length]
    return groups, int(ends[groups[0]] - sizes[groups[0]]) if groups else 0
