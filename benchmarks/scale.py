"""What many small plots cost, from features to a proof: python benchmarks/scale.py [--plots N ...]

Plots of 0.5 to 4 ha are invented as feature and harvest tables, mill shed by mill shed. One task holds some sheds: it
fits the forecast on its stratified sample, forecasts to the end of a tenor of 60 months, values one right a plot (base
measures, 2,000 paths, pooled by mill) and writes its parts. No task is a plot, and nothing is held of a task but its
records. Printed for every number of plots: CPU seconds of the stages, peak memory of a process, files and bytes, and
what one plot's proof costs; last, the exponent of growth from the first number to the last. Every input is simulated.

``--workers-ratio ROUNDS``: the first number of plots on one worker of ``--runner`` and on two, in turn, in tasks of one
mill shed. A phase is what the runner does, from the start of its workers to the last result. Printed: the ratio of the
median phases, how much of the phase of two was not work of both (start, waiting, collecting), and the CPU seconds of
each worker and of the process that hands the tasks out. Six minutes: ``--plots 2000 --workers-ratio 3 --runner dask``.
"""

from __future__ import annotations

import argparse
import datetime as dt
import functools
import itertools
import json
import math
import os
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.forecast import Plots, invented, peak_mib
from benchmarks.valuation import AS_OF, book
from plantation_rwa.assumptions import packaged
from plantation_rwa.attest import merkle
from plantation_rwa.attest.hashing import bytes32, canonical, hash_of, hex_of
from plantation_rwa.attest.records import (
    Limits,
    Sources,
    build_record,
    key_hash,
    record_hash,
    record_key,
    salt_of,
)
from plantation_rwa.executor import Runner
from plantation_rwa.forecast.run import forecast
from plantation_rwa.publish.files import write_text_atomically
from plantation_rwa.publish.geoparquet import read_part, write_part
from plantation_rwa.schema.checks import finalise
from plantation_rwa.valuation.run import records, value

T = TypeVar("T")
#: plots of one task, and of one mill shed
TASK, SHED = 5_000, 500
PATHS, TENOR, YEARS, SPONSORS = 2_000, 60, 8, 200
PORTFOLIO = "scale"
LIMITS = Limits(data_age_days=120, breaker_bps=3_000, stale_flags=frozenset())


@dataclass(frozen=True)
class Done:
    """What a task took: CPU seconds by stage, peak memory in MiB, and which process was busy from when to when."""

    stages: dict[str, float]
    peak: float
    process: int
    begin: float
    end: float
    cpu: float


@dataclass(frozen=True)
class Measured:
    """CPU seconds in all; of the runner's phase begin and wall seconds, CPU of its parent, and what its tasks took."""

    spent: float
    begin: float
    phase: float
    parent: float
    tasks: list[Done]

    def busy(self, workers: int) -> float:
        """Seconds in which so many workers were at work at once."""
        edges = sorted([(t.begin, 1) for t in self.tasks] + [(t.end, -1) for t in self.tasks])
        found, count = 0.0, 0
        for (at, step), (following, _) in itertools.pairwise(edges):
            count += step
            found += (following - at) * (count == workers)
        return found

    def shares(self) -> list[float]:
        """CPU seconds of each process that had tasks."""
        processes = sorted({t.process for t in self.tasks})
        return [sum(t.cpu for t in self.tasks if t.process == p) for p in processes]


def task(numbers: range, folder: Path) -> Done:
    """Everything of some plots, written as one part of each table."""
    begin, cpu = time.time(), time.process_time()
    clock: dict[str, float] = {}
    tag = f"part-{numbers.start:08d}"
    rng = np.random.default_rng(numbers.start)
    plots = Plots(len(numbers), YEARS, end=f"{AS_OF:%Y-%m}", hectares=(0.5, 4.0), blocks=1, first=numbers.start)
    panel, stand = _timed(clock, "simulated tables", lambda: invented(plots))
    ahead = functools.partial(forecast, as_of=AS_OF, horizons=TENOR + 12, assumptions=packaged())
    made = _timed(clock, "fit and forecast", lambda: ahead(panel, stand))
    outlines = dict(zip(sorted(made.model["plantation_id"]), _squares(numbers), strict=True))
    pooled = _book_of(made.forecasts, made.model, rng)
    valued = _timed(clock, "base valuation", lambda: value(pooled, full=False))
    _timed(clock, "writing", lambda: _write(folder, tag, outlines, made.forecasts, made.model, valued))
    _timed(clock, "records", lambda: _records(folder, tag))
    return Done(clock, peak_mib(), os.getpid(), begin, time.time(), time.process_time() - cpu)


