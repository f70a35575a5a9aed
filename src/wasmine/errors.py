"""Every exception that wasmine raises, one class for each stage that can fail.

    WasmineError
    ├── CompileError                 the module cannot become code
    │   ├── MalformedModule          its bytes are not the binary format
    │   │   └── MalformedText        its text is not the text format
    │   ├── InvalidModule            its bytes are, but it breaks a validation rule
    │   └── UnsupportedFeature       it needs a proposal that is off or not implemented
    ├── LinkError                    imports are missing or do not fit
    ├── Trap                         WebAssembly code stopped; also a RuntimeError
    ├── WasmException                WebAssembly code threw it, and nobody there caught it
    ├── ResourceError                memory, a table or address space cannot be had; also a MemoryError
    ├── StoreError                   objects of different stores, or a store that another thread uses
    ├── DeserializeError             bytes that are not a module compiled by this version for this CPU
    └── InternalError                cannot happen with valid code: a defect of wasmine

An exception that a host function raises is none of these: it comes out of the outermost call as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum

from wasmine.frozen import Frozen
from wasmine.public import public


@public
class WasmineError(Exception):
    """The base of all errors of this package."""


def _shortened(word: str) -> str:
    """A word of a module in quotes; it may be of any length."""
    return repr(word if len(word) <= 40 else f"{word[:39]}\u2026")


@public
class CompileError(WasmineError):
    """A module that cannot be compiled.

    `message` begins with the specification's phrase; `offset` is the byte offset in the module,
    `function` the index of the function concerned and `function_name` its name, where there is one.
    """

    def __init__(
        self, message: str, offset: int | None = None, function: int | None = None
    ) -> None:
        super().__init__(message, offset, function)
        self.message = message
        self.offset = offset
        self.function = function
        self.function_name: str | None = None

    def __str__(self) -> str:
        place = []
        if self.function is not None:
            name = "" if self.function_name is None else f" {_shortened(self.function_name)}"
            place.append(f"function {self.function}{name}")
        if self.offset is not None:
            place.append(f"offset {self.offset:#x}")
        return f"{self.message} ({', '.join(place)})" if place else self.message


@public
class MalformedModule(CompileError):
    """The bytes are not a module in the binary format (specification, chapter 5)."""


@public
class MalformedText(MalformedModule):
    """The text is not a module, or not a script, in the text format (specification, chapter 6).

    `line` and `column` count from 1; `token` is what stands there, empty at the end of the text.
    """

    def __init__(self, message: str, line: int, column: int, token: str) -> None:
        super().__init__(message)
        self.args = (message, line, column, token)
        self.line = line
        self.column = column
        self.token = token

    def __str__(self) -> str:
        near = f"near {_shortened(self.token)}" if self.token else "at the end"
        return f"{self.message} at line {self.line}, column {self.column} {near}"


@public
class InvalidModule(CompileError):
    """The module breaks a rule of validation (specification, chapter 3)."""


@public
class UnsupportedFeature(CompileError):
    """The module needs a proposal that is switched off or not implemented."""


@public
class LinkError(WasmineError):
    """Imports that are missing or do not fit; the message names all of them."""


@public
class ResourceError(WasmineError, MemoryError):
    """Memory, a table or address space could not be had."""


@public
class StoreError(WasmineError):
    """Objects of different stores were mixed, or another thread is using the store."""


@public
class DeserializeError(WasmineError):
    """Bytes that are not a compiled module of this version for this machine."""


@public
class InternalError(WasmineError):
    """Something that cannot happen with valid code: a defect of wasmine, please report it."""


@public
class TrapCode(IntEnum):
    """Why code trapped: a number, the phrase of the specification, a short identifier.

    Reference rows X01 and 4.1, whose numbers the first 13 are. Numbers are part of the ABI of compiled
    code.
    """

    message: str
    identifier: str

    def __new__(cls, number: int, message: str, identifier: str) -> TrapCode:
        self = int.__new__(cls, number)
        self._value_ = number
        self.message = message
        self.identifier = identifier
        return self

    STACK_OVERFLOW = (0, "call stack exhausted", "stk_ovf")
    HEAP_ACCESS_OUT_OF_BOUNDS = (1, "out of bounds memory access", "heap_get_oob")
    HEAP_MISALIGNED = (2, "misaligned heap", "heap_misaligned")
    TABLE_ACCESS_OUT_OF_BOUNDS = (
        3,
        "undefined element: out of bounds table access",
        "table_get_oob",
    )
    OUT_OF_BOUNDS = (4, "out of bounds", "oob")
    INDIRECT_CALL_TO_NULL = (5, "uninitialized element", "icall_null")
    BAD_SIGNATURE = (6, "indirect call type mismatch", "bad_sig")
    INTEGER_OVERFLOW = (7, "integer overflow", "int_ovf")
    INTEGER_DIVISION_BY_ZERO = (8, "integer divide by zero", "int_divz")
    BAD_CONVERSION_TO_INTEGER = (9, "invalid conversion to integer", "bad_toint")
    UNREACHABLE_CODE_REACHED = (10, "unreachable", "unreachable")
    UNALIGNED_ATOMIC = (11, "unaligned atomic access", "unalign_atom")
    GAS_EXCEEDED = (12, "gas limit exceeded", "out_of_gas")

    # The reference ends here: WebAssembly 3.0 and threads have more reasons.
    NULL_FUNCTION = (13, "null function reference", "null_func")
    NULL_STRUCT = (14, "null structure reference", "null_struct")
    NULL_ARRAY = (15, "null array reference", "null_array")
    NULL_I31 = (16, "null i31 reference", "null_i31")
    NULL_EXCEPTION = (17, "null exception reference", "null_exn")
    NULL_REFERENCE = (18, "null reference", "null_ref")
    ARRAY_OUT_OF_BOUNDS = (19, "out of bounds array access", "array_oob")
    CAST_FAILURE = (20, "cast failure", "bad_cast")
    ALLOCATION_TOO_LARGE = (21, "allocation size too large", "alloc_large")
    OUT_OF_MEMORY = (22, "garbage-collected heap exhausted", "heap_full")
    EXPECTED_SHARED_MEMORY = (23, "expected shared memory", "not_shared")

    def __str__(self) -> str:
        return self.identifier

    @classmethod
    def parse(cls, identifier: str) -> TrapCode:
        """The code with this short identifier. Raises ValueError for any other text."""
        for code in cls:
            if code.identifier == identifier:
                return code
        raise ValueError(f"unknown trap code {identifier!r}")


@public
class Frame(Frozen):
    """One WebAssembly function in the backtrace of a trap (reference row X08)."""

    module_name: str | None
    function_index: int
    function_name: str | None
    module_offset: int | None
    """Byte offset of the instruction in the module, where it is known."""
    function_offset: int | None
    """Byte offset of the instruction in the function's body, where it is known."""

    def __str__(self) -> str:
        name = self.function_name or "<unnamed>"
        module = self.module_name or "<module>"
        offset = "?" if self.module_offset is None else f"{self.module_offset:#x}"
        return f"{name} ({module}[{self.function_index}]:{offset})"


def _no_frames() -> Sequence[Frame]:
    return ()


@public
class Trap(WasmineError, RuntimeError):
    """WebAssembly code stopped because the specification says so.

    Reference rows X02 and X07. The frames are resolved when `trace` is first read, so that a trap
    which is caught and dropped costs little.
    """

    def __init__(
        self,
        code: TrapCode,
        message: str | None = None,
        frames: Callable[[], Sequence[Frame]] = _no_frames,
    ) -> None:
        self.code = code
        self.message = code.message if message is None else message
        super().__init__(code, self.message)
        self._frames = frames
        self._trace: list[Frame] | None = None

    @property
    def trace(self) -> list[Frame]:
        """The WebAssembly frames between the trap and the host, innermost first."""
        if self._trace is None:
            self._trace = list(self._frames())
        return self._trace

    def to_trap(self) -> TrapCode:
        """The trap code (reference name)."""
        return self.code

    def __str__(self) -> str:
        return "".join([self.message, *(f"\n    at {frame}" for frame in self.trace)])

    def __reduce__(self) -> tuple[type[Trap], tuple[TrapCode, str], dict[str, list[Frame]]]:
        return (Trap, (self.code, self.message), {"_trace": self.trace})
