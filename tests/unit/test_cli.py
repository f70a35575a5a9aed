"""The command line: what each command prints, and the exit code it ends with."""

from __future__ import annotations

import io
import math
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from wasmine import __version__
from wasmine.api import cache
from wasmine.api.cache import Cache
from wasmine.api.cachekeys import make_key
from wasmine.cli import main
from wasmine.cli.common import UsageError
from wasmine.cli.run import _directory
from wasmine.cli.values import format_value, parse_value
from wasmine.types import EXTERNREF, F32, F64, FUNCREF, I32, I64, V128, ValType, ref
from wasmine.wasi import HostDirectory

PROGRAMS = Path(__file__).parent.parent / "wasi" / "programs"
ARGUMENTS = str(PROGRAMS / "arguments.wasm")
ENDING = str(PROGRAMS / "ending.wasm")
LIBRARY = str(PROGRAMS / "library.wasm")
# Compiled in the quickest way, where the code does not matter.
RUN = ("run", "-O", "0")


def section(number: int, *items: bytes) -> bytes:
    content = bytes([len(items)]) + b"".join(items)
    return bytes([number, len(content)]) + content


def function(name: bytes, index: int) -> bytes:
    return bytes([len(name)]) + name + b"\0" + bytes([index])


def body(code: bytes) -> bytes:
    return bytes([len(code) + 2]) + b"\0" + code + b"\x0b"


# i32 f64 -> i32 f64: both arguments; f32 -> f32; nothing, and an endless loop
MODULE = b"".join(
    [
        b"\0asm\1\0\0\0",
        section(1, b"\x60\2\x7f\x7c\2\x7f\x7c", b"\x60\1\x7d\1\x7d", b"\x60\0\0"),
        section(3, b"\0", b"\1", b"\2", b"\2"),
        section(5, b"\1\2\3"),
        section(
            7,
            function(b"both", 0),
            function(b"same", 1),
            function(b"nothing", 2),
            function(b"forever", 3),
        ),
        section(
            10,
            body(b"\x20\0\x20\1"),
            body(b"\x20\0"),
            body(b""),
            body(b"\x03\x40\x0c\0\x0b"),
        ),
    ]
)


@pytest.fixture
def module(tmp_path: Path) -> str:
    path = tmp_path / "module.wasm"
    path.write_bytes(MODULE)
    return str(path)


class Outcome:
    """What `main` returned and printed."""

    def __init__(self, *argv: str) -> None:
        stdout, stderr = io.StringIO(), io.StringIO()
        self.code = main(argv, stdout, stderr)
        self.stdout, self.stderr = stdout.getvalue(), stderr.getvalue()


def failed(code: int, message: str, *argv: str) -> None:
    """Checks that the command ends with this code, prints nothing, and reports on one line."""
    outcome = Outcome(*argv)
    assert outcome.code == code
    assert outcome.stdout == ""
    assert outcome.stderr.startswith("wasmine: error: ")
    assert outcome.stderr.count("\n") == 1
    assert message in outcome.stderr


# --- run


@pytest.mark.parametrize("command", [["run"], []])
def test_run_passes_arguments_and_environment(command: list[str]) -> None:
    outcome = Outcome(
        *command, "--env", "A=1", "--env", "B=x=y", ARGUMENTS, "-O", "--env", "--", "x"
    )
    assert outcome.code == 0
    assert outcome.stdout.splitlines() == [
        "argument 0 [arguments.wasm]",
        "argument 1 [-O]",
        "argument 2 [--env]",
        "argument 3 [--]",
        "argument 4 [x]",
        "variable [A=1]",
        "variable [B=x=y]",
    ]


@pytest.mark.parametrize(
    ("ways", "code"),
    [(["return", "3"], 3), (["exit", "255"], 255), (["_Exit", "-1"], 255), (["exit", "256"], 0)],
)
def test_run_ends_with_the_program_s_exit_code(ways: list[str], code: int) -> None:
    outcome = Outcome(*RUN, ENDING, *ways)
    assert (outcome.code, outcome.stderr) == (code, "")


FILES = Path(__file__).parents[2] / "examples" / "files"


