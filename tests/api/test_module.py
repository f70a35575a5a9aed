"""Module: what it tells without being run, its stored form, determinism."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from tests.harness import SOURCE, assemble, module
from wasmine import (
    EXTERNREF,
    F64,
    FUNCREF,
    I32,
    I64,
    CompileError,
    DeserializeError,
    Engine,
    ExportType,
    Features,
    FunctionType,
    GlobalType,
    ImportType,
    Instance,
    InvalidModule,
    Limits,
    MalformedModule,
    MemoryType,
    Module,
    TableType,
)
from wasmine.api import archive
from wasmine.version import __version__

from .harness import run_script

SAMPLE = """
(module $sample
  (import "env" "f" (func $f (param i32 i64) (result f64)))
  (import "env" "m" (memory 1 2))
  (import "other" "t" (table 1 externref))
  (import "other" "g" (global $g (mut i32)))
  (import "env" "c" (global $c i64))
  (table $own 3 5 funcref)
  (elem (table $own) (i32.const 0) func $add)
  (data (i32.const 8) "data")
  (func $add (export "add") (param i32 i32) (result i32)
    (i32.add (local.get 0) (i32.add (local.get 1) (global.get $g))))
  (func (export "call") (result f64) (call $f (i32.const 1) (i64.const 2)))
  (func (export "trap") unreachable)
  (export "f" (func $f)) (export "m" (memory 0)) (export "t" (table 0))
  (export "own" (table $own)) (export "g" (global $g)) (export "c" (global $c)))
