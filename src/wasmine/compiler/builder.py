"""The text of one function while it is being written, and what it needs to know of its module.

Handlers of instructions take a FunctionBuilder, the instruction's position in the body, and its
immediate. They pop operands from `stack`, append lines, and push results. Operands are LLVM names
or constants, without types: validation has proved those. Names are made of a letter and the position,
which is unique in a function:

    %v  result              %p  result of f64.promote_f32, so that demoting it can tell
    %c  result of a comparison, an i32 0 or 1; with a `b` behind it the i1 it was made from
    %l  a local's slot      %s  a slot for values that a label takes
    N   the block in which code goes on         T   a block that traps
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from wasmine.abi.libcalls import BY_NAME, Builtin
from wasmine.compiler.ir import IN_CONTEXT, INVARIANT, LLVM_TYPES, UNLIKELY
from wasmine.errors import TrapCode

if TYPE_CHECKING:
    from wasmine.compiler.control import Label
    from wasmine.compiler.exceptions import Try
    from wasmine.compiler.module import ModuleContext, Pointer
    from wasmine.compiler.takeover import Takeover
    from wasmine.wasm.body import Body


class FunctionBuilder:
    """The state of translating one body: its text, its operands, its open labels."""

    __slots__ = (
        "append",
        "cache",
        "callees",
        "calls",
        "certain",
        "codes",
        "cold",
        "entered",
        "entry",
        "handler",
        "index",
        "labels",
        "lines",
        "loaded",
        "locals",
        "module",
        "offsets",
        "opened",
        "scope",
        "signature",
        "stack",
        "takeover",
        "unwinds",
    )

    def __init__(
        self,
        module: ModuleContext,
        index: int,
        body: Body,
        scope: int,
        takeover: Takeover | None = None,
    ) -> None:
        self.module = module
        self.index = index
        """With imports."""
        self.signature = module.signature_of(index)
        self.locals = [LLVM_TYPES[type_] for type_ in body.locals]
        self.codes = body.codes
        self.offsets = body.offsets
        self.scope = scope
        """Number of the function's DISubprogram."""
        self.entry: list[str] = []
        """Slots, and pointers that stay the same for the whole call."""
        self.lines: list[str] = []
        self.append = self.lines.append
        self.cold: list[str] = []
        """Blocks that trap."""
        self.stack: list[str] = []
        self.labels: list[Label] = []
        self.cache: dict[int | str, str] = {}
        """What is known since the last place where paths met: the value of a local by its index,
        the address of a place in memory by the operand that it was computed from; with a `!` behind
        it the name of a reference that is not null."""
        self.loaded: dict[str | tuple[str, int], int] = {}
        """Where in the module memory was loaded from: by a value that has come of it, for what uses
        the value; by the address and size, for stores there, which the load keeps from trapping."""
        self.certain: frozenset[int] = module.certain(body.locals)
        """Locals that are never null when they are read."""
        self.opened: set[str] = set()
        """Names that `entry` defines."""
        self.callees: set[int] = set()
        """Functions of the module that are called by name."""
        self.calls = False
        """Whether there is any call but to trap."""
        self.handler: Try | None = None
        """The innermost open block that catches exceptions."""
        self.unwinds = False
        """Whether there are landing pads."""
        self.takeover = takeover
        """The loop that the code begins at, if not with the body."""
        self.entered = takeover is None
        """Whether code has come by where it begins."""

    def location(self, position: int) -> str:
        """The debug location of an instruction: the line is its byte offset in the module."""
        return f", !dbg !DILocation(line: {self.offsets[position]}, scope: !{self.scope})"

    def located(
        self, lines: str, result: str, first: str, second: str = "", third: str = ""
    ) -> str:
        """Lines that compute `result`, with the location of the last load that operands come from.

        LLVM may make a load part of the instruction that uses its value, and then it is the
        location of that one which a trap is reported at.
        """
        loaded = self.loaded
        line = max(loaded.get(first, 0), loaded.get(second, 0), loaded.get(third, 0))
        if not line:
            return lines
        loaded[result] = line
        location = f", !dbg !DILocation(line: {line}, scope: !{self.scope})"
        return lines.replace("\n", f"{location}\n") + location

    def context_load(self, name: str, kind: str, offset: int) -> None:
        """`name` is a field of VMContext that does not change while the instance lives."""
        self.append(
            f"{name}p = getelementptr i8, ptr %vmctx, i64 {offset}\n"
            f"{name} = load {kind}, ptr {name}p{INVARIANT}{IN_CONTEXT}"
        )

    def context_place(self, name: str, offset: int) -> str:
        """The address of what lies `offset` bytes into VMContext; `name` is what it is called."""
        self.append(f"{name} = getelementptr i8, ptr %vmctx, i64 {offset}")
        return name

    def know(self, reference: str) -> None:
        """Remember that a reference is not null, until paths meet."""
        if reference[0] == "%":
            self.cache[f"{reference}!"] = reference

    def open(self, *pointers: Pointer) -> str:
        """The name of the last pointer, which the entry block defines from now on, as those before."""
        for pointer in pointers:
            if pointer.name not in self.opened:
                self.opened.add(pointer.name)
                self.entry.append(pointer.text)
        return pointers[-1].name

    def store(self) -> str:
        """The name of the pointer to the VMStoreContext, which the prologue defines."""
        self.opened.add("%store")
        return "%store"

    def pop(self, count: int) -> list[str]:
        """The last operands, in the order in which they were pushed."""
        start = len(self.stack) - count
        operands = self.stack[start:]
        del self.stack[start:]
        return operands

    def zero_extended(self, name: str, operand: str) -> str:
        """An i32 operand as i64, called `name` if it is not a constant."""
        if operand[0] != "%":
            return str(int(operand) & 0xFFFF_FFFF)
        self.append(f"{name} = zext i32 {operand} to i64")
        return name

    def pop_copy(self, position: int, target_wide: bool, source_wide: bool) -> list[str]:
        """The operands of a copy as i64: where to, where from, and the length.

        An operand is an i64 already if its memory or table is wide, the length if both are.
        """
        wide = (target_wide, source_wide, target_wide and source_wide)
        return [
            operand if is_wide else self.zero_extended(f"%{letter}{position}", operand)
            for letter, operand, is_wide in zip("xyz", self.pop(3), wide, strict=True)
        ]

    def condition(self, value: str, position: int) -> str:
        """The i1 that says whether an i32 operand is not zero."""
        if value[:2] == "%c":
            return f"{value}b"
        if value[0] != "%":
            return "false" if value == "0" else "true"
        result = f"%i{position}"
        self.append(self.located(f"{result} = icmp ne i32 {value}, 0", result, value))
        return result

    def trap(self, position: int, code: TrapCode | str, suffix: str = "", before: str = "") -> str:
        """The label of a cold block that traps with a code or an i32, which `before` may compute."""
        number = code if isinstance(code, str) else code.value
        self.cold.append(
            f"T{position}{suffix}:\n{before}"
            f"call void @trap(ptr %vmctx, i32 {number}) #2{self.location(position)}\n"
            "unreachable"
        )
        return f"T{position}{suffix}"

    def trap_if(
        self,
        condition: str,
        position: int,
        code: TrapCode | str,
        suffix: str = "",
        before: str = "",
    ) -> None:
        """Trap if an i1 holds, else go on; `suffix` tells several of one instruction apart."""
        target = self.trap(position, code, suffix, before)
        self.append(
            f"br i1 {condition}, label %{target}, label %N{position}{suffix}{UNLIKELY}\n"
            f"N{position}{suffix}:"
        )

    def call_builtin(self, position: int, name: str, *arguments: str | int) -> str:
        """Call what a row of `libcalls` names, through VMContext or by symbol; the name of its result.

        The context is put before the arguments where the row has it.
        """
        row = BY_NAME[name]
        function, result = f"@{row.symbol}", f"%v{position}"
        self.calls = True
        if isinstance(row, Builtin):
            function = f"%b{position}"
            self.context_load(function, "ptr", self.module.offsets.vmctx_builtin(row.index))
        values = ("%vmctx", *arguments) if row.parameters[0][0] == "ctx" else arguments
        typed = ", ".join(f"{kind} {value}" for kind, value in zip(row.kinds, values, strict=True))
        target = "" if row.result == "void" else f"{result} = "
        self.append(f"{target}call {row.result} {function}({typed}) #3{self.location(position)}")
        return result


Handler: TypeAlias = Callable[[FunctionBuilder, int, Any], bool | None]
"""Lowers one instruction. True if nothing behind it in its block can be reached."""