def test_run_grants_directories(tmp_path: Path) -> None:
    outcome = Outcome(
        *(*RUN, "--dir", f"{FILES / 'texts'}::/in:ro", "--dir", f"{tmp_path}::/out"),
        str(FILES / "files.wasm"),
    )
    assert (outcome.code, outcome.stderr) == (0, "")
    assert outcome.stdout.splitlines() == [
        "2 files",
        "/in/new.txt: Read-only file system",
        "/in/../files.py: Capabilities insufficient",
        "/etc/passwd: No such file or directory",
    ]
    assert (tmp_path / "words.csv").read_text() == "hill.txt,10\nsea.txt,12\n"


@pytest.mark.parametrize(
    ("text", "guest", "host", "read_only"),
    [
        ("a", "a", "a", False),
        ("a:ro", "a", "a", True),
        ("a::/b", "/b", "a", False),
        ("a::/b:ro", "/b", "a", True),
        ("a::ro", "ro", "a", False),
        ("a:b", "a:b", "a:b", False),
    ],
)
def test_how_directories_are_named(
    text: str,
    guest: str,
    host: str,
    read_only: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / host).mkdir()
    path, directory = _directory(text)
    assert path == guest
    if read_only:
        assert isinstance(directory, HostDirectory)
        assert directory.read_only
        assert directory.status().inode == (tmp_path / host).stat().st_ino
    else:
        assert directory == host


def test_run_takes_input_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "input"
    path.write_bytes(b"from a file")
    echo = str(PROGRAMS / "echo.wasm")
    assert Outcome(*RUN, "--stdin", str(path), echo).stdout == "from a file"
    failed(1, "nowhere: No such file", "run", "--stdin", "nowhere", echo)
    failed(1, "nowhere: No such file", "run", "--dir", "nowhere", echo)


def test_run_traces_calls() -> None:
    outcome = Outcome(*RUN, "--trace-wasi", ENDING, "_Exit", "3")
    assert (outcome.code, outcome.stdout) == (3, "ending: _Exit\n")
    assert outcome.stderr.splitlines()[-1] == "proc_exit(code=3) = exit code 3"


def test_a_trap_is_reported_with_its_backtrace() -> None:
    outcome = Outcome(*RUN, ENDING, "trap")
    assert outcome.code == 134
    first, *backtrace = outcome.stderr.splitlines()
    assert first == "wasmine: trap: unreachable"
    assert backtrace
    assert all(line.startswith("    at ") for line in backtrace)


@pytest.mark.parametrize("level", ["0", "light", "1", "2", "3"])
def test_optimisation_levels(module: str, level: str) -> None:
    outcome = Outcome("run", "-O", level, "--invoke", "both", module, "1", "2")
    assert outcome.stdout == "1\n2.0\n"


def test_invoke(module: str) -> None:
    assert Outcome("run", "--invoke", "both", module, "0xffffffff", "-0").stdout == "-1\n-0.0\n"
    assert Outcome("run", "--invoke", "same", module, "0.1").stdout == "0.1\n"
    nothing = Outcome("run", "--invoke", "nothing", module)
    assert (nothing.code, nothing.stdout) == (0, "")
    assert Outcome("run", "--invoke", "constructed", LIBRARY).stdout == "1\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["boht"], "there is no exported function boht; did you mean both?"),
        (["memory"], "there is no exported function memory"),
        (["both", "1"], "both takes 2 arguments, (i32, f64) -> (i32, f64); got 1"),
        (["both", "4294967296", "1"], "4294967296: not a value of type i32"),
        (["both", "1", "one"], "one: not a value of type f64"),
    ],
)
def test_invoke_checks_its_arguments(module: str, arguments: list[str], message: str) -> None:
    failed(2, message, "run", "--invoke", arguments[0], module, *arguments[1:])


def test_what_is_no_program(module: str) -> None:
    failed(1, "the module is no WASI program", "run", module)


def test_missing_imports_are_named(tmp_path: Path) -> None:
    path = tmp_path / "needy.wasm"
    needed = [b"\3env" + function(name, 0) for name in (b"first", b"second")]
    path.write_bytes(b"\0asm\1\0\0\0" + section(1, b"\x60\0\0") + section(2, *needed))
    failed(1, '"env"."first"', "run", "--invoke", "x", str(path))
    failed(1, '; unknown import "env"."second"', "run", "--invoke", "x", str(path))


