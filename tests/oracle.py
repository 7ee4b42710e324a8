"""The slow truth: a stack of layer tars applied in memory, by the rules and nothing else.

`apply(stack)` gives the tree that a correct engine shows, or raises Refusal. It favours being
obviously right over being fast: names are nested dictionaries, hard links are shared objects, and
a layer is applied in three plain steps:

1. its whiteouts and opaque markers act on what is below, wherever in the tar they stand. Symlinks
   on the way are resolved in the tree below, but for those that the layer itself replaces or
   deletes: what lies under such a name belongs to the new directory, never to the old target;
2. its entries are placed in order: missing parents are implied, symlinked parents followed inside
   the root in the state so far, the last component replaced (a directory over a directory keeps
   its children), hard links bound to files that the layer itself has placed;
3. hard links that come before their target, or name a file of a lower layer, are bound last.
"""

from __future__ import annotations

import gzip
import hashlib
import subprocess
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from tests.refusal import Refusal
from tests.tar_members import Member, members
from tests.tree import Facts, Tree, with_names

WHITEOUT = b".wh."
OPAQUE = b".wh..wh..opq"
AUFS = (b".wh..wh.plnk", b".wh..wh.aufs", b".wh..wh.orph")  # bookkeeping at a branch's root
CONTROL_XATTRS = (b"trusted.overlay.", b"user.overlay.", b"user.fuseoverlayfs.")
MAX_LINKS = 40
MAX_NAME = 255


@dataclass(eq=False, slots=True)
class Inode:
    """A file of any type. Several names may refer to one Inode: that is a hard link."""

    type: str
    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    mtime_ns: int = 0
    content: bytes = b""
    link: bytes = b""
    device: tuple[int, int] = (0, 0)
    xattrs: dict[bytes, bytes] = field(default_factory=dict)
    implied: bool = False
    children: dict[bytes, Inode] = field(default_factory=dict)  # of a directory


def _root() -> Inode:
    return Inode("dir", implied=True)


def components(path: bytes) -> list[bytes]:
    """The names of a path relative to the root, `.`, `..` and doubled slashes resolved."""
    result: list[bytes] = []
    for part in path.split(b"/"):
        if part in (b"", b"."):
            continue
        if part == b"..":
            if not result:
                raise Refusal("traversal", f"{path!r} leaves the root")
            result.pop()
        elif len(part) > MAX_NAME + (len(WHITEOUT) if part.startswith(WHITEOUT) else 0):
            raise Refusal("unsupported", f"a component of {len(part)} bytes")
        else:
            result.append(part)
    return result


class _Walk:
    """Resolution of paths inside one root."""

    def __init__(self, root: Inode, own: set[int]) -> None:
        self.root = root
        self.own = own  # id() of every inode that the current layer has placed
        self.crossed_link = False

    def directory(self, names: Sequence[bytes], *, create: bool) -> Inode | None:
        """The directory at `names`, every symlink on the way followed inside the root."""
        trail = [self.root]
        pending = list(reversed(names))
        links = 0
        while pending:
            name = pending.pop()
            if name in (b"", b"."):
                continue
            if name == b"..":
                trail = trail[:-1] or trail
                continue
            there = trail[-1].children.get(name)
            if there is not None and there.type == "symlink":
                links += 1
                if links > MAX_LINKS:
                    raise Refusal("corrupt", "too many levels of symbolic links")
                self.crossed_link = True
                if there.link.startswith(b"/"):
                    trail = [self.root]
                pending += reversed(there.link.split(b"/"))
                continue
            if there is None or there.type != "dir":
                if not create:
                    return None
                if there is not None and id(there) in self.own:
                    raise Refusal("corrupt", f"{name!r} of this layer is not a directory")
                if len(name) > MAX_NAME:  # out of a symlink's target
                    raise Refusal("unsupported", f"a component of {len(name)} bytes")
                there = trail[-1].children[name] = Inode("dir", implied=True)
                self.own.add(id(there))
            trail.append(there)
        return trail[-1]


