"""Stores that refuse for good: cause and remedy in words, exit code 2, nothing written, ``doctor`` says so before."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from plantation_rwa.caches import VARIABLE
from plantation_rwa.cli import run_command
from plantation_rwa.testing import edit_config
from tests.conftest import AS_OF
from tests.faults.test_object_store import OUT
from tests.faults.test_refused_writes import without_override
from tests.object_store import BUCKET, S3, SECRET

pytestmark = [pytest.mark.slow, pytest.mark.server]
NETWORK = "Check the address, the credentials in the environment and the network"
RIGHTS = "Give the credentials the rights to list, read, write and delete there"
CREDENTIALS = "Check those in the environment, and the clock of this machine"
REFUSALS = [
    (403, "InvalidAccessKeyId", f"(the credentials are not accepted: HTTP 403 InvalidAccessKeyId). {CREDENTIALS}."),
    (403, "SignatureDoesNotMatch", "(the credentials are not accepted: HTTP 403 SignatureDoesNotMatch). Check"),
    (403, "AccessDenied", f"(access is refused: HTTP 403 AccessDenied). {RIGHTS}."),
    (404, "NoSuchBucket", "(there is no such bucket: HTTP 404 NoSuchBucket). Check its name"),
    (404, "NoSuchKey", f"(HTTP 404 NoSuchKey). {NETWORK}"),
    (500, "InternalError", f"(the server errs: HTTP 500 InternalError). Try again later. {NETWORK}"),
    (503, "SlowDown", f"(the server errs: HTTP 503 SlowDown). Try again later. {NETWORK}"),
]  # fmt: skip
#: another case of the same words
REPEATS = {"SignatureDoesNotMatch", "NoSuchKey", "SlowDown"}
ENDPOINTS = [
    ("http://no-such-host.invalid:9000", f"(nobody knows the name of its host). {NETWORK}"),
    ("http://127.0.0.1:9", f"(nobody listens there). {NETWORK}"),
    ("127.0.0.1:9000", "AWS_ENDPOINT_URL: 127.0.0.1:9000 is no address of a server. Write it as https://host:port."),
]


@pytest.fixture
def config(small_world: Path, tmp_path: Path) -> Path:
    """A register alone, its results meant for the store."""
    made = tmp_path / "config.yaml"
    register = next(small_world.glob("register.*"))
    made.write_text(f"portfolio: {{register: {register}}}\nmarket: {{}}\npublish: {{out: {OUT}}}\n", "utf-8")
    return made


def assert_told(config: Path, text: str, what: str, capsys: pytest.CaptureFixture[str]) -> None:
    """By the run and beforehand."""
    capsys.readouterr()
    assert run_command(["run", str(config), "--as-of", str(AS_OF), "--stage", "features"]) == 2
    said = capsys.readouterr().err
    assert text in said
    assert "Traceback" not in said
    assert SECRET not in said
    assert run_command(["doctor", str(config)]) == 1
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith(what)]
    assert any(" bad " in row and text in row for row in rows), rows


@pytest.mark.parametrize(
    ("status", "code", "text"),
    [pytest.param(*r, marks=pytest.mark.long) if r[1] in REPEATS else r for r in REFUSALS],
)
def test_an_answer_that_stays_is_told_in_words(
    status: int,
    code: str,
    text: str,
    s3: S3,
    config: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    s3.refusal, s3.mood = (status, code), lambda *_: "refused"
    assert_told(config, text, "outputs", capsys)
    assert s3.objects() == {}


@pytest.mark.parametrize(("endpoint", "text"), ENDPOINTS)
def test_an_address_where_no_store_is_is_told_in_words(
    endpoint: str,
    text: str,
    s3: S3,
    config: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    assert_told(config, text, "outputs", capsys)


def test_a_store_that_may_only_be_read_keeps_what_it_has(
    s3: S3,
    config: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = ["run", str(config), "--as-of", str(AS_OF), "--stage", "features"]
    assert run_command(run) == 0
    before = s3.objects()
    s3.refusal = (403, "AccessDenied")
    s3.mood = lambda _, method, __: "well" if method in {"GET", "HEAD"} else "refused"
    assert_told(config, f"(access is refused: HTTP 403 AccessDenied). {RIGHTS}.", "outputs", capsys)
    assert s3.objects() == before
    assert run_command(["verify", OUT]) in (0, 2), "there is no attestation to verify"


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (
            "s3://nobody/in/prices.csv",
            "market.prices: prices.csv: cannot be read (got s3://nobody/in: the store refuses",
        ),
        (f"s3://{BUCKET}/in/prices.csv", "market.prices: prices.csv: no such object"),
        (f"s3://{BUCKET}/in/pri*.csv", "market.prices: pri*.csv: no such object"),
    ],
)
def test_an_input_that_is_not_in_its_store_stops_the_run_before_anything_is_written(
    place: str,
    text: str,
    s3: S3,
    config: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    edit_config(config, {"market.prices": place, "publish.out": "out"})
    assert_told(config, text, "inputs", capsys)
    assert not (tmp_path / "out").exists()


def test_an_input_that_may_not_be_read_is_found_beforehand(small_world: Path, tmp_path: Path) -> None:
    world = Path(shutil.copytree(small_world, tmp_path / "world"))
    next(world.rglob("futures.*")).chmod(0o000)
    command = [sys.executable, "-m", "plantation_rwa", "doctor", str(world / "config.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=without_override, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(r"^inputs +bad +market.futures: futures.csv may not be read. Check rights.$", done.stdout, re.M)


def test_a_cache_that_cannot_be_written_is_told(
    s3: S3,
    config: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Inputs of a store are fetched there, and the working copy of its results lies there."""
    s3.fill({"in/fx.csv": b"date,base,quote,rate\n2026-01-01,USD,MYR,4.1\n"})
    (tmp_path / "other").write_text("mine")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "other"))
    edit_config(config, {"market.fx": f"s3://{BUCKET}/in/fx.csv", "publish.out": "out"})
    assert run_command(["run", str(config), "--as-of", str(AS_OF), "--stage", "features"]) == 2
    said = capsys.readouterr().err
    assert "market.fx: cache: cannot be written (" in said
    assert f"or name another folder in {VARIABLE}." in said
    assert not (tmp_path / "out").exists()
    assert run_command(["doctor", str(config)]) == 1
    assert f"other: is a file. Change {VARIABLE}." in capsys.readouterr().out
