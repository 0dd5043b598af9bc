"""A run that is killed right before or after each of its uploads: the store shows the last publication, or the new one.

The results were computed before and wait in the working copy, so the run that is killed only publishes; the one that
resumes it works on the same machine, with what the killed one left there.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

import pytest

from plantation_rwa.caches import VARIABLE
from plantation_rwa.cli import run_command
from plantation_rwa.publish.store_turn import TURN
from plantation_rwa.publish.working_copy import JOURNALS
from plantation_rwa.testing import edit_config
from tests.conftest import AS_OF, tree
from tests.faults import child
from tests.faults.test_object_store import EARLIER, OUT, config, hashes, whole  # noqa: F401
from tests.object_store import S3, Mood

pytestmark = [pytest.mark.slow, pytest.mark.server]
Moment = Literal["before", "after"]
MOMENTS: tuple[Moment, ...] = ("before", "after")


def is_upload(method: str, path: str) -> bool:
    """Whether a request writes anything but the turn, which is renewed whenever its time has come."""
    return method in {"PUT", "POST", "DELETE"} and not path.endswith(TURN)


class Machine:
    """A machine with a working copy of its own that runs the command."""

    def __init__(self, s3: S3, config: Path, folder: Path) -> None:  # noqa: F811
        self.s3, self.config, self.cache, self.log = s3, config, folder / "cache", folder / "log"

    def start(self, date: str = str(AS_OF)) -> BaseProcess:
        words = ["run", str(self.config), "--as-of", date, "--out", OUT]
        return child.command(words, {**self.s3.variables, VARIABLE: str(self.cache)}, self.log)

    def run(self, date: str = str(AS_OF)) -> None:
        running = self.start(date)
        running.join(120)
        assert running.exitcode == 0, self.log.read_text()

    def writes(self) -> list[str]:
        """Run, and tell the uploads and deletions in order, one for each request."""
        found: list[str] = []

        def mood(_: int, method: str, path: str) -> Mood:
            found.extend([f"{method} {unquote(path)}"] if is_upload(method, path) else [])
            return "well"

        self.s3.mood = mood
        self.run()
        self.s3.mood = lambda *_: "well"
        return found

    def kill(self, number: int, moment: Moment) -> None:
        """Run, and kill the process when a write arrives, by its number from 0, or when it has been done."""
        count, running = -1, self.start()

        def end() -> None:
            assert running.pid is not None
            os.kill(running.pid, signal.SIGKILL)
            wait(
                [running.sentinel], 10
            )  # this is a thread of the server: only the one that started a process may join it

        def mood(_: int, method: str, path: str) -> Mood:
            nonlocal count
            count += is_upload(method, path)
            if is_upload(method, path) and count == number and moment == "before":
                end()
                return "refused"
            return "well"

        def note() -> None:
            if count == number and moment == "after":
                end()

        self.s3.mood, self.s3.on_write = mood, note
        running.join(120)
        self.s3.mood, self.s3.on_write = (lambda *_: "well"), (lambda: None)
        assert running.exitcode == -signal.SIGKILL, self.log.read_text()


def is_committed(objects: dict[str, bytes], done: dict[str, str]) -> bool:
    """Whether a journal is sealed, or the last manifest is at its place."""
    manifest = f"manifests/as_of={AS_OF}.json"
    journals = [data for path, data in objects.items() if path.startswith(f"{JOURNALS}/")]
    return any(b'"sealed"' in data for data in journals) or hashes(objects).get(manifest) == done[manifest]


def seal_and_manifest(writes: list[str]) -> list[int]:
    """Numbers of the two writes on which all depends."""
    journals = [n for n, write in enumerate(writes) if re.match(r"PUT \S+/\.journal/", write)]
    manifests = [n for n, write in enumerate(writes) if re.match(r"PUT \S+/manifests/", write)]
    assert (len(journals), len(manifests)) == (2, 1)
    assert journals[1] < manifests[0]
    return [journals[1], manifests[0]]


@pytest.fixture
def machine(s3: S3, tmp_path: Path, request: pytest.FixtureRequest) -> Machine:
    made = Machine(s3, request.getfixturevalue("config"), tmp_path / "machine")
    made.log.parent.mkdir()
    return made


@pytest.mark.parametrize("seed", [0, pytest.param(11, marks=pytest.mark.long)])
@pytest.mark.parametrize(("first", "step"), [(0, 0), *(pytest.param(n, 4, marks=pytest.mark.long) for n in range(4))])
def test_a_run_killed_at_any_upload_leaves_a_whole_publication_and_is_resumed(
    seed: int,
    first: int,
    step: int,
    machine: Machine,
    whole: Path,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A second date beside the first; with a seed the same date once more, other bytes in its places."""
    s3 = machine.s3
    machine.run(EARLIER)
    if seed:
        machine.run()
        machine.config = edit_config(
            Path(shutil.copy(machine.config, machine.config.with_name("chosen.yaml"))), {"seed": seed}
        )
    before = s3.objects("out/")
    machine.kill(0, "before")  # all is computed, nothing is published
    assert s3.objects("out/").keys() - {TURN} == before.keys()
    ready = shutil.copytree(machine.cache, tmp_path / "ready")
    writes = machine.writes()
    done = hashes(s3.objects("out/"))
    assert seed or done == tree(whole)
    assert len(writes) > 20
    seal, manifest = seal_and_manifest(writes)
    chosen: set[tuple[int, Moment]] = {(seal, "before"), (manifest, "after")}
    if step:
        chosen |= {(n, m) for n in range(first, len(writes), step) for m in MOMENTS}
    published = set()
    for number, moment in sorted(chosen):
        s3.clear()
        s3.fill(before, "out/")
        shutil.rmtree(machine.cache)
        shutil.copytree(ready, machine.cache)
        machine.kill(number, moment)
        where = f"{moment} {writes[number]}"
        assert run_command(["verify", OUT]) == 0, f"{where}: {capsys.readouterr()}"
        published.add(is_committed(s3.objects("out/"), done))
        machine.run()
        assert hashes(s3.objects("out/")) == done, where
    assert published == {False, True}, "some uploads lie before the commit and some after it"
    with capsys.disabled():
        print(f"\n  {len(chosen)} kills at {len(writes)} writes, {len(done)} objects")
