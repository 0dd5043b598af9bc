"""``prune``: dead parts and remains of killed runs go, whatever a manifest names and a living run holds stays."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from plantation_rwa.cli import run_command
from plantation_rwa.errors import PublishError
from plantation_rwa.publish.files import SharedFolder, host_mark
from plantation_rwa.publish.leases import Leases
from plantation_rwa.publish.manifest import Manifest, Output, save
from plantation_rwa.publish.pruning import prune, waste, without_manifest
from plantation_rwa.run.publishing import remove_unnamed
from tests.conftest import tree

KEPT = "features/month=2026-05/vintage=2026-05-31/part-aaaaaaaaaaaa.parquet"
DEAD = (
    "features/month=2026-05/vintage=2026-05-20/part-bbbbbbbbbbbb.parquet",
    "valuations/as_of=2026-05-31/part-cccccccccccc.parquet",
)


def ended_process() -> int:
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """An output folder with one published part, two dead ones and what a killed run left."""
    root = tmp_path / "out"
    for name in (KEPT, *DEAD, "latest/features.parquet"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"PAR1")
    output = Output("features", "features", "month=2026-05", KEPT, "0" * 64, 4, 1, "f")
    save(root, Manifest("2026-05-31", "p", True, {}, {}, {}, (output,)))
    gone = ended_process()
    (root / "valuations" / f".part-1.parquet.{host_mark()}.{gone}.{'0' * 32}.tmp").write_bytes(b"P")
    (root / ".leases").mkdir()
    (root / ".leases" / "month=2026-04.json").write_text(f'{{"host": "{host_mark()}", "process": {gone}}}')
    (root / "partial" / f".work-{host_mark()}-{gone}" / "features").mkdir(parents=True)
    return root


def test_what_nobody_needs_is_listed_and_nothing_is_deleted(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = tree(out)
    assert run_command(["prune", str(out)]) == 0
    said = capsys.readouterr().out
    assert "would delete: 2 dead parts, 1 lease, 1 temporary file, 1 work of a killed run, 0.0 MB" in said
    assert "nothing was deleted; run again with --delete" in said
    for name in DEAD:
        assert name in said
    assert KEPT not in said
    assert tree(out) == before


def test_it_goes_with_its_empty_folders_when_asked(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["prune", str(out), "--delete"]) == 0
    assert "deleted: 2 dead parts" in capsys.readouterr().out
    assert set(tree(out)) == {KEPT, "latest/features.parquet", "manifests/as_of=2026-05-31.json"}
    assert sorted(p.name for p in out.iterdir()) == ["features", "latest", "manifests"]
    assert run_command(["prune", str(out)]) == 0
    assert capsys.readouterr().out == "would delete: nothing\n"


def test_what_a_file_browser_left_stays_and_keeps_nothing_else(out: Path) -> None:
    left = ["Thumbs.db", f"{DEAD[0].rsplit('/', 1)[0]}/desktop.ini", "manifests/Thumbs.db", "latest/.DS_Store"]
    for name in left:
        (out / name).write_bytes(b"x")
    assert {one.path.relative_to(out).as_posix() for one in prune(out) if one.kind == "dead part"} == set(DEAD)
    assert set(tree(out)) == {KEPT, "latest/features.parquet", "manifests/as_of=2026-05-31.json", *left}


def test_while_another_run_uses_the_folder_nothing_goes(out: Path) -> None:
    with SharedFolder(out), pytest.raises(PublishError, match=r"another run uses the folder\. Prune when it is over\."):
        prune(out)
    assert all((out / name).exists() for name in DEAD)


def test_a_lease_that_is_held_is_told_and_no_waste(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Leases(out) as leases:
        leases.take(["month=2026-05"])
        assert sorted(one.kind for one in waste(out)) == ["dead part", "dead part", "temporary file"]
        run_command(["prune", str(out)])
        assert "month=2026-05 is being made by process " in capsys.readouterr().out


def test_without_a_readable_manifest_nothing_goes(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (out / "manifests" / "as_of=2026-04-30.json").write_text('{"contract_version": "99"}')
    assert run_command(["prune", str(out), "--delete"]) == 2
    assert "written for contract version '99'" in capsys.readouterr().err
    assert all((out / name).exists() for name in DEAD)


@pytest.mark.parametrize(
    "name",
    [
        "notes.txt",
        "manifests/kubernetes.json",
        "sales/year=2026/part-0000.parquet",
        "sales/as_of=2026-05-31/part-aaaaaaaaaaaa.parquet",
        "features/month=2026-05/part-1.parquet",
    ],
)
def test_a_folder_that_is_no_output_is_refused(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_bytes(b"x")
    assert run_command(["prune", str(tmp_path), "--delete"]) == 2
    said = capsys.readouterr().err
    assert "is no output folder" in said
    assert "Give the folder that holds manifests/, or the parts of a run that was killed." in said
    assert tree(tmp_path).keys() == {name}


@pytest.mark.parametrize("gone", [(), (".leases",), ("features", "valuations"), ("features", "valuations", ".leases")])
def test_what_a_first_run_left_that_never_published_goes(
    out: Path, gone: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """It has no manifest yet: leases, parts of our tables, or the folder that ``--only`` worked in show whose it is."""
    for name in ("manifests", "latest", *gone):
        shutil.rmtree(out / name)
    left = sorted(tree(out))
    assert run_command(["prune", str(out)]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in left)
    assert "work of a killed run" in said
    assert sorted(tree(out)) == left
    assert run_command(["prune", str(out), "--delete"]) == 0
    assert tree(out) == {}


def test_what_belongs_to_a_date_whose_manifest_was_lost_stays(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An attestation is written when all tables are; a run that was killed before has none, and its parts go."""
    of_lost = (
        "valuations/as_of=2026-04-30/part-dddddddddddd.parquet",
        "features/month=2026-04/vintage=2026-04-30/part-eeeeeeeeeeee.parquet",
    )
    for name in (*of_lost, "attestations/as_of=2026-04-30/records.parquet"):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(b"PAR1")
    assert without_manifest(out) == {}
    assert {one.path for one in waste(out) if one.kind == "dead part"} == {out / name for name in (*of_lost, *DEAD)}
    for name in ("attestations/as_of=2026-04-30/nav_attestation.json", "reports/as_of=2026-04-30/index.html"):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(b"x")
    assert run_command(["prune", str(out), "--delete"]) == 0
    told = "2026-04-30 has an attestation and pages but no manifest: what may belong to it stays. "
    assert f"{told}Put the manifest back, or run that date again." in capsys.readouterr().out
    assert set(of_lost) <= tree(out).keys()
    remove_unnamed(out, "2026-05-31")
    assert set(of_lost) <= tree(out).keys(), "a run of another date leaves them too"
    assert not set(DEAD) & tree(out).keys()
    save(out, Manifest("2026-04-30", "p", True, {}, {}, {}, ()))
    assert {one.path for one in waste(out) if one.kind == "dead part"} == {out / name for name in of_lost}
