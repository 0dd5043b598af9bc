"""How long the sample takes, as ratios: warm to cold, and the features stage to the least it could cost.

``python benchmarks/run_sample.py [CONFIG] [--runs N] [--runner RUNNER]``: seconds depend on the machine, ratios much
less. Nothing is asserted. The floor of the features stage is decoding every pixel of the configured scenes once, with
rasterio, on one thread, in the same minutes.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import rasterio

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.process import ended  # noqa: E402
from plantation_rwa.config import load_config  # noqa: E402
from plantation_rwa.run.session import STAGES  # noqa: E402

_STAGE = re.compile(rf"^({'|'.join(STAGES)}) .*  (\d+\.\d) s$", re.M)


@dataclass(frozen=True)
class Measured:
    """One run: wall seconds, seconds per stage, largest resident memory of the process in MiB."""

    seconds: float
    stages: dict[str, float]
    peak_mib: float


def run_once(config: Path, out: Path, runner: str) -> Measured:
    """Value the portfolio in a process of its own."""
    argv = [sys.executable, "-m", "plantation_rwa", "run", str(config), "--out", str(out), "--runner", runner]
    done = ended(argv)
    return Measured(done.wall, {name: float(value) for name, value in _STAGE.findall(done.text)}, done.peak)


def scene_files(config: Path) -> list[Path]:
    """Every raster beside the configured scene lists."""
    imagery = load_config(config).imagery
    places = {Path(s).parent for s in imagery.source} if imagery else set()
    return sorted({p for place in places for p in place.rglob("*.tif")})


def decode(paths: Sequence[Path]) -> tuple[float, int]:
    """Seconds to read every pixel of the files once, and how many there are."""
    pixels, started = 0, time.perf_counter()
    for path in paths:
        with rasterio.open(path) as source:
            pixels += source.read().size
    return time.perf_counter() - started, pixels


def table(rows: Sequence[tuple[str, Measured]]) -> str:
    """Runs as lines of text."""
    head = f"{'run':<8}{'wall s':>8}" + "".join(f"{s + ' s':>13}" for s in STAGES) + f"{'other s':>10}{'peak MiB':>10}"
    lines = [head]
    for name, run in rows:
        stages = "".join(f"{run.stages.get(s, 0.0):>13.1f}" for s in STAGES)
        other = run.seconds - sum(run.stages.values())
        lines.append(f"{name:<8}{run.seconds:>8.1f}{stages}{other:>10.1f}{run.peak_mib:>10.0f}")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", nargs="?", type=Path, default=ROOT / "configs" / "sample.yaml")
    parser.add_argument("--runs", type=int, default=3, help="cold runs (default 3)")
    parser.add_argument("--runner", default="threads", help="as of plantation-rwa run (default threads)")
    options = parser.parse_args()
    if options.runs < 1:
        parser.error("--runs: at least one run is needed")
    config = options.config.resolve()
    paths = scene_files(config)
    floors, rows = [], []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        for k in range(options.runs):
            out = Path(folder) / f"cold-{k + 1}"
            rows.append((f"cold {k + 1}", run_once(config, out, options.runner)))
            floors.append(decode(paths))
        rows.append(("warm", run_once(config, out, options.runner)))
    print(f"{config.name}, runner {options.runner}, {os.cpu_count()} CPUs, Python {sys.version.split()[0]}\n")
    print(table(rows))
    *cold, warm = [run for _, run in rows]
    wall = statistics.median(r.seconds for r in cold)
    features = statistics.median(r.stages.get("features", 0.0) for r in cold)
    floor, pixels = statistics.median(s for s, _ in floors), floors[0][1]
    print(f"\nfloor: {len(paths)} files, {pixels / 1e6:.1f} million pixels decoded once in {floor:.2f} s\n")
    print(f"warm / cold wall            {warm.seconds / wall:8.3f}")
    if floor > 0:
        print(f"features stage / floor      {features / floor:8.1f}")
    for stage in STAGES:
        print(f"{stage + ' / cold wall':<28}{statistics.median(r.stages.get(stage, 0.0) for r in cold) / wall:8.3f}")
    print(f"peak memory, worst cold run {max(r.peak_mib for r in cold):8.0f} MiB")


if __name__ == "__main__":
    main()