"""
ADD = '(module (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))'


def custom_section(name: str, content: bytes) -> bytes:
    body = bytes([len(name)]) + name.encode() + content
    return bytes([0, len(body)]) + body


CUSTOM = custom_section("notes", b"first") + custom_section("", b"") + custom_section("notes", b"2")


@pytest.fixture(scope="module")
def sample() -> Module:
    return Module(assemble(SAMPLE) + CUSTOM)


def test_what_it_imports(sample: Module) -> None:
    assert sample.imports == [
        ImportType("env", "f", FunctionType((I32, I64), (F64,))),
        ImportType("env", "m", MemoryType(Limits(1, 2))),
        ImportType("other", "t", TableType(EXTERNREF, Limits(1))),
        ImportType("other", "g", GlobalType(I32, mutable=True)),
        ImportType("env", "c", GlobalType(I64)),
    ]
    assert [str(type_) for type_ in sample.imports] == [
        "env.f: (i32, i64) -> (f64)", "env.m: memory 1 2", "other.t: table 1 externref",
        "other.g: global (mut i32)", "env.c: global i64",
    ]  # fmt: skip


def test_what_it_exports(sample: Module) -> None:
    assert sample.exports == [
        ExportType("add", FunctionType((I32, I32), (I32,))),
        ExportType("call", FunctionType((), (F64,))),
        ExportType("trap", FunctionType()),
        ExportType("f", FunctionType((I32, I64), (F64,))),
        ExportType("m", MemoryType(Limits(1, 2))),
        ExportType("t", TableType(EXTERNREF, Limits(1))),
        ExportType("own", TableType(FUNCREF, Limits(3, 5))),
        ExportType("g", GlobalType(I32, mutable=True)),
        ExportType("c", GlobalType(I64)),
    ]


def test_names_and_custom_sections(sample: Module) -> None:
    assert sample.name == "sample"
    assert module(ADD).name is None
    assert sample.custom_sections("notes") == [b"first", b"2"]
    assert sample.custom_sections("") == [b""]
    assert sample.custom_sections("none") == []
    assert repr(sample) == f"<wasmine.Module 'sample' of {len(sample.info.data)} bytes>"
    assert repr(module(ADD)) == f"<wasmine.Module of {len(assemble(ADD))} bytes>"


def test_sources(tmp_path: Path) -> None:
    data = assemble(ADD)
    path = tmp_path / "add.wasm"
    path.write_bytes(data)
    sources: list[Any] = [data, bytearray(data), memoryview(data), str(path), path]
    for source in sources:
        assert Instance(Module(source)).exports.add(2, 3) == 5
        assert Module.validate(source)
    mutable = bytearray(data)
    made = Module(mutable)
    mutable[:] = bytes(len(mutable))
    assert Instance(made).exports.add(2, 3) == 5
    for use in (Module, Module.validate):
        with pytest.raises(FileNotFoundError):
            use(tmp_path / "none.wasm")
        with pytest.raises(TypeError, match="given as bytes, text or a path, not NoneType"):
            use(None)  # type: ignore[arg-type]


# A body that adds one i32 to nothing.
INVALID = assemble(ADD).replace(b"\x20\x00\x20\x01\x6a", b"\x20\x00\x01\x01\x6a")


@pytest.mark.parametrize(
    ("data", "error", "text"),
    [
        (b"", MalformedModule, "unexpected end"),
        (b"\0asm", MalformedModule, "unexpected end"),
        (b"\0asm\2\0\0\0", MalformedModule, "unknown binary version"),
        (b"#!/bin/sh", MalformedModule, "magic header not detected"),
        (assemble(ADD)[:-3], MalformedModule, "length out of bounds"),
        (INVALID, InvalidModule, r"^type mismatch.*\(function 0 'add', offset 0x"),
    ],
    ids=range(6),
)
def test_what_is_no_module(data: bytes, error: type[CompileError], text: str) -> None:
    with pytest.raises(error, match=text):
        Module(data)
    assert Module.validate(data) is False


def test_every_truncation_is_refused() -> None:
    data = assemble(SAMPLE)
    # Only in front of a section may a module end, and not where functions are left without bodies:
    # before the sections for types, imports and functions, and before data and names.
    ends = [length for length in range(len(data)) if Module.validate(data[:length])]
    assert (ends[0], data[ends[0]], len(ends)) == (8, 1, 5)
    assert [data[end] for end in ends] == [1, 2, 3, 11, 0]


@pytest.mark.parametrize(
    "options", [{}, {"opt_level": "O2"}, {"memory": "dynamic"}, {"tier": "baseline"}], ids=str
)
def test_serialised_modules_run(options: Any) -> None:
    engine = Engine(**options)
    made = module(ADD, engine)
    again = Module.deserialize(made.serialize(), engine=engine)
    assert Instance(again).exports.add(2, 3) == 5
    assert (again.info.data, again.exports) == (made.info.data, made.exports)
    assert again.engine is engine
    assert again.serialize() == made.serialize()
    for kind in (bytearray, memoryview):
        copy = Module.deserialize(kind(made.serialize()), engine=Engine(**options))  # type: ignore[arg-type]
        assert Instance(copy).exports.add(-2, 3) == 1


def test_a_file_is_mapped(tmp_path: Path) -> None:
    path = tmp_path / "add"
    engine = Engine(opt_level="O2", memory="dynamic", features=Features(gc=False))
    path.write_bytes(module(ADD, engine).serialize())
    before = set(os.listdir("/proc/self/fd"))
    again = Module.deserialize_file(path)
    assert set(os.listdir("/proc/self/fd")) == before
    lines = Path("/proc/self/maps").read_text().splitlines()
    assert {line.split()[1] for line in lines if line.endswith(str(path))} == {"r--p", "r-xp"}
    path.unlink()
    assert Instance(again).exports.add(2, 3) == 5
    options = (again.engine.opt_level, again.engine.memory, again.engine.features)
    assert options == ("O2", "dynamic", Features(gc=False)), "those it was compiled with"
    with pytest.raises(FileNotFoundError):
        Module.deserialize_file(path)


def test_compiling_twice_gives_the_same_bytes(sample: Module) -> None:
    data = sample.serialize()
    assert Module(sample.info.data, engine=Engine(cache=False)).serialize() == data
    script = f"""
