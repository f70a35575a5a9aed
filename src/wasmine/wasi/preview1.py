"""The functions of WASI preview 1: one row each, and how Python handlers are bound to rows.

A handler takes the Context and the row's parameters, as numbers, bytes or views of guest memory, and
returns the row's results, which are written for it. It raises ErrnoError, or OSError, when it fails.
Any other exception is the host's and comes out of the outermost call into the program.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import import_module
from operator import and_
from struct import Struct
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from wasmine.errors import InternalError
from wasmine.frozen import Frozen
from wasmine.types import I32, I64, FunctionType
from wasmine.wasi import guest
from wasmine.wasi.abi import (
    FDSTAT,
    FILESTAT,
    FILESTAT_UNSTABLE,
    PRESTAT,
    U16,
    U32,
    U64,
    Errno,
    ErrnoError,
    errno_of,
)
from wasmine.wasi.context import Context

SNAPSHOT: Final = "wasi_snapshot_preview1"
UNSTABLE: Final = "wasi_unstable"

_U32 = 0xFFFFFFFF
_U64 = 0xFFFFFFFFFFFFFFFF
_SIGNED = -1

# Kind of parameter: the masks that make the signed integers which arrive the numbers that are
# meant, and what becomes of them. The number itself where there is nothing to do.
_KINDS: Final[dict[str, tuple[tuple[int, ...], str | None]]] = {
    "u32": ((_U32,), None),
    "u64": ((_U64,), None),
    "s64": ((_SIGNED,), None),
    "fd": ((_U32,), None),
    "ptr": ((_U32,), None),
    "size": ((_U32,), None),
    "time": ((_U64,), None),
    "rights": ((_U64,), None),
    "clock": ((_U32,), None),
    "whence": ((_U32,), None),
    "advice": ((_U32,), None),
    "lookupflags": ((_U32,), None),
    "oflags": ((_U32,), None),
    "fdflags": ((_U32,), None),
    "fstflags": ((_U32,), None),
    "riflags": ((_U32,), None),
    "siflags": ((_U32,), None),
    "sdflags": ((_U32,), None),
    # pairs of address and number, as functions in guest.py read them
    "path": ((_U32, _U32), "path"),
    "buffer": ((_U32, _U32), "buffer"),
    "iovs": ((_U32, _U32), "buffers"),
    "ciovs": ((_U32, _U32), "buffers"),
}

# Kind of result: how it is written to the address that the program passed for it.
_RESULTS: Final = {
    "u16": U16,
    "size": U32,
    "fd": U32,
    "u64": U64,
    "time": U64,
    "fdstat": FDSTAT,
    "filestat": FILESTAT,
    "prestat": PRESTAT,
}
_RESULTS_UNSTABLE: Final = {**_RESULTS, "filestat": FILESTAT_UNSTABLE}

_ROWS: Final = """
args_get                 argv:ptr argv_buf:ptr
args_sizes_get           -> argc:size argv_buf_size:size
environ_get              environ:ptr environ_buf:ptr
environ_sizes_get        -> count:size buf_size:size
clock_res_get            clock:clock -> resolution:time
clock_time_get           clock:clock precision:time -> timestamp:time
fd_advise                fd:fd offset:u64 length:u64 advice:advice
fd_allocate              fd:fd offset:u64 length:u64
fd_close                 fd:fd
fd_datasync              fd:fd
fd_fdstat_get            fd:fd -> stat:fdstat
fd_fdstat_set_flags      fd:fd flags:fdflags
fd_fdstat_set_rights     fd:fd base:rights inheriting:rights
fd_filestat_get          fd:fd -> stat:filestat
fd_filestat_set_size     fd:fd size:u64
fd_filestat_set_times    fd:fd atim:time mtim:time fst_flags:fstflags
fd_pread                 fd:fd iovs:iovs offset:u64 -> nread:size
fd_prestat_get           fd:fd -> prestat:prestat
fd_prestat_dir_name      fd:fd path:buffer
fd_pwrite                fd:fd iovs:ciovs offset:u64 -> nwritten:size
fd_read                  fd:fd iovs:iovs -> nread:size
fd_readdir               fd:fd buf:buffer cookie:u64 -> bufused:size
fd_renumber              fd:fd to:fd
fd_seek                  fd:fd offset:s64 whence:whence -> newoffset:u64
fd_sync                  fd:fd
fd_tell                  fd:fd -> offset:u64
fd_write                 fd:fd iovs:ciovs -> nwritten:size
path_create_directory    fd:fd path:path
path_filestat_get        fd:fd flags:lookupflags path:path -> stat:filestat
path_filestat_set_times  fd:fd flags:lookupflags path:path atim:time mtim:time fst_flags:fstflags
path_link                old_fd:fd old_flags:lookupflags old_path:path new_fd:fd new_path:path
path_open                fd:fd dirflags:lookupflags path:path oflags:oflags base:rights inheriting:rights fdflags:fdflags -> opened_fd:fd
path_readlink            fd:fd path:path buf:buffer -> bufused:size
path_remove_directory    fd:fd path:path
path_rename              fd:fd old_path:path new_fd:fd new_path:path
path_symlink             old_path:path fd:fd new_path:path
path_unlink_file         fd:fd path:path
poll_oneoff              subscriptions:ptr events:ptr count:size -> nevents:size
proc_exit                code:u32
proc_raise               signal:u32
sched_yield
random_get               buf:buffer
sock_accept              fd:fd flags:fdflags -> accepted_fd:fd
sock_recv                fd:fd ri_data:iovs ri_flags:riflags -> ro_datalen:size ro_flags:u16
sock_send                fd:fd si_data:ciovs si_flags:siflags -> so_datalen:size
sock_shutdown            fd:fd how:sdflags
"""

# The one function that never returns, and so has no errno.
_WITHOUT_RESULT: Final = frozenset({"proc_exit"})
# Not part of the first snapshot.
_NOT_IN_UNSTABLE: Final = frozenset({"sock_accept"})


class Row(Frozen):
    """One function: name and kind of each parameter, and of each result besides the errno."""

    name: str
    parameters: tuple[str, ...]
    kinds: tuple[str, ...]
    results: tuple[str, ...] = ()
    result_kinds: tuple[str, ...] = ()

    @property
    def masks(self) -> tuple[int, ...]:
        """For each integer that the program passes, addresses of results included."""
        own = (mask for kind in self.kinds for mask in _KINDS[kind][0])
        return (*own, *(_U32 for _ in self.results))

    @property
    def type(self) -> FunctionType:
        params = tuple(I32 if mask == _U32 else I64 for mask in self.masks)
        return FunctionType(params, () if self.name in _WITHOUT_RESULT else (I32,))


def _parse(line: str) -> Row:
    name, *fields = line.split()
    if "->" not in fields:
        fields.append("->")
    arrow = fields.index("->")
    columns = []
    for part in (fields[:arrow], fields[arrow + 1 :]):
        pairs = [field.partition(":") for field in part]
        columns += [tuple(pair[0] for pair in pairs), tuple(pair[2] for pair in pairs)]
    return Row(name, *columns)


ROWS: Final = {row.name: row for row in map(_parse, _ROWS.strip().splitlines())}

P = ParamSpec("P")
R = TypeVar("R")
Handler = Callable[..., Any]
_handlers: dict[tuple[str, str], Handler] = {}


def handler(
    name: str, snapshot: str = SNAPSHOT
) -> Callable[[Callable[Concatenate[Context, P], R]], Callable[Concatenate[Context, P], R]]:
    """Binds a function to a row. `snapshot` is UNSTABLE for one that differs there.

    Raises InternalError for an unknown row, one bound before, and parameters named otherwise than
    in the row.
    """

    def bind(
        function: Callable[Concatenate[Context, P], R],
    ) -> Callable[Concatenate[Context, P], R]:
        code = function.__code__
        expected = code.co_varnames[1 : code.co_argcount]
        if name not in ROWS:
            raise InternalError(f"WASI has no function {name}")
        if (snapshot, name) in _handlers:
            raise InternalError(f"WASI function {name} is bound twice")
        if expected != ROWS[name].parameters:
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


Trace = Callable[[Row, Sequence[Any], Errno | BaseException, Any], object]
"""Told of each call: its row, its arguments, how it ended, and what the handler returned."""


def link(
    row: Row,
    function: Handler,
    context: Context,
    snapshot: str = SNAPSHOT,
    trace: Trace | None = None,
) -> Callable[..., int]:
    """The import: takes the guest's integers, returns the errno."""
    bind = _binder(row, snapshot)
    if trace is None:
        return bind(context, function)
    return _traced(row, function, lambda handle: bind(context, handle), trace)


