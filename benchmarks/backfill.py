"""What a backfill costs against its dates one by one: python benchmarks/backfill.py [CONFIG] [--from M] [--to M]

Processes as a user starts them:

- a backfill into an empty folder;
- a run of its newest date that finds nothing to do: the start of the program and the reading of the inputs;
- the stage ``features`` of the newest date into an empty folder: what all features cost once;
- a run of the newest date beside the dates before it: without its stage ``features`` that is the rest of one date, the
  steps from the value before in it.

Printed is the backfill over ``features once + dates x 1.15 x rest``, the most that is asked, in CPU and in wall
seconds; on a busy machine only the CPU seconds say something. Once with the rest as a user pays it for a run, and once
without the start and the reading of the inputs, which a backfill does once for all dates: the harder measure.
``--spread N`` takes the mean rest of N dates, from the second to the last. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.process import ended  # noqa: E402
from plantation_rwa.run.dates import dates_between  # noqa: E402
from plantation_rwa.run.session import STAGES  # noqa: E402

#: allowed over the rest of one date
SLACK = 1.15
_STAGE = re.compile(rf"^({'|'.join(STAGES)}) .*  (\d+\.\d) s$", re.M)


@dataclass(frozen=True)
class Cost:
    """CPU and wall seconds of a process, and the wall seconds of its stages, of all dates together."""

    cpu: float
    wall: float
    stages: dict[str, float]

    def less(self, other: Cost) -> Cost:
        """What is left without what another process cost."""
        return Cost(self.cpu - other.cpu, self.wall - other.wall, self.stages)

    def without_features(self) -> Cost:
        """Without the stage ``features``; its share of the CPU time is that of the wall time."""
        left = 1.0 - self.stages.get("features", 0.0) / self.wall
        return Cost(self.cpu * left, self.wall * left, self.stages)


def measured(*words: str) -> Cost:
    """Run a command of the program to its end."""
    done, stages = ended([sys.executable, "-m", "plantation_rwa", *words]), dict[str, float]()
    for name, seconds in _STAGE.findall(done.text):
        stages[name] = stages.get(name, 0.0) + float(seconds)
    return Cost(done.cpu, done.wall, stages)


def before(whole: Path, date: dt.date, place: Path) -> Path:
    """An output folder with all that a backfill published before a date."""
    shutil.copytree(whole, place, copy_function=os.link)
    for path in place.rglob("*"):
        named = re.search(r"as_of=(\d{4}-\d{2}-\d{2})", path.as_posix())
        if path.is_file() and named and named[1] >= date.isoformat():
            path.unlink()
    return place


def chosen(dates: Sequence[dt.date], count: int) -> list[dt.date]:
    """Dates spread evenly over a range, the last one always."""
    step = (len(dates) - 1) / max(count - 1, 1)
    return [dates[-1]] if count == 1 else [dates[round(n * step)] for n in range(count)]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", nargs="?", type=Path, default=ROOT / "configs" / "sample.yaml")
    parser.add_argument("--from", dest="first", default="2024-06")
    parser.add_argument("--to", dest="last", default="2026-05")
    parser.add_argument("--spread", type=int, default=1, metavar="N")
    given = parser.parse_args()
    dates = dates_between(given.first, given.last, dt.datetime.now(dt.UTC).date())
    with tempfile.TemporaryDirectory(prefix="backfill-") as folder:
        place, config = Path(folder), str(given.config)
        out = place / "whole"
        print(f"{config}: {len(dates)} month ends, load {os.getloadavg()[0]:.1f}")
        whole = measured("backfill", config, "--from", given.first, "--to", given.last, "--out", str(out))
        _told("backfill", whole)
        newest = dates[-1].isoformat()
        start = measured("run", config, "--as-of", newest, "--out", str(out))
        _told("run that finds nothing to do", start)
        once = measured("run", config, "--as-of", newest, "--out", str(place / "alone"), "--stage", "features")
        _told(f"features of {newest}, empty folder", once)
        runs = []
        for n, date in enumerate(chosen(dates[1:], given.spread)):
            there = before(out, date, place / f"before-{n}")
            one = measured("run", config, "--as-of", date.isoformat(), "--out", str(there))
            _told(f"run of {date} beside the dates before", one)
            runs.append(one)
            shutil.rmtree(there)
        for name, begin in (("as a run costs", None), ("without start and reading", start)):
            for unit in ("cpu", "wall"):
                _compared(f"{name}, {unit}", unit, whole, once, runs, begin, len(dates))


def _compared(
    name: str, unit: str, whole: Cost, once: Cost, runs: Sequence[Cost], start: Cost | None, dates: int
) -> None:
    """Print a backfill over the most that is asked; ``start`` is taken off every process."""
    less = Cost(0.0, 0.0, {}) if start is None else start
    features = getattr(once, unit) - getattr(once.without_features(), unit)
    rest = sum(getattr(run.without_features().less(less), unit) for run in runs) / len(runs)
    total = getattr(whole.less(less), unit)
    plain, most = features + dates * rest, features + dates * SLACK * rest
    print(
        f"{name}: features once {features:.1f} s, rest of one date {rest:.1f} s, backfill {total:.1f} s: "
        f"{total / plain:.2f} of features once + {dates} x rest, {total / most:.2f} of the most allowed"
    )


def _told(name: str, cost: Cost) -> None:
    stages = ", ".join(f"{k} {v:.1f}" for k, v in cost.stages.items())
    print(f"{name}: {cost.cpu:.1f} CPU s, {cost.wall:.1f} s; stages (wall) {stages}", flush=True)


if __name__ == "__main__":
    main()
