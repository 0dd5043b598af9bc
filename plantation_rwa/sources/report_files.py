"""Bytes of a document into text and what it says about itself.

A PDF or a page can be made to fill the memory or to run for hours, whatever reads it. Both are therefore opened in a
process of their own, which the system stops at the limits of the section ``limits`` of the assumptions.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from plantation_rwa.errors import ReadError
from plantation_rwa.sources.guards import limit

_CHILD = "plantation_rwa.sources.report_child"


def plain_text(data: bytes) -> str:
    """Text of a .txt or .md file: UTF-8, a byte-order mark left out, line ends as one character.

    Raises
    ------
    ReadError
        If it is no text, with what was found.
    """
    if b"\x00" in data:
        raise ReadError("is no text: it holds zero bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ReadError(f"is not UTF-8 text (byte {error.start})") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def extracted(kind: str, data: bytes) -> tuple[str, dict[str, str]]:
    """Text and metadata of a PDF or a page, read in a process of its own.

    Parameters
    ----------
    kind
        ``pdf`` or ``html``.

    Returns
    -------
    text, metadata
        ``published_at``, ``title``, ``country`` as far as the document gives them.

    Raises
    ------
    ReadError
        If it is damaged, encrypted, holds no text, or passes a limit; with the reason.
    """
    seconds, size = limit("report_cpu_seconds_max"), limit("report_memory_bytes_max")
    command = [sys.executable, "-m", _CHILD, kind, str(seconds), str(size), str(limit("report_characters_max"))]
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=20 * seconds + 60)
    except subprocess.TimeoutExpired:
        raise ReadError("takes too long to open") from None
    if done.returncode < 0:
        raise ReadError(f"takes more than {seconds} s of computing to open")
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        raise ReadError("cannot be opened: what reads it failed") from None
    if "fault" in answer:
        raise ReadError(str(answer["fault"]))
    return str(answer["text"]), {str(k): str(v) for k, v in answer["metadata"].items()}