def _traced(
    row: Row, function: Handler, bind: Callable[[Handler], Callable[..., int]], trace: Trace
) -> Callable[..., int]:
    """An import that tells of each call, whatever comes of it."""

    def call(*arguments: int) -> int:
        values: Sequence[Any] = tuple(map(and_, arguments, row.masks))
        result = None

        def handle(context: Context, *read: Any) -> Any:
            nonlocal values, result
            values = read
            result = function(context, *read)
            return result

        try:
            number = bind(handle)(*arguments)
        except BaseException as error:
            trace(row, values, error, result)
            raise
        trace(row, values, Errno(number), result)
        return number

    call.__name__ = call.__qualname__ = row.name
    return call


_SOURCE: Final = """
def bind(context, handle):
    def {name}({integers}):
        try:
            {body}
        except ErrnoError as error:
            return error.errno.value
        except OSError as error:
            return errno_of(error).value
        return 0
    return {name}
"""


@cache
def _binder(row: Row, snapshot: str) -> Callable[[Context, Handler], Callable[..., int]]:
    """Makes an import of a context and a handler, by straight code for this row alone.

    Programs make hundreds of thousands of small calls, and walking through the row costs each of
    them more than what it asks of the host.
    """
    layouts = _RESULTS if snapshot == SNAPSHOT else _RESULTS_UNSTABLE
    names: dict[str, Any] = {f"pack_{kind}": layout.pack_into for kind, layout in layouts.items()}
    names |= {"ErrnoError": ErrnoError, "errno_of": errno_of, "EFAULT": Errno.EFAULT}
    names |= {
        f"read_{name}": getattr(guest, name) for _, name in _KINDS.values() if name is not None
    }
    exec(compile(_source(row, layouts), f"<WASI function {row.name}>", "exec"), names)
    binder: Callable[[Context, Handler], Callable[..., int]] = names["bind"]
    return binder


