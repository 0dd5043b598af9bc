"""Many dates: each has the bytes of a run of its own, blocks are decoded once, a second backfill does nothing."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plantation_rwa.cli import run_command
from plantation_rwa.cli.backfilling import duration
from plantation_rwa.config import load_config
from plantation_rwa.errors import ConfigError
from plantation_rwa.executor import Runner
from plantation_rwa.run import load_inputs
from plantation_rwa.run.backfill import Backfilled, Course, run_backfill
from plantation_rwa.run.dates import dates_between
from plantation_rwa.run.outcome import RunReport
from plantation_rwa.run.progress import Silent
from plantation_rwa.run.session import STAGES
from plantation_rwa.sources.scenes import RasterReader
from plantation_rwa.testing import edit_config
from tests.conftest import run_world, tree
from tests.run.test_partial import assert_partial

DATES = (dt.date(2026, 3, 31), dt.date(2026, 4, 30), dt.date(2026, 5, 31))
RANGE = ("--from", "2026-03", "--to", "2026-05")


class Kept:
    """Keeps what a backfill says of its course."""

    def __init__(self) -> None:
        self.said: list[tuple[str, bool, float | None]] = []

    def begun(self, date: dt.date, course: Course) -> None:
        """Nothing."""

    def ended(self, date: dt.date, report: RunReport | None, course: Course) -> None:
        self.said.append((date.isoformat(), report is not None, course.left_seconds))


class Killed(BaseException):
    """Ends a backfill at once, as no error of a date does."""


class KilledAt(Kept):
    """Ends a backfill when a date begins."""

    def __init__(self, date: dt.date) -> None:
        super().__init__()
        self._date = date

    def begun(self, date: dt.date, course: Course) -> None:
        if date == self._date:
            raise Killed


def backfilled(
    config: Path, out: Path, dates: Sequence[dt.date] = DATES, stages: Sequence[str] = STAGES, **options: Any
) -> Backfilled:
    settings = load_config(config)
    settings = settings.model_copy(update={"publish": settings.publish.model_copy(update={"out": str(out)})})
    given = {"work": Runner().map, "progress": Silent(), "course": Kept(), **options}
    return run_backfill(settings, load_inputs(settings), dates, stages=stages, **given)


@pytest.fixture
def pictures(world_copy: Path) -> Path:
    """The small world with nothing but imagery."""
    return edit_config(world_copy / "config.yaml", {"climate": None, "sensors": None, "harvest": None})


class Pixels:
    """How often each pixel of each file was read."""

    def __init__(self) -> None:
        self.counts: dict[str, np.ndarray] = {}

    def reader(self) -> RasterReader:
        counts = self.counts

        class Counting(RasterReader):
            def read(self, asset: Any, window: Any) -> Any:
                grid = self.grid(asset)
                held = counts.setdefault(asset.href, np.zeros((grid.height, grid.width), np.int64))
                held[window.row : window.row + window.height, window.col : window.col + window.width] += 1
                return super().read(asset, window)

        return Counting()

    def most(self) -> int:
        return max(int(held.max()) for held in self.counts.values())


@pytest.fixture
def pixels(monkeypatch: pytest.MonkeyPatch) -> Pixels:
    found = Pixels()
    monkeypatch.setattr("plantation_rwa.run.imagery.RasterReader", found.reader)
    return found


@pytest.mark.slow
def test_each_block_is_decoded_once_for_all_dates(pictures: Path, tmp_path: Path, pixels: Pixels) -> None:
    assert backfilled(pictures, tmp_path / "out", stages=("features",)).failures == []
    together = {href: held.astype(bool) for href, held in pixels.counts.items()}
    assert pixels.most() == 1
    pixels.counts.clear()
    for date in DATES:
        run_world(pictures, tmp_path / "alone", date, stages=("features",))
    assert pixels.most() == 2  # what the backfill spares: months of which a scene became known after their end
    assert tree(tmp_path / "out") == tree(tmp_path / "alone")
    assert {href: held.astype(bool).sum() for href, held in pixels.counts.items()} == {
        href: held.sum() for href, held in together.items()
    }


@pytest.mark.slow
def test_a_backfill_that_stopped_goes_on_with_the_months_of_its_date(
    pictures: Path, tmp_path: Path, pixels: Pixels
) -> None:
    backfilled(pictures, tmp_path / "out", DATES[:2], stages=("features",))
    pixels.counts.clear()
    backfilled(pictures, tmp_path / "out", stages=("features",))
    assert pixels.most() == 1
    read = {Path(href).parent.name.split("_")[2][:6] for href in pixels.counts}
    assert read == {"202604", "202605"}
    for date in DATES:
        run_world(pictures, tmp_path / "alone", date, stages=("features",))
    assert tree(tmp_path / "out") == tree(tmp_path / "alone")


@pytest.mark.slow
@pytest.mark.parametrize("runner", ["threads", pytest.param("processes", marks=pytest.mark.long)])
def test_each_date_has_the_bytes_of_a_run_of_its_own(world_copy: Path, tmp_path: Path, runner: str) -> None:
    config = edit_config(world_copy / "config.yaml", {"valuation.paths": 200})
    found = backfilled(config, tmp_path / "out", work=Runner(runner).map)
    assert found.failures == []
    for date in DATES:
        run_world(config, tmp_path / "alone", date)
    assert tree(tmp_path / "out") == tree(tmp_path / "alone")


@pytest.mark.slow
def test_a_second_backfill_recomputes_nothing(
    light_world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = ["backfill", str(light_world), *RANGE, "--out", str(out)]
    assert run_command(command) == 0
    said, course = capsys.readouterr()
    assert "simulated portfolio, 3 month ends, 2026-03-31 to 2026-05-31, SIMULATED DATA" in said
    assert "2026-04-30 (2 of 3)" in course
    assert re.search(r"2026-04-30 published: 2 of 3 dates, about \d+ s left", course)
    before = tree(out)
    assert run_command(command) == 0
    said = capsys.readouterr().out
    assert "nothing to recompute: every partition is already published and unchanged" in said
    assert tree(out) == before
    for date in DATES:
        run_world(light_world, tmp_path / "alone", date)
    assert before == tree(tmp_path / "alone")


def planned(capsys: pytest.CaptureFixture[str], *command: str) -> list[tuple[int, int]]:
    """Partitions that a plan would compute and leave, by date."""
    assert run_command(["plan", *command]) == 0
    found = []
    for line in capsys.readouterr().out.splitlines():
        if line.startswith("partitions: "):
            counts = {word: int(n) for n, word in re.findall(r"(\d+) (\w+)", line)}
            found.append((counts.get("new", 0) + counts.get("recompute", 0), counts.get("skip", 0)))
    return found


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("published", [DATES[:1], DATES[1:2]])
def test_the_plan_of_a_range_is_what_the_backfill_does(
    published: Sequence[dt.date], light_world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    for date in published:
        run_world(light_world, out, date)
    foreseen = planned(capsys, str(light_world), *RANGE, "--out", str(out))
    done = backfilled(light_world, out).reports
    assert foreseen == [(sum(r.computed.values()), sum(r.skipped.values())) for r in done]


@pytest.mark.long
@pytest.mark.slow
def test_the_plan_knows_what_imagery_the_dates_share(
    small_world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = planned(capsys, str(small_world / "config.yaml"), *RANGE, "--out", str(tmp_path / "out"))
    assert counts == [(63, 0), (9, 57), (10, 59)]


@pytest.mark.slow
def test_a_date_that_cannot_be_valued_does_not_stop_the_next(
    light_world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    for date in (DATES[0], DATES[2]):
        run_world(light_world, out, date, stages=("features", "forecast"))
    command = ["backfill", str(light_world), *RANGE, "--out", str(out), "--stage", "valuation"]
    assert run_command(command) == 1
    captured = capsys.readouterr()
    assert "error: 2026-04-30: stage 'valuation' needs 'features' of as_of=2026-04-30" in captured.err
    assert "2026-04-30 FAILED: 2 of 3 dates" in captured.err
    assert [p.name for p in sorted((out / "valuations").iterdir())] == [f"as_of={DATES[0]}", f"as_of={DATES[2]}"]


@pytest.mark.slow
def test_outputs_that_can_no_longer_be_written_end_it_and_the_dates_left_are_named(
    light_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from plantation_rwa.errors import PublishError
    from plantation_rwa.run import backfill

    def full(session: Any, **options: Any) -> RunReport:
        if session.as_of == DATES[1]:
            raise PublishError("out/x.parquet: cannot be written (No space left on device). Make room.")
        return run_date(session, **options)

    run_date = backfill.run_date
    monkeypatch.setattr(backfill, "run_date", full)
    found = backfilled(light_world, tmp_path / "out")
    assert [r.as_of for r in found.reports] == ["2026-03-31"]
    assert found.failures == ["2026-04-30: out/x.parquet: cannot be written (No space left on device). Make room."]
    assert found.left == DATES[2:]
    with pytest.raises(PublishError, match="No space left"):
        backfilled(light_world, tmp_path / "out", DATES[1:])


@pytest.mark.slow
def test_a_fault_of_the_program_ends_one_date(
    light_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from plantation_rwa.run import backfill

    def faulty(session: Any, **options: Any) -> RunReport:
        if session.as_of == DATES[1]:
            raise KeyError("nowhere")
        return run_date(session, **options)

    run_date = backfill.run_date
    monkeypatch.setattr(backfill, "run_date", faulty)
    found = backfilled(light_world, tmp_path / "out", stages=("features",))
    assert [r.as_of for r in found.reports] == ["2026-03-31", "2026-05-31"]
    assert found.failures == ["2026-04-30: KeyError: 'nowhere'. The log has the place; report it."]
    assert "Traceback" in caplog.text


@pytest.mark.slow
def test_a_date_that_another_run_took_over_does_not_end_the_backfill(
    light_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a machine that slept: the other run has published it meanwhile."""
    from plantation_rwa.errors import LeaseLostError
    from plantation_rwa.run import backfill

    slept: list[dt.date] = []

    def taken_over(session: Any, **options: Any) -> RunReport:
        if session.as_of == DATES[1] and not slept:
            slept.append(session.as_of)
            run_world(light_world, tmp_path / "out", session.as_of, stages=("features",))
            raise LeaseLostError("as_of=2026-04-30: was taken over")
        return run_date(session, **options)

    run_date = backfill.run_date
    monkeypatch.setattr(backfill, "run_date", taken_over)
    found = backfilled(light_world, tmp_path / "out", stages=("features",))
    assert slept == [DATES[1]]
    assert found.failures == []
    assert [r.recomputed_nothing for r in found.reports] == [False, True, False]


