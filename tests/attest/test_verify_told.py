"""``verify``: what file browsers leave and manifests that cannot be read are told as what they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from plantation_rwa.attest.checking import Trust, end_of_day
from plantation_rwa.cli import run_command
from plantation_rwa.publish.files import LITTER
from plantation_rwa.run.verify import verify
from tests.attest.forging import FOLDER, MANIFEST, added, manifest_of
from tests.conftest import run_world, tree
from tests.publish.test_manifest_refusals import refuse

TODAY = Trust({}, None, end_of_day("2026-06-10"))
LITTERED = ("Thumbs.db", "valuations/desktop.ini", "catalog/items/Thumbs.db", "latest/.DS_Store", "manifests/Thumbs.db")


def littered(out: Path, *names: str) -> None:
    for name in names:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(b"\xd0\xcf\x11\xe0")


def test_what_a_file_browser_leaves_is_noted_wherever_it_lies(light_copy: Path) -> None:
    littered(light_copy, *LITTERED)
    found = verify(light_copy, TODAY)
    assert (found.failed, found.refused) == ([], [])
    assert found.noted == [
        "Thumbs.db, catalog/items/Thumbs.db, latest/.DS_Store and 2 more: left by a file browser, no part of what was "
        "published, not looked into"
    ]


def test_only_files_of_exactly_these_names_are_litter(light_copy: Path) -> None:
    names = ["thumbs.db", "Thumbs.db.parquet", "Desktop.ini", "latest/xThumbs.db"]
    littered(light_copy, *names, "Thumbs.db/rows.parquet")
    (light_copy / "desktop.ini").symlink_to(light_copy / "README.md")
    failed = {where for where, _ in verify(light_copy, TODAY).failed}
    assert failed == {*names, "Thumbs.db/rows.parquet", "desktop.ini"}


def test_litter_that_a_manifest_names_is_a_published_file(light_copy: Path) -> None:
    added(light_copy, "forecast", "forecasts", "forecasts/Thumbs.db", b"rows")
    (light_copy / "forecasts/Thumbs.db").write_bytes(b"ROWS")
    found = verify(light_copy, TODAY)
    assert ("forecasts/Thumbs.db", "differs from its manifest") in found.failed
    assert found.noted == []


def test_this_program_publishes_nothing_under_such_a_name(light_run: Path) -> None:
    assert {Path(o.path).name for o in manifest_of(light_run).outputs}.isdisjoint(LITTER)


@pytest.mark.slow
def test_a_date_is_published_again_over_litter(light_world: Path, tmp_path: Path) -> None:
    """Parts, copies and catalog are made as if it were not there, and it is entered nowhere."""
    out = tmp_path / "out"
    run_world(light_world, out)
    before = tree(out)
    littered(out, *LITTERED)
    run_world(light_world, out, force=True)
    assert tree(out) == before | {name: tree(out)[name] for name in LITTERED}
    found = verify(out, TODAY)
    assert (found.failed, len(found.noted)) == ([], 1)


def test_a_manifest_whose_contract_is_no_text_is_the_one_cause(
    light_copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody here knows what wrote it: that is no fault of the files, and no all-clear."""
    path = light_copy / MANIFEST
    path.write_text(path.read_text("utf-8").replace('"contract_version": "1"', '"contract_version": 99'), "utf-8")
    found = verify(light_copy, TODAY)
    told = (
        "contract_version is no text (got 99), as no manifest has it that this program knows. "
        "Put back a copy of it, or use the program that wrote it."
    )
    assert (found.failed, found.refused) == ([], [(MANIFEST, told)])
    assert run_command(["verify", str(light_copy)]) == 2
    assert "COULD NOT CHECK EVERYTHING" in capsys.readouterr().out


BROKEN = {
    "": "is not a readable manifest (it is no JSON, or not all of it: Expecting value",
    "# a note\n": "is not a readable manifest (it is no JSON, or not all of it: Expecting value",
    "[]": "is not a readable manifest (it is no JSON object)",
    "cut": "is not a readable manifest (it is no JSON, or not all of it: ",
    "{}": "is not a readable manifest (KeyError: 'contract_version')",
}


