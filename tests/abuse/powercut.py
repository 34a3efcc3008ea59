"""What a loss of power may leave of what a program did to a folder.

strace tells every change that the program made and every wait for the disk. For each moment between two of
them the states are made that a file system may come back with: what was waited for is there; of the rest all,
nothing, all but one change, one change alone, names without contents, and contents of zeros. That is more
than most file systems lose; ext4, for one, keeps changes of names in order.
"""

import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

# Relative path -> (what it is, its contents or target, its mode).
Tree = dict[str, tuple[str, bytes, int]]

_TOP = 0
_CALL = re.compile(r"^\d+ +(\w+)\((.*)\) += (-?\d+)")
_WORD = re.compile(r'"((?:\\x[0-9a-f]{2})*)"|(AT_FDCWD)<[^>]*>|(\d+)<((?:\\x[0-9a-f]{2})*)[^>]*>|([^,]+)')
_CHANGES = (
    "openat,write,lseek,ftruncate,truncate,fsync,fdatasync,sync,rename,renameat,renameat2,link,linkat,unlink,unlinkat,"
    "symlink,symlinkat,mkdir,mkdirat,rmdir,chmod,fchmod,fchmodat"
)
# Whoever makes a writer use one of these must teach it to this file first.
_UNKNOWN = "pwrite64,writev,copy_file_range,sendfile,fallocate,syncfs,open,creat"


@dataclass(frozen=True)
class Change:
    """One change of an inode; for folders a name that leads to an inode, or to none."""

    inode: int
    contents: bytes | None = None
    mode: int | None = None
    names: tuple[tuple[str, int | None], ...] = ()


@dataclass
class _Inode:
    kind: str
    contents: bytes = b""
    mode: int = 0o644
    names: dict[str, int] = field(default_factory=dict)


def read(root: Path) -> Tree:
    """A folder as it is."""
    tree: Tree = {}
    for path in sorted(root.rglob("*")):
        mode = stat.S_IMODE(path.lstat().st_mode)
        name = str(path.relative_to(root))
        if path.is_symlink():
            tree[name] = ("link", os.fsencode(os.readlink(path)), 0)
        elif path.is_dir():
            tree[name] = ("folder", b"", mode)
        else:
            tree[name] = ("file", path.read_bytes(), mode)
    return tree


