"""A real S3-compatible server on loopback behind a proxy that misbehaves by rule and remembers every instant.

The server is moto's, a process of its own; the program is its client through the proxy, tests look at the objects with
boto3 past it. Between the program's writes the store does not change, so a copy of the objects taken after each write
is what a kill before the next one leaves.
"""

from __future__ import annotations

import http.client
import random
import re
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

BUCKET = "test-bucket"
KEY, SECRET = "AKIALOOPBACK", "loopback-secret-never-shown"
_START_S = 60.0
Mood = Literal["well", "refused", "lost", "broken"]


class S3:
    """A bucket: ``endpoint`` for the program, objects for the test.

    Parameters
    ----------
    server
        ``127.0.0.1:port`` of the server itself.
    mood
        What becomes of a request, by its number from 0, method and path: ``refused`` is ``refusal`` before anything
        happened, ``lost`` a connection that is torn down after the server has done it, ``broken`` an answer of which
        half arrives.
    """

    def __init__(self, server: str, mood: Callable[[int, str, str], Mood] = lambda *_: "well") -> None:
        import boto3

        self.server, self.mood = server, mood
        #: what is said to a request that is refused
        self.refusal = (500, "InternalError")
        self.faults: Counter[str] = Counter()
        self.writes: list[str] = []
        self.on_write: Callable[[], None] = lambda: None
        self._count, self._lock = 0, threading.Lock()
        self.client = boto3.client(
            "s3",
            endpoint_url=f"http://{server}",
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
            region_name="us-east-1",
        )
        self._bytes: dict[str, tuple[str, bytes]] = {}

    def __enter__(self) -> S3:
        handler = type("Handler", (_Handler,), {"owner": self})
        self._proxy = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._proxy.daemon_threads, self._proxy.block_on_close = True, False
        threading.Thread(target=self._proxy.serve_forever, args=(0.05,), daemon=True).start()
        self.clear()
        return self

    def __exit__(self, *_: object) -> None:
        self._proxy.shutdown()
        self._proxy.server_close()

    @property
    def endpoint(self) -> str:
        """Address of the proxy."""
        return f"http://127.0.0.1:{self._proxy.server_port}"

    @property
    def variables(self) -> dict[str, str]:
        """Environment of a program that uses the store."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def clear(self) -> None:
        """An empty bucket."""
        names = [b["Name"] for b in self.client.list_buckets()["Buckets"]]
        if BUCKET not in names:
            self.client.create_bucket(Bucket=BUCKET)
        for path in self.objects():
            self.client.delete_object(Bucket=BUCKET, Key=path)

    def objects(self, prefix: str = "") -> dict[str, bytes]:
        """Every object below a prefix, hidden ones too, by path from there."""
        found, pages = {}, self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        for one in (o for page in pages for o in page.get("Contents", [])):
            key, tag = one["Key"], one["ETag"]
            if self._bytes.get(key, ("", b""))[0] != tag:
                self._bytes[key] = (tag, self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read())
            found[key.removeprefix(prefix)] = self._bytes[key][1]
        return found

    def fill(self, objects: dict[str, bytes], prefix: str = "") -> None:
        """Put objects below a prefix."""
        for path, data in objects.items():
            self.client.put_object(Bucket=BUCKET, Key=prefix + path, Body=data)

    def put_folder(self, folder: Path, prefix: str) -> None:
        """Put the files of a folder below a prefix."""
        files = {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
        self.fill(files, prefix)

    def number(self) -> int:
        """Number of the request that begins."""
        with self._lock:
            self._count += 1
            return self._count - 1


class _Handler(BaseHTTPRequestHandler):
    owner: S3
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self) -> None:
        self._pass_on()

    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _pass_on(self) -> None:
        owner = self.owner
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        mood = owner.mood(owner.number(), self.command, self.path)
        if mood != "well":
            owner.faults[mood] += 1
        if mood == "refused":
            status, code = owner.refusal
            self._answer(status, [], f"<Error><Code>{code}</Code></Error>".encode())
            return
        server = http.client.HTTPConnection(owner.server, timeout=30)
        server.request(self.command, self.path, body, dict(self.headers.items()))
        answer = server.getresponse()
        data = answer.read()
        server.close()
        if self.command in {"PUT", "POST", "DELETE"} and answer.status < 300:
            named = re.findall(r"<Key>([^<]+)</Key>", body.decode("utf-8", "replace")) if self.command == "POST" else []
            owner.writes += [f"{self.command} {unquote(path)}" for path in named or [self.path]]
            owner.on_write()
        if mood == "lost":
            self._tear()
            return
        headers = [(n, v) for n, v in answer.getheaders() if n.lower() not in {"content-length", "connection", "date"}]
        length = int(answer.getheader("Content-Length") or len(data)) if self.command == "HEAD" else len(data)
        self._answer(answer.status, headers, data, length, half=mood == "broken")

    def _answer(
        self, status: int, headers: list[tuple[str, str]], data: bytes, length: int | None = None, half: bool = False
    ) -> None:
        try:
            self.send_response_only(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data) if length is None else length))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2] if half else data)
            if half:
                self.wfile.flush()
                self._tear()
        except OSError:
            self.close_connection = True

    def _tear(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True


def moody(seed: int, share: float) -> Callable[[int, str, str], Mood]:
    """Faults of all kinds by chance, never so many in a row that nobody could bear it."""
    chance, row = random.Random(seed), 0

    def mood(_: int, method: str, __: str) -> Mood:
        nonlocal row
        kinds: tuple[Mood, ...] = ("refused", "lost", "broken") if method == "GET" else ("refused", "lost")
        row = row + 1 if row < 3 and chance.random() < share else 0
        return chance.choice(kinds) if row else "well"

    return mood


@contextmanager
def moto(folder: Path) -> Iterator[str]:
    """The server, for as long as it is needed: ``127.0.0.1:port``."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with (folder / "moto.log").open("w") as log:
        child = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            end = time.monotonic() + _START_S
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    assert child.poll() is None, (folder / "moto.log").read_text()
                    assert time.monotonic() < end
                    time.sleep(0.05)
            yield f"127.0.0.1:{port}"
        finally:
            child.terminate()
            child.wait(10)
