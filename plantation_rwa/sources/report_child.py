"""Opens one PDF or page in a process of its own; see :func:`plantation_rwa.sources.report_files.extracted`.

Imports little, so that it starts fast. What it says it says as JSON on standard output.
"""

from __future__ import annotations

import io
import json
import re
import sys
from html.parser import HTMLParser
from typing import Any

from plantation_rwa.errors import ReadError

#: elements whose content is no text, and those that end a line
_SILENT = frozenset(
    ["script", "style", "noscript", "template", "svg", "head", "iframe", "object", "del", "s", "strike"]
)
#: elements without content, and those that another of the second ends
_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
)
_ENDED_BY = {
    "li": frozenset({"li"}), "td": frozenset({"td", "th", "tr"}), "th": frozenset({"td", "th", "tr"}),
    "tr": frozenset({"tr"}), "dt": frozenset({"dt", "dd"}), "dd": frozenset({"dt", "dd"}),
}  # fmt: skip
_UNSEEN = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|(?:opacity|font-size)\s*:\s*0*\.?0+(?![\d.])",
    re.IGNORECASE,
)
#: a power of ten keeps its digits, so that 10<sup>6</sup> tonnes is not read as 10 tonnes
_RAISED = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
_BLOCKS = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "br",
        "caption",
        "dd",
        "div",
        "dl",
        "dt",
        "figcaption",
        "figure",
        "footer",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "li",
        "main",
        "nav",
        "ol",
        "p",
        "pre",
        "section",
        "table",
        "tbody",
        "thead",
        "tr",
        "ul",
    ]
)
#: names under which a page gives its date, the first found counts
_DATES = (
    "published_at", "article:published_time", "dcterms.issued", "dc.date.issued", "citation_publication_date",
    "datepublished", "dcterms.date", "dc.date", "date", "pubdate",
)  # fmt: skip
_TITLES, _COUNTRIES = ("title", "dc.title", "og:title", "citation_title"), ("country", "geo.country")


class _Page(HTMLParser):
    """Text of a page, its metadata, the language it declares."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self.metadata: dict[str, str] = {}
        self.title: list[str] = []
        self._silent: list[str] = []
        self._in_title = False
        self._raised = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {k: v or "" for k, v in attrs}
        if self._silent and (
            tag in _ENDED_BY.get(self._silent[-1], ()) or (self._silent[-1] == "p" and tag in _BLOCKS - {"br"})
        ):
            self._silent.pop()
        self._raised = tag == "sup" or (self._raised and tag not in _BLOCKS and tag not in ("td", "th"))
        if tag == "meta":
            name = (given.get("name") or given.get("property") or given.get("itemprop") or "").lower()
            self.metadata.setdefault(name, given.get("content", ""))
        elif tag == "title":
            self._in_title = True
        elif tag == "body":
            self._silent = []
        elif tag in _SILENT or tag in self._silent or (tag not in _VOID and tag != "html" and _hidden(given)):
            self._silent.append(tag)
        elif tag in ("td", "th"):
            self.pieces.append(" | ")
        elif tag in _BLOCKS:
            self.pieces.append("\n")
        if tag in ("p", "div", "table", "h1", "h2", "h3", "h4", "li", "article", "section"):
            self.pieces.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._raised = self._raised and tag != "sup"
        if tag == "title":
            self._in_title = False
        elif tag in self._silent:
            while self._silent.pop() != tag:
                pass
        elif tag in _BLOCKS:
            self.pieces.append("\n")

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title.append(data)
        elif self._raised and not self._silent:
            power = re.search(r"(?<![\d.,])10\s*$", "".join(self.pieces[-3:]))
            self.pieces.append(data.strip().translate(_RAISED) if power else "")
        elif not self._silent:
            self.pieces.append(re.sub(r"\s+", " ", data))


def _hidden(given: dict[str, str]) -> bool:
    """Whether an element says that it is not shown."""
    return "hidden" in given or _UNSEEN.search(given.get("style", "")) is not None


def _page(data: bytes) -> tuple[str, dict[str, str]]:
    declared = re.search(rb"<meta[^>]{0,200}charset=[\"']?([\w-]{1,40})", data[:4096], re.IGNORECASE)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            text = data.decode(declared[1].decode() if declared else "cp1252")
        except (UnicodeDecodeError, LookupError):
            raise ReadError("is not text in UTF-8 or in the encoding it declares") from None
    page = _Page()
    page.feed(text)
    page.close()
    lines = [" ".join(line.split(" ")).strip() for line in "".join(page.pieces).split("\n")]
    body = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
    found = {"title": " ".join("".join(page.title).split())}
    for key, names in (("published_at", _DATES), ("title", _TITLES), ("country", _COUNTRIES)):
        found[key] = next((page.metadata[n] for n in names if page.metadata.get(n)), found.get(key, ""))
    return body, {k: v for k, v in found.items() if v}


def _pdf(data: bytes, characters: int) -> tuple[str, dict[str, str]]:
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    try:
        reader = PdfReader(io.BytesIO(data), strict=False)
        if reader.is_encrypted:
            raise ReadError("is encrypted; save it without a password")
        pieces, size = [], 0
        for page in reader.pages:
            pieces.append(page.extract_text())
            size += len(pieces[-1])
            if size > characters:
                raise ReadError(f"holds more than {characters} characters; split it")
        info = reader.metadata
    except PyPdfError as error:
        raise ReadError(f"is a damaged PDF ({' '.join(str(error).split())[:100]})") from None
    text = "\n\n".join(pieces)
    if not text.strip():
        raise ReadError("holds no text, only pictures perhaps; give its text as .txt")
    days = [d for d in (info.creation_date, info.modification_date) if d is not None] if info is not None else []
    title = str(info.title or "") if info is not None else ""
    found = {"title": title, "published_at": max(d.date() for d in days).isoformat() if days else ""}
    return text.replace("\r\n", "\n").replace("\r", "\n"), {k: v for k, v in found.items() if v}


def _answer(kind: str, data: bytes, characters: int) -> dict[str, Any]:
    try:
        text, metadata = _pdf(data, characters) if kind == "pdf" else _page(data)
    except ReadError as error:
        return {"fault": str(error)}
    except MemoryError:
        return {"fault": "takes too much memory to open"}
    except RecursionError:
        return {"fault": "nests too deep to open"}
    except Exception as error:  # a reader of hostile bytes may fail in any way; which one is all there is to say
        return {"fault": f"cannot be opened ({type(error).__name__})"}
    if len(text) > characters:
        return {"fault": f"holds more than {characters} characters; split it"}
    # halves of characters that a broken file may hold are no text
    return {"text": text.encode("utf-8", "replace").decode(), "metadata": metadata}


def main(kind: str, seconds: int, size: int, characters: int) -> None:
    """Read a document from standard input and write text and metadata, or the fault, as JSON."""
    import logging
    import resource
    import warnings

    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    sys.stdout.write(json.dumps(_answer(kind, sys.stdin.buffer.read(), characters)))


if __name__ == "__main__":
    main(sys.argv[1], *(int(a) for a in sys.argv[2:5]))
