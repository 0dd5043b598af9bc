"""A date published again, or after a later one: the manifest stays the commit point, the history stays checkable."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from types import ModuleType

import pytest

from plantation_rwa.attest.checking import Findings, Trust, end_of_day
from plantation_rwa.publish.manifest import damaged, load, load_all
from plantation_rwa.run import profiles, walk
from plantation_rwa.run.replay import replay
from plantation_rwa.run.verify import verify
from plantation_rwa.testing import edit_config
from tests.conftest import run_world

APRIL, MAY = dt.date(2026, 4, 30), dt.date(2026, 5, 31)
TODAY = Trust({}, None, end_of_day("2026-06-10"))


class KilledError(Exception):
    """Stands for a kill."""


def run_and_be_killed(config: Path, out: Path, module: ModuleType) -> None:
    """Run, and end at the moment the manifest is to be written."""

    def killed(*_: object) -> None:
        raise KilledError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "save", killed)
        with pytest.raises(KilledError):
            run_world(config, out)


def assert_whole(out: Path) -> None:
    for manifest in load_all(out):
        assert damaged(out, manifest.outputs) == []


@pytest.mark.slow
def test_a_run_killed_before_its_manifest_leaves_none_that_names_replaced_pages(
    light_world: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run_world(light_world, out)
    edit_config(light_world, {"seed": 8})
    run_and_be_killed(light_world, out, walk)
    assert_whole(out)
    left = load(out, MAY.isoformat())
    assert left is not None
    assert left.of("valuation")
    assert not left.of("attest", "report")
    told = dict(verify(out, TODAY).failed)
    assert told[f"attestations/as_of={MAY}/nav_attestation.json"] == "is named by no manifest"
    run_world(light_world, out)
    assert_whole(out)
    assert verify(out, TODAY).failed == []


@pytest.mark.long
@pytest.mark.slow
def test_a_page_that_was_bent_is_made_again_and_named(light_world: Path, tmp_path: Path) -> None:
    """Nothing but the page has changed: the manifest that comes out is the one that was there."""
    out = tmp_path / "out"
    run_world(light_world, out)
    before = (out / "manifests" / f"as_of={MAY}.json").read_bytes()
    page = out / "reports" / f"as_of={MAY}" / "index.html"
    page.write_text("bent", "utf-8")
    run_world(light_world, out)
    assert (out / "manifests" / f"as_of={MAY}.json").read_bytes() == before
    assert_whole(out)


@pytest.mark.long
@pytest.mark.slow
def test_a_profile_killed_before_its_manifest_names_nothing_replaced(light_world: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    edit_config(light_world, {"publish.profile": "investor"})
    run_world(light_world, out)
    edit_config(light_world, {"seed": 8})
    run_and_be_killed(light_world, out, profiles)
    assert_whole(out)
    run_world(light_world, out)
    assert_whole(out)
    assert verify(out, TODAY).failed == []


@pytest.mark.long
@pytest.mark.slow
def test_a_date_published_late_is_told_replayed_and_brought_into_line(light_world: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for date in (MAY, APRIL):
        run_world(light_world, out, date)
    found = verify(out, TODAY)
    assert found.failed == []
    assert [text.split("; ")[0] for text in found.noted] == [
        f"attestations/as_of={MAY}/disclosure.json: history: names none before it"
    ]
    again = Findings()
    replay(out, light_world, "threads", again)
    assert again.failed == []
    assert f"replay as_of={MAY}: 4 of 4 record hashes reproduced" in again.checked
    run_world(light_world, out, MAY)
    found = verify(out, TODAY)
    assert (found.failed, found.noted) == ([], [])
    replay(out, light_world, "threads", again)
    assert again.failed == []