import hashlib
print(hashlib.sha256(Module({sample.info.data!r}).serialize()).hexdigest())
"""
    digests = set()
    for seed in ("0", "1"):
        result = subprocess.run(
            [sys.executable, "-c", "from wasmine import *\n" + script],
            env={**os.environ, "PYTHONPATH": str(SOURCE), "PYTHONHASHSEED": seed, "WASMINE_CACHE": "0"},
            capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        digests.add(result.stdout)
    assert digests == {sha256(data).hexdigest() + "\n"}


def test_another_process_runs_what_was_serialised(tmp_path: Path) -> None:
    text = SAMPLE
    path = tmp_path / "sample.bin"
    path.write_bytes(Module(assemble(text)).serialize())
    script = f"""
import sys
module = Module.deserialize(open({str(path)!r}, "rb").read())
store = Store()
imports = {{
    "env": {{"f": lambda a, b: a + b, "m": Memory(MemoryType(Limits(1, 2)), store=store), "c": 7}},
    "other": {{"t": Table(TableType(EXTERNREF, Limits(1)), store=store),
              "g": Global(GlobalType(I32, True), 100, store=store)}},
}}
exports = Instance(module, imports).exports
try:
    exports.trap()
except Trap as trap:
    print(trap)
print(exports.add(2, 3), exports.call(), exports.m[8:12], exports.own[0].name, exports.c.value)
"""
    lines = run_script(script).splitlines()
    assert lines[0] == "unreachable"
    assert lines[1].startswith("    at ")
    assert "sample[3]" in lines[1]
    assert lines[2] == "105 3.0 b'data' add 7"


DATA = module(ADD).serialize()
KEY_START = archive._HEADER.size


def archived(
    key: bytes | None = None, wasm: bytes | None = None, image: bytes | None = None
) -> bytes:
    """A well-formed archive of other content: lengths and checksum are right."""
    _, key_length, wasm_length, image_length, _, _ = archive._HEADER.unpack_from(DATA)
    end = KEY_START + key_length
    key = DATA[KEY_START:end] if key is None else key
    wasm = DATA[end : end + wasm_length] if wasm is None else wasm
    image = DATA[-image_length:] if image is None else image
    padding = bytes(-(KEY_START + len(key) + len(wasm)) % archive.ALIGNMENT)
    content = key + wasm + padding + image
    lengths = (len(key), len(wasm), len(image))
    return archive._HEADER.pack(archive.MAGIC, *lengths, crc32(content), 0) + content


def key_with(**changes: str) -> bytes:
    """The key of DATA with other fields."""
    return "\n".join(archive.Options.of(Engine())._replace(**changes)).encode()


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "not a compiled module of wasmine"),
        (b"\0asm\1\0\0\0", "not a compiled module of wasmine"),
        (DATA[:20], "not a compiled module of wasmine"),
        (b"x" + DATA, "not a compiled module of wasmine"),
        (DATA[:-1], "truncated or has bytes behind its end"),
        (DATA[:KEY_START], "truncated or has bytes behind its end"),
        (DATA + b"\0", "truncated or has bytes behind its end"),
        (DATA[:16] + b"\xff" * 24 + DATA[40:], "truncated or has bytes behind its end"),
        (DATA[:40] + bytes(8) + DATA[48:], "damaged: its checksum does not match"),
        (DATA[:-1] + bytes([DATA[-1] ^ 1]), "damaged: its checksum does not match"),
        (archived(b"0.0"), "compiled for something else: version '0.0' instead"),
        (archived(b"\xff\xfe"), "compiled for something else"),
        (archived(__version__.encode()), "damaged: its options cannot be read"),
        (archived(key_with(processor="x86_64 0")), "something else: another processor"),
        (archived(key_with(opt_level="O9")), "damaged: opt_level is one of"),
        (archived(key_with(features="magic")), "damaged: .*magic"),
    ],
    ids=range(16),
)
def test_damage(data: bytes, text: str, tmp_path: Path) -> None:
    assert archived() == DATA
    with pytest.raises(DeserializeError, match=text):
        Module.deserialize(data)
    path = tmp_path / "compiled"
    path.write_bytes(data)
    with pytest.raises(DeserializeError, match=text):
        Module.deserialize_file(path)


def test_every_damaged_byte_is_noticed() -> None:
    step = max(1, len(DATA) // 500)
    for position in range(0, len(DATA), step):
        for bit in (1, 128):
            damaged = bytearray(DATA)
            damaged[position] ^= bit
            with pytest.raises(DeserializeError):
                Module.deserialize(bytes(damaged))
    for length in range(0, len(DATA), step):
        with pytest.raises(DeserializeError):
            Module.deserialize(DATA[:length])


def test_an_image_that_is_none() -> None:
    """The checksum is right, what it protects is not."""
    for image in (b"", b"x" * 100, DATA[-archive._HEADER.unpack_from(DATA)[3] : -8]):
        with pytest.raises(DeserializeError):
            Module.deserialize(archived(image=image))
    with pytest.raises(DeserializeError, match="contains no module: magic header not detected"):
        Module.deserialize(archived(wasm=b"no module"))


@pytest.mark.parametrize(
    ("options", "difference"),
    [
        ({"opt_level": "O3"}, "opt_level 'light' instead of 'O3'"),
        ({"memory": "dynamic"}, "memory 'static' instead of 'dynamic'"),
        ({"features": Features.of(["simd"])}, "features '.* simd .*' instead of 'simd'"),
    ],
)
def test_engines_with_other_options_refuse(options: Any, difference: str) -> None:
    with pytest.raises(DeserializeError, match=f"compiled for something else: {difference}$"):
        Module.deserialize(DATA, engine=Engine(**options))


def test_pickling() -> None:
    features = Features(gc=False)
    made = module(ADD, Engine(opt_level="none", memory="dynamic", features=features))
    again = pickle.loads(pickle.dumps(made))
    assert Instance(again).exports.add(2, 3) == 5
    assert (again.engine.opt_level, again.engine.memory) == ("none", "dynamic")
    assert again.engine.features == features
    assert again.engine.cache.directory == made.engine.cache.directory
    made = module(ADD, Engine(cache=False))
    assert pickle.loads(pickle.dumps(made)).engine.cache.directory is None


def test_one_module_in_many_stores() -> None:
    made = module(ADD)
    instances = [Instance(made) for _ in range(20)]
    assert len({id(one.store) for one in instances}) == 20
    assert [one.exports.add(index, 1) for index, one in enumerate(instances)] == list(range(1, 21))


SIGN_EXTENSION = (
    '(module (func (export "f") (param i32) (result i32) (i32.extend8_s (local.get 0))))'
)


def test_an_engine_refuses_what_is_off() -> None:
    engine = Engine(features=Features(sign_extension=False))
    data = assemble(SIGN_EXTENSION)
    assert Instance(Module(data)).exports.f(0xFF) == -1
    assert Module.validate(data)
    assert not Module.validate(data, features=engine.features)
    with pytest.raises(MalformedModule, match=r"illegal opcode c0: .* sign-extension proposal"):
        Module(data, engine=engine)


def test_features_of_an_engine_are_features() -> None:
    wrong: Any = {"simd"}
    with pytest.raises(TypeError, match="features are Features, not"):
        Engine(features=wrong)
    assert Engine().features == Features()
    assert "features" not in repr(Engine())
    features = Features(gc=False, legacy_exceptions=True)
    assert repr(features) == "Features(gc=False, legacy_exceptions=True)"
    assert repr(features) in repr(Engine(features=features))


def test_ir_and_assembly() -> None:
    made = module(ADD)
    assert "add i32" in made.ir(0)
    assert "ret" in made.asm(0)
    for use in (made.ir, made.asm):
        for index in (-1, 1):
            with pytest.raises(IndexError, match=f"the module defines no function {index}"):
                use(index)
