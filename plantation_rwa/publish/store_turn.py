"""One writer at a time in an object store: a lease that its holder renews."""

from __future__ import annotations

import contextlib
import contextvars
import json
import logging
import os
import threading
import time
import uuid
from collections.abc import Iterator

from plantation_rwa.errors import PublishError
from plantation_rwa.publish.files import host_mark, is_alive
from plantation_rwa.publish.leases import EXPIRY_SECONDS
from plantation_rwa.stores import ConditionFailed, MissingObject, Store, StoreError

_LOG = logging.getLogger(__name__)
#: object that the writer holds
TURN = ".turn.json"
_WAIT_SECONDS = 1.0
_TELL_SECONDS = 30.0


class StoreTurn:
    """The right to publish to a store, held by one run at a time, wherever it runs.

    The object is written under a condition, so two runs cannot both take it. A run that waits takes it over when its
    holder is a process of this machine that has ended, or has not renewed it for so long of the waiting run's own
    clock: clocks that differ decide nothing. A holder that was stopped that long finds out before it commits.

    Parameters
    ----------
    expiry_seconds
        Time after which a lease that was not renewed is lost.
    """

    def __init__(self, store: Store, expiry_seconds: float = EXPIRY_SECONDS) -> None:
        self._store, self._expiry = store, expiry_seconds
        self._owner = {"host": host_mark(), "process": os.getpid(), "run": uuid.uuid4().hex}
        self._tag, self._count, self._lock = "", 0, threading.Lock()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Wait for the turn, renew it meanwhile, give it back."""
        self._take()
        over = threading.Event()
        # with the caller's context: what it says is said by the run that it renews for
        within = contextvars.copy_context().run
        renewer = threading.Thread(target=within, args=(self._renew, over), name="store-turn", daemon=True)
        renewer.start()
        try:
            yield
        finally:
            over.set()
            renewer.join()
            with contextlib.suppress(PublishError):  # lost already, or the store is gone: it expires
                self.check()
                self._store.delete([TURN])

    def check(self) -> None:
        """Renew the turn now.

        Raises
        ------
        PublishError
            If another run has taken it over.
        """
        with self._lock:
            try:
                self._tag = self._store.put_if(TURN, self._text(), self._tag)
            except ConditionFailed:
                raise self.lost() from None

    def lost(self) -> PublishError:
        """What to say when another run has taken the turn over."""
        return PublishError(
            f"{self._store.uri}: another run has begun to publish, because this one had not been heard of for "
            f"{self._expiry:.0f} s. This one was published whole, or not at all. Run again."
        )

    def _take(self) -> None:
        seen, since, told = "", time.monotonic(), time.monotonic() - _TELL_SECONDS
        while True:
            held, tag = self._read()
            if tag is None or _is_gone(held) or (tag == seen and time.monotonic() - since > self._expiry):
                with contextlib.suppress(ConditionFailed):  # another run was quicker
                    self._tag = self._store.put_if(TURN, self._text(), tag)
                    if tag is not None:
                        _LOG.warning("%s: turn taken over from a run that is gone", self._store.uri)
                    return
            if tag != seen:
                seen, since = tag or "", time.monotonic()
            if time.monotonic() - told >= _TELL_SECONDS:
                told = time.monotonic()
                _LOG.warning("%s: another run publishes; waiting", self._store.uri)
            time.sleep(_WAIT_SECONDS)

    def _read(self) -> tuple[bytes, str | None]:
        try:
            return self._store.read(TURN)
        except MissingObject:
            return b"", None

    def _renew(self, over: threading.Event) -> None:
        while not over.wait(self._expiry / 4):
            try:
                self.check()
            except StoreError as error:
                _LOG.warning("%s: turn not renewed (%s)", self._store.uri, error)
            except PublishError:
                return  # told where it matters: before the commit

    def _text(self) -> bytes:
        self._count += 1
        return (json.dumps({**self._owner, "renewed": self._count}) + "\n").encode()


def _is_gone(text: bytes) -> bool:
    """Whether a holder is known to have ended."""
    try:
        owner = json.loads(text)
        return bool(owner["host"] == host_mark() and not is_alive(int(owner["process"])))
    except (ValueError, KeyError, TypeError):
        return False
