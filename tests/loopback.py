"""An HTTP/1.1 server of byte ranges on loopback that counts what it serves and misbehaves by rule.

It serves one folder, knows the query signatures of a blob store and hands out their tokens. Every rule is bounded by a
count per path, every wait by the life of the server, and the number of requests by a limit, so that a client that
asks for ever ends with an error rather than a test that never ends.
"""

from __future__ import annotations

import datetime as dt
import fnmatch
import itertools
import json
import re
import socket
import struct
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit

Fault = Literal["status", "page", "reset", "truncate", "short", "stall", "late"]
#: matches a rule that never tires
ALWAYS = 10**9
#: how long a silent server is silent: longer than the time-outs of the tests
SILENCE_S = 8.0
#: clients keep what they know of a URL for as long as they live, and ports come back
_NUMBERS = itertools.count(1)
_RANGE = re.compile(r"^bytes=(\d+)-(\d*)$")


@dataclass(frozen=True)
class Rule:
    """One misbehaviour.

    Parameters
    ----------
    fault
        ``status``: an answer of that status and no data. ``page``: 200 and a web page, as a portal that wants a log-in
        gives it, to HEAD too. ``reset``: a part of the body, then the connection is torn down. ``truncate``: a part of
        the body, then an orderly close. ``short``: an honest answer of a part of the range asked for. ``stall``: the
        head of the answer, then nothing. ``late``: nothing at all.
    match
        Pattern of the path, as in a shell.
    times
        How often per path.
    skip
        Requests of a path that are served before.
    status, headers
        Of the answer of a ``status`` fault.
    share
        Part of the body that is sent, 0-1.
    """

    fault: Fault
    match: str = "*"
    times: int = 1
    skip: int = 0
    status: int = 503
    headers: tuple[tuple[str, str], ...] = ()
    share: float = 0.5


@dataclass
class Counts:
    """What was served: requests by method, status and path, heads of the first ones, tokens handed out, body bytes;
    ``endured`` counts clients that were still there when a silence ended."""

    methods: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    paths: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    heads: list[dict[str, str]] = field(default_factory=list)
    tokens: int = 0
    endured: int = 0
    body_bytes: int = 0
    in_flight: int = 0
    most_in_flight: int = 0