class _Layer:
    """One layer on its way onto the root."""

    def __init__(self, root: Inode, entries: list[Member]) -> None:
        self.root = root
        self.entries = entries
        self.placed: list[Inode] = []  # keeps them alive, so that ids stay unique
        self.walk = _Walk(root, set())
        self.entry_of: dict[tuple[int, bytes], int] = {}  # (directory, name) -> who placed it

    def apply(self) -> None:
        plain = [(i, components(e.path), e) for i, e in enumerate(self.entries)]
        markers = [names for _, names, entry in plain if self.is_marker(names, entry)]
        self.delete_below(markers)
        deferred = []
        for i, names, entry in plain:
            if self.is_marker(names, entry):
                continue
            if entry.type != "hardlink":
                self.place(i, names, entry)
            elif not self.bind(i, names, entry, last=False):
                deferred.append((i, names, entry))
        self.bind_all(deferred)
        for name in AUFS:
            self.root.children.pop(name, None)

    @staticmethod
    def is_marker(names: list[bytes], entry: Member) -> bool:
        """Whether an entry is a whiteout or an opaque marker; refuses what only looks like one."""
        if not names:
            if entry.type == "dir" and entry.path:
                return False
            outside = entry.path and entry.type in ("symlink", "hardlink")
            raise Refusal("traversal" if outside else "corrupt", f"{entry.type} at the root")
        if names[0] in AUFS:
            return False
        if any(name.startswith(WHITEOUT) for name in names[:-1]):
            raise Refusal("corrupt", f"{entry.path!r} lies below a whiteout")
        if not names[-1].startswith(WHITEOUT):
            return False
        if names[-1] == OPAQUE:
            return True
        if names[-1][len(WHITEOUT) :] in (b"", b".", b".."):
            raise Refusal("corrupt", f"{entry.path!r} is a whiteout of no name")
        if entry.type == "dir":
            raise Refusal("corrupt", f"{entry.path!r} is a directory")
        return True

    def delete_below(self, markers: Iterable[list[bytes]]) -> None:
        """Resolves all markers before the first deletion: none may change another's meaning."""
        victims: list[tuple[Inode, bytes | None]] = []
        replaced = {tuple(components(entry.path)) for entry in self.entries} | {
            (*parent, name[len(WHITEOUT) :]) for *parent, name in markers if name != OPAQUE
        }
        for *parent, name in markers:
            directory = self.lower_directory(parent, replaced)
            if directory is not None:
                victim = None if name == OPAQUE else name[len(WHITEOUT) :]
                victims.append((directory, victim))
        for directory, victim in victims:
            if victim is None:
                directory.children.clear()
            else:
                directory.children.pop(victim, None)

    def lower_directory(
        self, names: Sequence[bytes], replaced: set[tuple[bytes, ...]]
    ) -> Inode | None:
        """The directory below that a marker means; None if there is none."""
        trail: list[tuple[tuple[bytes, ...], Inode]] = [((), self.root)]
        # What is left to walk, last first, with the path as the layer spells it, if it does.
        pending: list[tuple[bytes, tuple[bytes, ...] | None]] = []
        for count in range(len(names), 0, -1):
            pending.append((names[count - 1], tuple(names[:count])))
        links = 0
        while pending:
            name, spelled = pending.pop()
            if name in (b"", b"."):
                continue
            if name == b"..":
                trail = trail[:-1] or trail
                continue
            here, directory = trail[-1]
            path = (*here, name)
            there = directory.children.get(name)
            if there is not None and there.type == "symlink":
                links += 1
                if links > MAX_LINKS or path in replaced or spelled in replaced:
                    return None
                if there.link.startswith(b"/"):
                    trail = trail[:1]
                pending += [(part, None) for part in reversed(there.link.split(b"/"))]
                continue
            if there is None or there.type != "dir":
                return None
            trail.append((path, there))
        return trail[-1][1]

    def parent(self, names: list[bytes]) -> Inode:
        directory = self.walk.directory(names[:-1], create=True)
        assert directory is not None
        return directory

    def put(self, index: int, directory: Inode, name: bytes, inode: Inode) -> None:
        directory.children[name] = inode
        self.walk.own.add(id(inode))
        self.placed.append(inode)
        self.entry_of[id(directory), name] = index

    def place(self, index: int, names: list[bytes], entry: Member) -> None:
        if entry.type == "symlink" and not entry.link:
            raise Refusal("corrupt", f"{entry.path!r} is a symlink to nothing")
        dropped: tuple[bytes, ...] = CONTROL_XATTRS
        if entry.type not in ("file", "dir"):  # the kernel has user.* on nothing else
            dropped = (*dropped, b"user.")
        kept = {k: v for k, v in entry.xattrs.items() if not k.startswith(dropped)}
        inode = Inode(
            entry.type, entry.mode, entry.uid, entry.gid, entry.mtime_ns, entry.content,
            entry.link if entry.type == "symlink" else b"", entry.device, kept,
        )  # fmt: skip
        if not names:
            inode.children = self.root.children
            for key in ("mode", "uid", "gid", "mtime_ns", "xattrs", "implied"):
                setattr(self.root, key, getattr(inode, key))
            return
        directory = self.parent(names)
        there = directory.children.get(names[-1])
        if inode.type == "dir" and there is not None and there.type == "dir":
            inode.children = there.children
            self.placed.append(there)
            for moved in [where for where in self.entry_of if where[0] == id(there)]:
                self.entry_of[id(inode), moved[1]] = self.entry_of.pop(moved)
        self.put(index, directory, names[-1], inode)

    def bind(self, index: int, names: list[bytes], entry: Member, *, last: bool) -> bool:
        """Adds a hard link; False when its target is not there (or, unless `last`, not own)."""
        target_names = components(entry.link)
        if not target_names:
            raise Refusal("corrupt", "hard link to the root")
        self.walk.crossed_link = False
        target_directory = self.walk.directory(target_names[:-1], create=False)
        target = target_directory and target_directory.children.get(target_names[-1])
        if target is None:
            return False
        if target.type == "dir":
            raise Refusal("corrupt", f"hard link to the directory {entry.link!r}")
        if not last and id(target) not in self.walk.own:
            return False
        self.walk.own.add(id(target))  # a lower file now belongs to this layer too
        self.placed.append(target)
        directory = self.parent(names)
        there = directory.children.get(names[-1])
        if there is not None and id(there) in self.walk.own:
            later = last and self.entry_of.get((id(directory), names[-1]), -1) > index
            if there is target or later:
                return True
        self.put(index, directory, names[-1], target)
        return True

    def bind_all(self, deferred: list[tuple[int, list[bytes], Member]]) -> None:
        while deferred:
            left = [item for item in deferred if not self.bind(*item, last=True)]
            if len(left) == len(deferred):
                entry = left[0][2]
                outside = entry.link.startswith(b"/") or self.walk.crossed_link
                raise Refusal(
                    "traversal" if outside else "corrupt",
                    f"{entry.path!r}: hard link to {entry.link!r}, which does not exist",
                )
            deferred = left


