"""Partitions that a run holds while it makes them, so that no two runs make the same one."""

from __future__ import annotations

import contextlib
import contextvars
import json
import logging
import os
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

from plantation_rwa.errors import LeaseLostError
from plantation_rwa.publish.files import STALE_SECONDS, host_mark, is_alive, locked, refused

_LOG = logging.getLogger(__name__)
#: folder of the leases below the output folder
FOLDER = ".leases"
#: a holder that has not renewed its lease for so long has lost it
EXPIRY_SECONDS = 120.0
_WAIT_SECONDS = 0.2
_TELL_SECONDS = 30.0


class Leases:
    """Leases of one run: a file per partition with its owner, renewed for as long as the run lives.

    A run that needs a held partition waits until it is given back, or until its owner is gone: a process of this
    machine that has ended at once, any other when it has not renewed for :data:`EXPIRY_SECONDS` of the waiting run's
    own clock, so that clocks that jump or differ between machines decide nothing. An owner that lost one lease that way
    has lost all: who takes over the work of a machine that is gone waits once. Partitions are taken in the order of
    their names and none is waited for while a later one is held, so runs cannot wait for each other in a circle.

    Parameters
    ----------
    root
        Output folder.
    expiry_seconds
        Age at which a lease that was not renewed is lost.
    """

    def __init__(self, root: Path, expiry_seconds: float = EXPIRY_SECONDS) -> None:
        self._root, self._folder, self._expiry = root, root / FOLDER, expiry_seconds
        self._mine = json.dumps({"host": host_mark(), "process": os.getpid(), "run": uuid.uuid4().hex}) + "\n"
        self._held: set[str] = set()
        self._lost: set[str] = set()
        self._gone: set[str] = set()
        self._over = threading.Event()
        # with the caller's context: what it says is said by the run that it renews for
        within = contextvars.copy_context().run
        self._renewer = threading.Thread(target=within, args=(self._renew,), name="leases", daemon=True)

    def __enter__(self) -> Leases:
        try:
            with self._alone():
                for path in sorted(self._folder.glob("*.json")):
                    if _is_gone(self._read(path.stem)):  # not by its age: the clock may have jumped
                        path.unlink(missing_ok=True)
        except OSError as error:
            raise refused(self._folder, error) from error
        self._renewer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._renewer.join()
        self.keep(())

    @property
    def held(self) -> frozenset[str]:
        """Partitions held."""
        return frozenset(self._held)

    def take(self, partitions: Iterable[str]) -> None:
        """Take partitions, in order of their names, waiting for each that another run holds.

        Raises
        ------
        PublishError
            If the folder of the leases cannot be written.
        """
        for partition in sorted(set(partitions) - self._held):
            seen, since, told = "", time.monotonic(), time.monotonic() - _TELL_SECONDS
            while not self._taken(partition, give_up=seen if time.monotonic() - since > self._expiry else ""):
                now = self._sign(partition)
                if now != seen:
                    seen, since = now, time.monotonic()
                if time.monotonic() - told >= _TELL_SECONDS:
                    told = time.monotonic()
                    _LOG.warning("%s is being made by %s; waiting", partition, self._owner(partition))
                time.sleep(_WAIT_SECONDS)

    def keep(self, partitions: Iterable[str]) -> None:
        """Give back all partitions but these."""
        try:
            with self._alone():
                for partition in sorted(self._held - set(partitions)):
                    if self._mine.startswith(self._read(partition)):  # whole, or what a full disk had room for
                        self._path(partition).unlink(missing_ok=True)
                    self._held.discard(partition)
        except OSError as error:
            raise refused(self._folder, error) from error
        if not self._held:
            with contextlib.suppress(OSError):  # another run's leases are in it
                self._folder.rmdir()

    def check(self) -> None:
        """Raise :class:`LeaseLostError` if a partition was lost: this run was stopped for longer than the expiry."""
        for partition in sorted(self._held):
            if partition in self._lost or self._read(partition) != self._mine:
                raise LeaseLostError(
                    f"{partition}: was taken over by {self._owner(partition)}, because this run had not been heard of "
                    f"for {self._expiry:.0f} s. Nothing of it was published. Run again."
                )

    def _taken(self, partition: str, give_up: str) -> bool:
        """Take a partition that is free, or whose owner is gone; ``give_up`` is the sign of one that has expired."""
        try:
            with self._alone():
                held = self._read(partition)
                expired = held in self._gone or (bool(give_up) and self._sign(partition) == give_up)
                if held and not expired and not _is_gone(held):
                    return False
                if held:
                    self._gone.add(held)
                    _LOG.warning("%s: taken over from %s, which is gone", partition, _named(held))
                self._held.add(partition)  # first: what was begun is given back, also on a full disk
                self._path(partition).write_text(self._mine, "utf-8")
                return True
        except FileNotFoundError:  # the last holder has just removed the folder
            return False
        except OSError as error:
            raise refused(self._folder, error) from error

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """No other run looks at the leases meanwhile."""
        self._folder.mkdir(parents=True, exist_ok=True)
        handle = locked(self._folder, exclusive=True)
        try:
            yield
        finally:
            if handle >= 0:
                os.close(handle)

    def _renew(self) -> None:
        while not self._over.wait(self._expiry / 4):
            for partition in sorted(self._held):
                try:
                    if self._read(partition) != self._mine:
                        self._lost.add(partition)
                    else:
                        os.utime(self._path(partition))
                except OSError as error:
                    _LOG.warning("%s: lease not renewed (%s)", partition, error.strerror or error)

    def _path(self, partition: str) -> Path:
        return self._folder / f"{partition}.json"

    def _read(self, partition: str) -> str:
        try:
            return self._path(partition).read_text("utf-8")
        except FileNotFoundError:
            return ""

    def _sign(self, partition: str) -> str:
        """Changes whenever the owner of a lease renews it."""
        try:
            return f"{self._read(partition)}{self._path(partition).stat().st_mtime_ns}"
        except FileNotFoundError:
            return ""

    def _owner(self, partition: str) -> str:
        return _named(self._read(partition))


def abandoned(root: Path) -> list[Path]:
    """Leases that no run holds: their owners are gone, or have not been heard of for a day."""
    found = []
    for path in sorted((root / FOLDER).glob("*.json")):
        with contextlib.suppress(OSError):
            if _is_gone(path.read_text("utf-8")) or time.time() - path.stat().st_mtime > STALE_SECONDS:
                found.append(path)
    return found


def held_by(root: Path) -> list[str]:
    """Partitions that runs hold now, each with its owner."""
    gone = set(abandoned(root))
    held = [path for path in sorted((root / FOLDER).glob("*.json")) if path not in gone]
    return [f"{path.stem} is being made by {_named(path.read_text('utf-8'))}" for path in held]


def _is_gone(text: str) -> bool:
    """Whether an owner is known to have ended; a file that was never written whole has none."""
    try:
        owner = json.loads(text)
        return bool(owner["host"] == host_mark() and not is_alive(int(owner["process"])))
    except (ValueError, KeyError, TypeError):
        return True


def _named(text: str) -> str:
    try:
        owner = json.loads(text)
        where = "this machine" if owner["host"] == host_mark() else f"machine {owner['host']}"
        return f"process {owner['process']} of {where}"
    except (ValueError, KeyError, TypeError):
        return "a run that has just ended"
