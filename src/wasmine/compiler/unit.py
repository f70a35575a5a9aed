"""A set of functions of a module as one LLVM module.

A unit defines the functions that it is made for and declares those that they call. Units of one
module link to the same code however its functions are spread over them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from wasmine.abi.libcalls import OWN
from wasmine.compiler import arrays, exceptions, heap, objects, variables
from wasmine.compiler.function import translate_function
from wasmine.compiler.ir import FIRST_SUBPROGRAM, METADATA, WASM_CC
from wasmine.compiler.module import ModuleContext, Options
from wasmine.compiler.takeover import Takeover, takeover_at
from wasmine.wasm.body import Body
from wasmine.wasm.module import ModuleInfo

# Without "disable-tail-calls", a recursion without end could become a loop without end, and frames
# would be missing from backtraces.
ATTRIBUTES: Final = """
attributes #0 = {{ {nounwind} uwtable(sync) "disable-tail-calls"="true" "frame-pointer"="none"\
 "no-realign-stack" "probe-stack"="inline-asm" "stack-probe-size"="4096" }}
attributes #1 = {{ cold noinline noreturn nounwind uwtable(sync) "frame-pointer"="all" }}
attributes #2 = {{ cold nomerge noreturn nounwind }}
attributes #3 = {{ nounwind }}
attributes #4 = {{ nonlazybind nounwind }}
attributes #5 = {{ noinline optnone }}
attributes #6 = {{ cold nonlazybind noreturn }}
"""
"""Of functions, of @trap, of calls to it, of calls to the runtime, of what is reached by symbol, of
functions that are too large to be optimised, of what throws. Where calls throw to landing pads
no function may be `nounwind`."""


_OWN_FUNCTIONS: Final = "\n".join(
    f"declare {row.result} @{row.symbol}({', '.join(row.kinds)}) #4" for row in OWN
)


def _trap(module: ModuleContext) -> str:
    """`@trap` tells the handler where it was called from: that is where the trap happened.

    The handler finds the frame of the function that trapped through the frame pointer.
    """
    return (
        "define internal void @trap(ptr %vmctx, i32 %code) #1 {\n"
        f"%place = getelementptr i8, ptr %vmctx, i64 {module.offsets.vmctx_trap_handler()}\n"
        "%handler = load ptr, ptr %place\n"
        "%pc = call ptr @llvm.returnaddress(i32 0)\n"
        "call void %handler(ptr %pc, i32 %code)\n"
        "unreachable\n"
        "}"
    )


class Unit:
    """The LLVM module under construction."""

    def __init__(self, module: ModuleContext) -> None:
        self._module = module
        self._defined: set[int] = set()
        self._called: set[int] = set()
        self._functions: list[str] = []
        self._unwinds = False
        self._subprograms: list[str] = []

    def add(self, index: int, body: Body) -> None:
        """Define a function, by its index with imports; `body` has been validated.

        Raises UnsupportedFeature for more parameters or results than can be passed.
        """
        self._translate(index, body, None)
        self._defined.add(index)

    def add_takeover(self, index: int, body: Body, offset: int) -> None:
        """Define code that takes over a function at the loop at an offset in the module, if there can
        be such code; see `takeover`."""
        self._translate(index, body, takeover_at(self._module.info, index, body, offset))

    def _translate(self, index: int, body: Body, takeover: Takeover | None) -> None:
        scope = FIRST_SUBPROGRAM + len(self._subprograms)
        text, function = translate_function(self._module, index, body, scope, takeover)
        if not function.entered:
            return
        self._functions.append(text)
        self._called |= function.callees
        self._unwinds |= function.unwinds
        self._subprograms.append(
            f'!{scope} = distinct !DISubprogram(name: "f{index}", scope: !11, file: !11, type: !16, '
            f"line: {body.offsets[0]}, unit: !10, spFlags: DISPFlagDefinition)"
        )

    def text(self) -> str:
        """The module as LLVM IR."""
        return "\n".join(
            (
                _trap(self._module),
                *self._functions,
                *map(self._declaration, sorted(self._called - self._defined)),
                variables.EXTERNALS,
                heap.EXTERNALS,
                objects.EXTERNALS,
                arrays.EXTERNALS,
                _OWN_FUNCTIONS,
                exceptions.EXTERNALS,
                ATTRIBUTES.format(nounwind="" if self._unwinds else "nounwind"),
                METADATA,
                *self._subprograms,
                "",
            )
        )

    def _declaration(self, index: int) -> str:
        signature = self._module.signature_of(index)
        parameters = ", ".join(("ptr", *(signature.params[index] for index in signature.passed)))
        return f"declare hidden {WASM_CC} {signature.result} @f{index}({parameters})"


def translated(
    function_indices: Sequence[int], loops: Collection[tuple[int, int]] = ()
) -> Sequence[int]:
    """The functions whose bodies a unit is made of: those that it defines, and then those that it only
    takes over at loops."""
    alone = {owner for owner, _ in loops}.difference(function_indices)
    return (*function_indices, *sorted(alone)) if alone else function_indices


def translate_unit(
    info: ModuleInfo,
    function_indices: Sequence[int],
    options: Options,
    bodies: Iterable[Body],
    loops: Collection[tuple[int, int]] = (),
) -> str:
    """LLVM IR that defines these functions of a module.

    Indices count imports too, and none is an import's. `bodies` are those of what `translated` names,
    decoded and validated; a generator that does so on the way will do. `loops` are those at which
    functions are taken over, each by the function's index and its own offset in the module; there
    is no code for some in blocks of the old proposal for exceptions. Raises UnsupportedFeature.
    """
    defined = frozenset(function_indices)
    unit = Unit(ModuleContext(info, options, defined))
    for index, body in zip(translated(function_indices, loops), bodies, strict=True):
        if index in defined:
            unit.add(index, body)
        for owner, offset in loops:
            if owner == index:
                unit.add_takeover(index, body, offset)
    return unit.text()
