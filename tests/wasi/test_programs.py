"""Compiled C programs (programs/*.c): what they print and how they end."""

from __future__ import annotations

import hashlib
import random
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

from wasmine import Engine, LinkError, Module, Trap, wasi

PROGRAMS = Path(__file__).parent / "programs"


@cache
def program(name: str) -> Module:
    return Module(PROGRAMS / f"{name}.wasm", engine=Engine(opt_level="none"))


@dataclass(frozen=True)
class Case:
    program: str
    arguments: tuple[str, ...] = ()
    env: dict[str, str | bytes] = field(default_factory=dict)
    stdin: bytes = b""
    stdout: str = ""
    stderr: str = ""
    exit_code: int = 0


NUMBERS = """\
-1 4000000000 -9223372036854775808 0xbeef 10
3.141593 0.10000000000000001 6.022141e+23 1e-07 0x1.8p+0
inf -inf nan -0
[   2.718] [left    ] [00000042] [+7] [x] [%]
0.8414709848 2.7182818285 1.4142135624
3: 17 2500 word
"""

STREAMS = """\
0: fstat done, other, terminal Not a tty, seek Invalid seek
1: fstat done, other, terminal Not a tty, seek Invalid seek
2: fstat done, other, terminal Not a tty, seek Invalid seek
3: fstat Bad file descriptor, terminal Bad file descriptor, seek Bad file descriptor
open No such file or directory
poll 2: 1 1
close done
write Bad file descriptor
read from output Bad file descriptor
"""

CASES = {
    "no arguments": Case("arguments", stdout="argument 0 [arguments]\n"),
    "arguments": Case(
        "arguments",
        ("a", "", "b c", "ü€"),
        {"A": "1", "B": "x=y", "EMPTY": "", "RAW": b"\xc3\xbc"},
        stdout="argument 0 [arguments]\nargument 1 [a]\nargument 2 []\nargument 3 [b c]\n"
        "argument 4 [ü€]\nvariable [A=1]\nvariable [B=x=y]\nvariable [EMPTY=]\n"
        "variable [RAW=ü]\n",
    ),
    "empty input": Case("echo", stderr="0 bytes\n"),
    "echo": Case("echo", stdin=b"some\nlines", stdout="some\nlines", stderr="10 bytes\n"),
    "return": Case("ending", ("return", "7"), stdout="ending: return\nfarewell\n", exit_code=7),
    "exit": Case("ending", ("exit", "9"), stdout="ending: exit\nfarewell\n", exit_code=9),
    "exit 0": Case("ending", ("exit", "0"), stdout="ending: exit\nfarewell\n"),
    "_Exit": Case("ending", ("_Exit", "255"), stdout="ending: _Exit\n", exit_code=255),
    "negative": Case("ending", ("_Exit", "-1"), stdout="ending: _Exit\n", exit_code=0xFFFFFFFF),
    "numbers": Case("numbers", stdout=NUMBERS),
    "streams": Case("streams", stdout=STREAMS, exit_code=4),
}


@pytest.mark.parametrize("name", CASES)
def test_program(name: str) -> None:
    case = CASES[name]
    result = wasi.run(program(case.program), (case.program, *case.arguments), case.env, case.stdin)
    assert result.stdout.decode() == case.stdout
    assert result.stderr.decode() == case.stderr
    assert result.exit_code == case.exit_code


def test_large_input_and_output() -> None:
    data = random.Random(1).randbytes(10_000_003)
    result = wasi.run(program("echo"), stdin=data)
    assert hashlib.sha256(result.stdout).digest() == hashlib.sha256(data).digest()
    assert result.stderr == b"10000003 bytes\n"


def test_many_lines() -> None:
    result = wasi.run(program("lines"), ["lines", "30000"])
    lines = result.stdout.decode().splitlines()
    assert len(lines) == 30000
    assert lines[-1] == "line 29999 of 30000, and some more text"


def test_traps_come_out_and_what_was_written_before_has_arrived() -> None:
    output = bytearray()
    environment = wasi.Environment(["ending", "abort"], stdout=output.extend, stderr=output.extend)
    instance = environment.instantiate(program("ending"))
    with pytest.raises(Trap, match="unreachable"):
        environment.start(instance)
    with pytest.raises(Trap, match="unreachable"):
        wasi.run(program("ending"), ["ending", "trap"])


def test_the_host_s_clocks() -> None:
    before = time.time_ns()
    result = wasi.run(program("clocks"), ["clocks", "20"])
    numbers = dict(line.split() for line in result.stdout.decode().splitlines())
    assert before <= int(numbers["realtime"]) <= time.time_ns()
    assert int(numbers["passed"]) >= 20_000_000
    assert numbers["slept"] == "0"


