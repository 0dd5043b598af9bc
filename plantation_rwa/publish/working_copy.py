"""The local copy of a publication in an object store: brought up to date before a run, published from after it.

Writing several objects is no single act, so a publication has a journal, and one commit point: the journal is sealed.
Before that, all contents go to the store under the names of their hashes, where nobody looks; after it, to their
places: what is new first, then manifests, then what replaces something. A reader who heeds the journal sees the last
complete publication or the new one, at any instant; one who does not, sees a manifest when all that is new for it is
there. What a killed writer left is finished or undone by the next one. Sealing and undoing are writes under one
condition, so of a writer that was given up too early and the one that took its turn over only one succeeds.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import asdict, astuple, dataclass, field, replace
from pathlib import Path
from typing import Literal

from plantation_rwa.caches import cache_folder
from plantation_rwa.errors import PublishError
from plantation_rwa.publish.files import SharedFolder, is_beside, write_bytes_atomically, write_text_atomically
from plantation_rwa.publish.manifest import load_all, sha256_of
from plantation_rwa.publish.store_turn import StoreTurn
from plantation_rwa.stores import ConditionFailed, Found, MissingObject, Store

_LOG = logging.getLogger(__name__)
#: says of a folder that it is a working copy, of which store, and what was there when it was last seen
FILE = ".store.json"
#: journals, and objects that wait under the name of their content
JOURNALS, OBJECTS = ".journal", ".objects"
#: results of --only have a publication of their own below the folder
PARTIAL = "partial"
#: what is published beside what manifests name
_COPIES = ("latest", "catalog")
#: how often a reader begins again because a writer was at work
_TRIES = 20


@dataclass(frozen=True)
class Journal:
    """What a publication does to the store.

    Parameters
    ----------
    state
        ``open`` while contents are written, then ``sealed``, the commit, or ``undone``.
    placed
        Path -> SHA-256 of the content that goes there after the commit, in the order in which they go.
    gone
        Paths that are deleted after the commit.
    """

    state: Literal["open", "sealed", "undone"] = "open"
    placed: Mapping[str, str] = field(default_factory=dict)
    gone: tuple[str, ...] = ()

    @classmethod
    def of(cls, text: bytes) -> Journal:
        """Read one back."""
        raw = json.loads(text)
        return cls(raw["state"], raw["placed"], tuple(raw["gone"]))

    def text(self) -> bytes:
        """What is written."""
        return (json.dumps(asdict(self), indent=1) + "\n").encode()


@dataclass(frozen=True)
class Seen:
    """The publication as the store shows it: path -> object that holds it."""

    listed: Mapping[str, Found]
    journals: Mapping[str, Journal]
    files: Mapping[str, str]


@dataclass(frozen=True)
class Known:
    """What the store held when it was last seen, and the size and time (ns) of the file that holds the same."""

    e_tag: str
    sha256: str
    size: int
    time: int


class WorkingCopy:
    """A folder and the store that it is a copy of.

    Parameters
    ----------
    root
        Local folder.
    uri
        Address in the store.
    """

    def __init__(self, root: Path, uri: str) -> None:
        self.root, self.uri, self.store = root, uri.rstrip("/"), Store(uri)
        self._known: dict[str, Known] = {}

    @classmethod
    def of(cls, uri: str) -> WorkingCopy:
        """The working copy of an address, in the user's cache folder."""
        return cls(place_of(uri), uri)

    @classmethod
    def at(cls, root: Path) -> WorkingCopy | None:
        """What a folder is the working copy of; None if it is an output folder of its own."""
        for folder, below in ((root, ""), (root.parent, PARTIAL if root.name == PARTIAL else None)):
            if below is not None and (folder / FILE).is_file():
                uri = str(json.loads((folder / FILE).read_text("utf-8"))["uri"])
                return cls(root, f"{uri}/{below}" if below else uri)
        return None

    def pull(self) -> Path:
        """Bring the folder to what is published; results that were never published stay where the store is unchanged.

        Raises
        ------
        PublishError
            If the store or the folder refuses.
        """
        with SharedFolder(self.root) as folder, folder.turn():
            self._remember()
            self._pull(steady=False)
        return self.root

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Publish what is written to the folder meanwhile; no other run publishes to the store until then."""
        turn = StoreTurn(self.store)
        with turn.held():
            self._remember()
            self._mend(turn)
            self._pull(steady=True)
            yield
            self._push(turn)

    def _pull(self, *, steady: bool) -> None:
        for _ in range(_TRIES):
            seen = self._see()
            try:
                self._bring(seen)
            except MissingObject:  # a writer was at work
                continue
            if steady or self.store.list() == seen.listed:
                return
        raise PublishError(f"{self.uri}: is written to all the time. Try again later.")

    def _see(self) -> Seen:
        listed = self.store.list()
        journals = {}
        files = {path: path for path in listed if not _is_apart(path)}
        for name in sorted(p for p in listed if p.startswith(f"{JOURNALS}/")):
            with contextlib.suppress(MissingObject):  # its writer has just finished
                journal = journals[name] = Journal.of(self.store.read(name)[0])
                if journal.state == "sealed":
                    files |= {p: o for p, sha in journal.placed.items() if (o := f"{OBJECTS}/{sha}") in listed}
                    files = {p: o for p, o in files.items() if p not in journal.gone}
        return Seen(listed, journals, files)

    def _bring(self, seen: Seen) -> None:
        """Fetch what the store has and the folder has not, or has as it was before somebody else wrote it.

        A run that could not publish leaves its results here: they stay, with all that belongs to them, while the store
        is as it was. Copies and pages that were written for a manifest that never came are fetched again.
        """
        ahead = self._is_ahead(seen)
        for path, source in seen.files.items():
            if not self._is_unchanged(path, seen) or not (ahead or self._is_as_known(path)):
                data = self.store.read(source)[0]
                write_bytes_atomically(self.root / path, data)
                self._note(path, seen.listed[source].e_tag, hashlib.sha256(data).hexdigest())
        for path in sorted(self._known.keys() - seen.files.keys()):
            if (self.root / path).is_file() and self._is_as_known(path):
                (self.root / path).unlink()
            self._known.pop(path)
        for path in [] if ahead else self._manifests() - seen.files.keys():
            (self.root / path).unlink()
        self._keep()

    def _manifests(self) -> set[str]:
        return {p.relative_to(self.root).as_posix() for p in (self.root / "manifests").glob("as_of=*.json")}

    def _is_ahead(self, seen: Seen) -> bool:
        """Whether the folder has manifests that are not in the store, and no other machine has published since."""
        there = {path for path in seen.files if path.startswith("manifests/")}
        if not all(self._is_unchanged(path, seen) for path in there):
            return False
        return not all(self._is_as_known(path) for path in self._manifests())

    def _is_unchanged(self, path: str, seen: Seen) -> bool:
        """Whether the store has what it had, and the folder something in that place."""
        known = self._known.get(path)
        return known is not None and known.e_tag == seen.listed[seen.files[path]].e_tag and (self.root / path).is_file()

    def _is_as_known(self, path: str) -> bool:
        """Whether a file of the folder is what the store held."""
        known, local = self._known.get(path), self.root / path
        if known is None:
            return False
        found = local.stat()
        return (found.st_size, found.st_mtime_ns) == (known.size, known.time) or sha256_of(local) == known.sha256

    def _note(self, path: str, e_tag: str, sha256: str) -> None:
        found = (self.root / path).stat()
        self._known[path] = Known(e_tag, sha256, found.st_size, found.st_mtime_ns)

    def _push(self, turn: StoreTurn) -> None:
        """Publish what differs from the store: journal, contents, the seal, places."""
        manifests = {f"manifests/as_of={m.as_of}.json": m for m in load_all(self.root)}
        wanted = {o.path: o.sha256 for m in manifests.values() for o in m.outputs}
        beside = [p for name in _COPIES for p in (self.root / name).rglob("*") if p.is_file()]
        beside += [p for p in (self.root / "README.md", *(self.root / name for name in manifests)) if p.is_file()]
        wanted |= {p.relative_to(self.root).as_posix(): sha256_of(p) for p in beside if not is_beside(p.name)}
        known = {p: k.sha256 for p, k in self._known.items()}
        changed = {p: sha for p, sha in wanted.items() if known.get(p) != sha}
        gone = tuple(sorted(p for p in known.keys() - wanted.keys() if self._is_to_go(p)))
        if not manifests or not (changed or gone):
            return
        here = self.store.list()
        order = sorted(changed, key=lambda p: (p in here or p in manifests, p not in manifests, p))
        journal, name = Journal("open", {p: changed[p] for p in order}, gone), f"{JOURNALS}/{uuid.uuid4().hex}.json"
        tag = self.store.put(name, journal.text())
        for sha, path in {sha: path for path, sha in journal.placed.items()}.items():
            self.store.put(f"{OBJECTS}/{sha}", self.root / path)
        turn.check()
        try:
            self.store.put_if(name, replace(journal, state="sealed").text(), tag)
        except ConditionFailed:
            raise turn.lost() from None
        self._finish(name, journal, turn, {p: here[p].e_tag if p in here else None for p in manifests})
        now = self.store.list()
        for path, sha in changed.items():
            self._note(path, now[path].e_tag, sha)
        for path in gone:
            self._known.pop(path)
        self._keep()
        _LOG.info("published to %s: %d files", self.uri, len(changed))

    def _finish(
        self, name: str, journal: Journal, turn: StoreTurn, tags: Mapping[str, str | None] | None = None
    ) -> None:
        """Bring what waits to its place; the journal goes before what it tells of.

        With the tags of manifests, None for one that is not there, these are written over nothing else.
        """
        for path, sha in journal.placed.items():
            try:
                if tags is not None and path in tags:
                    self.store.put_if(path, self.store.read(f"{OBJECTS}/{sha}")[0], tags[path])
                else:
                    self.store.copy(f"{OBJECTS}/{sha}", path)
            except MissingObject:
                turn.check()  # whoever has taken the turn over has finished this publication
                raise
        turn.check()
        self.store.delete(journal.gone)
        self.store.delete([name])
        self.store.delete(f"{OBJECTS}/{sha}" for sha in journal.placed.values())

    def _mend(self, turn: StoreTurn) -> None:
        """Finish what another writer had committed, undo what it had not; only for who holds the turn."""
        seen = self._see()
        for name, found in seen.journals.items():
            journal = self._decided(name, found)
            if journal is not None and journal.state == "sealed":
                waiting = {p: sha for p, sha in journal.placed.items() if f"{OBJECTS}/{sha}" in seen.listed}
                self._finish(name, replace(journal, placed=waiting), turn)
            elif journal is not None:
                self.store.delete([name])
        self.store.delete(p for p in self.store.list() if p.startswith(f"{OBJECTS}/"))

    def _decided(self, name: str, journal: Journal) -> Journal | None:
        """A journal as it stays: an open one is marked as undone, unless its writer is still there and seals it first.

        None if that writer is done with it.
        """
        while journal.state == "open":
            try:
                text, tag = self.store.read(name)
                journal = Journal.of(text)
                if journal.state == "open":
                    self.store.put_if(name, replace(journal, state="undone").text(), tag)
                    return replace(journal, state="undone")
            except ConditionFailed:
                continue
            except MissingObject:
                return None
        return journal

    def _is_to_go(self, path: str) -> bool:
        """Whether a file that nothing names any longer goes with this publication.

        Parts of features may be named by a date that another machine is about to publish: only ``prune``, which
        deletes them here, removes them.
        """
        replaceable = "/as_of=" in path or path.startswith(tuple(f"{name}/" for name in _COPIES))
        return replaceable or not (self.root / path).exists()

    def _remember(self) -> None:
        """What the folder says of the store; to be read by who holds the turn of the folder."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            found = json.loads((self.root / FILE).read_text("utf-8"))
            self._known = {p: Known(*v) for p, v in found["files"].items()} if found["uri"] == self.uri else {}

    def _keep(self) -> None:
        files = {p: list(astuple(k)) for p, k in sorted(self._known.items())}
        write_text_atomically(self.root / FILE, json.dumps({"uri": self.uri, "files": files}, indent=1) + "\n")