VALUES: list[tuple[str, ValType, object]] = [
    ("-2147483648", I32, -(2**31)),
    ("4294967295", I32, 2**32 - 1),
    ("0x10", I32, 16),
    ("-9223372036854775808", I64, -(2**63)),
    ("18446744073709551615", I64, 2**64 - 1),
    ("0x1.8p1", F64, 3.0),
    ("1e400", F64, math.inf),
    ("-inf", F32, -math.inf),
    ("3", F32, 3.0),
    ("null", EXTERNREF, None),
    ("0xffffffffffffffffffffffffffffffff", V128, 2**128 - 1),
    ("-5", ref("i31"), -5),
    ("0x7fffffff", ref("any", False), 2**31 - 1),
]


@pytest.mark.parametrize(("text", "type_", "value"), VALUES)
def test_values_from_text(text: str, type_: ValType, value: object) -> None:
    assert parse_value(text, type_) == value


@pytest.mark.parametrize(
    ("text", "type_"),
    [
        ("-2147483649", I32),
        ("1.5", I32),
        ("", I32),
        ("1" * 5000, I64),
        ("18446744073709551616", I64),
        ("x", F64),
        ("0x1p5000", F64),
        ("0", EXTERNREF),
        (str(2**128), V128),
        ("1.5", V128),
        (str(2**31), ref("eq")),
        ("0", ref("struct")),
        ("0", FUNCREF),
    ],
)
def test_text_that_is_no_value(text: str, type_: ValType) -> None:
    with pytest.raises(UsageError, match=f"not a value of type {re.escape(str(type_))}$"):
        parse_value(text, type_)


def test_vectors_as_text() -> None:
    value = bytes(range(16))
    text = "0x0f0e0d0c0b0a09080706050403020100"
    assert format_value(value, V128) == text
    assert parse_value(text, V128) == int.from_bytes(value, "little")


@pytest.mark.parametrize(
    ("value", "type_", "text"),
    [
        (-1, I32, "-1"),
        (0.10000000149011612, F32, "0.1"),
        (3.4028234663852886e38, F32, "3.4028235e+38"),
        (1e-45, F32, "1e-45"),
        (math.inf, F32, "inf"),
        (math.nan, F32, "nan"),
        (-0.0, F32, "-0.0"),
        (16777216.0, F32, "16777216.0"),
        (0.1, F64, "0.1"),
        (None, EXTERNREF, "null"),
        ("text", EXTERNREF, "'text'"),
    ],
)
def test_values_as_text(value: object, type_: ValType, text: str) -> None:
    assert format_value(value, type_) == text


# --- validate, inspect, dump


def test_validate(module: str, tmp_path: Path) -> None:
    valid = Outcome("validate", module)
    assert (valid.code, valid.stdout, valid.stderr) == (0, "", "")
    wrong = tmp_path / "wrong.wasm"
    wrong.write_bytes(MODULE[:-8])
    failed(1, "", "validate", str(wrong))
    wrong.write_bytes(b"\0asm\1\0\0\0" + section(3, b"\0"))
    failed(1, "", "validate", str(wrong))
    wrong.write_bytes(b"text")
    failed(1, "magic header not detected", "validate", str(wrong))


def test_features_are_switched(tmp_path: Path) -> None:
    old = tmp_path / "old.wat"
    old.write_text("(module (tag) (func try catch_all end))")
    failed(1, "illegal opcode 06: try needs the legacy-exceptions", "validate", str(old))
    assert Outcome("validate", "--enable", "legacy-exceptions", str(old)).code == 0
    vector = tmp_path / "vector.wat"
    vector.write_text('(module (func (export "f") (param v128)))')
    for command in ("validate", "inspect"):
        assert Outcome(command, "--disable=gc", str(vector)).code == 0
    for command in ("validate", "inspect", "run"):
        failed(1, "malformed value type: needs the simd", command, "--disable=simd", str(vector))
    script = tmp_path / "script.wast"
    script.write_text(vector.read_text())
    assert Outcome("wast", str(script)).code == 0
    assert "needs the simd proposal" in Outcome("wast", "--disable", "simd", str(script)).stdout
    failed(2, "invalid choice: 'sims'", "validate", "--enable", "sims", str(old))


