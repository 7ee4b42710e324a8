"""The C++ core. Every function releases the GIL while it works and raises a subclass of
`fastlayers.errors.FastlayersError`, chosen by the kind of the core's error.

`root` is always the store's root folder; digests, diff_ids and chain ids are "sha256:<hex>".
"""

from collections.abc import Callable, Sequence
from typing import ClassVar, Self, final

from typing_extensions import Buffer

@final
class LayerInfo:
    """What is known of a layer in the store."""

    @property
    def digest(self) -> str: ...  # of the blob as it came (equals diff_id for plain tars)
    @property
    def size(self) -> int: ...  # bytes of that blob
    @property
    def diff_id(self) -> str: ...
    @property
    def tar_size(self) -> int: ...  # bytes of the uncompressed tar
    @property
    def compression(self) -> str: ...  # "none", "gzip" or "zstd", by the first bytes
    @property
    def entries(self) -> int: ...
    @property
    def content_size(self) -> int: ...  # sum of the sizes of its regular files: Docker's SIZE

@final
class Ingest:
    """One layer blob on its way into the store: verify, inflate, hash, index, in threads.

    Nothing is visible in the store before finish() returns. What write() and finish() raise names
    the layer.
    """

    def __init__(
        self,
        root: str,
        *,
        digest: str = "",
        size: int = -1,
        diff_id: str = "",
        partial: bool = False,
    ) -> None:
        """`partial`: what has arrived stays in ROOT/partial for a later try if the ingest is given
        up or this process dies, unless it turns out wrong or another process is at it."""

    def resume(self, on_bytes: Callable[[int], None] | None = None) -> int:
        """Takes what an earlier try has left; returns how many bytes that is, from which on they
        are to be written. `on_bytes` is told every 8 MiB how many were taken; what it raises ends
        it."""

    def write(self, data: Buffer) -> None: ...
    def finish(self) -> LayerInfo: ...
    def abort(self, discard: bool = False) -> None:
        """Idempotent; also called when the object is collected. `discard`: what has arrived is
        wrong, and does not stay."""

def ingest_fd(
    root: str,
    fd: int,
    offset: int = -1,
    size: int = -1,
    *,
    digest: str = "",
    diff_id: str = "",
    on_bytes: Callable[[int], None] | None = None,
) -> LayerInfo:
    """Ingests from a file: `size` bytes from `offset` by pread, or (offset -1) to the end by read.

    `on_bytes` is told every 8 MiB how many bytes were taken; what it raises ends the ingest.
    """

def ingest_blob(
    root: str, digest: str, *, diff_id: str = "", on_bytes: Callable[[int], None] | None = None
) -> LayerInfo:
    """Ingests a layer from its blob in the store. NotFoundError if that is not there."""

def layer_info(root: str, diff_id: str) -> LayerInfo | None:
    """The layer if its tar and its table are in the store (digest and size are then the tar's)."""

def has_blob(root: str, digest: str) -> bool: ...
def blob_path(root: str, digest: str) -> str: ...
def put_blob(root: str, data: Buffer) -> str: ...  # synced; returns the digest
def read_blob(root: str, digest: str, limit: int) -> bytes:
    """The blob's bytes, verified; LimitError if there are more than `limit`."""

def decompress_fd(in_fd: int, out_fd: int) -> str:
    """Copies to the end of `in_fd`, decompressed; returns what it was: "none", "gzip" or "zstd"."""

@final
class CompressedReader:
    """A part of a file, compressed ("gzip", "zstd", "none") by `threads` while it is read; `fd` may
    be closed meanwhile. The same bytes, level and library give the same bytes, for any number of
    threads."""

    digest: str  # of all that was read, at the end
    size: int
    def __init__(
        self,
        fd: int,
        offset: int,
        size: int,
        *,
        expected: str,
        damage: str,
        compression: str,
        level: int,
        threads: int,
    ) -> None: ...
    def read(self) -> bytes:
        """The next megabyte or so, b"" at the end; CorruptError `damage` there if the bytes do not
        have the digest that is expected."""

    def keep(self, root: str, on_bytes: Callable[[int], None] | None = None) -> None:
        """Reads it all into a blob of the store, synced. `on_bytes` is told every megabyte or so
        how many bytes there are; what it raises ends it."""

