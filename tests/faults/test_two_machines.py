"""Two machines that publish to one store: whoever was stopped for too long finds out, and nothing is lost."""

from __future__ import annotations

import functools
import os
import shutil
import signal
import threading
from pathlib import Path

import pytest

from plantation_rwa.caches import VARIABLE
from plantation_rwa.cli import run_command
from plantation_rwa.publish import working_copy
from plantation_rwa.publish.store_turn import StoreTurn
from plantation_rwa.testing import edit_config
from tests.conftest import AS_OF, tree
from tests.faults.test_killed_uploads import Machine, is_upload, machine, seal_and_manifest  # noqa: F401
from tests.faults.test_object_store import EARLIER, OUT, config, hashes, whole  # noqa: F401
from tests.object_store import Mood

pytestmark = [pytest.mark.slow, pytest.mark.server]
#: how long a run here waits for a turn that is not renewed; the stopped machine has the usual two minutes
SHORT_S = 0.5


class Stopped:
    """A machine that stops in the middle of a write, by its number from 0; the write arrives when it goes on."""

    def __init__(self, machine: Machine, number: int) -> None:  # noqa: F811
        self._count, self._number, self._s3 = -1, number, machine.s3
        self._there, self._on = threading.Event(), threading.Event()
        self._s3.mood = self._mood
        self.process = machine.start()
        assert self._there.wait(120), machine.log.read_text()
        self._s3.mood = lambda *_: "well"
        self._signal(signal.SIGSTOP)

    def _mood(self, _: int, method: str, path: str) -> Mood:
        self._count += is_upload(method, path)
        if self._count == self._number and is_upload(method, path):
            self._there.set()
            self._on.wait(240)
        return "well"

    def go_on(self) -> int:
        """Let it end; its exit code."""
        self._on.set()
        self._signal(signal.SIGCONT)
        self.process.join(120)
        assert self.process.exitcode is not None
        return self.process.exitcode

    def _signal(self, number: int) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, number)


@pytest.mark.parametrize("other", ["another date", pytest.param("the same date", marks=pytest.mark.long)])
@pytest.mark.parametrize(("first", "step"), [(0, 0), *(pytest.param(n, 4, marks=pytest.mark.long) for n in range(4))])
def test_a_machine_that_stops_at_any_upload_is_overtaken_and_told(
    first: int,
    step: int,
    other: str,
    machine: Machine,  # noqa: F811
    whole: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The other machine publishes meanwhile; what the first one had begun is undone or finished, never half there."""
    s3, date = machine.s3, EARLIER if other == "another date" else str(AS_OF)
    chosen = Path(shutil.copy(machine.config, machine.config.with_name("other.yaml")))
    edit_config(chosen, {} if other == "another date" else {"seed": 11})
    publish = ["run", str(chosen), "--as-of", date, "--out", OUT]
    monkeypatch.setattr(working_copy, "StoreTurn", functools.partial(StoreTurn, expiry_seconds=SHORT_S))
    machine.kill(0, "before")  # all is computed, nothing is published
    ready = shutil.copytree(machine.cache, tmp_path / "ready")
    writes = machine.writes()
    codes, told = [], set()
    for number in range(first, len(writes), step) if step else seal_and_manifest(writes):
        where = f"stopped at {writes[number]}"
        s3.clear()
        shutil.rmtree(machine.cache)
        shutil.copytree(ready, machine.cache)
        stopped = Stopped(machine, number)
        monkeypatch.setenv(VARIABLE, str(tmp_path / "other"))
        shutil.rmtree(tmp_path / "other", ignore_errors=True)
        assert run_command(publish) == 0, where
        between = s3.objects("out/")
        codes.append(stopped.go_on())
        said = machine.log.read_text()
        assert codes[-1] in (0, 2), said
        if codes[-1] == 2:
            told.add(said.splitlines()[-1].partition(": ")[2].partition(", because")[0])
            assert "Run again." in said
            assert "Traceback" not in said
        assert run_command(["verify", OUT]) == 0, f"{where}: {capsys.readouterr()}"
        left = s3.objects("out/")
        assert left[f"manifests/as_of={date}.json"] == between[f"manifests/as_of={date}.json"], where
        for again in (EARLIER, str(AS_OF)):  # an earlier date that came second is not known to the later one
            machine.run(again)
        assert hashes(s3.objects("out/")) == tree(whole), where
    with capsys.disabled():
        print(f"\n  {len(codes)} of {len(writes)} writes, exit codes {codes}\n  " + "\n  ".join(sorted(told)))
    assert 2 in codes
