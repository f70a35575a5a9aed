"""Scripts of the official suite, as commands."""

from __future__ import annotations

import pytest

from wasmine import F32, F64, I32, I64, V128, MalformedText
from wasmine.wasm.decoder import decode
from wasmine.wasm.text import commands as c
from wasmine.wasm.text.script import parse_script

RESULTS = [
    ("(i32.const -1)", c.Constant(I32, 0xFFFFFFFF)),
    ("(i64.const 0x10)", c.Constant(I64, 16)),
    ("(f32.const 1)", c.Constant(F32, 0x3F800000)),
    ("(f64.const -nan)", c.Constant(F64, 0xFFF8000000000000)),
    ("(f32.const nan:canonical)", c.Nan(F32, "nan:canonical")),
    ("(f64.const nan:arithmetic)", c.Nan(F64, "nan:arithmetic")),
    ("(v128.const i32x4 1 2 0 -1)", c.Constant(V128, 1 | 2 << 32 | 0xFFFFFFFF << 96)),
    (
        "(v128.const f32x4 1 nan:canonical 0 nan:arithmetic)",
        c.Lanes("f32x4", (0x3F800000, "nan:canonical", 0, "nan:arithmetic")),
    ),
    ("(ref.null)", c.NullReference(None)),
    ("(ref.null func)", c.NullReference("func")),
    ("(ref.null 3)", c.NullReference(3)),
    ("(ref.extern 7)", c.HostReference("extern", 7)),
    ("(ref.host 8)", c.HostReference("host", 8)),
    ("(ref.extern)", c.AnyReference("extern")),
    ("(ref.func)", c.AnyReference("func")),
    ("(ref.i31)", c.AnyReference("i31")),
    ("(ref.struct)", c.AnyReference("struct")),
    ("(ref.array)", c.AnyReference("array")),
    ("(ref.eq)", c.AnyReference("eq")),
    ("(ref.any)", c.AnyReference("any")),
    (
        "(either (i32.const 0) (i32.const 1))",
        c.Either((c.Constant(I32, 0), c.Constant(I32, 1))),
    ),
]


@pytest.mark.parametrize(("text", "result"), RESULTS)
def test_results(text: str, result: c.Result) -> None:
    assert parse_script(f'(assert_return (get "g") {text})') == [
        c.AssertReturn(1, 1, c.Get(None, "g"), (result,))
    ]


def test_commands() -> None:
    script = r"""(module $m (func))
(module definition $d binary "\00asm" "\01\00\00\00")
(module instance $i $d) (module instance)
(register "lib" $m)
(invoke $m "f" (i32.const 1) (ref.null extern) (ref.extern 2))
(assert_trap (invoke "f") "unreachable")
(assert_trap (module (func $s unreachable) (start $s)) "unreachable")
(assert_exhaustion (invoke "f") "call stack exhausted")
(assert_exception (invoke "f"))
(thread $T (shared (module $m)) (invoke "f")) (wait $T)"""
    found = parse_script(script)
    invoke = c.Invoke(None, "f", ())
    module, definition, *rest = found
    assert isinstance(module, c.ModuleCommand)
    assert isinstance(definition, c.ModuleCommand)
    assert (module.name, module.definition, module.source.kind) == ("$m", False, "text")
    assert (definition.name, definition.definition) == ("$d", True)
    assert definition.source.encode() == b"\0asm\1\0\0\0"
    trap = rest.pop(5)
    assert isinstance(trap, c.AssertTrap)
    assert isinstance(trap.subject, c.ModuleSource)
    assert decode(trap.subject.encode()).start == 0
    arguments = (c.Constant(I32, 1), c.NullReference("extern"), c.HostReference("extern", 2))
    assert rest == [
        c.InstanceCommand(3, 1, "$i", "$d"),
        c.InstanceCommand(3, 25, None, None),
        c.Register(4, 1, "lib", "$m"),
        c.ActionCommand(5, 1, c.Invoke("$m", "f", arguments)),
        c.AssertTrap(6, 1, invoke, "unreachable"),
        c.AssertExhaustion(8, 1, invoke, "call stack exhausted"),
        c.AssertException(9, 1, invoke),
        c.Thread(10, 1, "$T", ("$m",), (c.ActionCommand(10, 33, invoke),)),
        c.Wait(10, 47, "$T"),
    ]


ASSERTIONS = {
    "assert_malformed": c.AssertMalformed,
    "assert_invalid": c.AssertInvalid,
    "assert_unlinkable": c.AssertUnlinkable,
    "assert_malformed_custom": c.AssertMalformedCustom,
    "assert_invalid_custom": c.AssertInvalidCustom,
}


@pytest.mark.parametrize(("keyword", "kind"), ASSERTIONS.items())
def test_assertions_about_modules(keyword: str, kind: type[c.AssertModule]) -> None:
    [command] = parse_script(f'({keyword} (module quote "(func" " nop)") "why")')
    assert type(command) is kind
    assert command.message == "why"
    assert command.source.kind == "quote"
    assert len(decode(command.source.encode()).functions) == 1


def test_errors_of_modules_come_when_they_are_asked_for() -> None:
    script = '(module (func (nop nop)))\n(assert_malformed (module quote "\\0a(fun)") "unknown operator")'
    inline, quoted = parse_script(script)
    assert isinstance(inline, c.ModuleCommand)
    assert isinstance(quoted, c.AssertModule)
    with pytest.raises(MalformedText, match="unexpected token at line 1, column 20"):
        inline.source.encode()
    with pytest.raises(
        MalformedText, match=r"unknown operator fun \(did you mean func\?\) at line 2, column 2"
    ):
        quoted.source.encode()


def test_fields_alone_are_one_module() -> None:
    [command] = parse_script("(memory 1) (func $f)")
    assert isinstance(command, c.ModuleCommand)
    assert len(decode(command.source.encode()).functions) == 1


def test_annotations_between_commands() -> None:
    commands = parse_script('(@a) ((@b) module (@custom "x") (@c) $m (@d)) (@e)')
    assert [type(command) for command in commands] == [c.ModuleCommand]


MALFORMED = [
    ("(modul)", "unknown operator modul (did you mean module?) at line 1, column 2"),
    ("(module", "unexpected token (missing parentheses: 1) at line 1, column 8 at the end"),
    ("nop", "unexpected token at line 1, column 1"),
    ("(assert_return)", "unexpected token at line 1, column 15"),
    ("(assert_return (call))", "unexpected token at line 1, column 17"),
    ('(invoke "f" (ref.func))', "unexpected token at line 1, column 14"),
    ('(invoke "f" (i32.const 0x1ffffffff))', "constant out of range at line 1, column 24"),
    ('(assert_return (get "g") (either (either)))', "unexpected token at line 1, column 35"),
    ("(wait)", "unexpected token at line 1, column 6"),
]


@pytest.mark.parametrize(("text", "message"), MALFORMED)
def test_malformed(text: str, message: str) -> None:
    with pytest.raises(MalformedText) as caught:
        parse_script(text)
    assert str(caught.value).startswith(message)