class PublishedFolder(SharedFolder):
    """A working copy in which each turn ends with a publication."""

    def __init__(self, copy: WorkingCopy) -> None:
        super().__init__(copy.root)
        self._copy = copy

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Wait until no other run is within its turn, here and in the store."""
        with super().turn(), self._copy.turn():
            yield


def shared(root: Path) -> SharedFolder:
    """An output folder as runs share it; the turns in a working copy end with a publication."""
    copy = WorkingCopy.at(root)
    return SharedFolder(root) if copy is None else PublishedFolder(copy)


def address(path: Path) -> str:
    """How a person names a folder or a file below it: of a working copy by the address that it is a copy of."""
    for root in (path, *path.parents):
        copy = WorkingCopy.at(root)
        if copy is not None:
            below = path.relative_to(copy.root).as_posix()
            return copy.uri if below == "." else f"{copy.uri}/{below}"
    return str(path)


def place_of(uri: str) -> Path:
    """Where the working copy of an address lies."""
    plain = uri.rstrip("/")
    base = cache_folder() or Path(tempfile.gettempdir()) / "plantation-rwa"
    return base / "outputs" / f"{plain.rsplit('/', 1)[-1]}-{hashlib.sha256(plain.encode()).hexdigest()[:12]}"


def fetched(uri: str, folder: Path) -> Path:
    """What is published at an address, in a folder that holds nothing else: what the store has, not what a run kept."""
    copy = WorkingCopy(folder, uri)
    copy.pull()
    (folder / FILE).unlink()
    return folder


def _is_apart(path: str) -> bool:
    """Whether an object is no part of the publication: hidden, or another publication below this one."""
    return path.startswith(f"{PARTIAL}/") or any(part.startswith(".") for part in path.split("/"))