@final
class Table:
    """A file table. `entries` is a read-only buffer of 120-byte records (fastlayers.analysis)."""

    @property
    def entries(self) -> memoryview: ...
    @property
    def heap(self) -> memoryview: ...
    @property
    def layers(self) -> list[str]: ...  # diff_ids, base first
    def __len__(self) -> int: ...
    def find(self, path: bytes) -> int | None: ...  # exact, path-order tables only
    def subtree_end(self, index: int) -> int: ...  # one past the last record under it, likewise

def layer_table(root: str, diff_id: str) -> Table: ...
def merged_table(root: str, diff_ids: list[str]) -> Table: ...
def layer_deltas(root: str, diff_ids: list[str]) -> list[Table]:
    """Each layer resolved against those below it, base first: what it changes, the directories
    that lead there (whose `layer` is a lower one), whiteouts, and flag 1 on opaque directories."""

class LineSearch:
    """The lines of slices of files that hold one of some sequences. The files are (descriptor, name
    for errors), and each slice has a number of one (u32), an offset and a length in bytes (u64). A
    sequence has for each of its places (1 to 64) the bytes that may be there, which are no newline.
    InvalidError if there is none, or one is as long as the window."""

    def __init__(
        self,
        files: Sequence[tuple[int, str]],
        file: Buffer,
        offset: Buffer,
        length: Buffer,
        sequences: Sequence[Sequence[bytes]],
        most_hits: int,  # how often it is told where in a line the sequences are
        *,
        window_bytes: int = ...,  # read at once
        part_bytes: int = ...,  # of slices that one processor is given at once
        most_lines: int = ...,  # of a slice
        longest_line: int = ...,  # whose bytes are told
    ) -> None: ...
    def next(self) -> list[tuple[int, int, int, int, bytes | None, list[int] | None]] | None:
        """Of the next slices, in order, each once: the slice; the number of the line, which counts
        from 1 (0: there is a NUL among the first 8 KiB of the slice, it is no text); where in the
        slice the line begins and ends, without its newline; the line, None if it is very long;
        where in it the sequences begin, if that is to be told. Of a slice with too many lines there
        is one, which begins at -1. None behind the last slices.
        CorruptError if a file ends before a slice."""

def damaged_layer_parts(root: str, diff_id: str) -> list[str]:
    """Reads the layer's tar: ["tar"] if it is not what its name says, else which of "table" and
    "side" are not what it gives. NotFoundError without the tar."""

def damaged_chain_parts(root: str, diff_ids: list[str]) -> list[tuple[str, list[str]]]:
    """(chain_id in hex digits, damaged parts) of the stack and of those it rests on."""

def side_path(root: str, diff_id: str) -> str: ...  # expanded sparse members of a layer
def probe(directory: str) -> dict[str, tuple[bool, str]]:
    """Keys erofs_file, erofs_loop, overlay: (works, why)."""

def prepare_chain(root: str, diff_ids: list[str], backend: str) -> None:
    """Builds what `backend` ("erofs" or "overlay") needs to mount this stack, if not there yet."""

def root_owner(root: str, diff_ids: list[str]) -> tuple[int, int, int]:
    """Mode, uid and gid of the root directory of a stack that prepare_chain has built."""

def mount_image(root: str, diff_ids: list[str], backend: str, target: str) -> None: ...  # read-only
def mount_container(
    root: str, diff_ids: list[str], backend: str, directory: str, target: str, read_only: bool
) -> None:
    """Mounts the stack with the upper and work of a container directory at `target`."""

def unmount(target: str) -> None: ...
def commit_upper(root: str, diff_ids: list[str], uppers: list[str], epoch: int = -1) -> LayerInfo:
    """Writes the upper directories, the lowest first, as one layer on top of `diff_ids` (epoch
    >= 0: newer mtimes are clamped to it) and stores it."""

def squash_layers(
    root: str,
    diff_ids: list[str],
    start: int,
    epoch: int = -1,
    on_bytes: Callable[[int], None] | None = None,
) -> LayerInfo:
    """Writes what the layers from number `start` on (the base is 0) make of those below them as one
    layer, and stores it. `on_bytes` is told every 8 MiB how long the layer is. CorruptError names a
    layer that is damaged."""

def diff_upper(root: str, diff_ids: list[str], uppers: list[str]) -> list[tuple[str, bytes]]:
    """("A" | "C" | "D", b"/path") sorted by path, as `docker diff`."""

