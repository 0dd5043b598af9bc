"""Patience with remote files: what is tried again, how long to wait between, and access tokens that expire."""

from __future__ import annotations

import datetime as dt
import functools
import json
import logging
import os
import random
import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit

from plantation_rwa.errors import ReadError

T = TypeVar("T")
_LOG = logging.getLogger(__name__)

#: token service of the Planetary Computer; its own library knows the same two variables
_SAS_API = "https://planetarycomputer.microsoft.com/api/sas/v1/token"
_SAS_API_VARIABLE, _KEY_VARIABLE = "PC_SDK_SAS_URL", "PC_SDK_SUBSCRIPTION_KEY"
_TOKEN_SECONDS = 30.0
#: a token must outlive the read it is for
_TOKEN_SPARE = dt.timedelta(minutes=2)
_STATUS = re.compile(r"(?:HTTP (?:Error |response code(?: on \S+)?: )?|response_code=)([45]\d\d)\b")
#: answers that another try does not change; 401 and 403 only where we cannot sign anew
_FINAL = frozenset({400, 401, 403, 404, 405, 410, 451})
_DENIED = frozenset({401, 403})


@dataclass(frozen=True)
class Patience:
    """How often a remote read is tried and how long to wait in between, seconds.

    The wait doubles from ``first_s`` to at most ``longest_s`` and is drawn from its half to its one and a half, so
    that workers that failed together do not come back together. A file that stayed unreadable is left alone for
    ``rest_s`` and then tried once at a time: every other plantation under it would wait as long for the same answer.
    """

    tries: int = 5
    first_s: float = 0.5
    longest_s: float = 20.0
    rest_s: float = 60.0

    def wait_s(self, failed: int) -> float:
        """Seconds to wait after so many failed tries."""
        return float(min(self.longest_s, self.first_s * 2.0 ** (failed - 1)) * random.uniform(0.5, 1.5))


class RemoteError(ReadError):
    """A try that failed; ``status`` is that of the HTTP answer, None if there was none."""

    def __init__(self, text: str, status: int | None = None) -> None:
        super().__init__(text)
        self.status = status

    @property
    def denied(self) -> bool:
        """Whether access was refused: a signature that expired, or none."""
        return self.status in _DENIED

    @property
    def final(self) -> bool:
        """Whether another try with the same signature gives the same answer."""
        return self.status in _FINAL


class Unreadable:
    """Remote files that stayed unreadable, shared by the threads of a process."""

    def __init__(self) -> None:
        self._until: dict[str, tuple[float, str]] = {}

    def __contains__(self, url: object) -> bool:
        return url in self._until

    def text(self, url: str) -> str:
        """The last error of a file that rests, empty if it may be tried."""
        until, text = self._until.get(url, (0.0, ""))
        return text if time.monotonic() < until else ""

    def add(self, url: str, text: str, seconds: float) -> None:
        """Let a file rest."""
        self._until[url] = (time.monotonic() + seconds, text)

    def remove(self, url: str) -> None:
        """Forget a file that could be read again."""
        self._until.pop(url, None)

    def clear(self) -> None:
        """Forget all of them."""
        self._until.clear()


UNREADABLE = Unreadable()


def persist(
    url: str, action: Callable[[], T], *, patience: Patience, mend: Callable[[RemoteError], bool] | None = None
) -> T:
    """Do something with a remote file until it succeeds or patience ends.

    Parameters
    ----------
    url
        What is read; logged without what follows ``?``, which may be a secret.
    action
        Raises :class:`RemoteError` if a try failed; any other error is passed on at once.
    patience
        Tries and waits.
    mend
        Called after a failed try, before the next: puts away what the try left behind, and says whether it could renew
        the access, so that a refusal is no longer final.

    Raises
    ------
    RemoteError
        The last try's.
    """
    resting = UNREADABLE.text(url)
    if resting:
        raise RemoteError(resting)
    tries = 1 if url in UNREADABLE else patience.tries
    for failed in range(1, tries + 1):
        try:
            found = action()
        except RemoteError as error:
            last = error
        else:
            UNREADABLE.remove(url)
            return found
        renewed = mend(last) if mend is not None else False
        if failed == tries or (last.final and not (last.denied and renewed)):
            break
        wait = patience.wait_s(failed)
        _LOG.warning("%s: try %d of %d failed (%s); again in %.1f s", plain(url), failed, tries, last, wait)
        time.sleep(wait)
    _LOG.error("%s: given up after %d of %d tries (%s)", plain(url), failed, tries, last)
    UNREADABLE.add(url, str(last), patience.rest_s)
    raise last


def plain(url: str) -> str:
    """A URL without user, query and fragment: what may be logged."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rsplit('@', 1)[-1]}{parts.path}"


def status_of(text: str) -> int | None:
    """Status of the HTTP error that an error text names, None if it names none."""
    found = _STATUS.search(text)
    return int(found[1]) if found else None


class Tokens:
    """Access tokens by container, asked for once and again before they expire.

    Parameters
    ----------
    api
        Address of the token service; an account and container are appended.
    """

    def __init__(self, api: str) -> None:
        self._api, self._lock = api, threading.Lock()
        self._held: dict[str, tuple[str, dt.datetime]] = {}

    def token(self, place: str, patience: Patience) -> str:
        """A token for ``account/container`` that is valid for the next minutes.

        Raises
        ------
        RemoteError
            If the service gives none.
        """
        with self._lock:
            token, until = self._held.get(place, ("", dt.datetime.min.replace(tzinfo=dt.UTC)))
            if until < dt.datetime.now(dt.UTC) + _TOKEN_SPARE:
                token, until = persist(f"{self._api}/{place}", lambda: self._ask(place), patience=patience)
                self._held[place] = (token, until)
            return token

    def drop(self, place: str, token: str) -> None:
        """Forget a token that was refused, unless another one has taken its place."""
        with self._lock:
            if self._held.get(place, ("", None))[0] == token:
                del self._held[place]

    def _ask(self, place: str) -> tuple[str, dt.datetime]:
        request = urllib.request.Request(f"{self._api}/{place}")
        if os.environ.get(_KEY_VARIABLE):
            request.add_header("Ocp-Apim-Subscription-Key", os.environ[_KEY_VARIABLE])
        try:
            with urllib.request.urlopen(request, timeout=_TOKEN_SECONDS) as answer:
                document = json.load(answer)
            return str(document["token"]), dt.datetime.fromisoformat(document["msft:expiry"].replace("Z", "+00:00"))
        except urllib.error.HTTPError as error:
            raise RemoteError(f"HTTP {error.code}", error.code) from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise RemoteError(" ".join(str(error).split())[:160] or type(error).__name__) from None


@functools.cache
def tokens_of(api: str) -> Tokens:
    """The tokens of a service, one set per process."""
    return Tokens(api)


def sas_api() -> str:
    """Address of the token service: of the environment, else the Planetary Computer's."""
    return os.environ.get(_SAS_API_VARIABLE) or _SAS_API
