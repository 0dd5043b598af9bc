"""Inputs and outputs in an object store that errs, and runs that are killed while they publish there."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from plantation_rwa.caches import VARIABLE
from plantation_rwa.cli import run_command
from plantation_rwa.publish.files import host_mark
from plantation_rwa.publish.working_copy import place_of
from plantation_rwa.testing import bare_portfolio, edit_config
from tests.conftest import AS_OF, ROOT, tree
from tests.faults.test_crash_points import remembered  # noqa: F401
from tests.object_store import BUCKET, S3, SECRET, moody

OUT = f"s3://{BUCKET}/out"
EARLIER = "2026-04-30"
#: seed of the faults
CHANCE = 20261126


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two plantations, one with scenes, and nothing that takes long."""
    made = bare_portfolio(tmp_path_factory.mktemp("store") / "world", seed=5, imagery_plantations=1, settlement_days=60)
    return edit_config(made.config, {"valuation.paths": 100, "valuation.assumptions": {"attest.valid_days": 3653}})


@pytest.fixture(scope="module")
def whole(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The two dates as a folder has them."""
    out = tmp_path_factory.mktemp("whole") / "out"
    for date in (EARLIER, str(AS_OF)):
        assert run_command(["run", str(config), "--as-of", date, "--out", str(out)]) == 0
    return out


def hashes(objects: dict[str, bytes]) -> dict[str, str]:
    return {path: hashlib.sha256(data).hexdigest() for path, data in sorted(objects.items())}


def run(config: Path, *options: str, date: str = str(AS_OF)) -> int:
    return run_command(["run", str(config), "--as-of", date, "--out", OUT, *options])


@pytest.mark.slow
@pytest.mark.server
def test_a_store_that_errs_holds_what_a_folder_holds(
    s3: S3, config: Path, whole: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    s3.mood = moody(CHANCE, 0.15)
    assert run(config, date=EARLIER) == 0
    assert run(config) == 0
    assert {"refused", "lost", "broken"} <= set(s3.faults), "all kinds of faults happened"
    assert hashes(s3.objects("out/")) == tree(whole)
    said = capsys.readouterr()
    assert f"results: {OUT}" in said.out
    assert f"summary: {OUT}/reports/as_of={AS_OF}/index.html" in said.out
    assert SECRET not in said.out + said.err + caplog.text
    s3.mood = lambda *_: "well"
    s3.writes.clear()
    assert run(config) == 0
    assert "nothing to recompute" in capsys.readouterr().out
    assert [w for w in s3.writes if ".turn.json" not in w] == []
    for command in (["verify", OUT], ["report", OUT], ["plan", str(config), "--out", OUT]):
        assert run_command(command) == 0, command
    said = capsys.readouterr()
    assert "everything that was checked is as it should be" in said.out
    assert hashes(s3.objects("out/")) == tree(whole)


@pytest.mark.slow
@pytest.mark.server
def test_what_a_file_browser_left_is_not_published_and_not_in_the_way(
    s3: S3, config: Path, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the working copy it stays there; in the store a reader is told of it."""
    assert run(config, date=EARLIER) == 0
    (place_of(OUT) / "latest" / "Thumbs.db").write_bytes(b"x")
    assert run(config) == 0
    assert hashes(s3.objects("out/")) == tree(whole)
    s3.fill({"valuations/desktop.ini": b"x"}, "out/")
    capsys.readouterr()
    assert run_command(["verify", OUT]) == 0
    assert "noted        valuations/desktop.ini: left by a file browser" in capsys.readouterr().out


def instants(s3: S3, config: Path, prefix: str = "out/") -> list[dict[str, bytes]]:
    """The objects before and after every write of a run: what a kill at each instant leaves."""
    found = [s3.objects(prefix)]

    def note() -> None:
        now = {path: data for path, data in s3.objects(prefix).items() if path != ".turn.json"}
        if now != found[-1]:
            found.append(now)

    s3.on_write = note
    assert run(config) == 0
    s3.on_write = lambda: None
    return found


def dead_process() -> int:
    """Id of a process that has ended."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


@pytest.mark.slow
@pytest.mark.server
@pytest.mark.parametrize("seed", [0, pytest.param(11, marks=pytest.mark.long)])
@pytest.mark.parametrize(("first", "step"), [(0, 0), *(pytest.param(n, 4, marks=pytest.mark.long) for n in range(4))])
def test_a_run_killed_at_any_write_leaves_a_whole_publication_and_is_mended(
    seed: int,
    first: int,
    step: int,
    s3: S3,
    config: Path,
    whole: Path,
    remembered: None,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A second date beside the first, all of it new; with a seed the same date once more, other bytes in its places."""
    chosen = edit_config(Path(shutil.copy(config, config.with_name("chosen.yaml"))), {"seed": seed} if seed else {})
    assert run(config, date=EARLIER) == 0
    if seed:
        assert run(config) == 0
    states = instants(s3, chosen)
    done = hashes(s3.objects("out/"))
    assert seed or done == tree(whole)
    assert len(states) > 20
    turn = {"host": host_mark(), "process": dead_process(), "run": "killed", "renewed": 1}
    manifest = f"manifests/as_of={AS_OF}.json"
    commit = next(n for n, state in enumerate(states) if state.get(manifest) == states[-1][manifest])
    numbers = sorted({*(range(first, len(states), step) if step else ()), commit - 1, commit})
    published = set()
    for n in numbers:
        monkeypatch.setenv(VARIABLE, str(tmp_path / f"cache-{n}"))
        s3.clear()
        s3.fill({**states[n], ".turn.json": json.dumps(turn).encode()}, "out/")
        assert run_command(["verify", OUT]) == 0, f"instant {n}: {capsys.readouterr()}"
        published.add(states[n].get(manifest))
        assert run(chosen) == 0
        assert hashes(s3.objects("out/")) == done, f"instant {n}"
    assert len(published) == 2, "some instants lie before the commit and some after it"
    with capsys.disabled():
        print(f"\n  {len(numbers)} of {len(states)} instants, {len(done)} objects")


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.server
def test_a_run_that_was_killed_goes_on_with_what_it_had_computed(
    s3: S3, config: Path, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The store is gone when the results are to be published: they stay in the working copy."""
    assert run(config, date=EARLIER) == 0
    s3.mood = lambda _, method, path: "refused" if method == "PUT" and "/out/" in path else "well"
    capsys.readouterr()
    assert run(config) == 2
    said = capsys.readouterr().err
    assert re.search(r"error: s3://test-bucket/out/\S+: the store refuses or does not answer \(.*500", said)
    assert "Check the address, the credentials in the environment and the network" in said
    assert SECRET not in said
    s3.mood = lambda *_: "well"
    assert run_command(["verify", OUT]) == 0
    assert run(config) == 0
    assert hashes(s3.objects("out/")) == tree(whole)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.server
def test_two_machines_publish_two_dates_at_once(s3: S3, config: Path, whole: Path, tmp_path: Path) -> None:
    """Each has a working copy of its own; copies and catalog know both dates in the end."""
    command = [sys.executable, "-m", "plantation_rwa", "run", str(config), "--out", OUT, "--as-of"]
    children = [
        subprocess.Popen(
            [*command, date],
            env={**os.environ, VARIABLE: str(tmp_path / date), "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for date in (EARLIER, str(AS_OF))
    ]
    ended = [child.communicate(timeout=300)[0].decode() for child in children]
    assert [child.returncode for child in children] == [0, 0], "\n".join(ended)
    for date in (EARLIER, str(AS_OF)):  # if the earlier date came second, the later one does not know it yet
        assert run(config, date=date) == 0
    assert run_command(["verify", OUT]) == 0
    assert hashes(s3.objects("out/")) == tree(whole)


@pytest.mark.slow
@pytest.mark.server
@pytest.mark.parametrize(
    ("scenes", "out"),
    [
        ("remote", "remote"),
        pytest.param("local", "remote", marks=pytest.mark.long),
        pytest.param("remote", "local", marks=pytest.mark.long),
    ],
)
def test_inputs_in_a_store_that_errs_give_the_bytes_of_local_ones(
    s3: S3, config: Path, whole: Path, tmp_path: Path, scenes: str, out: str
) -> None:
    s3.put_folder(config.parent, "in/")
    local = yaml.safe_load(config.read_text("utf-8"))
    settings = addressed(local, config.parent)
    if scenes == "local":
        settings["imagery"]["source"] = [str(config.parent / place) for place in local["imagery"]["source"]]
    remote = tmp_path / "config.yaml"
    remote.write_text(yaml.safe_dump(settings), "utf-8")
    assert remote.read_text("utf-8").count(f"s3://{BUCKET}/in/") > 5
    s3.mood = moody(CHANCE, 0.1)
    place = OUT if out == "remote" else str(tmp_path / "out")
    for date in (EARLIER, str(AS_OF)):
        assert run_command(["run", str(remote), "--as-of", date, "--out", place]) == 0
    s3.mood = lambda *_: "well"
    assert (hashes(s3.objects("out/")) if out == "remote" else tree(tmp_path / "out")) == tree(whole)


def addressed(value: Any, folder: Path) -> Any:
    """A configuration whose files lie in the store."""
    if isinstance(value, dict):
        return {key: addressed(inner, folder) for key, inner in value.items()}
    if isinstance(value, list):
        return [addressed(inner, folder) for inner in value]
    return f"s3://{BUCKET}/in/{value}" if isinstance(value, str) and (folder / value).is_file() else value


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.server
def test_partial_results_profiles_and_pruning_in_a_store(
    s3: S3, config: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(config, "--only", "SIM-002") == 0
    assert {path.split("/")[0] for path in s3.objects("out/")} == {"partial"}
    assert f"manifests/as_of={AS_OF}.json" in s3.objects("out/partial/")
    assert run(config, date=EARLIER) == 0
    assert run(config) == 0
    s3.fill({"features/month=2026-05/vintage=2026-05-31/part-0123456789ab.parquet": b"PAR1"}, "out/")
    capsys.readouterr()
    assert run_command(["prune", OUT, "--delete"]) == 0
    assert "deleted: 1 dead part" in capsys.readouterr().out
    assert hashes({p: b for p, b in s3.objects("out/").items() if not p.startswith("partial/")}) == tree(whole)
    public = edit_config(Path(shutil.copy(config, config.with_name("public.yaml"))), {"publish.profile": "public"})
    place = f"s3://{BUCKET}/public"
    assert run_command(["run", str(public), "--as-of", str(AS_OF), "--out", place]) == 0
    assert f"profile public: {place}" in capsys.readouterr().out
    assert [run_command(["verify", one]) for one in (place, f"{place}-full")] == [0, 0]
    proof = tmp_path / "one.proof.json"
    assert run_command(["prove", f"{place}-full", "SIM-001", "--out", str(proof)]) == 0
    s3.fill({"one.proof.json": proof.read_bytes()}, "proofs/")
    assert run_command(["verify", f"s3://{BUCKET}/proofs/one.proof.json"]) == 0


@pytest.mark.slow
@pytest.mark.server
def test_doctor_looks_at_the_store_beforehand(
    s3: S3, config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    there = edit_config(Path(shutil.copy(config, config.with_name("there.yaml"))), {"publish.out": OUT})
    run_command(["doctor", str(there)])
    assert re.search(r"outputs\s+ok\s+0 dates published", capsys.readouterr().out)
    assert s3.objects() == {}
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert run_command(["doctor", str(there)]) == 1
    assert "the store refuses or does not answer" in " ".join(capsys.readouterr().out.split())
    missing = edit_config(there, {"publish.out": "s3://nobody/out"})
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3.endpoint)
    assert run_command(["run", str(missing)]) == 2
    assert "NoSuchBucket" in capsys.readouterr().err
