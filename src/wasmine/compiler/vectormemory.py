"""Loads and stores of parts of vectors. Accesses are volatile for the reason that `memories` gives."""

from __future__ import annotations

from typing import Final

from wasmine.compiler.builder import FunctionBuilder, Handler
from wasmine.compiler.ir import IN_MEMORY
from wasmine.compiler.lanes import SHAPES, Shape, fill, spread
from wasmine.compiler.lowering import template
from wasmine.compiler.memories import MemArg, address
from wasmine.compiler.vectors import cast, push
from wasmine.wasm.opcodes import OPCODES, Opcode


def _fetch(f: FunctionBuilder, position: int, memarg: MemArg, type_: str, size: int) -> str:
    """Load `size` bytes as an LLVM type, from the address that is popped."""
    pointer = address(f, position, f.stack.pop(), memarg, size)
    r = f"%m{position}"
    f.loaded[r] = f.loaded[pointer, size] = f.offsets[position]
    f.append(
        f"{r} = load volatile {type_}, ptr {pointer}, align 1{IN_MEMORY}{f.location(position)}"
    )
    return r


def partial_load(opcode: Opcode) -> tuple[Shape, str, str]:
    """Of a load that extends, repeats, or puts zeros above what it loads: the shape of the result, the LLVM
    type that is loaded, and the template that makes one of the other, with {a} for what was loaded."""
    size = opcode.access
    kind = opcode.name.removeprefix("v128.load")
    if "x" in kind:
        width, count = map(int, kind[:-2].split("x"))
        part, shape = f"<{count} x i{width}>", SHAPES[f"i{2 * width}x{count}"]
        extend = {"s": "sext", "u": "zext"}[kind[-1]]
        return shape, part, f"{{r}} = {extend} {part} {{a}} to {{t}}"
    shape = SHAPES[f"i{8 * size}x{16 // size}"]
    if kind.endswith("splat"):
        return shape, shape.lane, spread("{a}")
    return shape, shape.lane, "{r} = insertelement {t} zeroinitializer, {e} {a}, i32 0"


def _load(opcode: Opcode) -> Handler:
    shape, part, text = partial_load(opcode)
    size = opcode.access
    write = template(fill(text, shape))

    def load(f: FunctionBuilder, position: int, memarg: MemArg) -> None:
        loaded = _fetch(f, position, memarg, part, size)
        push(f, position, write, shape.type, [loaded], loaded)

    return load


def _load_lane(opcode: Opcode) -> Handler:
    size = opcode.access
    shape = SHAPES[f"i{8 * size}x{16 // size}"]
    inserts = [
        template(fill(f"{{r}} = insertelement {{t}} {{a}}, {{e}} {{b}}, i32 {lane}", shape))
        for lane in range(shape.count)
    ]

    def load_lane(f: FunctionBuilder, position: int, immediate: tuple[MemArg, int]) -> None:
        memarg, lane = immediate
        vector = f.stack.pop()
        loaded = _fetch(f, position, memarg, shape.lane, size)
        operand = cast(f, position, 0, vector, shape.type)
        push(f, position, inserts[lane], shape.type, [operand, loaded], vector, loaded)

    return load_lane


def _store_lane(opcode: Opcode) -> Handler:
    size = opcode.access
    shape = SHAPES[f"i{8 * size}x{16 // size}"]

    def store_lane(f: FunctionBuilder, position: int, immediate: tuple[MemArg, int]) -> None:
        memarg, lane = immediate
        place, vector = f.pop(2)
        pointer = address(f, position, place, memarg, size)
        operand = cast(f, position, 0, vector, shape.type)
        part = f"%v{position}"
        f.append(
            f.located(f"{part} = extractelement {shape.type} {operand}, i32 {lane}", part, vector)
        )
        line = f.loaded.get((pointer, size)) or f.offsets[position]
        f.append(
            f"store volatile {shape.lane} {part}, ptr {pointer}, align 1{IN_MEMORY}"
            f", !dbg !DILocation(line: {line}, scope: !{f.scope})"
        )

    return store_lane


def _handlers() -> dict[str, Handler]:
    found: dict[str, Handler] = {}
    for opcode in OPCODES:
        type_, _, operation = opcode.name.partition(".")
        if type_ == "v128" and opcode.access and operation not in ("load", "store"):
            make = _load
            if operation.endswith("_lane"):
                make = _load_lane if operation.startswith("load") else _store_lane
            found[opcode.name] = make(opcode)
    return found


HANDLERS: Final = _handlers()
"""All accesses of `v128` but those of whole vectors, which `memories` has."""
