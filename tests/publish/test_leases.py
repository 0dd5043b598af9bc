"""Leases: one run at a time makes a partition, an owner that is gone loses it, nobody waits in a circle."""

from __future__ import annotations

import contextvars
import json
import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from plantation_rwa.errors import PublishError
from plantation_rwa.publish.files import host_mark
from plantation_rwa.publish.leases import Leases, abandoned


def lease_file(root: Path, partition: str, host: str, process: int) -> Path:
    path = root / ".leases" / f"{partition}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"host": host, "process": process, "run": "x"}) + "\n", "utf-8")
    return path


def ended_process() -> int:
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


def take_elsewhere(leases: Leases, *partitions: str) -> tuple[threading.Thread, threading.Event]:
    """Take partitions in another thread; the event tells when they are taken."""
    taken = threading.Event()

    def take() -> None:
        leases.take(partitions)
        taken.set()

    thread = threading.Thread(target=take, daemon=True)
    thread.start()
    return thread, taken


def test_a_partition_that_is_held_is_waited_for(tmp_path: Path) -> None:
    with Leases(tmp_path) as first, Leases(tmp_path) as second:
        first.take(["as_of=2026-05-31"])
        second.take(["as_of=2026-04-30"])
        thread, taken = take_elsewhere(second, "as_of=2026-05-31")
        assert not taken.wait(0.5)
        first.keep(())
        assert taken.wait(5)
        thread.join()
        assert second.held == {"as_of=2026-04-30", "as_of=2026-05-31"}
        second.check()
    assert list(tmp_path.iterdir()) == []


def test_the_one_who_waits_is_told_for_whom(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Leases(tmp_path) as first, Leases(tmp_path) as second:
        first.take(["month=2026-05"])
        thread, taken = take_elsewhere(second, "month=2026-05")
        assert not taken.wait(0.5)
        assert f"month=2026-05 is being made by process {os.getpid()} of this machine; waiting" in caplog.text
        first.keep(())
        thread.join(5)


RUN: contextvars.ContextVar[str] = contextvars.ContextVar("run", default="none")


def test_what_the_renewer_says_is_said_within_its_run(tmp_path: Path) -> None:
    """A server of flow runs takes a record for the run in whose context it was made."""
    heard: list[tuple[str, str]] = []
    told = threading.Event()

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append((RUN.get(), record.getMessage()))
            told.set()

    logger, ear, before = logging.getLogger("plantation_rwa.publish.leases"), Ear(), RUN.set("mine")
    logger.addHandler(ear)
    try:
        with Leases(tmp_path, expiry_seconds=0.2) as leases:
            leases.take(["month=2026-05"])
            lease = tmp_path / ".leases" / "month=2026-05.json"
            aside = lease.rename(tmp_path / "aside.json")
            lease.mkdir()  # which cannot be read as a file
            assert told.wait(10)
            lease.rmdir()
            aside.rename(lease)
    finally:
        logger.removeHandler(ear)
        RUN.reset(before)
    assert {run for run, _ in heard} == {"mine"}
    assert heard[0][1].startswith("month=2026-05: lease not renewed (")


def test_a_process_that_has_ended_loses_its_leases_at_once(tmp_path: Path) -> None:
    lease_file(tmp_path, "month=2026-05", host_mark(), ended_process())
    gone = lease_file(tmp_path, "month=2026-04", host_mark(), ended_process())
    half = tmp_path / ".leases" / "month=2026-03.json"
    half.write_text('{"host": "', "utf-8")
    start = time.monotonic()
    with Leases(tmp_path) as leases:
        leases.take(["month=2026-05"])
        assert time.monotonic() - start < 5
        assert not gone.exists()
        assert not half.exists()
    assert list(tmp_path.iterdir()) == []


def test_an_owner_elsewhere_loses_a_lease_it_does_not_renew(tmp_path: Path) -> None:
    """Its own clock decides nothing: the file bears a time of tomorrow."""
    path = lease_file(tmp_path, "month=2026-05", "0" * 8, 1)
    os.utime(path, (time.time() + 86_000, time.time() + 86_000))
    with Leases(tmp_path, expiry_seconds=1.0) as leases:
        _, taken = take_elsewhere(leases, "month=2026-05")
        assert not taken.wait(0.9)
        assert taken.wait(10)
        leases.check()


def test_an_owner_elsewhere_that_lost_one_lease_has_lost_all(tmp_path: Path) -> None:
    """A machine that is gone is waited for once, however many months it held."""
    months = [f"month=2026-{n:02d}" for n in range(1, 9)]
    for month in months:
        lease_file(tmp_path, month, "0" * 8, 1)
    other = tmp_path / ".leases" / "month=2026-09.json"
    other.write_text(json.dumps({"host": "1" * 8, "process": 1, "run": "y"}) + "\n", "utf-8")
    with Leases(tmp_path, expiry_seconds=1.0) as leases:
        start = time.monotonic()
        leases.take(months)
        assert 1.0 <= time.monotonic() - start < 3.0
        _, taken = take_elsewhere(leases, "month=2026-09")
        assert not taken.wait(0.7)  # of another owner nothing is known yet
        assert taken.wait(5)
        leases.check()


def test_a_clock_that_jumps_a_day_ahead_takes_nothing_from_a_living_owner(tmp_path: Path) -> None:
    with Leases(tmp_path) as owner:
        owner.take(["month=2026-05"])
        path = tmp_path / ".leases" / "month=2026-05.json"
        os.utime(path, (time.time() - 2 * 86_400,) * 2)
        with Leases(tmp_path):
            pass
        owner.check()


def test_an_owner_that_renews_keeps_it(tmp_path: Path) -> None:
    with Leases(tmp_path, expiry_seconds=1.0) as first, Leases(tmp_path, expiry_seconds=1.0) as second:
        first.take(["month=2026-05"])
        _, taken = take_elsewhere(second, "month=2026-05")
        assert not taken.wait(3.0)
        first.check()
        first.keep(())
        assert taken.wait(5)


def test_a_run_that_lost_a_partition_publishes_nothing(tmp_path: Path) -> None:
    with Leases(tmp_path) as leases:
        leases.take(["as_of=2026-05-31"])
        lease_file(tmp_path, "as_of=2026-05-31", "0" * 8, 77)
        told = "as_of=2026-05-31: was taken over by process 77 of machine 00000000.*Nothing of it was published"
        with pytest.raises(PublishError, match=told):
            leases.check()
    assert [p.name for p in (tmp_path / ".leases").iterdir()] == ["as_of=2026-05-31.json"]  # it is the other's


def test_runs_that_want_the_same_partitions_in_any_order_both_end(tmp_path: Path) -> None:
    names = [f"month=2026-{n:02d}" for n in range(1, 7)]
    made: list[str] = []

    def run(order: list[str]) -> None:
        for _ in range(5):
            with Leases(tmp_path) as leases:
                leases.take(order)
                made.append("in")
                time.sleep(0.01)
                made.append("out")

    runs = [threading.Thread(target=run, args=(order,), daemon=True) for order in (names, names[::-1])]
    for thread in runs:
        thread.start()
    for thread in runs:
        thread.join(30)
    assert made == ["in", "out"] * 10


def test_leases_nobody_renewed_for_a_day_are_abandoned(tmp_path: Path) -> None:
    old = lease_file(tmp_path, "month=2026-01", "0" * 8, 1)
    os.utime(old, (time.time() - 90_000, time.time() - 90_000))
    lease_file(tmp_path, "month=2026-02", "0" * 8, 1)
    lease_file(tmp_path, "month=2026-03", host_mark(), os.getpid())
    assert abandoned(tmp_path) == [old]
