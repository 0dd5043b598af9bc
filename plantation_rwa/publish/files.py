"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from plantation_rwa.errors import PublishError

_TEMPORARY = re.compile(r"^\..+\.(?P<host>[0-9a-f]{8})\.(?P<process>\d+)\.[0-9a-f]{32}\.tmp$")
#: a temporary file whose writer cannot be asked (another machine, a reused process id) is stale after a day
STALE_SECONDS = 86_400.0
#: what file browsers leave in a folder that a person has opened, by exact name; this program writes none of them
LITTER = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})


@dataclass(frozen=True)
class OutputFile:
    """What was written.

    Parameters
    ----------
    path
        Path as it was asked for.
    sha256
        Lower-case hexadecimal hash of the content.
    bytes
        Size.
    rows
        Rows of a table; 0 for other files.
    """

    path: str
    sha256: str
    bytes: int
    rows: int = 0


def write_atomically(path: str | Path, write: Callable[[Path], int | None]) -> OutputFile:
    """Let ``write`` fill a hidden sibling, flush it to the disk, and move it to its final name.

    Parameters
    ----------
    path
        Final name; its folder is created. A file that is already there is replaced in one step.
    write
        Gets the temporary path, writes and checks it, returns the number of rows (None: not a table).

    Returns
    -------
    OutputFile
        Hash and size of what now stands at ``path``.

    Raises
    ------
    PublishError
        If the operating system refuses; whatever ``write`` raises passes through. Either way the
        temporary file is gone and the earlier content of ``path`` is untouched.
    """
    target = Path(path)
    # a leading dot and no .parquet ending: neither folder readers nor globs take it for a result
    temporary = target.with_name(f".{target.name}.{host_mark()}.{os.getpid()}.{uuid.uuid4().hex}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        rows = write(temporary)
        with temporary.open("rb") as handle:
            digest = hashlib.file_digest(handle, "sha256").hexdigest()
            os.fsync(handle.fileno())
        size = temporary.stat().st_size
        os.replace(temporary, target)
        _sync_folder(target.parent)
    except OSError as error:
        raise refused(target, error) from error
    finally:
        # the first error is the one to report, not that there is nothing to clean up
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    return OutputFile(str(path), digest, size, rows or 0)


def write_text_atomically(path: str | Path, text: str) -> OutputFile:
    """Write UTF-8 text with LF line ends, atomically, and read it back."""
    return write_bytes_atomically(path, text.encode("utf-8"))


def write_bytes_atomically(path: str | Path, data: bytes) -> OutputFile:
    """Write bytes, atomically, and read them back."""

    def write(temporary: Path) -> None:
        temporary.write_bytes(data)
        if temporary.read_bytes() != data:
            raise PublishError(f"{path}: what was read back is not what was written. Check the disk.")

    return write_atomically(path, write)


class SharedFolder:
    """A folder that runs write to, marked as in use with the operating system for as long as a run lasts.

    Several runs may use one folder. What no manifest names may be another run's that is under way, so it is
    deleted by the last one to leave alone (:meth:`last`), and what must fit together (page, merged copies,
    manifest) is written by one at a time (:meth:`turn`). The marks are advisory locks on folders: no files, and
    gone with the process however that ends. Where the platform has no such locks, nobody is ever the last.
    """

    def __init__(self, root: str | Path) -> None:
        self._root, self._handle, self._made = Path(root), -1, False

    def __enter__(self) -> SharedFolder:
        try:
            self._made = not self._root.exists()
            self._root.mkdir(parents=True, exist_ok=True)
            self._handle = locked(self._root, exclusive=False)
        except OSError as error:
            raise refused(self._root, error) from error
        return self

    def __exit__(self, *_: object) -> None:
        if self._handle >= 0:
            os.close(self._handle)
        if self._made:  # a run that wrote nothing leaves nothing
            with contextlib.suppress(OSError):
                self._root.rmdir()

    def last(self) -> bool:
        """Whether no other run uses the folder; if so, none can begin before this one leaves.

        To be asked once, when nothing is left to write or to read: the answer no ends the run's own mark, because
        the operating system drops a shared lock before it tries for an exclusive one. Of several runs that end at
        the same moment at least one is therefore the last.
        """
        if self._handle < 0:
            return False
        import fcntl

        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Wait until no other run is within its turn."""
        place = self._root / "manifests"
        try:
            place.mkdir(exist_ok=True)
            handle = locked(place, exclusive=True)
        except OSError as error:
            raise refused(place, error) from error
        try:
            yield
        finally:
            if handle >= 0:
                os.close(handle)


def locked(folder: Path, *, exclusive: bool) -> int:
    """Handle of a folder with a lock that closing it ends; -1 where the platform has none."""
    if os.name != "posix":
        return -1
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
    return handle


def refused(path: Path, error: OSError) -> PublishError:
    """The error to raise when the operating system refuses to write."""
    reason = os.strerror(error.errno) if error.errno else str(error)  # libraries put their own long text beside it
    remedy = "Check rights, free space and that it is no folder."
    if isinstance(error, NotADirectoryError | FileExistsError):
        remedy = "A file stands where a folder must be: give another place."
    return PublishError(f"{path}: cannot be written ({reason}). {remedy}")


def stale_files(root: str | Path) -> list[Path]:
    """Temporary files below a folder that a killed run left behind, sorted; those of a living process are none."""
    found = []
    for folder, _, names in os.walk(root):
        for name in names:
            match = _TEMPORARY.match(name)
            path = Path(folder) / name
            if match and _is_stale(path, match["host"], int(match["process"])):
                found.append(path)
    return sorted(found)


def remove_stale(root: str | Path) -> list[Path]:
    """Delete the :func:`stale_files` of a folder.

    Returns
    -------
    list of pathlib.Path
        What was deleted, sorted. A file that cannot be deleted is left: it is hidden and no reader takes it.
    """
    removed = []
    for path in stale_files(root):
        with contextlib.suppress(OSError):
            path.unlink()
            removed.append(path)
    return removed


def _is_stale(path: Path, host: str, process: int) -> bool:
    if host == host_mark() and not is_alive(process):
        return True
    try:
        return time.time() - path.stat().st_mtime > STALE_SECONDS
    except OSError:  # its writer has just moved it to its final name
        return False


def is_alive(process: int) -> bool:
    """Whether a process of this machine runs."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it runs, but for another user
        return True
    return True


def is_beside(name: str) -> bool:
    """Whether a file of this name only lies beside what is published: a hidden one, or litter of a file browser."""
    return name.startswith(".") or name in LITTER


def host_mark() -> str:
    """This machine in eight letters, so that a shared folder tells the writers' process ids apart."""
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable, where the platform can open folders."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
