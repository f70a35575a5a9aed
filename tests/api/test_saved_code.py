"""Code of first calls in the cache: a process begins with what others have compiled."""

from __future__ import annotations

import gc
import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.harness import SOURCE, assemble
from wasmine import Engine, Instance, InvalidModule, Module, Trap
from wasmine.api import cache, firstcalls, savedcode
from wasmine.api.thunks import ensure_runtime
from wasmine.vm.codespace import CodeSpace
from wasmine.wasm import decoder

PROGRAM = Path(__file__).parent / "programs" / "firstcalls.py"
COUNT_SIZE = 8


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A cache with nothing but stencils and the runtime, which would take seconds."""
    ensure_runtime()
    firstcalls.library()
    kept = cache.default().directory
    assert kept is not None
    for file in Path(kept).iterdir():
        if file.name.startswith(("stencils-", "runtime-")):
            os.link(file, tmp_path / file.name)
    return tmp_path


def start(directory: Path, *words: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), *map(str, words)],
        env={
            **os.environ,
            "PYTHONPATH": str(SOURCE),
            "WASMINE_CACHE_DIR": str(directory),
        },
        stdout=subprocess.PIPE,
        text=True,
    )


def run(directory: Path, *words: object) -> bool:
    """Run the program, check what it says, and return whether it needed the compiler."""
    process = start(directory, *words)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    *lines, needed = output.splitlines()
    assert lines == [result(number) for number in words if isinstance(number, int)]
    return needed == "True"


def result(number: int) -> str:
    return f"{15 + 5 * number} {1 + number}"


def functions(directory: Path) -> int:
    """How many functions the entry has; 0 without an entry."""
    files = [file for file in directory.iterdir() if file.name.startswith("baseline-")]
    return int.from_bytes(files[0].read_bytes()[-COUNT_SIZE:], "little") if files else 0


def test_the_next_process_begins_with_what_was_compiled(directory: Path) -> None:
    assert run(directory, 0, 1, 2)
    assert functions(directory) == 3
    assert not run(directory, 2, 0)
    assert run(directory, 3, 1)
    assert functions(directory) == 4
    assert not run(directory, 3, 2, 1, 0)


def test_a_killed_process_stores_nothing(directory: Path) -> None:
    process = start(directory, 0, "kill")
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert functions(directory) == 0
    assert run(directory, 0)


def test_two_at_once(directory: Path) -> None:
    """The one with more functions wins, whoever is first."""
    processes = [start(directory, *range(first, 20)) for first in (0, 10, 15, 18)]
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert functions(directory) in (20, 10, 5, 2)
    run(directory, *range(20))
    assert functions(directory) == 20
    assert not run(directory, *range(20))


def test_a_forked_process_ends_as_its_parent(directory: Path) -> None:
    process = start(directory, 0, "fork", 1)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert output.count(result(1)) == 2
    assert functions(directory) == 2


def test_late_calls(directory: Path) -> None:
    assert run(directory, 0, "late")
    assert functions(directory) == 2, "handlers that were registered later run earlier"


def test_damaged_entries_are_replaced(directory: Path) -> None:
    run(directory, 0, 1)
    (file,) = directory.glob("baseline-*")
    good = file.read_bytes()
    choose = random.Random(3)
    for _ in range(3):
        damaged = bytearray(good)
        damaged[choose.randrange(len(good))] ^= 1 << choose.randrange(8)
        file.write_bytes(damaged)
        assert run(directory, 0, 1)
        assert file.read_bytes() == good
    file.write_bytes(good[:5000])
    assert run(directory, 1)
    assert functions(directory) == 1


# --- in this process

TEXT = """
(module
  (func (export "one") (result i32) (i32.const 1))
  (func (export "two") (result i32) (i32.add (call 0) (i32.const 1))))