@pytest.mark.long
@pytest.mark.slow
def test_only_publishes_the_chosen_of_every_date(light_world: Path, tmp_path: Path) -> None:
    backfilled(light_world, tmp_path / "out", only=["SIM-002"])
    run_world(light_world, tmp_path / "whole")
    assert [p.name for p in sorted((tmp_path / "out").iterdir())] == ["partial"]
    assert len(list((tmp_path / "out" / "partial" / "manifests").iterdir())) == 3
    tables = ("valuations", "forecasts")
    for name in tables:
        assert len(list((tmp_path / "out" / "partial" / name).iterdir())) == 3
    backfilled(light_world, tmp_path / "one", DATES[2:], only=["SIM-002"])
    assert_partial(tmp_path / "one" / "partial", tmp_path / "whole", ["SIM-002"], tables=tables)


TODAY = dt.date(2026, 6, 17)


def test_month_ends_of_a_range() -> None:
    found = dates_between("2025-12", "2026-02", TODAY)
    assert found == [dt.date(2025, 12, 31), dt.date(2026, 1, 31), dt.date(2026, 2, 28)]
    assert dates_between("2024-02", "2024-02", TODAY) == [dt.date(2024, 2, 29)]


@pytest.mark.parametrize(
    ("first", "last", "text"),
    [
        ("2026-05", "2026-03", r"--from: is later than --to \(got 2026-05 > 2026-03\). Swap them."),
        ("2026-13", None, r"--from: '2026-13' is not a month.*\n--to: is missing\. Give --from and --to together"),
        ("2026-05", "2026-06", r"--to: ends in the future \(got 2026-06\). Choose a month that is over."),
        ("1989-12", "1990-01", r"--from: is too long ago \(got 1989-12\). Choose a month from 1990 on."),
    ],
)
def test_ranges_that_are_none(first: str, last: str | None, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        dates_between(first, last, TODAY)


def test_the_first_date_says_nothing_of_the_rest() -> None:
    course = Course(4)
    assert course.left_seconds is None
    course.done, course.seconds = 1, [100.0]
    assert course.left_seconds is None
    course.done, course.seconds = 2, [100.0, 30.0]
    assert course.left_seconds == 60.0
    course.done = 4
    assert course.left_seconds == 0.0


@pytest.mark.parametrize(("seconds", "text"), [(5.4, "5 s"), (300.0, "5 min"), (9000.0, "2.5 h")])
def test_times_in_the_unit_people_use(seconds: float, text: str) -> None:
    assert duration(seconds) == text