def _book_of(forecasts: pd.DataFrame, model: pd.DataFrame, rng: np.random.Generator) -> Any:
    """One right a plot, pooled by the mill that its shed delivers to."""
    ids = sorted(model["plantation_id"])
    base = book(len(ids), PATHS, TENOR)
    mills = [f"MILL{int(p[1:]) // SHED:05d}" for p in ids]
    regions = model.set_index("plantation_id").loc[ids, "region"].tolist()
    register = base.register.assign(
        plantation_id=ids,
        region=regions,
        state="Johor",
        planted_area_ha=rng.uniform(0.5, 4.0, len(ids)),
        sponsor_id=[f"S{int(p[1:]) % SPONSORS}" for p in ids],
    )
    rights = base.rights.assign(plantation_id=ids, pool_id=mills, payor_id=mills)
    fields = {name: getattr(base, name) for name in base.__dataclass_fields__}
    tables = {"forecasts": forecasts, "forecast_model": model, "register": register, "rights": rights}
    return type(base)(**{**fields, **tables})


def _squares(numbers: range) -> list[Any]:
    """Squares of 0.01 degree on a lattice of 0.02."""
    at = np.array(list(numbers))
    x, y = 100.0 + 0.02 * (at % 1000), 0.5 + 0.02 * (at // 1000)
    return list(shapely.box(x, y, x + 0.001, y + 0.001))


def _write(folder: Path, tag: str, outlines: dict[str, Any], forecasts: Any, model: Any, valued: Any) -> None:
    tables = {"forecasts": forecasts, "forecast_model": model, "valuations": valued.valuations, "pools": valued.pools}
    for name, frame in tables.items():
        if name in ("forecasts", "valuations"):
            outline = frame["plantation_id"].map(outlines)
            frame = gpd.GeoDataFrame(frame.assign(geometry=outline), geometry="geometry", crs="EPSG:4326")
        if "quality_flag" in frame:
            frame = frame.assign(quality_flag=[";".join(filter(None, (f, "simulated"))) for f in frame["quality_flag"]])
        path = folder / name / f"{tag}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_part(finalise(frame, name), name, path, simulated=True)


def _records(folder: Path, tag: str) -> None:
    """Records of the published values; what they rest on is told by the hashes of the parts."""
    as_of = AS_OF.isoformat()
    forecasts = hash_of({"part": tag, "bytes": (folder / "forecasts" / f"{tag}.parquet").stat().st_size})
    sources = Sources(forecasts, forecasts, hash_of({"paths": PATHS}))
    rows = []
    for row in records(pd.DataFrame(read_part(folder / "valuations" / f"{tag}.parquet"))):
        key = record_key(str(row["plantation_id"]), str(row["right_id"]), as_of)
        salt = salt_of(key, None)
        record = build_record(row, as_of, PORTFOLIO, sources, LIMITS, salted=False)
        rows.append((row["plantation_id"], canonical(record).decode(), salt, key_hash(key), record_hash(record, salt)))
    columns = ["plantation_id", "record", "salt", "key_hash", "record_hash"]
    path = folder / "records" / f"{tag}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows, columns=columns).to_parquet(path, index=False)


def tree_of(folder: Path) -> str:
    """Tree over all records, kept packed: 32 bytes a node; the root."""
    parts = [pd.read_parquet(p) for p in sorted((folder / "records").glob("*.parquet"))]
    leaves = [
        merkle.leaf_hash(merkle.encoded(pair))
        for part in parts
        for pair in zip(part["key_hash"], part["record_hash"], strict=True)
    ]
    tree, places = merkle.build(leaves)
    (folder / "tree.bin").write_bytes(b"".join(tree))
    np.array(places, np.uint32).tofile(folder / "places.bin")
    index = [{"part": p.name, "rights": len(part)} for p, part in zip(_parts(folder), parts, strict=True)]
    write_text_atomically(folder / "tree.json", json.dumps({"root": hex_of(tree[0]), "parts": index}))
    return hex_of(tree[0])


def _parts(folder: Path) -> list[Path]:
    return sorted((folder / "records").glob("*.parquet"))


def prove(folder: Path, plot: int) -> int:
    """Read one plot's record, write its proof from the packed tree, and check that; siblings of the proof."""
    told = json.loads((folder / "tree.json").read_text("utf-8"))
    before = sum(p["rights"] for p in told["parts"][: plot // TASK])
    part = pd.read_parquet(folder / "records" / told["parts"][plot // TASK]["part"])
    row = part.iloc[plot % TASK]
    tree = np.memmap(folder / "tree.bin", np.uint8, "r").reshape(-1, 32)
    place = int(np.memmap(folder / "places.bin", np.uint32, "r")[before + plot % TASK])
    siblings = []
    while place > 0:
        siblings.append(bytes(tree[place + 1 if place % 2 else place - 1]))
        place = (place - 1) // 2
    proof = {"record": json.loads(row["record"]), "salt": row["salt"], "proof": [hex_of(s) for s in siblings]}
    write_text_atomically(folder / "proof.json", json.dumps(proof))
    found = json.loads((folder / "proof.json").read_text("utf-8"))
    hashed = record_hash(found["record"], found["salt"])
    key = key_hash(record_key(found["record"]["plantation_id"], found["record"]["right_id"], found["record"]["as_of"]))
    leaf = merkle.leaf_hash(merkle.encoded((key, hashed)))
    if hex_of(merkle.root_of(leaf, [bytes32(s) for s in found["proof"]])) != told["root"]:
        raise SystemExit("the proof does not lead to the root")
    return len(siblings)


def _cpu() -> float:
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(u.ru_utime + u.ru_stime for u in both)


def _timed(clock: dict[str, float], name: str, work: Callable[[], T]) -> T:
    start = time.process_time()
    found = work()
    clock[name] = clock.get(name, 0.0) + time.process_time() - start
    return found


def measure(plots: int, folder: Path, kind: str, workers: int, size: int = TASK) -> Measured:
    """Run all of it for some plots, in tasks of ``size``."""
    start, wall, own = _cpu(), time.perf_counter(), time.process_time()
    begin = time.time()
    tasks = [range(first, min(first + size, plots)) for first in range(0, plots, size)]
    clock: dict[str, float] = {}
    done: list[Done] = []
    for outcome in Runner(kind, workers, "8GB").map(functools.partial(task, folder=folder), tasks):
        if outcome.value is None:
            raise SystemExit(outcome.error)
        done.append(outcome.value)
        for name, seconds in outcome.value.stages.items():
            clock[name] = clock.get(name, 0.0) + seconds
    phase, parent = time.perf_counter() - wall, time.process_time() - own
    _timed(clock, "tree", lambda: tree_of(folder))
    spent = _cpu() - start
    files = [p for p in folder.rglob("*") if p.is_file()]
    size_mb, peak = sum(p.stat().st_size for p in files) / 1e6, max(d.peak for d in done)
    told = ", ".join(f"{name} {seconds:.1f}" for name, seconds in clock.items())
    wall = time.perf_counter() - wall
    print(f"{plots} plots x {TENOR} months x {PATHS} paths: {spent:.1f} CPU s, {wall:.1f} s wall, {len(tasks)} tasks")
    print(f"  CPU s: {told}")
    print(
        f"  {1000 * spent / plots:.2f} CPU ms a plot; peak of a task {peak:.0f} MiB, of the parent {peak_mib():.0f} MiB"
    )
    print(f"  {len(files)} files, {size_mb:.1f} MB, {1000 * size_mb / plots:.2f} kB a plot", flush=True)
    return Measured(spent, begin, phase, parent, done)


def workers_ratio(plots: int, folder: Path, kind: str, rounds: int) -> None:
    """Two workers against one, in turn."""
    found: dict[int, list[Measured]] = {1: [], 2: []}
    for n in range(rounds):
        for workers, measured in found.items():
            (folder / f"{n}-{workers}").mkdir()
            measured.append(m := measure(plots, folder / f"{n}-{workers}", kind, workers, SHED))
            shutil.rmtree(folder / f"{n}-{workers}")
            shares = m.shares()
            told = " + ".join(f"{seconds:.1f}" for seconds in shares)
            print(
                f"  phase on {workers}: {m.phase:.1f} s; CPU s of the workers {told}, of the parent {m.parent:.1f};"
                f" first task after {min(t.begin for t in m.tasks) - m.begin:.1f} s;"
                f" all at work {m.busy(workers):.1f} s",
                flush=True,
            )
    one, two = (statistics.median(m.phase for m in of) for of in found.values())
    rest = statistics.median(1 - m.busy(2) / m.phase for m in found[2])
    parent = statistics.median(m.parent / (m.parent + sum(m.shares())) for m in found[2])
    inflated = statistics.median(sum(m.shares()) for m in found[2]) / statistics.median(
        sum(m.shares()) for m in found[1]
    )
    print(
        f"{kind}, medians of {rounds}: one worker {one:.1f} s, two {two:.1f} s, ratio {two / one:.3f}\n"
        f"serial share: {rest:.3f} of the phase of two is not work of both; the parent has {parent:.3f} of all CPU s;"
        f" the tasks take {inflated:.3f} times the CPU s on two that they take on one"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plots", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--runner", choices=("processes", "dask"), default="processes")
    parser.add_argument("--workers-ratio", type=int, default=0, metavar="ROUNDS")
    given = parser.parse_args()
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    print(f"simulated plots, valued at {AS_OF:%Y-%m-%d}; today {dt.date.today():%Y-%m-%d}")
    with tempfile.TemporaryDirectory(prefix="scale-") as name:
        if given.workers_ratio:
            workers_ratio(given.plots[0], Path(name), given.runner, given.workers_ratio)
            return
        spent = []
        for plots in given.plots:
            folder = Path(name) / str(plots)
            folder.mkdir()
            spent.append(measure(plots, folder, given.runner, given.workers).spent)
            start = time.perf_counter()
            siblings = prove(folder, plots - 1)
            spent_on_proof = time.perf_counter() - start
            print(f"  one proof written and checked: {spent_on_proof:.2f} s, {siblings} siblings", flush=True)
            shutil.rmtree(folder)
    if len(spent) > 1:
        exponent = math.log(spent[-1] / spent[0]) / math.log(given.plots[-1] / given.plots[0])
        print(f"growth exponent of CPU seconds from {given.plots[0]} to {given.plots[-1]} plots: {exponent:.3f}")


if __name__ == "__main__":
    main()