"""


def engine(directory: Path) -> Engine:
    return Engine(tier="baseline", cache=directory)


def space(instance: Instance) -> CodeSpace:
    found = instance._handle.artifact.code
    assert isinstance(found, CodeSpace)
    return found


def test_a_module_that_is_released_is_stored(tmp_path: Path) -> None:
    def use() -> None:
        assert Instance(Module(TEXT, engine=engine(tmp_path))).exports.one() == 1

    use()
    assert functions(tmp_path) == 1
    instance = Instance(Module(TEXT, engine=engine(tmp_path)))
    assert [space(instance).is_compiled(local) for local in range(2)] == [True, False]
    before = set(os.listdir("/proc/self/fd"))
    assert instance.exports.two() == 2
    del instance
    assert functions(tmp_path) == 2
    assert set(os.listdir("/proc/self/fd")) == before


def test_a_module_in_a_cycle_of_garbage_is_stored(directory: Path) -> None:
    """Storing reads what the entry had, whose memory must be there still."""
    assert Instance(Module(TEXT, engine=engine(directory))).exports.one() == 1
    gc.collect()
    artifact = Module(TEXT, engine=engine(directory)).artifact((), "static")
    assert isinstance(artifact.code, CodeSpace)
    artifact.code.ensure(1)
    cycle: list[object] = [artifact]
    cycle.append(cycle)
    del artifact, cycle
    for file in directory.glob("baseline-*"):  # or it may be mapped in the same place
        file.unlink()
    gc.collect()
    assert functions(directory) == 2
    instance = Instance(Module(TEXT, engine=engine(directory)))
    assert [space(instance).is_compiled(local) for local in range(2)] == [True, True]
    assert (instance.exports.one(), instance.exports.two()) == (1, 2)


def test_an_engine_without_a_cache_compiles_everything(tmp_path: Path) -> None:
    for _ in range(2):
        instance = Instance(Module(TEXT, engine=Engine(tier="baseline", cache=False)))
        assert not space(instance).is_compiled(0)
        assert instance.exports.one() == 1


def test_a_module_that_is_not_instantiated_leaves_no_file_open(tmp_path: Path) -> None:
    Instance(Module(TEXT, engine=engine(tmp_path))).exports.one()
    before = set(os.listdir("/proc/self/fd"))
    for _ in range(3):
        Module(TEXT, engine=engine(tmp_path))
    assert set(os.listdir("/proc/self/fd")) == before


def test_long_running_programs_store_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = Instance(Module(TEXT, engine=engine(tmp_path)))
    instance.exports.one()
    assert functions(tmp_path) == 0
    monkeypatch.setattr(savedcode, "SAVING_INTERVAL", 0.0)
    instance.exports.two()
    assert functions(tmp_path) == 1, "before the second was compiled"


def test_what_was_stored_has_been_validated(tmp_path: Path) -> None:
    invalid = assemble(TEXT).replace(b"\x41\x01\x0b", b"\x42\x01\x0b", 1)  # i64.const
    assert invalid != assemble(TEXT)
    for _ in range(2):
        with pytest.raises(InvalidModule):
            Module(invalid, engine=engine(tmp_path))
    assert functions(tmp_path) == 0


def test_other_stencils(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Code for other constants is compiled without any."""
    Instance(Module(TEXT, engine=engine(tmp_path))).exports.one()
    other = bytes(firstcalls.library().constants) + bytes(16)
    monkeypatch.setattr(firstcalls.library(), "constants", other)
    instance = Instance(Module(TEXT, engine=engine(tmp_path)))
    assert instance.exports.two() == 2
    assert instance.exports.one() == 1


def test_threads(tmp_path: Path) -> None:
    text = "".join(f'(func (export "{n}") (result i32) (i32.const {n}))' for n in range(40))
    wrong: list[int] = []

    def work() -> None:
        for _ in range(5):
            made = Instance(Module(f"(module {text})", engine=engine(tmp_path)))
            numbers = random.sample(range(40), 20)
            wrong.extend(number for number in numbers if made.exports[str(number)]() != number)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert functions(tmp_path) >= 20


def test_where_many_data_segments_are_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    segments = "".join(f'(data (i32.const {10 * place}) "{place}")' for place in range(8))
    text = f'(module (memory (export "m") 1) {segments} (func (export "f")))'
    engine = Engine(tier="auto", cache=tmp_path)
    monkeypatch.setattr(decoder, "MANY_SEGMENTS", 8)
    found = []
    read = decoder._read_plain_data_segment

    def reads(*arguments: Any) -> bool:
        found.append(arguments)
        return read(*arguments)

    monkeypatch.setattr(decoder, "_read_plain_data_segment", reads)
    modules = [Module(assemble(text), engine=engine) for _ in range(2)]
    assert len(found) == 8
    for module in modules:
        exports: Any = Instance(module).exports
        assert [exports.m[10 * place] for place in range(8)] == list(b"01234567")
        assert module.info.data_segments[7].offset is not None
    with pytest.raises(Trap):
        Instance(Module(assemble(text.replace("const 70", "const -1")), engine=engine))
    assert len(found) == 16
