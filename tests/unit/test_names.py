"""The custom sections `name` and `producers`, whole and broken."""

from __future__ import annotations

from wasmine.wasm.decoder import decode
from wasmine.wasm.names import read_names, read_producers

from .binary import HEADER, name, section, vector
from .outside import assemble

NAMED = """
(module $program
  (type $signature (func (param i32)))
  (import "env" "log" (func $log (type $signature)))
  (import "env" "raw" (func (type $signature)))
  (table $table 1 funcref)
  (memory $memory 1)
  (global $counter (mut i32) (i32.const 0))
  (tag $problem)
  (func $run (export "start") (param $x i32) (local $y i64) (block $out))
  (func (export "second") (export "alias"))
  (func)
  (elem $segment func $run)
  (data $text "abc"))
"""


def test_names_of_everything() -> None:
    names = decode(assemble(NAMED)).names
    assert names.module == "program"
    assert names.functions == {0: "log", 2: "run"}
    assert names.locals == {2: {0: "x", 1: "y"}}
    assert names.labels == {2: {0: "out"}}
    assert names.types == {0: "signature"}
    assert names.tables == {0: "table"}
    assert names.memories == {0: "memory"}
    assert names.globals == {0: "counter"}
    assert names.elements == {0: "segment"}
    assert names.data_segments == {0: "text"}
    assert names.tags == {0: "problem"}


def test_functions_without_a_name_are_called_by_export_or_import() -> None:
    info = decode(assemble(NAMED))
    assert [info.function_name(index) for index in range(5)] == [
        "log",
        "env.raw",
        "run",
        "second",
        None,
    ]


def test_a_broken_subsection_does_not_hide_the_others() -> None:
    broken = section(1, vector([b"\0" + name("first"), b"\1\xff"]))
    names = read_names(
        section(0, name("module")) + broken + section(7, vector([b"\3" + name("g")]))
    )
    assert names.module == "module"
    assert names.functions == {0: "first"}
    assert names.globals == {3: "g"}


def test_a_broken_section_gives_what_was_read() -> None:
    names = read_names(section(0, name("module")) + b"\1\xff")
    assert names.module == "module"
    assert read_names(b"").functions == {}
    assert read_names(b"\1\6\xff\xff\xff\xff\x0f\0").functions == {}


def test_unknown_subsections_are_skipped_and_bad_utf8_is_replaced() -> None:
    names = read_names(section(99, b"?") + section(0, b"\3a\xffb"))
    assert names.module == "a\ufffdb"


def test_producers() -> None:
    language = name("language") + vector([name("C11") + name("")])
    tools = name("processed-by") + vector([name("clang") + name("19"), name("lld") + name("19")])
    content = vector([language, tools])
    info = decode(HEADER + section(0, name("producers") + content))
    assert info.producers == {
        "language": [("C11", "")],
        "processed-by": [("clang", "19"), ("lld", "19")],
    }
    assert decode(HEADER).producers == {}


def test_broken_producers_give_what_was_read() -> None:
    content = vector([name("language") + vector([name("C11") + name("")])])
    assert read_producers(b"\2" + content[1:]) == {"language": [("C11", "")]}
    assert read_producers(b"") == {}