COMMANDS = ["run", "validate", "inspect", "dump", "wat2wasm", "wast"]


@pytest.mark.parametrize("command", COMMANDS)
def test_files_that_cannot_be_read(command: str, tmp_path: Path) -> None:
    failed(1, "absent: No such file or directory", command, str(tmp_path / "absent"))
    failed(1, "Is a directory", command, str(tmp_path))


def test_inspect(module: str) -> None:
    lines = Outcome("inspect", module).stdout.splitlines()
    assert lines[0] == f"{module}: {len(MODULE)} bytes"
    text = "\n".join(" ".join(line.split()) for line in lines)
    assert "sections:\ntype 16 bytes at 0xa\nfunction 5 bytes at 0x1c\n" in text
    assert "exports:\nboth func (i32, f64) -> (i32, f64)\nsame func (f32) -> (f32)\n" in text
    assert "functions: 4, 19 bytes; 0 imported; 0 named" in text
    assert "memories:\n0 memory 2 3\n" in text
    assert "imports:" not in text


def test_names_cannot_command_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "hostile.wasm"
    exports = section(7, function(b"\x1b[2J\r", 0))
    path.write_bytes(
        b"\0asm\1\0\0\0"
        + section(1, b"\x60\0\0")
        + section(3, b"\0")
        + exports
        + section(10, body(b""))
    )
    assert "  \\x1b[2J\\r  func () -> ()\n" in Outcome("inspect", str(path)).stdout


def test_inspect_a_program() -> None:
    outcome = Outcome("inspect", LIBRARY)
    text = " ".join(outcome.stdout.split())
    assert "wasi_snapshot_preview1.fd_write func (i32, i32, i32, i32) -> (i32)" in text
    assert "greet func (i32) -> (i32)" in text
    assert "memory memory 257" in text


def test_dump(module: str) -> None:
    everything = Outcome("dump", module)
    assert everything.code == 0
    assert "local.get" in everything.stdout
    one = Outcome("dump", "--function", "forever", module)
    assert "loop" in one.stdout
    assert "local.get" not in one.stdout
    assert Outcome("dump", "--function", "3", module).stdout == one.stdout


def test_dump_ir_and_machine_code(module: str) -> None:
    assert "define" in Outcome("dump", "--ir", "--function", "both", module).stdout
    assembly = Outcome("dump", "--asm", "--function", "both", module).stdout
    label, *lines = assembly.splitlines()
    assert label.endswith(":")
    assert any(line.split()[0].startswith("ret") for line in lines)
    for line in lines:
        assert line.startswith("        ") or line.endswith(":")
        assert not line.lstrip().startswith(".") or line.startswith(".L")


TEXT = """;; both arguments
(module $text
  (func $both (export "both") (param i32) (param $x f64) (result i32 f64) local.get 0 local.get $x))
"""


@pytest.fixture
def text(tmp_path: Path) -> str:
    path = tmp_path / "module.wat"
    path.write_text(TEXT)
    return str(path)


def test_text_is_taken_where_a_module_is(text: str) -> None:
    assert Outcome("run", "--invoke", "both", text, "1", "2").stdout == "1\n2.0\n"
    assert Outcome("validate", text).code == 0
    assert "name: text" in Outcome("inspect", text).stdout
    assert "local.get $x" in Outcome("dump", text).stdout
    assert "define" in Outcome("dump", "--ir", "--function", "both", text).stdout


def test_errors_in_text_have_their_place(tmp_path: Path) -> None:
    path = tmp_path / "wrong.wat"
    path.write_text("(module\n  (func i32.ad))")
    failed(
        1,
        "unknown operator i32.ad (did you mean i32.and?) at line 2, column 9 near 'i32.ad'",
        "validate",
        str(path),
    )