def test_replaced_clocks_repeat_exactly() -> None:
    now = 0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += round(seconds * 1e9)

    clocks = wasi.Clocks(
        realtime=lambda: 1_000_000_000, monotonic=lambda: now, sleep=sleep, resolution=100
    )
    result = wasi.run(program("clocks"), ["clocks", "1800000"], clocks=clocks)
    assert result.stdout == (
        b"realtime 1000000000\nresolution 100\nslept 0\npassed 1800000000000\n"
    )


def test_a_program_is_given_as_a_module_or_a_path_or_bytes() -> None:
    path = PROGRAMS / "arguments.wasm"
    for source, name in ((path, path.name), (path.read_bytes(), "program")):
        assert wasi.run(source).stdout == f"argument 0 [{name}]\n".encode()


def test_randomness() -> None:
    first, second = (wasi.run(program("entropy"), ["entropy", "32"]) for _ in range(2))
    assert first.stdout != second.stdout
    replaced = wasi.run(program("entropy"), ["entropy", "600"], random=random.Random(7).randbytes)
    source = random.Random(7)
    expected = source.randbytes(256) + source.randbytes(256) + source.randbytes(88)
    assert replaced.stdout.decode().strip() == expected.hex()


def test_a_random_source_of_the_wrong_length_is_the_host_s_mistake() -> None:
    with pytest.raises(ValueError, match="asked for 8 bytes, got 3"):
        wasi.run(program("entropy"), random=lambda _: b"abc")


def test_a_library_is_initialised_once() -> None:
    output = bytearray()
    environment = wasi.Environment(stdout=output.extend)
    instance = environment.instantiate(program("library"))
    assert instance.exports.constructed() == 1
    assert instance.exports.greet(5) == 8
    assert output == b"hello 5\n"
    with pytest.raises(LinkError, match="no WASI program"):
        environment.start(instance)


def test_exit_in_a_host_s_call_is_an_exception_of_its_own() -> None:
    environment = wasi.Environment(["ending", "exit", "3"], stdout=lambda _: None)
    instance = environment.instantiate(program("ending"))
    with pytest.raises(wasi.WasiExit, match="exit code 3") as caught:
        instance.exports["_start"]()
    assert caught.value.code == 3


def test_imports_can_be_replaced() -> None:
    def no_randomness(_buffer: int, _length: int) -> int:
        return wasi.Errno.ENOSYS

    result = wasi.run(
        program("entropy"),
        imports={"wasi_snapshot_preview1": {"random_get": no_randomness}},
    )
    assert result.exit_code == 1


def test_an_exception_of_the_host_s_stream_comes_out_unchanged() -> None:
    error = KeyError("mine")

    def sink(_: bytes) -> None:
        raise error

    environment = wasi.Environment(["numbers"], stdout=sink)
    with pytest.raises(KeyError) as caught:
        environment.start(environment.instantiate(program("numbers")))
    assert caught.value is error


def section(number: int, *content: bytes) -> bytes:
    data = b"".join(content)
    return bytes([number, len(data)]) + data


def test_an_import_of_another_type_is_refused() -> None:
    name = b"\x16wasi_snapshot_preview1" + b"\x0bsched_yield" + b"\x00\x00"
    source = b"\0asm\1\0\0\0" + section(1, b"\x01\x60\x00\x00") + section(2, b"\x01", name)
    with pytest.raises(LinkError, match=r"incompatible import type: \w+\.sched_yield"):
        wasi.Environment().imports(Module(source))


def test_imports_without_a_module_are_all_of_both_snapshots() -> None:
    imports = wasi.Environment().imports()
    assert {name: len(members) for name, members in imports.items()} == {
        "wasi_snapshot_preview1": 46,
        "wasi_unstable": 45,
    }


def test_a_call_before_the_memory_is_known_is_explained() -> None:
    imports = wasi.Environment().imports()
    with pytest.raises(RuntimeError, match=r"before Environment\.bind"):
        imports["wasi_snapshot_preview1"]["args_sizes_get"](0, 0)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"argv": "prog -v"}, TypeError, "argv: expected a sequence"),
        ({"argv": [1]}, TypeError, "argv: expected str, got int"),
        ({"argv": ["a\0b"]}, ValueError, "argv: 'a\\\\x00b' contains a zero"),
        ({"env": {"A=B": "c"}}, ValueError, "env: 'A=B' cannot be the name"),
        ({"env": {"": "c"}}, ValueError, "env: '' cannot be the name"),
        ({"env": {"A": 1}}, TypeError, "env: expected str, got int"),
        ({"stdin": 1.5}, TypeError, "stdin: expected bytes, a file, .*, got float"),
        ({"stdout": 1.5}, TypeError, "stdout: expected a file, a function or a descriptor"),
        ({"stderr": "text"}, TypeError, "stderr: expected .*, got str"),
        ({"stdout": 999_999}, OSError, "Bad file descriptor"),
    ],
)
def test_settings_are_checked(
    settings: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        wasi.Environment(**settings)  # type: ignore[arg-type]