def _paths(directory: Inode, prefix: bytes = b"") -> Iterator[tuple[bytes, Inode]]:
    stack = [(prefix, directory)]
    while stack:
        prefix, directory = stack.pop()
        for name, inode in sorted(directory.children.items()):
            yield prefix + name, inode
            if inode.type == "dir":
                stack.append((prefix + name + b"/", inode))


def facts_of(root: Inode) -> Tree:
    """The comparable description of everything below a root."""
    names: dict[int, list[bytes]] = {}
    everything = list(_paths(root))
    for path, inode in everything:
        if inode.type != "dir":
            names.setdefault(id(inode), []).append(path)
    tree: Tree = {}
    for path, inode in everything:
        is_file = inode.type == "file"
        same = names.get(id(inode), [])
        facts = Facts(
            type=inode.type,
            mode=0o777 if inode.type == "symlink" else inode.mode,
            uid=inode.uid,
            gid=inode.gid,
            mtime_ns=inode.mtime_ns,
            size=len(inode.content) if is_file else 0,
            sha256=hashlib.sha256(inode.content).hexdigest() if is_file else "",
            link=inode.link,
            device=inode.device if inode.type in ("char", "block") else (0, 0),
            xattrs=inode.xattrs,
            nlink=max(len(same), 1),
            implied=inode.implied,
        )
        tree[path] = with_names(facts, same)
    return tree


def apply_members(stack: Iterable[Sequence[Member]]) -> Tree:
    """Applies layers given as members, base first."""
    root = _root()
    for entries in stack:
        _Layer(root, list(entries)).apply()
    return facts_of(root)


def apply(stack: Iterable[bytes]) -> Tree:
    """Applies uncompressed layer tars, base first; the tree below the root, or Refusal."""
    return apply_members(list(members(tar)) for tar in stack)


def decompress(blob: bytes) -> bytes:
    """The tar in a layer blob, by its first bytes; zstd needs the `zstd` command."""
    if blob.startswith(b"\x1f\x8b"):
        return _gunzip(blob)
    if blob[:4] == b"\x28\xb5\x2f\xfd" or (blob[1:4] == b"\x2a\x4d\x18" and blob[0] >> 4 == 5):
        result = subprocess.run(["zstd", "-dcq"], input=blob, capture_output=True, check=False)
        if result.returncode != 0:
            raise Refusal("corrupt", result.stderr.decode(errors="replace").strip())
        return result.stdout
    return blob


def _gunzip(blob: bytes) -> bytes:
    """All members of a gzip file. What follows the last one and is not gzip is ignored."""
    out = b""
    rest = blob
    while rest.startswith(b"\x1f\x8b"):
        engine = zlib.decompressobj(wbits=31)
        try:
            out += engine.decompress(rest)
        except zlib.error as error:
            raise Refusal("corrupt", f"gzip: {error}") from error
        if not engine.eof:
            raise Refusal("corrupt", "gzip: the stream is cut")
        rest = engine.unused_data
    return out


def compress(tar: bytes) -> bytes:
    """A gzip blob of a tar, always the same bytes."""
    return gzip.compress(tar, compresslevel=1, mtime=0)