def lay(root: Path, tree: Tree, times: dict[str, int] | None = None) -> None:
    """Make a folder what a tree says; times are those of files, in nanoseconds."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    for name, (kind, contents, mode) in sorted(tree.items()):
        path = root / name
        if kind == "link":
            path.symlink_to(os.fsdecode(contents))
            continue
        if kind == "folder":
            path.mkdir()
        else:
            path.write_bytes(contents)
        path.chmod(mode)
        if times and name in times:
            os.utime(path, ns=(times[name], times[name]))


class Recording:
    """What a program did to a folder.

    Attributes:
        before, after: the folder without and with all of it.
        times: when the files of `after` were last written.
    """

    def __init__(
        self, root: Path, command: Sequence[str], trace: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        """Run the command, which must succeed; trace is where strace writes."""
        self._root = os.fsencode(root)
        self.before = read(root)
        self._start: dict[int, _Inode] = {}
        self._numbers = count(_TOP)
        self._log: list[Change | int | None] = []  # a number: that inode was waited for; None: everything was
        self._offsets: dict[int, int] = {}
        self._load(root)
        self._live = _copy(self._start)
        strace = ["strace", "-f", "-qq", "-y", "-xx", "-s", "100000000", "-o", str(trace)]
        strace += ["-e", f"trace={_CHANGES},{_UNKNOWN}"]
        subprocess.run(
            [*strace, *command], check=True, umask=0o022, env={**os.environ, **(environment or {})}
        )
        for line in trace.read_text().splitlines():
            match = _CALL.match(line)
            if match and int(match[3]) >= 0:
                self._take(match[1], match[2], int(match[3]))
        self.after = read(root)
        assert _tree(self._live) == self.after, "the record does not tell what the program did"
        self.times = {
            name: (root / name).stat().st_mtime_ns for name, entry in self.after.items() if entry[0] == "file"
        }

    def _load(self, root: Path) -> int:
        number = next(self._numbers)
        info = root.lstat()
        if root.is_symlink():
            self._start[number] = _Inode("link", os.fsencode(os.readlink(root)), 0)
        elif root.is_dir():
            names = {path.name: self._load(path) for path in root.iterdir()}
            self._start[number] = _Inode("folder", b"", stat.S_IMODE(info.st_mode), names)
        else:
            self._start[number] = _Inode("file", root.read_bytes(), stat.S_IMODE(info.st_mode))
        return number

    def _take(self, name: str, text: str, result: int) -> None:
        words = [_word(match) for match in _WORD.finditer(text.replace(", ", ","))]
        if name == "sync":
            self._log.append(None)
            return
        if name in _UNKNOWN.split(","):
            touched = [word[1] if isinstance(word, tuple) else word for word in words]
            assert not any(isinstance(path, bytes) and self._inside(path) for path in touched), name
            return
        paths = [word for word in words if isinstance(word, bytes) and self._inside(word)]
        if words and isinstance(words[0], tuple):  # a descriptor, or the folder that a name is in
            descriptor, opened = words[0]
            if name.endswith("at") and isinstance(words[1], bytes) and self._inside(opened):
                paths.insert(0, opened + b"/" + words[1])
        else:
            descriptor, opened = -1, b""
        if name in ("write", "lseek", "ftruncate", "fsync", "fdatasync", "fchmod"):
            if self._inside(opened):
                self._on_descriptor(name, descriptor, self._find(opened), words, result)
        elif paths:
            self._on_path(name, paths, words, text, result)

    def _inside(self, path: bytes) -> bool:
        return path == self._root or path.startswith(self._root + b"/")

    def _on_descriptor(
        self, name: str, descriptor: int, inode: int, words: list[object], result: int
    ) -> None:
        contents = self._live[inode].contents
        if name in ("fsync", "fdatasync"):
            self._log.append(inode)
        elif name == "lseek":
            self._offsets[descriptor] = result
        elif name == "write":
            start, data = self._offsets.get(descriptor, 0), words[1]
            assert isinstance(data, bytes)
            assert len(data) == result
            self._offsets[descriptor] = start + result
            self._do(Change(inode, contents[:start] + data + contents[start + result :]))
        elif name == "ftruncate":
            self._do(Change(inode, contents[: int(str(words[1]))]))
        else:
            self._do(Change(inode, mode=int(str(words[1]), 8)))

    def _on_path(self, name: str, paths: list[bytes], words: list[object], text: str, result: int) -> None:
        path = paths[0]
        if name == "openat":
            self._open(path, text, result)
        elif name.startswith("rename"):
            folder, old = self._parent(path)
            assert self._parent(paths[1])[0] == folder, "only names in one folder change at once"
            self._do(Change(folder, names=((old, None), (self._parent(paths[1])[1], self._find(path)))))
        elif name.startswith("link"):
            folder, new = self._parent(paths[1])
            self._do(Change(folder, names=((new, self._find(path)),)))
        elif name.startswith("unlink") or name == "rmdir":
            folder, old = self._parent(path)
            self._do(Change(folder, names=((old, None),)))
        elif name.startswith("symlink"):
            target = words[0]
            assert isinstance(target, bytes)
            self._make(paths[-1], _Inode("link", target, 0))
        elif name.startswith("mkdir"):
            self._make(path, _Inode("folder", b"", int(text.rpartition(", ")[2], 8) & ~0o022))
        elif name == "truncate":
            inode = self._find(path)
            self._do(Change(inode, self._live[inode].contents[: int(str(words[1]))]))
        else:
            modes = [word for word in words if isinstance(word, str) and word.startswith("0")]
            self._do(Change(self._find(path), mode=int(modes[0], 8)))

    def _open(self, path: bytes, text: str, descriptor: int) -> None:
        flags = text.split(", ")[2]
        folder, name = self._parent(path) if path != self._root else (_TOP, "")
        if path != self._root and name not in self._live[folder].names:
            mode = int(text.rpartition(", ")[2], 8) & ~0o022
            self._make(path, _Inode("file", b"", mode))
        inode = self._find(path)
        if "O_TRUNC" in flags and self._live[inode].contents:
            self._do(Change(inode, b""))
        self._offsets[descriptor] = len(self._live[inode].contents) if "O_APPEND" in flags else 0

    def _make(self, path: bytes, inode: _Inode) -> None:
        number = next(self._numbers)
        # An inode that nothing leads to is no change; what it is at first is there as soon as its name is.
        self._start[number] = inode
        self._live[number] = _Inode(inode.kind, inode.contents, inode.mode)
        folder, name = self._parent(path)
        self._do(Change(folder, names=((name, number),)))

    def _parent(self, path: bytes) -> tuple[int, str]:
        folder, _, name = path.rpartition(b"/")
        return self._find(folder), os.fsdecode(name)

    def _find(self, path: bytes) -> int:
        number = _TOP
        for part in filter(None, os.fsdecode(path[len(self._root) :]).split("/")):
            number = self._live[number].names[part]
        return number

    def _do(self, change: Change) -> None:
        self._log.append(change)
        _apply(self._live, change)

    def together(self) -> list[set[str]]:
        """Names that took others' places with no wait for the disk between them."""
        bursts: list[set[str]] = [set()]
        for entry in self._log:
            if not isinstance(entry, Change):
                bursts.append(set())
            elif len(entry.names) == 2:
                bursts[-1].add(entry.names[1][0])
        return [burst for burst in bursts if burst]

    def cuts(self) -> Iterator[Tree]:
        """Every state that a cut may leave, each once."""
        seen = set()
        for end in range(len(self._log) + 1):
            done = self._log[:end]
            for chosen in _choices(done):
                inodes = _copy(self._start)
                for change in chosen:
                    _apply(inodes, change)
                tree = _tree(inodes)
                key = tuple(sorted(tree.items()))
                if key not in seen:
                    seen.add(key)
                    yield tree