def upper_size(upper: str) -> int: ...  # bytes of its regular files
def copy_upper(upper: str, to: str) -> None: ...  # into an empty directory, as overlayfs reads it
def sync_file_system(directory: str) -> None: ...  # of the one it is on
def exchange(one: str, other: str) -> None: ...  # two names of one file system, in one step
def remove_tree(path: str) -> None:
    """Removes a directory and all below it, whatever its depth, names and modes; absent is fine."""

def export_root(root: str, diff_ids: list[str], backend: str, directory: str, fd: int) -> None:
    """Writes the merged root of a container directory ("" for the bare image) as a tar; the mount
    is private to the call."""

# Between containers and the host. With a spec its root is mounted for the call (the bare image's if
# it has no directory), else `root_fd` is the root; `name` is for messages. Paths are absolute. All
# return the bytes of the tar that is copied; what a signal handler raises ends it.
def copy_out(
    spec: LaunchSpec | None,
    root_fd: int,
    name: str,
    path: str,
    target: str,
    *,
    follow_link: bool,
    keep_owners: bool,
) -> int: ...
def copy_in(
    spec: LaunchSpec | None,
    root_fd: int,
    name: str,
    source: str,
    path: str,
    *,
    follow_link: bool,
    keep_owners: bool,
) -> int: ...
def pack_out(
    spec: LaunchSpec | None, root_fd: int, name: str, path: str, fd: int, *, follow_link: bool
) -> int: ...
def unpack_in(
    spec: LaunchSpec | None, root_fd: int, name: str, fd: int, path: str, *, keep_owners: bool
) -> int: ...

@final
class LaunchSpec:
    root: str
    diff_ids: list[str]
    backend: str
    directory: str  # containers/<id>
    argv: list[str]
    env: list[str]
    cwd: str
    user: str
    cgroups: list[str]  # folders of the control groups it joins
    hide_system: bool  # Docker's masked and read-only paths
    hostname: str
    domainname: str
    groups: list[str]  # more groups of the user
    oom_score_adj: int | None
    init: bool
    host_pid: bool
    host_uts: bool
    ipc: str  # "private", "none" or "host"
    sysctls: list[tuple[str, str]]
    network: str  # "host" or "none"
    network_fd: int  # with "host": a network namespace to be joined instead; -1 for none
    tty: bool
    interactive: bool
    privileged: bool  # all the host's devices; /sys can be written
    read_only: bool
    binds: list[tuple[str, str, bool, bool]]  # source, target, read_only, copy_up
    # target, the kernel's options, read_only, executable, set_uid
    tmpfs: list[tuple[str, list[tuple[str, str]], bool, bool, bool]]
    images: list[tuple[list[str], str]]  # diff_ids, target: read-only
    shm_bytes: int  # of /dev/shm
    log: bool
    discard: bool  # the upper is thrown away at the end: it need not reach the disk
    attach: bool
    kill_with_parent: bool
    stdin_fd: int
    stdout_fd: int
    stderr_fd: int
    served: bool  # its streams are those of who attaches
    client: int  # a socket to the first of them, handed over; -1: none
    stdin_once: bool
    rows: int  # of its terminal
    columns: int
    def __init__(self) -> None: ...
    def set_ulimits(self, ulimits: list[tuple[int, int, int]]) -> None:
        """Resource as setrlimit(2) numbers it, soft and hard limit."""

    def set_devices(self, devices: list[tuple[str, str, bool, int, int, int, int, int]]) -> None:
        """Path on the host, target, whether a block device, major, minor, mode, uid, gid."""

    def set_confinement(
        self, capabilities: int, no_new_privileges: bool, filter: bytes, filter_flags: int
    ) -> None:
        """Instead of Docker's defaults. `capabilities` is a mask, bit n is capability n; `filter`
        a seccomp program, empty for none."""

@final
class AttachSpec:
    socket: int
    leader: int  # pidfd that gets our signals; -1: they end the attachment
    tty: bool
    interactive: bool
    redraw: bool
    detach_keys: bytes
    stdin_fd: int
    stdout_fd: int
    stderr_fd: int
    def __init__(self) -> None: ...

def attach(spec: AttachSpec) -> tuple[int | None, bool, bool, int]:
    """Exit code if the process has ended, whether it was left by keys, whether we were refused
    because of the number of those attached, the signal that ended the attachment; if it is none of
    them the other side has let us go, or is no more."""

def socket_pair() -> tuple[int, int]: ...
def connect_to_audience(directory: str) -> int:
    """A socket to the streams of a process that is served there. ConflictError."""