@pytest.mark.parametrize(("content", "told"), BROKEN.items(), ids=["empty", "note", "list", "cut", "members"])
def test_a_broken_manifest_is_one_fault_with_its_remedy(
    content: str, told: str, light_copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = (light_copy / MANIFEST).read_text("utf-8")
    (light_copy / MANIFEST).write_text(whole[: len(whole) // 2] if content == "cut" else content, "utf-8")
    found = verify(light_copy, TODAY)
    ((where, why),) = found.failed
    assert where == MANIFEST
    assert why.startswith(told)
    assert why.endswith("Put back a copy of it, or remove it and run its date again.")
    count = len(json.loads(whole)["outputs"])
    assert (MANIFEST, f"{count} files") in [(place, reason.split(",")[0]) for place, reason in found.unchecked]
    assert run_command(["verify", str(light_copy)]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_one_that_may_not_be_read_is_not_called_wrong(
    light_copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refuse(monkeypatch, "read_text", Path(MANIFEST).name)
    assert run_command(["verify", str(light_copy)]) == 2
    said = capsys.readouterr()
    assert said.err == f"error: cannot check {MANIFEST}: cannot be read (Permission denied). Check rights.\n"
    assert "COULD NOT CHECK EVERYTHING" in said.out


def test_a_broken_manifest_beside_a_whole_one_blames_nothing_else(light_copy: Path) -> None:
    """What the other date published is checked; the copies, which speak of both, are not called wrong."""
    later = light_copy / "manifests/as_of=2026-06-30.json"
    later.write_text("{", "utf-8")
    littered(light_copy, "valuations/as_of=2026-06-30/part-0.parquet", "latest/stranger.parquet")
    part = light_copy / manifest_of(light_copy).tables("cash_flows")[0].path
    part.write_bytes(part.read_bytes() + b"x")
    found = verify(light_copy, TODAY)
    failed = {where for where, _ in found.failed}
    assert {later.relative_to(light_copy).as_posix(), part.relative_to(light_copy).as_posix()} <= failed
    assert failed <= {
        later.relative_to(light_copy).as_posix(), part.relative_to(light_copy).as_posix(), f"{FOLDER}/disclosure.json",
    }  # fmt: skip
    unchecked = dict(found.unchecked)
    told = unchecked["manifests/as_of=2026-06-30.json"]
    assert told == (
        "1 file, named by no other manifest; only one that can be read tells whether they were published: "
        "valuations/as_of=2026-06-30/part-0.parquet"
    )
    assert unchecked["latest/, catalog/"] == "they speak of dates whose manifest cannot be read too"
    later.unlink()
    assert ("valuations/as_of=2026-06-30/part-0.parquet", "is named by no manifest") in verify(light_copy, TODAY).failed


def test_a_replay_beside_a_broken_manifest_does_not_hide_the_findings(
    light_copy: Path, light_world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (light_copy / MANIFEST).write_text("{", "utf-8")
    assert run_command(["verify", str(light_copy), "--replay", str(light_world)]) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith(f"error: {MANIFEST}: is not a readable manifest")
    assert second.startswith("error: cannot check replay: as_of=2026-05-31.json: is not a readable manifest")


def test_an_expired_attestation_is_named(light_copy: Path) -> None:
    late = Trust({}, None, end_of_day("2026-07-06"))
    told = (
        "expired: it was valid until 2026-07-05, and 2026-07-06 is later. That says that a newer one is due, not that "
        "anything was changed. To check it as of a day on which it was valid, give --at DATE, a day from 2026-05-31 to "
        "2026-07-05"
    )
    assert verify(light_copy, late).failed == [(f"{FOLDER}/nav_attestation.json", told)]
    assert verify(light_copy, Trust({}, None, end_of_day("2026-07-05"))).failed == []