class LoopbackServer:
    """Context manager of the server; ``url`` is its root.

    Parameters
    ----------
    folder
        Root of what is served.
    rules
        The first that matches and is not used up acts.
    latency
        Seconds before every answer.
    signed
        Pattern of the paths that need a valid token in their query.
    token_uses, token_seconds
        Life of a token: requests it admits, and what the token service says of its expiry.
    limit
        Requests after which everything is answered with 500.
    """

    def __init__(
        self,
        folder: Path,
        rules: tuple[Rule, ...] = (),
        *,
        latency: float = 0.0,
        signed: str = "",
        token_uses: int = ALWAYS,
        token_seconds: float = 3600.0,
        limit: int = 100_000,
    ) -> None:
        self.folder, self.rules, self.latency, self.signed = folder.resolve(), rules, latency, signed
        self.token_uses, self.token_seconds, self.limit = token_uses, token_seconds, limit
        self.counts, self.prefix = Counts(), f"/server-{next(_NUMBERS)}"
        self._lock, self._closing = threading.Lock(), threading.Event()
        self._served: Counter[tuple[int, str]] = Counter()
        self._uses: Counter[str] = Counter()

    def __enter__(self) -> LoopbackServer:
        handler = type("Handler", (_Handler,), {"owner": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads, self._server.block_on_close = True, False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    @property
    def host(self) -> str:
        """``127.0.0.1:port``."""
        return f"127.0.0.1:{self._server.server_port}"

    @property
    def url(self) -> str:
        """Root without a slash at its end; no two servers of a process share it, whatever their ports."""
        return f"http://{self.host}{self.prefix}"

    def wait(self, seconds: float) -> None:
        """Wait, or until the server closes."""
        self._closing.wait(seconds)

    def rule_for(self, path: str) -> Rule | None:
        """The rule that acts on a request for data, counted as used."""
        with self._lock:
            for n, rule in enumerate(self.rules):
                if fnmatch.fnmatch(path, rule.match):
                    self._served[(n, path)] += 1
                    if rule.skip < self._served[(n, path)] <= rule.skip + rule.times:
                        self.counts.faults[rule.fault] += 1
                        return rule
        return None

    def begin(self, method: str, path: str, head: dict[str, str]) -> bool:
        """Count a request; False beyond the limit."""
        with self._lock:
            self.counts.heads += [head] if len(self.counts.heads) < 100 else []
            self.counts.methods[method] += 1
            self.counts.paths[path] += 1
            self.counts.in_flight += 1
            self.counts.most_in_flight = max(self.counts.most_in_flight, self.counts.in_flight)
            return sum(self.counts.methods.values()) <= self.limit

    def end(self, status: int, sent: int) -> None:
        """Count an answer."""
        with self._lock:
            self.counts.in_flight -= 1
            self.counts.statuses[status] += 1
            self.counts.body_bytes += sent

    def token(self) -> dict[str, str]:
        """A new token as the Planetary Computer hands it out."""
        with self._lock:
            self.counts.tokens += 1
            number = self.counts.tokens
        until = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=self.token_seconds)
        return {"token": f"se={until.timestamp():.3f}&sig=SECRET{number}", "msft:expiry": until.isoformat()}

    def admits(self, query: str) -> bool:
        """Whether a signature is known, not expired and not used up."""
        values = parse_qs(query)
        sig, until = values.get("sig", [""])[0], values.get("se", ["0"])[0]
        with self._lock:
            self._uses[sig] += 1
            known = sig.removeprefix("SECRET").isdigit() and int(sig.removeprefix("SECRET")) <= self.counts.tokens
            return known and float(until) > time.time() and self._uses[sig] <= self.token_uses


class _Handler(BaseHTTPRequestHandler):
    owner: LoopbackServer
    protocol_version = "HTTP/1.1"
    timeout = 120

    def do_GET(self) -> None:
        self._serve(body=True)

    def do_HEAD(self) -> None:
        self._serve(body=False)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _serve(self, *, body: bool) -> None:
        parts = urlsplit(self.path)
        path = unquote(parts.path).removeprefix(self.owner.prefix)
        status, sent = 500, 0
        if self.owner.begin(self.command, path, dict(self.headers)):
            if self.owner.latency:
                self.owner.wait(self.owner.latency)
            try:
                status, sent = self._answer(path, parts.query, body)
            except OSError:
                self.close_connection = True
        else:
            self._head(500, 0)
        self.owner.end(status, sent)

    def _answer(self, path: str, query: str, body: bool) -> tuple[int, int]:
        if self.owner.signed and fnmatch.fnmatch(path, self.owner.signed) and not self.owner.admits(query):
            return self._small(403, b"<Error><Code>AuthenticationFailed</Code></Error>", body)
        rule = self.owner.rule_for(path)
        if rule is not None and rule.fault == "status":
            return self._small(rule.status, b"busy", body, rule.headers)
        if path.startswith("/token/"):
            return self._small(200, json.dumps(self.owner.token()).encode(), body)
        if rule is not None and rule.fault == "page":
            return self._small(200, b"<html>Please log in.</html>" * 20, body)
        if rule is not None and rule.fault == "late":
            self._fall_silent()
            self.close_connection = True
            return 0, 0
        file = (self.owner.folder / path.lstrip("/")).resolve()
        if not file.is_relative_to(self.owner.folder) or not file.is_file():
            return self._small(404, b"none", body)
        size = file.stat().st_size
        asked = _RANGE.match(self.headers.get("Range", ""))
        first, last = (int(asked[1]), min(int(asked[2] or size), size - 1)) if asked else (0, size - 1)
        if first >= size:
            return self._small(416, b"", body, (("Content-Range", f"bytes */{size}"),))
        if rule is not None and rule.fault == "short" and asked:
            last = first + max(1, int((last - first + 1) * rule.share)) - 1
        ranges = (("Content-Range", f"bytes {first}-{last}/{size}"),) if asked else ()
        self._head(206 if asked else 200, last - first + 1, (("Accept-Ranges", "bytes"), *ranges))
        if not body:
            return 206 if asked else 200, 0
        with file.open("rb") as stream:
            stream.seek(first)
            data = stream.read(last - first + 1)
        if rule is not None and rule.fault in {"reset", "truncate", "stall"}:
            return self._break(rule, data)
        self.wfile.write(data)
        return 206 if asked else 200, len(data)

    def _break(self, rule: Rule, data: bytes) -> tuple[int, int]:
        half = data[: 0 if rule.fault == "stall" else int(len(data) * rule.share)]
        self.wfile.write(half)
        self.wfile.flush()
        if rule.fault == "stall":
            self._fall_silent()
        if rule.fault == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        self.close_connection = True
        return 0, len(half)

    def _fall_silent(self) -> None:
        """Say nothing for as long as a client with a time-out bears it; whether it is still there is counted."""
        self.owner.wait(SILENCE_S)
        self.connection.setblocking(False)
        try:
            left = self.connection.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            left = False
        self.owner.counts.endured += int(not left)

    def _small(
        self, status: int, content: bytes, body: bool, headers: tuple[tuple[str, str], ...] = ()
    ) -> tuple[int, int]:
        self._head(status, len(content), headers)
        if body:
            self.wfile.write(content)
        return status, len(content) if body else 0

    def _head(self, status: int, length: int, headers: tuple[tuple[str, str], ...] = ()) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
