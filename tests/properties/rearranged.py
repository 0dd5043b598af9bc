"""The same records in another order and in other files, whatever the format of the file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import xarray as xr
from numpy.typing import NDArray

Numbers = NDArray[np.int64]


def deal(rows: int, parts: int, rng: np.random.Generator) -> list[Numbers]:
    """Row numbers in random order, dealt into files of random sizes; none is empty if the rows suffice."""
    order = rng.permutation(rows)
    parts = min(parts, rows)
    cuts = np.sort(rng.choice(np.arange(1, rows), parts - 1, replace=False)) if parts > 1 else []
    return [np.asarray(part, dtype=np.int64) for part in np.split(order, cuts)]


def rearrange(path: Path, parts: int, rng: np.random.Generator) -> list[str]:
    """Replace a file by up to ``parts`` files with its records in random order; their names, in random order too."""
    write = {".csv": _csv, ".txt": _csv, ".parquet": _parquet, ".geojson": _geojson, ".nc": _grid}[path.suffix]
    targets = [path.with_name(f"{rng.integers(1 << 30):x}_{path.name}") for _ in range(parts)]
    written = write(path, targets, rng)
    path.unlink()
    return [written[i].as_posix() for i in rng.permutation(len(written))]


def _csv(path: Path, targets: list[Path], rng: np.random.Generator) -> list[Path]:
    """No cell of these files holds a line break."""
    header, *rows = path.read_text("utf-8").splitlines()
    dealt = deal(len(rows), len(targets), rng)
    for target, chosen in zip(targets, dealt, strict=False):
        target.write_bytes("\n".join([header, *(rows[i] for i in chosen), ""]).encode())
    return targets[: len(dealt)]


def _parquet(path: Path, targets: list[Path], rng: np.random.Generator) -> list[Path]:
    table = pq.read_table(path)
    dealt = deal(table.num_rows, len(targets), rng)
    for target, chosen in zip(targets, dealt, strict=False):
        pq.write_table(table.take(chosen), target)
    return targets[: len(dealt)]


def _geojson(path: Path, targets: list[Path], rng: np.random.Generator) -> list[Path]:
    document = json.loads(path.read_text("utf-8"))
    dealt = deal(len(document["features"]), len(targets), rng)
    for target, chosen in zip(targets, dealt, strict=False):
        target.write_text(json.dumps({**document, "features": [document["features"][i] for i in chosen]}))
    return targets[: len(dealt)]


def _grid(path: Path, targets: list[Path], rng: np.random.Generator) -> list[Path]:
    """Days in their order, cut anywhere; a file may hold a single day."""
    with xr.open_dataset(path) as dataset:
        days = dataset.load()
    cuts = np.sort(rng.choice(np.arange(1, days.sizes["time"]), len(targets) - 1, replace=False))
    for target, chosen in zip(targets, np.split(np.arange(days.sizes["time"]), cuts), strict=True):
        days.isel(time=chosen).to_netcdf(target)
    return targets
