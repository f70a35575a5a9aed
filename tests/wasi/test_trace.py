"""What the tracer tells of calls: names from the rows, values by their kinds, how each call ended."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from wasmine import wasi
from wasmine.wasi import Errno, trace
from wasmine.wasi.abi import FileType, Rights
from wasmine.wasi.preview1 import ROWS
from wasmine.wasi.process import WasiExit

FILES = Path(__file__).parents[2] / "examples" / "files"


def told(
    name: str, values: tuple[object, ...], ending: Errno | BaseException, result: object = None
) -> str:
    lines: list[str] = []
    trace.tracer(lines.append)(ROWS[name], values, ending, result)
    (line,) = lines
    return line


OK = Errno.SUCCESS
READ = Rights.FD_READ
LINES: dict[str, tuple[Any, ...]] = {
    "fd_close(fd=3) = SUCCESS": ("fd_close", (3,), OK),
    "sched_yield() = SUCCESS": ("sched_yield", (), OK),
    "fd_seek(fd=3, offset=-4, whence=END) = SUCCESS, newoffset=7": ("fd_seek", (3, -4, 2), OK, 7),
    "fd_seek(fd=3, offset=0, whence=9) = EINVAL": ("fd_seek", (3, 0, 9), Errno.EINVAL),
    "clock_res_get(clock=MONOTONIC) = SUCCESS, resolution=1": ("clock_res_get", (1,), OK, 1),
    'fd_write(fd=1, iovs="a\\"b\\n") = SUCCESS, nwritten=4': (
        "fd_write", (1, [memoryview(b'a"'), memoryview(b"b\n")]), OK, 4,
    ),
    f'fd_write(fd=1, iovs="{"x" * 32}"... (40 bytes)) = EPIPE': (
        "fd_write", (1, [memoryview(b"x" * 20)] * 2), Errno.EPIPE,
    ),
    "fd_read(fd=0, iovs=[2, 3] bytes) = SUCCESS, nread=4": (
        "fd_read", (0, [memoryview(b"ab"), memoryview(b"cde")]), OK, 4,
    ),
    'path_open(fd=3, dirflags=SYMLINK_FOLLOW, path="\\xffé\\x1b", oflags=CREAT|TRUNC, base=FD_READ,'
    " inheriting=0x3fffffff, fdflags=0x80) = SUCCESS, opened_fd=4": (
        "path_open", (3, 1, b"\xff\xc3\xa9\x1b", 9, READ, 0x3FFFFFFF, 0x80), OK, 4,
    ),
    "fd_filestat_get(fd=4) = SUCCESS, stat={device=1, inode=2, type=REGULAR_FILE, links=1, size=5,"
    " accessed=6, modified=7, changed=8}": (
        "fd_filestat_get", (4,), OK, (1, 2, FileType.REGULAR_FILE, 1, 5, 6, 7, 8),
    ),
    "fd_prestat_get(fd=3) = SUCCESS, prestat={type=DIR, length=4}": (
        "fd_prestat_get", (3,), OK, (0, 4),
    ),
    "args_sizes_get() = SUCCESS, argc=1, argv_buf_size=9": ("args_sizes_get", (), OK, (1, 9)),
    "random_get(buf=8 bytes) = SUCCESS": ("random_get", (memoryview(bytes(8)),), OK),
    "fd_write(0x1, 0xfffffff8, 0x1, 0x0) = EFAULT": (
        "fd_write", (1, 0xFFFFFFF8, 1, 0), Errno.EFAULT,
    ),
    "proc_exit(code=3) = exit code 3": ("proc_exit", (3,), WasiExit(3)),
    "random_get(buf=1 bytes) = ValueError: too short": (
        "random_get", (memoryview(b"x"),), ValueError("too short"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("line", LINES)
def test_lines(line: str) -> None:
    assert told(*LINES[line]) == line


def test_a_program_is_traced_call_by_call(tmp_path: Path) -> None:
    output = io.StringIO()
    texts = wasi.HostDirectory(FILES / "texts", read_only=True)
    program = FILES / "files.wasm"
    result = wasi.run(program, dirs={"/in": texts, "/out": tmp_path}, trace=output)
    assert result == wasi.run(program, dirs={"/in": texts, "/out": tmp_path})
    lines = output.getvalue().splitlines()
    assert result.exit_code == 0
    assert "fd_prestat_get(fd=3) = SUCCESS, prestat={type=DIR, length=3}" in lines
    assert "fd_prestat_get(fd=5) = EBADF" in lines
    opened = [line for line in lines if line.startswith("path_open(")]
    assert [line.partition(") = ")[2] for line in opened] == [
        *["SUCCESS, opened_fd=5", "SUCCESS, opened_fd=5", "SUCCESS, opened_fd=6"],
        *["SUCCESS, opened_fd=6", "EROFS", "ENOTCAPABLE"],
    ]
    assert 'path="../files.py"' in opened[-1]
    assert 'fd_write(fd=1, iovs="2 files\\n' in output.getvalue()