def _choices(done: Sequence[Change | int | None]) -> Iterator[list[Change]]:
    """Which changes are on the disk."""
    waiting: list[int] = []
    for place, entry in enumerate(done):
        if isinstance(entry, Change):
            waiting.append(place)
        elif entry is None:
            waiting.clear()
        else:
            waiting = [other for other in waiting if _change(done, other).inode != entry]
    whole = [place for place, entry in enumerate(done) if isinstance(entry, Change)]
    contents = {place for place in waiting if _change(done, place).contents is not None}
    kept = [whole, [place for place in whole if place not in waiting]]
    kept.append([place for place in whole if place not in contents])
    for one in waiting:
        kept.append([place for place in whole if place != one])
        kept.append([place for place in whole if place == one or place not in waiting])
    for places in kept:
        yield [_change(done, place) for place in places]
        if contents.intersection(places):
            yield [_zeros(done, place) if place in contents else _change(done, place) for place in places]


def _change(done: Sequence[Change | int | None], place: int) -> Change:
    change = done[place]
    assert isinstance(change, Change)
    return change


def _zeros(done: Sequence[Change | int | None], place: int) -> Change:
    """The length is there, what was written is not."""
    change = _change(done, place)
    before = [
        entry.contents
        for entry in done[:place]
        if isinstance(entry, Change) and entry.inode == change.inode and entry.contents is not None
    ]
    old = before[-1] if before else b""
    return Change(change.inode, old[: len(change.contents or b"")].ljust(len(change.contents or b""), b"\0"))


def _apply(inodes: dict[int, _Inode], change: Change) -> None:
    inode = inodes[change.inode]
    if change.contents is not None:
        inode.contents = change.contents
    if change.mode is not None:
        inode.mode = change.mode
    for name, number in change.names:
        if number is None:
            inode.names.pop(name, None)
        else:
            inode.names[name] = number


def _copy(inodes: dict[int, _Inode]) -> dict[int, _Inode]:
    return {
        number: _Inode(inode.kind, inode.contents, inode.mode, dict(inode.names))
        for number, inode in inodes.items()
    }


def _tree(inodes: dict[int, _Inode], number: int = _TOP, prefix: str = "") -> Tree:
    tree: Tree = {}
    for name, child in inodes[number].names.items():
        inode = inodes[child]
        tree[prefix + name] = (inode.kind, inode.contents, inode.mode)
        tree |= _tree(inodes, child, f"{prefix}{name}/")
    return dict(sorted(tree.items()))


def _word(match: re.Match[str]) -> object:
    """A text as bytes, a descriptor with its path as a pair, anything else as it stands."""
    if match[1] is not None:
        return bytes.fromhex(match[1].replace("\\x", ""))
    if match[3] is not None:
        return int(match[3]), bytes.fromhex(match[4].replace("\\x", ""))
    return match[0]