def test_wat2wasm(text: str, tmp_path: Path) -> None:
    made = tmp_path / "module.wasm"
    assert Outcome("wat2wasm", text).code == 0
    assert b"name" in made.read_bytes()
    other = tmp_path / "other"
    assert Outcome("wat2wasm", "--no-names", text, "-o", str(other)).code == 0
    assert b"name" not in other.read_bytes()
    assert Outcome("run", "--invoke", "both", str(other), "1", "2").stdout == "1\n2.0\n"
    # what dump prints is the same module
    other.write_text(Outcome("dump", "--wat", str(made)).stdout)
    assert ";@" not in other.read_text()
    assert Outcome("wat2wasm", str(other), "-o", str(other)).code == 0
    assert other.read_bytes() == made.read_bytes()


def test_wast(tmp_path: Path) -> None:
    path = tmp_path / "script.wast"
    script = TEXT + '(assert_return (invoke "both" (i32.const 1) (f64.const 2)) (i32.const 1)'
    path.write_text(f"{script} (f64.const 2))")
    right = Outcome("wast", str(path), str(path))
    assert (right.code, right.stdout) == (0, f"{path}: 1 assertions, 0 failures\n" * 2)
    path.write_text(f"{script} (f64.const 3))")
    wrong = Outcome("wast", str(path))
    expected = "i32 0x1, f64 0x4008000000000000"
    assert wrong.code == 1
    assert wrong.stdout.splitlines() == [
        f"{path}:4:1: assert_return: expected {expected}, got 0x1, 0x4000000000000000",
        f"{path}: 1 assertions, 1 failures",
    ]
    path.write_text("(assert_everything)")
    failed(1, "at line 1, column 2", "wast", str(path))


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["dump", "--ir", ARGUMENTS], "name it with --function"),
        (["dump", "--function", "0", ARGUMENTS], "function 0 is imported"),
        (["dump", "--function", "99999", ARGUMENTS], "unknown function 99999"),
        (["dump", "--function", "_strat", ARGUMENTS], "no function _strat; did you mean _start"),
        (["dump", "--ir", "--asm", ARGUMENTS], "not allowed with"),
        ([], "the following arguments are required: COMMAND"),
        (["run"], "the following arguments are required: FILE"),
        (["run", "-O", "9", ARGUMENTS], "invalid choice: '9'"),
        (["run", "--env", "A", ARGUMENTS], "--env A: expected NAME=VALUE"),
        (["run", "--dir", "::/a", ARGUMENTS], "--dir ::/a: expected HOST[::GUEST][:ro]"),
        (["run", "--dir", "a::", ARGUMENTS], "--dir a::: expected HOST[::GUEST][:ro]"),
        (["validate", ARGUMENTS, "more"], "unrecognized arguments: more"),
    ],
)
def test_wrong_command_lines(argv: list[str], message: str) -> None:
    failed(2, message, *argv)


def test_help_and_version() -> None:
    assert Outcome("--version").stdout == f"wasmine {__version__}\n"
    for command in ([], *([name] for name in COMMANDS)):
        outcome = Outcome(*command, "--help")
        assert outcome.code == 0
        assert "134  the program trapped" in outcome.stdout


# --- compile, cache


