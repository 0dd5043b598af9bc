"""What monthly imagery features cost beside the tools a user would take, as ratios.

``python benchmarks/imagery.py [--case CASE ...] [--scale small|full] [--rounds N] [--folder DIR]``

Peers and this project run in turn, each in a process of its own, on a tile that is written once into the folder
(``out/bench``; the full one takes 3 GB). Printed are medians over the rounds and ratios; nothing is asserted. The peers
need the extra ``bench``: ``pip install -c constraints.txt -e '.[bench]'``.

dense, sparse   many plantations over the tile, a few small ones: against the peers and the floor, answers compared
eight           all eight indices: against decoding the nine bands, and against NDVI alone
scenes          twice the months; plantations: the same ground cut into ten times as many; months: three times as many
memory          dense under the usual compute.memory_limit and under 900 MB
http, latency   sparse over HTTP on loopback, without and with 40 ms before every answer: bytes and requests
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import rasterio
import yaml

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import imagery_tile as tile  # noqa: E402
from benchmarks.process import ended  # noqa: E402
from plantation_rwa.periods import Month  # noqa: E402
from tests.loopback import LoopbackServer  # noqa: E402

BASELINE, FLOOR, OURS = "odc+rasterstats", "decode", "plantation-rwa"
PEERS = (BASELINE, "odc+exactextract", FLOOR)
_STAGE = re.compile(r"^features .*  (\d+\.\d) s$", re.M)
LATENCY_S = 0.040
#: scenes of the latency case: two months
LATENCY_SCENES = 6


@dataclass(frozen=True)
class Measured:
    """One process: wall, CPU and stage seconds, peak memory in MiB, bytes and requests where it read over HTTP."""

    wall: float
    cpu: float
    peak_mib: float
    stage: float = float("nan")
    megabytes: float = float("nan")
    requests: float = float("nan")


def measured(argv: Sequence[str]) -> Measured:
    """Run a command to its end."""
    done = ended(argv)
    stage = _STAGE.search(done.text)
    return Measured(done.wall, done.cpu, done.peak, float(stage[1]) if stage else float("nan"))


@dataclass(frozen=True)
class Task:
    """Items and register of one case, and how many of the scenes are in the items."""

    items: Path
    register: Path
    scenes: int

    @property
    def last(self) -> Month:
        """Month of the last scene."""
        return Month.of(tile.day_of(self.scenes - 1).date())


def run_peer(name: str, task: Task, work: Path, *options: str) -> tuple[Measured, Path]:
    """Run a peer; where its answer is."""
    out = work / f"{name}.parquet"
    script = str(ROOT / "benchmarks" / "imagery_peers.py")
    return measured([sys.executable, script, name, str(task.items), str(task.register), str(out), *options]), out


def run_ours(task: Task, work: Path, **compute: str) -> tuple[Measured, Path]:
    """Run the features stage of the public command in a fresh folder; where it published."""
    config, out = work / "config.yaml", Path(tempfile.mkdtemp(dir=work))
    settings = {
        "version": 1,
        "portfolio": {"register": str(task.register)},
        "market": {},
        "imagery": {"source": str(task.items), "edge_buffer": 0, "max_cloud_cover": 100},
        "compute": {"workers": 2, **compute},
    }
    config.write_text(yaml.safe_dump(settings), "utf-8")
    options = ["--as-of", task.last.last.isoformat(), "--stage", "features", "--out", str(out)]
    return measured([sys.executable, "-m", "plantation_rwa", "run", str(config), *options]), out


def answer_of(out: Path) -> pd.DataFrame:
    """Published features of a run in the columns of the peers."""
    frames = []
    for part in out.glob("features/month=*/vintage=*/*.parquet"):
        columns = ["plantation_id", "ndvi_mean", "ndvi", "valid_fraction"]
        frames.append(pd.read_parquet(part, columns=columns).assign(month=part.parts[-3].removeprefix("month=")))
    return pd.concat(frames, ignore_index=True)


def compare(ours: pd.DataFrame, theirs: pd.DataFrame) -> str:
    """Largest differences, in words."""
    both = ours.merge(theirs, on=["plantation_id", "month"], suffixes=("", "_peer"))
    parts = [f"{len(both)} of {len(theirs)} rows"]
    for name in ("ndvi_mean", "ndvi", "valid_fraction"):
        gap = (both[name] - both[f"{name}_peer"]).abs()
        parts.append(f"{name} at most {gap.max():.1e}, 99 % {gap.quantile(0.99):.1e}")
    one = both["ndvi"].isna() != both["ndvi_peer"].isna()
    few = both.loc[one, ["valid_fraction", "valid_fraction_peer"]].max().max()
    parts.append(f"no value in one only {int(one.sum())}" + (f" (valid fraction to {few:.3f})" if one.any() else ""))
    return "; ".join(parts)


def rounds_of(runs: Mapping[str, Callable[[], Measured]], rounds: int) -> dict[str, Measured]:
    """Every run once per round, in turn; medians."""
    found: dict[str, list[Measured]] = {name: [] for name in runs}
    for k in range(rounds):
        for name, run in runs.items():
            found[name].append(run())
            m = found[name][-1]
            stage = "" if math.isnan(m.stage) else f", stage {m.stage:.1f} s"
            print(f"  round {k + 1} {name}: wall {m.wall:.1f} s, CPU {m.cpu:.1f} s{stage}", file=sys.stderr, flush=True)
    names = Measured.__dataclass_fields__
    return {
        run: Measured(*(statistics.median(getattr(m, n) for m in each) for n in names)) for run, each in found.items()
    }


def show(title: str, found: Mapping[str, Measured], reference: str) -> None:
    """A table with ratios to the reference."""
    print(f"\n{title}")
    head = f"{'':<22}{'wall s':>9}{'CPU s':>9}{'peak MiB':>10}{'stage s':>9}{'MB':>9}{'requests':>10}"
    print(f"{head}   ratios to {reference}")
    base = found[reference]
    for name, m in found.items():
        cells = f"{m.wall:>9.2f}{m.cpu:>9.2f}{m.peak_mib:>10.0f}{_cell(m.stage, 9, 1)}{_cell(m.megabytes, 9, 1)}"
        ratios = f"wall {m.wall / base.wall:.3f}  CPU {m.cpu / base.cpu:.3f}  peak {m.peak_mib / base.peak_mib:.2f}"
        if not np.isnan(m.megabytes):
            ratios += f"  bytes {m.megabytes / base.megabytes:.3f}"
        print(f"{name:<22}{cells}{_cell(m.requests, 10, 0)}   {ratios}")


def _cell(value: float, width: int, decimals: int) -> str:
    return " " * width if np.isnan(value) else f"{value:>{width}.{decimals}f}"


def against_peers(world: tile.World, register: str, peers: Sequence[str], rounds: int, work: Path) -> None:
    """Cases dense and sparse."""
    task = Task(world.items(world.scale.scenes, tile.CORE), world.register(register), world.scale.scenes)
    outs: dict[str, Path] = {}

    def peer(name: str) -> Measured:
        m, outs[name] = run_peer(name, task, work)
        return m

    def ours() -> Measured:
        m, outs[OURS] = run_ours(task, work)
        return m

    found = rounds_of({**{n: lambda n=n: peer(n) for n in peers}, OURS: ours}, rounds)
    count = len(json.loads(task.register.read_text("utf-8"))["features"])
    show(f"{register}: {count} plantations, {task.scenes} scenes, NDVI", found, peers[0])
    if FLOOR in peers:
        a, b = found[OURS], found[FLOOR]
        print(f"{OURS} / {FLOOR}: wall {a.wall / b.wall:.2f}, CPU {a.cpu / b.cpu:.2f}")
    answer = answer_of(outs[OURS])
    for name in (p for p in peers if p != FLOOR):
        _, out = run_peer(name, task, work, "--dilate")
        print(f"answers against {name}, clouds grown alike: {compare(answer, pd.read_parquet(out))}")
    print(
        "rasterstats takes pixels by their centre; exactextract's median depends on the order of equal values; this"
        " project withholds indices below 12 effective pixels"
    )


def eight(world: tile.World, rounds: int, work: Path) -> None:
    """All indices of all bands against decoding them, and against NDVI alone."""
    world = tile.make(world.folder, world.scale, world.scale.scenes, tile.EIGHT)
    every, core = (
        Task(world.items(world.scale.scenes, bands), world.register("dense"), world.scale.scenes)
        for bands in (tile.EIGHT, tile.CORE)
    )
    alone = "NDVI alone"
    found = rounds_of(
        {
            FLOOR: lambda: run_peer(FLOOR, every, work)[0],
            alone: lambda: run_ours(core, work)[0],
            OURS: lambda: run_ours(every, work)[0],
        },
        rounds,
    )
    show("eight indices, nine bands", found, FLOOR)
    a, b = found[OURS], found[alone]
    ratios = f"wall {a.wall / b.wall:.2f}, CPU {a.cpu / b.cpu:.2f}, peak {a.peak_mib / b.peak_mib:.2f}"
    print(f"eight indices / {alone}: {ratios}")


def growth(world: tile.World, case: str, rounds: int, work: Path) -> None:
    """Cases scenes, plantations and months: the same command on less and on more."""
    n = world.scale.scenes
    less, more = {"scenes": (n, 2 * n), "months": (n // 3, n), "plantations": (n, n)}[case]
    world = tile.make(world.folder, world.scale, more)
    registers = ("dense", "parts") if case == "plantations" else ("dense", "dense")
    tasks = {
        f"{scenes} scenes, {register}": Task(world.items(scenes, tile.CORE), world.register(register), scenes)
        for scenes, register in zip((less, more), registers, strict=True)
    }
    found = rounds_of({name: lambda t=t: run_ours(t, work)[0] for name, t in tasks.items()}, rounds)
    first, last = tasks
    show(case, found, first)
    print(f"stage seconds, more / less: {found[last].stage / found[first].stage:.2f}")


def memory(world: tile.World, rounds: int, work: Path) -> None:
    """The same work under the usual limit of memory and under a small one."""
    task = Task(world.items(world.scale.scenes, tile.CORE), world.register("dense"), world.scale.scenes)
    runs = {
        "2 GB": lambda: run_ours(task, work)[0],
        "900 MB": lambda: run_ours(task, work, memory_limit="900MB")[0],
    }
    show("compute.memory_limit", rounds_of(runs, rounds), "2 GB")


def over_http(world: tile.World, latency: float, rounds: int, work: Path) -> None:
    """Cases http and latency: the sparse plantations, bytes and requests as the server counts them."""
    scenes = min(LATENCY_SCENES, world.scale.scenes)

    def served(run: Callable[[Task], Measured]) -> Measured:
        with LoopbackServer(world.folder, latency=latency) as server:
            task = Task(world.items(scenes, tile.CORE, server.url), world.register("sparse"), scenes)
            m = run(task)
            counts = server.counts
        return Measured(
            m.wall, m.cpu, m.peak_mib, m.stage, counts.body_bytes / 1e6, float(sum(counts.methods.values()))
        )

    runs = {
        BASELINE: lambda: served(lambda t: run_peer(BASELINE, t, work)[0]),
        OURS: lambda: served(lambda t: run_ours(t, work)[0]),
    }
    found = rounds_of(runs, rounds)
    show(f"sparse over HTTP, {scenes} scenes, {1000 * latency:.0f} ms before every answer", found, BASELINE)
    needed = needed_megabytes(world, scenes)
    print(f"blocks with a clear pixel of a plantation, and their classification: {needed:.1f} MB;", end=" ")
    print(f"{OURS} / these: {found[OURS].megabytes / needed:.2f}")


def needed_megabytes(world: tile.World, scenes: int) -> float:
    """Compressed size of the blocks that the sparse answer needs at least."""
    import geopandas as gpd
    from rasterio.features import rasterize

    from benchmarks.imagery_peers import clear_of

    frame = gpd.read_file(world.register("sparse")).to_crs(tile.EPSG)
    total = 0.0
    for n in range(scenes):
        folder = world.folder / "scenes" / f"{n:03d}"
        with rasterio.open(folder / "SCL.tif") as source:
            scl = source.read(1)
        clear = clear_of(scl, dilate=True).repeat(2, axis=0).repeat(2, axis=1)
        for band in tile.CORE:
            with rasterio.open(folder / f"{band}.tif") as source:
                inside = rasterize(frame.geometry, source.shape, transform=source.transform, all_touched=True) > 0
                wanted = inside if band == "SCL" else inside & clear
                for (row, col), window in source.block_windows(1):
                    if wanted[window.toslices()].any():
                        total += int(source.get_tag_item(f"BLOCK_SIZE_{col}_{row}", "TIFF", bidx=1) or 0)
    return total / 1e6


def main() -> None:
    """Measure and print."""
    cases = ("dense", "sparse", "eight", "scenes", "plantations", "months", "memory", "http", "latency")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", nargs="+", choices=cases, default=["dense", "sparse"])
    parser.add_argument("--scale", choices=sorted(tile.SCALES), default="small")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS), help="of dense and sparse")
    parser.add_argument("--folder", type=Path, default=ROOT / "out" / "bench")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds: at least one round is needed")
    scale = tile.SCALES[options.scale]
    world = tile.make(options.folder.resolve() / options.scale, scale, scale.scenes)
    print(f"{options.scale} tile, {os.cpu_count()} CPUs, Python {sys.version.split()[0]}, rounds {options.rounds}")
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        work = Path(name)
        for case in options.case:
            if case in {"dense", "sparse"}:
                against_peers(world, case, options.peers, options.rounds, work)
            elif case == "eight":
                eight(world, options.rounds, work)
            elif case == "memory":
                memory(world, options.rounds, work)
            elif case in {"http", "latency"}:
                over_http(world, LATENCY_S if case == "latency" else 0.0, options.rounds, work)
            else:
                growth(world, case, options.rounds, work)


if __name__ == "__main__":
    main()