def _source(row: Row, layouts: Mapping[str, Struct]) -> str:
    """The text of that code.

    All places for results are known to be in memory before anything happens: no data is lost for
    want of a place for its length. Memory is looked at again afterwards, for it may have moved.
    """
    integers: list[str] = []
    values = ["context"]
    for name, kind in zip(row.parameters, row.kinds, strict=True):
        masks, reader = _KINDS[kind]
        words = (name, f"{name}_length")[: len(masks)]
        integers += words
        masked = ", ".join(
            word if mask == _SIGNED else f"{word} & {mask:#x}"
            for word, mask in zip(words, masks, strict=True)
        )
        values.append(masked if reader is None else f"read_{reader}(memory, {masked})")
    body = ["memory = context.view()"] if row.results or any("memory" in v for v in values) else []
    for name, kind in zip(row.results, row.result_kinds, strict=True):
        body.append(f"{name} &= {_U32:#x}")
        body.append(f"if {name} + {layouts[kind].size} > len(memory): raise ErrnoError(EFAULT)")
    returned = [f"new_{name}" for name in row.results]
    target = f"{', '.join(returned)} = " if returned else ""
    body.append(f"{target}handle({', '.join(values)})")
    if returned:
        body.append("memory = context.view()")
    for name, kind, new in zip(row.results, row.result_kinds, returned, strict=True):
        star = "*" * (len(layouts[kind].unpack(bytes(layouts[kind].size))) > 1)
        body.append(f"pack_{kind}(memory, {name}, {star}{new})")
    integers += row.results
    separator = "\n            "
    return _SOURCE.format(name=row.name, integers=", ".join(integers), body=separator.join(body))
