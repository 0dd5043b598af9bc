"""Two years of month ends on the sample: the files of separate runs, blocks decoded once, restarted in the middle."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from plantation_rwa.caches import VARIABLE
from plantation_rwa.run.dates import dates_between
from plantation_rwa.run.kept_months import FOLDER
from tests.conftest import ROOT, run_world, tree
from tests.run.test_backfill import Killed, KilledAt, Pixels, backfilled, pixels

__all__ = ["pixels"]

SAMPLE = ROOT / "configs" / "sample.yaml"
DATES = dates_between("2024-06", "2026-05", dt.date(2026, 6, 1))


@pytest.mark.long
@pytest.mark.slow
def test_two_years_of_the_sample_restarted_in_the_middle(
    tmp_path: Path, pixels: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    out, alone = tmp_path / "out", tmp_path / "alone"
    with pytest.raises(Killed):
        backfilled(SAMPLE, out, DATES, course=KilledAt(DATES[12]))
    assert len(list((out / "manifests").iterdir())) == 12
    found = backfilled(SAMPLE, out, DATES)
    assert found.failures == []
    assert pixels.most() == 1
    waiting = [p for p in (tmp_path / "cache" / FOLDER).rglob("*") if p.is_file()]
    # months that the killed one had published: another run of these dates may still ask for them
    assert all(p.parts[-3] < f"{DATES[12]:%Y-%m}" for p in waiting)
    whole = tree(out)
    assert backfilled(SAMPLE, out, DATES).recomputed_nothing
    assert tree(out) == whole
    monkeypatch.setenv(VARIABLE, "")
    for date in DATES:
        run_world(SAMPLE, alone, date)
    assert tree(alone) == whole