class Terminal(io.StringIO):
    """A standard error that is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_compiled_module_runs_without_being_compiled(tmp_path: Path) -> None:
    compiled = str(tmp_path / "out")
    assert Outcome("compile", "-O", "0", ARGUMENTS, "-o", compiled).code == 0
    assert os.listdir(tmp_path) == ["out"]
    outcome = Outcome("run", "--compiled", compiled, "x")
    assert outcome.stdout.splitlines() == ["argument 0 [out]", "argument 1 [x]"]
    failed(2, "machine code, which nothing confines", "run", compiled)
    failed(2, "has the options that it was", "run", "--compiled", "-O", "2", compiled)
    failed(1, "not a compiled module of wasmine", "run", "--compiled", ARGUMENTS)
    Path(compiled).write_bytes(Path(compiled).read_bytes()[:-1])
    failed(1, "truncated", "run", "--compiled", compiled)


def test_what_is_invalid_leaves_no_file(tmp_path: Path) -> None:
    source = tmp_path / "module.wasm"
    source.write_bytes(MODULE.replace(body(b"\x20\0"), body(b"\x20\3")))
    failed(1, "unknown local 3", "compile", str(source), "-o", str(tmp_path / "out"))
    assert os.listdir(tmp_path) == ["module.wasm"]
    failed(1, "No such file", "compile", ARGUMENTS, "-o", str(tmp_path / "nowhere" / "out"))
    failed(2, "required: -o", "compile", ARGUMENTS)


def test_compiling_shows_its_progress_on_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    cache.default().clear()
    for stream in (Terminal(), io.StringIO()):
        argv = ["compile", "-O", "0", ARGUMENTS, "-o", str(tmp_path / "out")]
        assert main(argv, io.StringIO(), stream) == 0
        shown = stream.getvalue().split("\r")
        if not stream.isatty():
            assert shown == [""]
            continue
        assert shown[1] == f"compiling [{' ' * 22}]   0%"
        assert shown[-3] == f"compiling [{'#' * 22}] 100%"
        assert shown[-2:] == [" " * 39, ""], "the line is cleared"


def test_cache_info_and_clear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Cache(str(tmp_path))
    monkeypatch.setattr("wasmine.cli.cache.default", lambda: store)
    store.put(make_key("module", "a"), [bytes(3 << 20)])
    store.put(make_key("module", "b"), [bytes(3 << 20)])
    store.put(make_key("runtime"), [bytes(100)])
    outcome = Outcome("cache", "info")
    assert outcome.stdout.splitlines() == [
        f"directory  {tmp_path}",
        "size       6 MiB of 2.0 GiB",
        "module     2 entries, 6 MiB",
        "runtime    1 entry, 4 KiB",
    ]
    assert Outcome("cache", "clear").stdout == ""
    assert Outcome("cache", "info").stdout.splitlines() == [
        f"directory  {tmp_path}",
        "size       0 bytes of 2.0 GiB",
    ]
    tmp_path.chmod(0o777)
    assert Outcome("cache", "info").stdout.splitlines()[1] == (
        f"not used   {tmp_path} can be written by other users"
    )
    failed(2, "invalid choice", "cache", "sell")


# --- as a process


def start(*argv: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "wasmine", *argv],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_as_a_process() -> None:
    with start(*RUN, ENDING, "return", "7") as process:
        assert process.communicate() == (b"ending: return\nfarewell\n", b"")
    assert process.returncode == 7


def test_what_does_not_compile_does_not_load_llvm(module: str) -> None:
    code = (
        "import sys; from wasmine.cli import main\n"
        "for command in ('validate', 'inspect', 'dump'):\n"
        "    assert main([command, sys.argv[1]], sys.stdout, sys.stderr) == 0\n"
        "assert not [name for name in sys.modules if name.startswith('llvmlite')]\n"
    )
    subprocess.run([sys.executable, "-c", code, module], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("argv", [["run", "--invoke", "forever"], ["-O", "0"]])
def test_interruption_ends_the_process(module: str, argv: list[str]) -> None:
    """Once in an endless loop, where Python never gets to act, once asleep in a host function."""
    file = [module] if "forever" in argv else [str(PROGRAMS / "clocks.wasm"), "1000000"]
    with start(*argv, *file) as process:
        threads = Path(f"/proc/{process.pid}/task")
        while len(list(threads.iterdir())) == 1:  # until there is one that waits for the signal
            time.sleep(0.05)
        time.sleep(1.0)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(5) == 130
        assert process.stderr is not None
        assert process.stderr.read() == b""


def test_closed_standard_streams() -> None:
    command = f"{sys.executable} -m wasmine run -O 0 {ENDING} return 5"
    for closed in (">&-", "<&- >&- 2>&-"):
        process = subprocess.run(
            ["sh", "-c", f"{command} {closed}"], capture_output=True, check=False
        )
        assert process.returncode == 5
        assert process.stderr == b""


def test_a_broken_pipe_leaves_no_traceback(module: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    for argv in (["inspect", module], [*RUN, str(PROGRAMS / "lines.wasm"), "1000"]):
        process = subprocess.run(
            [sys.executable, "-m", "wasmine", *argv],
            stdout=writing,
            stderr=subprocess.PIPE,
            check=False,
        )
        assert process.returncode in {1, 3}
        assert b"Traceback" not in process.stderr
        assert b"Exception ignored" not in process.stderr
    os.close(writing)
