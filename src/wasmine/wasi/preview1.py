"""The functions of WASI preview 1: one row each, and how Python handlers are bound to rows.

A handler takes the Context and the row's parameters, already unsigned where the row says so. It
returns when all is well and raises ErrnoError, or OSError, when not. Any other exception is the
host's and comes out of the outermost call into the program.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from operator import and_
from typing import Concatenate, Final, ParamSpec

from wasmine.errors import InternalError
from wasmine.frozen import Frozen
from wasmine.types import I32, I64, FunctionType
from wasmine.wasi.abi import ErrnoError, errno_of
from wasmine.wasi.context import Context

SNAPSHOT: Final = "wasi_snapshot_preview1"
UNSTABLE: Final = "wasi_unstable"

_U32 = 0xFFFFFFFF
_U64 = 0xFFFFFFFFFFFFFFFF
_SIGNED = -1

# Kind of parameter: its WebAssembly type, and the mask that makes the signed integer which
# arrives the number that is meant.
_KINDS: Final = {
    "u32": (I32, _U32),
    "u64": (I64, _U64),
    "s64": (I64, _SIGNED),
    "fd": (I32, _U32),
    "ptr": (I32, _U32),
    "size": (I32, _U32),
    "flags": (I32, _U32),
    "rights": (I64, _U64),
    "time": (I64, _U64),
}

_ROWS: Final = """
args_get                 argv:ptr argv_buf:ptr
args_sizes_get           argc:ptr argv_buf_size:ptr
environ_get              environ:ptr environ_buf:ptr
environ_sizes_get        count:ptr buf_size:ptr
clock_res_get            clock:u32 resolution:ptr
clock_time_get           clock:u32 precision:time timestamp:ptr
fd_advise                fd:fd offset:u64 length:u64 advice:u32
fd_allocate              fd:fd offset:u64 length:u64
fd_close                 fd:fd
fd_datasync              fd:fd
fd_fdstat_get            fd:fd stat:ptr
fd_fdstat_set_flags      fd:fd flags:flags
fd_fdstat_set_rights     fd:fd base:rights inheriting:rights
fd_filestat_get          fd:fd stat:ptr
fd_filestat_set_size     fd:fd size:u64
fd_filestat_set_times    fd:fd atim:time mtim:time fst_flags:flags
fd_pread                 fd:fd iovs:ptr iovs_len:size offset:u64 nread:ptr
fd_prestat_get           fd:fd prestat:ptr
fd_prestat_dir_name      fd:fd path:ptr path_len:size
fd_pwrite                fd:fd iovs:ptr iovs_len:size offset:u64 nwritten:ptr
fd_read                  fd:fd iovs:ptr iovs_len:size nread:ptr
fd_readdir               fd:fd buf:ptr buf_len:size cookie:u64 bufused:ptr
fd_renumber              fd:fd to:fd
fd_seek                  fd:fd offset:s64 whence:u32 newoffset:ptr
fd_sync                  fd:fd
fd_tell                  fd:fd offset:ptr
fd_write                 fd:fd iovs:ptr iovs_len:size nwritten:ptr
path_create_directory    fd:fd path:ptr path_len:size
path_filestat_get        fd:fd flags:flags path:ptr path_len:size stat:ptr
path_filestat_set_times  fd:fd flags:flags path:ptr path_len:size atim:time mtim:time fst_flags:flags
path_link                old_fd:fd old_flags:flags old_path:ptr old_path_len:size new_fd:fd new_path:ptr new_path_len:size
path_open                fd:fd dirflags:flags path:ptr path_len:size oflags:flags base:rights inheriting:rights fdflags:flags opened_fd:ptr
path_readlink            fd:fd path:ptr path_len:size buf:ptr buf_len:size bufused:ptr
path_remove_directory    fd:fd path:ptr path_len:size
path_rename              fd:fd old_path:ptr old_path_len:size new_fd:fd new_path:ptr new_path_len:size
path_symlink             old_path:ptr old_path_len:size fd:fd new_path:ptr new_path_len:size
path_unlink_file         fd:fd path:ptr path_len:size
poll_oneoff              subscriptions:ptr events:ptr count:size nevents:ptr
proc_exit                code:u32
proc_raise               signal:u32
sched_yield
random_get               buf:ptr buf_len:size
sock_accept              fd:fd flags:flags accepted_fd:ptr
sock_recv                fd:fd ri_data:ptr ri_data_len:size ri_flags:flags ro_datalen:ptr ro_flags:ptr
sock_send                fd:fd si_data:ptr si_data_len:size si_flags:flags so_datalen:ptr
sock_shutdown            fd:fd how:flags
"""

# The one function that never returns, and so has no errno.
_WITHOUT_RESULT: Final = frozenset({"proc_exit"})
# Not part of the first snapshot.
_NOT_IN_UNSTABLE: Final = frozenset({"sock_accept"})


class Row(Frozen):
    """One function: its name, and name and kind of each parameter."""

    name: str
    parameters: tuple[str, ...]
    kinds: tuple[str, ...]

    @property
    def type(self) -> FunctionType:
        results = () if self.name in _WITHOUT_RESULT else (I32,)
        return FunctionType(tuple(_KINDS[kind][0] for kind in self.kinds), results)

    @property
    def masks(self) -> tuple[int, ...]:
        return tuple(_KINDS[kind][1] for kind in self.kinds)


def _parse(line: str) -> Row:
    name, *fields = line.split()
    parameters = [field.partition(":") for field in fields]
    return Row(name, tuple(p[0] for p in parameters), tuple(p[2] for p in parameters))


ROWS: Final = {row.name: row for row in map(_parse, _ROWS.strip().splitlines())}

P = ParamSpec("P")
Handler = Callable[..., None]
_handlers: dict[tuple[str, str], Handler] = {}

_VARARGS: Final = 4
"""inspect.CO_VARARGS, without all that comes with importing that module."""


def handler(
    *names: str, snapshot: str = SNAPSHOT
) -> Callable[[Callable[Concatenate[Context, P], None]], Callable[Concatenate[Context, P], None]]:
    """Binds a function to rows. `snapshot` is UNSTABLE for those that differ there.

    Raises InternalError for an unknown row, one bound before, and parameters named otherwise than
    in the row; a handler with `*arguments` serves rows of any parameters.
    """

    def bind(
        function: Callable[Concatenate[Context, P], None],
    ) -> Callable[Concatenate[Context, P], None]:
        code = function.__code__
        expected = code.co_varnames[1 : code.co_argcount]
        any_parameters = bool(code.co_flags & _VARARGS)
        for name in names:
            if name not in ROWS:
                raise InternalError(f"WASI has no function {name}")
            if (snapshot, name) in _handlers:
                raise InternalError(f"WASI function {name} is bound twice")
            if not any_parameters and expected != ROWS[name].parameters:
                raise InternalError(f"WASI function {name}: parameters differ from its row")
            _handlers[snapshot, name] = function
        return function

    return bind


# The file that binds the functions of this name, or whose names begin so.
_TOPICS: Final = {
    "args": "process",
    "clock": "clocks",
    "environ": "process",
    "fd": "files",
    "fd_readdir": "paths",
    "path": "paths",
    "poll": "polling",
    "proc": "process",
    "random": "process",
    "sched": "process",
    "sock": "sockets",
}


def handler_of(name: str, snapshot: str) -> Handler:
    """The handler of a function; UNSTABLE has the newer snapshot's where it has none of its own.

    Its file is imported when the first program needs it. Raises InternalError if there is none.
    """
    topic = _TOPICS.get(name) or _TOPICS[name.partition("_")[0]]
    import_module(f"wasmine.wasi.{topic}")
    found = _handlers.get((snapshot, name)) or _handlers.get((SNAPSHOT, name))
    if found is None:
        raise InternalError(f"WASI function without handler: {name}")
    return found


def names_of(snapshot: str) -> list[str]:
    """The functions of a snapshot."""
    return [name for name in ROWS if snapshot == SNAPSHOT or name not in _NOT_IN_UNSTABLE]


def functions(snapshot: str) -> dict[str, tuple[Row, Handler]]:
    """All functions of a snapshot, with their handlers."""
    return {name: (ROWS[name], handler_of(name, snapshot)) for name in names_of(snapshot)}


def link(row: Row, function: Handler, context: Context) -> Callable[..., int]:
    """The import: takes the guest's integers, returns the errno."""
    masks = row.masks

    def call(*arguments: int) -> int:
        try:
            function(context, *map(and_, arguments, masks))
        except ErrnoError as error:
            return error.errno.value
        except OSError as error:
            return errno_of(error).value
        return 0

    call.__name__ = call.__qualname__ = row.name
    return call