@final
class SeccompOperator:
    name: str
    __members__: ClassVar[dict[str, SeccompOperator]]  # NE, LT, LE, EQ, GE, GT, MASKED_EQ

def compile_filter(
    default_answer: int,
    architectures: list[str],
    rules: list[tuple[list[str], int, list[tuple[int, SeccompOperator, int, int]]]],
) -> bytes:
    """A seccomp program. InvalidError if a system call has two answers or it gets too long."""

def default_filter(capabilities: int) -> bytes:
    """That of Docker's profile for a container with these capabilities."""

def default_profile(
    capabilities: int,
) -> tuple[
    int, list[str], list[tuple[list[str], int, list[tuple[int, SeccompOperator, int, int]]]]
]:
    """Docker's profile for a container with these capabilities: the answer to what no rule names,
    the binary interfaces, and the rules, as compile_filter() takes them."""

def enter_user_namespace(
    uids: list[tuple[int, int, int]], gids: list[tuple[int, int, int]]
) -> None:
    """Extents: the first id inside, the first outside, how many. The process has one thread."""

def join_user_namespace(process: int) -> bool:
    """Of the process behind a pidfd; False if it has ended."""

def in_initial_user_namespace() -> bool: ...
def has_single_id() -> bool: ...  # all on disk belongs to it
def bounding_set() -> int:
    """The capabilities that this process and its children can have: bit n is capability n."""

def restrict_devices(group: str, allowed: list[tuple[bool, int, int, str]]) -> None:
    """In a control group of version 2 no devices can be opened but these: whether it is a block
    device, major and minor number (-1: any), and for what: "rw". UnsupportedError where the kernel
    does not do that."""

def launch_with_runtime(
    spec: LaunchSpec,
    keeper: list[str],
    config: bytes,
    uid: int,
    report_fd: int,
    receive_fd: int,
    receive: Callable[[], tuple[int, int, int] | None],
    started: Callable[[int], None],
) -> tuple[int, str]:
    """launch() of a container that an OCI runtime starts; see cpp/run/runtime.hpp. `receive` gives
    PID, pidfd and terminal (-1: none) of its first process; None: it has not been started, which is
    a HostError. The descriptors are taken over."""

def prepare_for_runtime(
    spec: LaunchSpec, find: bool
) -> tuple[int, int, list[int], list[str], list[str]]:
    """Fills the new volumes of a container that does not run; returns uid, gid, supplementary
    groups and the whole environment of its process. With `find` also the paths of which the first
    that it may execute is its command; raises launch()'s error for a command that is not there."""

def porter_program() -> bytes:
    """A program that executes its arguments: "/dev/init", such paths, "", and the command line. It
    stays as the first process, which reaps orphans and passes signals on."""

def execute_in(
    spec: LaunchSpec, leader: int, started: Callable[[int], None] | None = None
) -> tuple[int, str]:
    """Runs one more process in a container: of `spec` what concerns a process counts. `leader` is a
    pidfd of the container's first process. Returns as `launch` does; ConflictError if the
    container has ended."""

def new_network() -> int:
    """The descriptor of a new network namespace, which lasts as long as it is open or joined."""

def spawn_attendant(argv: Sequence[str], stdin_fd: int, output_fd: int) -> int:
    """The pidfd of a program on the host (`argv[0]` is its path) that is killed when the calling
    thread ends; it is the caller's to reap. Its output of both kinds goes to `output_fd`."""

def launch(spec: LaunchSpec, started: Callable[[int], None] | None = None) -> tuple[int, str]:
    """Runs the container to its end; returns Docker's exit code, and why output or log are
    incomplete ("": they are not). Raises CommandNotFoundError
    (127), NotExecutableError (126) or another error (125) if it could not start."""

def start_profile() -> None:
    """Begins counting where the time goes, anew; children that are forked from now on count too."""

def stop_profile() -> tuple[int, list[tuple[str, int, int, int]]]:
    """Ends it. The wall's nanoseconds, and for each part that happened: name, nanoseconds, calls,
    bytes. Parts of different threads overlap. InvalidError if none was begun."""

def add_to_profile(part: str, busy_ns: int, bytes: int = 0) -> None:
    """Counts what was measured elsewhere; nothing if no profile is taken."""

@final
class ProfileTimer:
    """A `with` block whose time, less that of the timers within, goes to a part of the profile if
    one is taken. Not to be held over a `yield`."""

    def __init__(self, part: str) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...
    def add_bytes(self, bytes: int) -> None: ...
