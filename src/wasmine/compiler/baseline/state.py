"""One function while it is compiled: its code, its operands, its registers.

Handlers of instructions take a FunctionState, the instruction's position in the body, and its
immediate. They pop operands, append code, and push results. What they have to know:

- The operand stack is virtual: `stack` is a list of locations (`locations`). Operand p may be in its
  own place of the frame, and then all those below it are in theirs; no other operand's place may be
  on the stack. A local's register or place may be on the stack as often as one likes: handlers read
  it and never write it.
- A temporary register belongs to the one entry of the stack that it is, or to whoever popped it, who
  gives it back with `release`. General and vector registers are two classes; of a place in the frame or a
  constant only the instruction knows what it holds.
- An i32 in a register or in the frame has zeros in the upper half. A float or v128 is in a vector register.
- RAX, RCX, RDX, R10, R11, xmm0 and xmm7 to xmm10 are free within a handler; stencils change them.
- Wherever paths meet, and at calls, the operands that stay are in their places: `flush`. Calls leave nothing in
  registers but what is in PINNED: `flush_for_call`, `reload_after_call`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from wasmine.abi.baseline import FrameLayout
from wasmine.abi.libcalls import LIBCALLS
from wasmine.compiler.architecture import x86_64_assembler as asm
from wasmine.compiler.baseline.emission import Emission
from wasmine.compiler.baseline.locations import (
    FIRST_VECTOR,
    GENERAL,
    R8,
    R9,
    RAX,
    RCX,
    RDI,
    RDX,
    RSI,
    SLOT,
    TEMPORARIES,
    VECTOR,
    VECTOR_SCRATCH,
    Location,
)
from wasmine.compiler.baseline.moves import MOVES
from wasmine.errors import InternalError
from wasmine.types import FunctionType

if TYPE_CHECKING:
    from wasmine.compiler.baseline.context import BaselineContext
    from wasmine.compiler.baseline.control import Label
    from wasmine.wasm.body import Body

C_PARAMETERS: Final = (RDI, RSI, RDX, RCX, R8, R9)
"""Registers of integers and pointers in a call, the first is the environment."""
_KINDS: Final = {row.symbol: (row.kinds, row.result) for row in LIBCALLS}
DEEP: Final = 200
"""With more operands than that, no time is spent on looking through them."""


class FunctionState(Emission):
    """The state of compiling one body."""

    def __init__(self, context: BaselineContext, local_index: int, body: Body) -> None:
        super().__init__(context.library)
        self.context = context
        self.info = context.info
        self.offsets = context.offsets
        """The VMOffsets: where the module's records lie from VM on."""
        self.local_index = local_index
        self.type: FunctionType = context.type_of(local_index)
        self.body = body
        self.codes = body.codes
        self.immediates = body.immediates
        self.stack: list[Location] = []
        self.free: list[int] = list(TEMPORARIES)
        """The general registers that nothing is in."""
        self.free_vectors: list[int] = list(context.vector_temporaries)
        self.temporaries = context.temporaries
        """All registers of both classes that may be on the stack, but those of locals."""
        self.layout = FrameLayout(len(body.locals), vectors=context.may_hold_vectors(body))
        self.first_operand = SLOT + self.layout.operands
        self.slot = self.layout.slot
        """Bytes from an operand's place to the next."""
        self.wide = self.slot == 16
        """Whether operands may be v128, so that vector registers are saved whole."""
        self.moves = MOVES[self.wide]
        """The instructions that copy a value: by location to and location from."""
        self.locals: list[int] = [SLOT + offset for offset in self.layout.locals]
        """The location of each local for the whole function: a register, or its place in the frame."""
        self.saved_locals: list[int] = []
        """The locals that are in registers which calls change."""
        self.height = 0
        """The highest operand that has been in its place, plus one."""
        self.labels: list[Label] = []
        self.hidden = 0
        """How many operands there are now that the module has not pushed."""
        self.convention = context.convention(context.type_index(local_index))
        self.steps: Iterator[tuple[int, int, Any, int]] = iter(())
        """What is left of the body: a handler that deals with the next instruction too takes it out."""
        self.uses_memory = False
        """Whether MEMORY has to be filled."""
        self.used: frozenset[int] = frozenset()
        """The registers that locals are in."""

    # --- operands --------------------------------------------------------------------------------

    def push(self, location: Location) -> None:
        """A result: a temporary from `result_register` and the like, a constant, an operand popped."""
        self.stack.append(location)

    def pop(self) -> Location:
        """The last operand, wherever it is. A temporary is the caller's to release."""
        return self.stack.pop()

    def local_changes(self, location: int) -> None:
        """A local is about to be written: what of its value is on the stack goes elsewhere."""
        stack = self.stack
        if len(stack) > DEEP:
            self.flush()
        elif location in stack:
            free = self.free if location < FIRST_VECTOR else self.free_vectors
            if location >= SLOT or len(free) < stack.count(location):
                self.flush()
                return
            while location in stack:
                register = free.pop()
                self.move(register, location)
                stack[stack.index(location)] = register

    def pop_register(self) -> int:
        """The last operand, in a general register that may be read only; `release` it."""
        return self.in_register(self.stack.pop(), GENERAL)

    def pop_owned(self, class_: int) -> int:
        """The last operand, in a temporary of this class that may be changed; push or `release` it."""
        location = self.stack.pop()
        if location in self.temporaries:
            return location
        register = self.take(class_)
        self.move(register, location)
        return register

    def in_register(self, location: Location, class_: int) -> int:
        """An operand that was popped, in a register; it is a new temporary if it was in none."""
        if type(location) is int and location < SLOT:
            return location
        register = self.take(class_)
        self.move(register, location)
        return register

    def take(self, class_: int) -> int:
        """A temporary register of a class: push or `release` it. May put operands into their places."""
        free = self.free_vectors if class_ else self.free
        if not free:
            self.flush()
        if not free:
            raise InternalError("an instruction needs more registers than there are")
        return free.pop()

    def result_register(self) -> int:
        """A general register for a result."""
        return self.take(GENERAL)

    def result_vector(self) -> int:
        """A vector register for a result."""
        return self.take(VECTOR)

    def release(self, *locations: Location) -> None:
        """What was popped is not needed any more."""
        temporaries = self.temporaries
        for location in locations:
            if location in temporaries:
                (self.free if location < FIRST_VECTOR else self.free_vectors).append(location)

    def flush(self) -> None:
        """Put all operands into their places in the frame. Temporaries on the stack become free."""
        stack = self.stack
        first, size = self.first_operand, self.slot
        height = len(stack)
        self.height = max(self.height, height)
        while height:
            height -= 1
            location, place = stack[height], first + height * size
            if location == place:
                return
            self.move(place, location)
            self.release(location)
            stack[height] = place

    def flush_for_call(self) -> None:
        """`flush`, and save the locals whose registers calls change."""
        self.flush()
        for index in self.saved_locals:
            self.move(SLOT + self.layout.locals[index], self.locals[index])

    def reload_after_call(self) -> None:
        """Restore the locals whose registers calls change."""
        for index in self.saved_locals:
            self.move(self.locals[index], SLOT + self.layout.locals[index])

    def move_all(self, registers: Sequence[int], values: Sequence[Location]) -> None:
        """Copy values to registers as if all at once. Changes RAX and xmm15, which are none of these."""
        code, moves = self.code, self.moves
        if len(values) < 2:
            for move in zip(registers, values, strict=True):
                code += moves[move]
            return
        if not any(register in values for register in registers):
            for move in zip(registers, values, strict=True):
                code += moves[move]
            return
        pending = [move for move in zip(registers, values, strict=True) if move[0] != move[1]]
        while pending:
            sources = {source for _, source in pending}
            ready = [move for move in pending if move[0] not in sources]
            if ready:
                for move in ready:
                    code += moves[move]
                pending = [move for move in pending if move[0] in sources]
                continue
            # Only circles are left: a scratch register takes one value out.
            to = pending[0][0]
            scratch = RAX if to < FIRST_VECTOR else VECTOR_SCRATCH
            code += moves[scratch, to]
            pending = [(other, scratch if found == to else found) for other, found in pending]

    def move(self, to: int, source: Location) -> None:
        """Copy a value between any two locations; `to` is no constant. Flags may change.

        Between places in the frame through RAX or xmm15.
        """
        self.code += self.moves[to, source]

    @cached_property
    def saving_pins(self) -> bytes:
        """The instructions that put all locals that are in registers into their places."""
        moves, layout = self.moves, self.layout.locals
        return b"".join(
            moves[SLOT + layout[index], location]
            for index, location in enumerate(self.locals)
            if location < SLOT
        )

    def place(self, index: int) -> int:
        """The place of a local in the frame, whether it is in a register or not."""
        return SLOT + self.layout.locals[index]

    # --- calls of the runtime --------------------------------------------------------------------

    def call_runtime(
        self, position: int, symbol: str, arguments: Iterable[Location], result: str = ""
    ) -> Location | None:
        """Call a function of the runtime, C convention, up to six arguments in general registers.

        `arguments` have been popped (they are released here), or are VM, or constants. Everything on the
        stack goes to its place; what is in RAX and RCX, RDX as results of stencils is an argument as any
        other. `result` is a kind of `libcalls` ("i32", "i64", "ptr", "void"); by default that of the row.
        Returns the temporary with the result.
        """
        values = list(arguments)
        self.flush_for_call()
        self.move_all(C_PARAMETERS[: len(values)], values)
        self.release(*values)
        self.locate(position)
        self.calls = True
        self.call_cell(symbol)
        self.reload_after_call()
        kind = result or _KINDS[symbol][1]
        if kind in ("void", "noreturn"):
            return None
        register = self.take(GENERAL)
        self.code += (asm.move32 if kind == "i32" else asm.move64)(register, RAX)
        return register

    def call_and_push(
        self, position: int, symbol: str, arguments: Iterable[Location], result: str = ""
    ) -> None:
        """`call_runtime`, and push the result if there is one."""
        found = self.call_runtime(position, symbol, arguments, result)
        if found is not None:
            self.push(found)
