"""The runner itself: a test suite is worth what its runner notices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from .known import KnownFailure, failing_lines, judge, load, write
from .runner import Outcome, Runner, Stage, Status
from .suite import Command, Script
from .values import argument, host_reference, matches


class EngineError(Exception):
    """What the engine below raises."""

    def __init__(self, stage: Stage, message: str) -> None:
        super().__init__(message)
        self.stage = stage


class FakeEngine:
    """Modules are their own results: those of calls, or the exception of the step named."""

    def __init__(self, **behaviour: object) -> None:
        self.behaviour = behaviour

    def _do(self, step: str) -> object:
        result = self.behaviour.get(step)
        if isinstance(result, Exception):
            raise result
        return result

    def compile(self, data: bytes) -> object:
        self._do("compile")
        return data

    def imported_modules(self, module: object) -> set[str]:
        return {"M"} if module == b"imports M" else set()

    def instantiate(self, module: object, registered: Mapping[str, object]) -> object:
        self._do("instantiate")
        assert None not in registered.values()
        return module

    def invoke(
        self, instance: object, field: str, arguments: Sequence[object]
    ) -> tuple[object, ...]:
        result = self._do("invoke")
        return result if isinstance(result, tuple) else (result,)

    def get(self, instance: object, field: str) -> object:
        return self._do("get")

    def explain(self, error: Exception) -> tuple[Stage, str]:
        return (
            (error.stage, str(error))
            if isinstance(error, EngineError)
            else (Stage.OTHER, repr(error))
        )


MODULE: Command = {"type": "module", "filename": "m.wasm"}
INVOKE = {"type": "invoke", "field": "f", "args": []}
ONE = [{"type": "i32", "value": "1"}]


def run(directory: Path, commands: Sequence[Command], **behaviour: object) -> list[Outcome]:
    (directory / "m.wasm").write_bytes(b"a module")
    (directory / "n.wasm").write_bytes(b"imports M")
    numbered = [{"line": line, **command} for line, command in enumerate(commands, 1)]
    return Runner(FakeEngine(**behaviour), Script(numbered, directory)).run()


def passes(directory: Path, commands: Sequence[Command], **behaviour: object) -> list[bool]:
    return [one.status is Status.PASSED for one in run(directory, commands, **behaviour)]


@pytest.mark.parametrize(
    ("result", "passed"),
    [
        ((1,), True),
        ((2,), False),
        ((), False),
        ((1, 1), False),
        (EngineError(Stage.TRAP, "t"), False),
    ],
)
def test_assert_return(tmp_path: Path, result: object, passed: bool) -> None:
    command = {"type": "assert_return", "action": INVOKE, "expected": ONE}
    assert passes(tmp_path, [MODULE, command], invoke=result) == [True, passed]


CALLS = {
    "assert_trap": Stage.TRAP,
    "assert_exhaustion": Stage.EXHAUSTION,
    "assert_exception": Stage.EXCEPTION,
}
MODULES = {
    "assert_malformed": ("compile", Stage.MALFORMED),
    "assert_invalid": ("compile", Stage.INVALID),
    "assert_unlinkable": ("instantiate", Stage.LINK),
    "assert_uninstantiable": ("instantiate", Stage.TRAP),
}


@pytest.mark.parametrize("kind", CALLS)
def test_assertions_about_calls_need_stage_and_text(tmp_path: Path, kind: str) -> None:
    command = {"type": kind, "action": INVOKE, "text": "integer overflow"}
    for stage in Stage:
        outcome = passes(tmp_path, [MODULE, command], invoke=EngineError(stage, "integer overflow"))
        assert outcome == [True, stage is CALLS[kind]]
    wrong_text = EngineError(CALLS[kind], "unreachable")
    assert passes(tmp_path, [MODULE, command], invoke=wrong_text) == [True, False]
    assert passes(tmp_path, [MODULE, command], invoke=(1,)) == [True, False]


@pytest.mark.parametrize("kind", MODULES)
def test_assertions_about_modules_need_stage_and_text(tmp_path: Path, kind: str) -> None:
    step, expected = MODULES[kind]
    command = {"type": kind, "filename": "m.wasm", "text": "unknown import"}
    for stage in Stage:
        outcome = passes(tmp_path, [command], **{step: EngineError(stage, "unknown import: a.b")})
        assert outcome == [stage is expected]
    assert passes(tmp_path, [command], **{step: EngineError(expected, "other text")}) == [False]
    assert passes(tmp_path, [command]) == [False]


def test_only_traps_may_have_the_text_in_the_middle(tmp_path: Path) -> None:
    message = "undefined element: out of bounds table access"
    call = {"type": "assert_trap", "action": INVOKE, "text": "out of bounds table access"}
    assert passes(tmp_path, [MODULE, call], invoke=EngineError(Stage.TRAP, message)) == [True, True]
    invalid = {"type": "assert_invalid", "filename": "m.wasm", "text": "table"}
    assert passes(tmp_path, [invalid], compile=EngineError(Stage.INVALID, message)) == [False]


def test_whatever_needs_a_module_that_failed_fails(tmp_path: Path) -> None:
    register = {"type": "register", "as": "M"}
    importing = {"type": "module", "filename": "n.wasm"}
    unlinkable = {"type": "assert_unlinkable", "filename": "n.wasm", "text": "unknown import"}
    call = {"type": "action", "action": INVOKE}
    commands: list[Command] = [MODULE, call, register, importing, unlinkable]
    error = EngineError(Stage.UNSUPPORTED, "SIMD")
    assert passes(tmp_path, commands, compile=error) == [False] * 5
    linking = EngineError(Stage.LINK, "unknown import")
    assert passes(tmp_path, commands, instantiate=linking) == [False] * 5


def test_only_instances_that_were_made_can_be_imported(tmp_path: Path) -> None:
    register = {"type": "register", "as": "M", "name": "nobody"}
    importing = {"type": "module", "filename": "n.wasm"}
    assert passes(tmp_path, [register, MODULE, importing]) == [False, True, False]


def test_definitions_make_several_instances(tmp_path: Path) -> None:
    commands: list[Command] = [
        {"type": "module_definition", "name": "D", "filename": "m.wasm"},
        {"type": "module_instance", "instance": "I", "module": "D"},
        {"type": "module_instance", "instance": "J", "module": "D"},
        {"type": "module_instance", "instance": "K", "module": "E"},
        {"type": "action", "action": {**INVOKE, "module": "I"}},
        {"type": "action", "action": {**INVOKE, "module": "K"}},
    ]
    assert passes(tmp_path, commands) == [True, True, True, False, True, False]


def test_text_modules_do_not_apply_unless_they_come_with_a_binary(tmp_path: Path) -> None:
    text = {"module_type": "text", "filename": "m.wat"}
    commands: list[Command] = [
        {"type": "assert_malformed", "text": "unexpected token", **text},
        {"type": "module", "binary_filename": "m.wasm", **text},
    ]
    statuses = [one.status for one in run(tmp_path, commands)]
    assert statuses == [Status.NOT_APPLICABLE, Status.PASSED]


@pytest.mark.parametrize(
    ("kind", "text", "bits", "expected"),
    [
        ("i32", "-1", 0xFFFF_FFFF, True),
        ("i32", "-1", -1, False),
        ("i64", "1", 1, True),
        ("f32", "2147483648", 0x8000_0000, True),
        ("f32", "0", 0x8000_0000, False),
        ("f32", "nan:canonical", 0x7FC0_0000, True),
        ("f32", "nan:canonical", 0xFFC0_0000, True),
        ("f32", "nan:canonical", 0x7FC0_0001, False),
        ("f32", "nan:arithmetic", 0x7FC0_0001, True),
        ("f32", "nan:arithmetic", 0xFFFF_FFFF, True),
        ("f32", "nan:arithmetic", 0x7FA0_0000, False),
        ("f32", "nan:arithmetic", 0x7F80_0000, False),
        ("f64", "nan:canonical", 0xFFF8_0000_0000_0000, True),
        ("f64", "nan:canonical", 0x7FC0_0000, False),
        ("f64", "nan:arithmetic", 0x7FF8_0000_0000_0001, True),
        ("f64", "nan:arithmetic", 0x7FF4_0000_0000_0000, False),
    ],
)
def test_numbers(kind: str, text: str, bits: int, expected: bool) -> None:
    assert matches({"type": kind, "value": text}, bits) is expected


def test_vectors_are_little_endian_lanes() -> None:
    vector = {
        "type": "v128",
        "lane_type": "i16",
        "value": ["1", "-1", "0", "0", "0", "0", "0", "2"],
    }
    assert argument(vector) == 0x0002_0000_0000_0000_0000_0000_FFFF_0001
    assert matches(vector, 0x0002_0000_0000_0000_0000_0000_FFFF_0001)
    assert not matches(vector, 0x0002_0000_0000_0000_0000_0000_FFFE_0001)
    nans = {"type": "v128", "lane_type": "f64", "value": ["nan:canonical", "0"]}
    assert matches(nans, 0xFFF8_0000_0000_0000)
    assert not matches(nans, 0x7FF8_0000_0000_0001)


def test_references() -> None:
    seven = {"type": "externref", "value": "7"}
    assert argument(seven) is host_reference(7)
    assert argument({"type": "funcref", "value": "null"}) is None
    assert matches(seven, host_reference(7))
    assert not matches(seven, host_reference(8))
    assert not matches(seven, None)
    assert matches({"type": "externref", "value": "null"}, None)
    assert matches({"type": "refnull"}, None)
    assert not matches({"type": "refnull"}, host_reference(7))
    assert matches({"type": "funcref"}, print)
    assert not matches({"type": "funcref"}, host_reference(7))
    assert not matches({"type": "externref"}, None)


def test_either_of_several_results() -> None:
    either = {"type": "either", "values": [*ONE, {"type": "i32", "value": "3"}]}
    assert [matches(either, number) for number in range(5)] == [False, True, False, True, False]


def outcomes(text: str) -> list[Outcome]:
    """One command on each line: `.` passed, `x` failed, `-` is not applicable."""
    statuses = {".": Status.PASSED, "x": Status.FAILED, "-": Status.NOT_APPLICABLE}
    return [Outcome(line, "module", statuses[one]) for line, one in enumerate(text, 1)]


@pytest.mark.parametrize(
    ("text", "lines"),
    [("..", ""), ("xx-x", "all"), (".x-xx.x", "2-5 7"), ("x.", "1"), ("-", ""), ("x-.", "1")],
)
def test_failing_lines_describe_a_run_and_nothing_else(text: str, lines: str) -> None:
    assert failing_lines(outcomes(text)) == lines
    known = KnownFailure("a reason", lines)
    assert judge("s", outcomes(text), known) == []
    for other in ("..", "xx-x", ".x-xx.x", "x."):
        if len(other) == len(text) and other != text:
            assert judge("s", outcomes(other), known) != []


def test_a_known_failure_that_passes_is_a_problem() -> None:
    problems = judge("s", outcomes("x."), KnownFailure("a reason", "all"))
    assert problems == ["s.wast:2 is listed in known_failures.toml but passes: take it out"]


def test_listed_lines_without_commands_are_a_problem() -> None:
    problems = judge("s", outcomes("x."), KnownFailure("a reason", "1 3-9"))
    assert problems == ["s: its lines in known_failures.toml should read '1'"]


def test_an_unlisted_failure_is_a_problem() -> None:
    assert judge("s", outcomes("x."), None) == ["s.wast:1: module: "]


def test_the_list_survives_rewriting(tmp_path: Path) -> None:
    path = tmp_path / "known.toml"
    path.write_text("# A comment.\n# Another.\n")
    entries = {"b": KnownFailure("needs b", "all"), "a/c": KnownFailure("needs c", "1-2 7")}
    write(entries, path)
    assert load(path) == entries
    assert path.read_text().startswith("# A comment.\n# Another.\n\n")


def test_entries_need_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "known.toml"
    path.write_text('a = { reason = "", lines = "all" }\n')
    with pytest.raises(ValueError, match="a needs a reason"):
        load(path)
