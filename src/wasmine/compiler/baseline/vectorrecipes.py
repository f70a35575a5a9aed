"""What the stencil library has of vectors: a row for each instruction, lane and known count.

Templates are those that the optimising compiler has. An instruction with a lane number is as many
recipes as there are lanes, `i32x4.extract_lane 3`; a shift whose count is known is one for each count,
`i32x4.shl 7`. Memory is a `ptr` operand, the first one: how an address becomes one is for others to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from wasmine.compiler.ir import VECTOR
from wasmine.compiler.lanes import (
    EXTREME,
    EXTREMES,
    SCALARS,
    SHAPES,
    Row,
    Shape,
    fill,
    fixed,
    lanes,
    row,
    spread,
)
from wasmine.compiler.lowering import ARITHMETIC, SHIFTS
from wasmine.compiler.reshaping import RELAXED, ROWS, SSSE3, low_half
from wasmine.compiler.vectormemory import partial_load
from wasmine.wasm.opcodes import OPCODES, Opcode


def _plain() -> Iterator[tuple[str, Row]]:
    """Instructions without immediates."""
    for name, entry in ROWS.items():
        text = SSSE3.get(RELAXED.get(name, name), entry.text)
        yield name, Row(entry.operands, entry.result, text)
    for name in ("f32x4", "f64x2"):
        shape = SHAPES[name]
        for operation in ("add", "sub", "mul", "div"):
            yield (
                f"{name}.{operation}",
                row(shape.type, shape.type, fill(ARITHMETIC[operation], shape)),
            )
        for operation, fields in EXTREMES.items():
            extreme = row(shape.type, shape.type, fill(fixed(EXTREME, fields), shape))
            yield f"{name}.{operation}", extreme
            yield f"{name}.relaxed_{operation}", extreme
    f32x4, f64x2 = (SHAPES[name].type for name in ("f32x4", "f64x2"))
    promote = f"{low_half(f32x4)}{{r}} = fpext <2 x float> {{r}}ah to <2 x double>"
    yield "f64x2.promote_low_f32x4", row(f32x4, f64x2, promote)
    demote = (
        "{r}n = fptrunc <2 x double> {a} to <2 x float>\n"
        "{r} = shufflevector <2 x float> {r}n, <2 x float> zeroinitializer, " + lanes(4)
    )
    yield "f32x4.demote_f64x2_zero", row(f64x2, f32x4, demote)


def _cut(shape: Shape, operand: str) -> tuple[str, str]:
    """Lines that make a lane of the scalar operand, and the lane's name."""
    scalar = SCALARS[shape.lane]
    if scalar == shape.lane:
        return "", operand
    return f"{{r}}n = trunc {scalar} {operand} to {shape.lane}\n", "{r}n"


def _scalars() -> Iterator[tuple[str, Row]]:
    """Between vectors and scalars: splats, lanes."""
    for name, shape in SHAPES.items():
        scalar = SCALARS[shape.lane]
        cut, lane = _cut(shape, "{a}")
        yield f"{name}.splat", Row((scalar,), shape.type, fill(cut + spread(lane), shape))
        cut, lane = _cut(shape, "{b}")
        for number in range(shape.count):
            insert = f"{cut}{{r}} = insertelement {{t}} {{a}}, {{e}} {lane}, i32 {number}"
            yield (
                f"{name}.replace_lane {number}",
                Row((shape.type, scalar), shape.type, fill(insert, shape)),
            )
    for opcode in OPCODES:
        name, _, operation = opcode.name.partition(".")
        if operation.startswith("extract_lane"):
            yield from _extracts(opcode.name, SHAPES[name])


def _extracts(name: str, shape: Shape) -> Iterator[tuple[str, Row]]:
    scalar = SCALARS[shape.lane]
    extend = {"s": "sext", "u": "zext"}.get(name[-1])
    for number in range(shape.count):
        text = f"{{r}} = extractelement {{t}} {{a}}, i32 {number}"
        if extend:
            text = text.replace("{r}", "{r}n") + f"\n{{r}} = {extend} {{e}} {{r}}n to {scalar}"
        yield f"{name} {number}", Row((shape.type,), scalar, fill(text, shape))


def _shifts() -> Iterator[tuple[str, Row]]:
    """By a count in a register, and by each known one."""
    fit = {8: "trunc i32 {r}m to i8", 16: "trunc i32 {r}m to i16", 64: "zext i32 {r}m to i64"}
    for name, shape in SHAPES.items():
        if name[0] == "f":
            continue
        lines = f"{{r}}m = and i32 {{b}}, {shape.width - 1}\n"
        count = "{r}m"
        if shape.width in fit:
            lines += f"{{r}}c = {fit[shape.width]}\n"
            count = "{r}c"
        lines += spread(count).replace("{r} =", "{r}s =")
        for operation, instruction in SHIFTS.items():
            masked = f"{lines}\n{{r}} = {instruction} {{t}} {{a}}, {{r}}s"
            yield (
                f"{name}.{operation}",
                Row((shape.type, "i32"), shape.type, fill(masked, shape)),
            )
            for number in range(shape.width):
                known = f"{{r}} = {instruction} {{t}} {{a}}, splat ({{e}} {number})"
                yield (
                    f"{name}.{operation} {number}",
                    Row((shape.type,), shape.type, fill(known, shape)),
                )


# --- memory ----------------------------------------------------------------------------------------


def _load(type_: str) -> str:
    """The start of a load from the operand `a`."""
    return f"load volatile {type_}, ptr {{a}}, align 1"


def _accesses() -> Iterator[tuple[str, Row]]:
    yield "v128.load", Row(("ptr",), VECTOR, f"{{r}} = {_load(VECTOR)}")
    store = f"store volatile {VECTOR} {{b}}, ptr {{a}}, align 1"
    yield "v128.store", Row(("ptr", VECTOR), "void", store)
    for opcode in OPCODES:
        type_, _, operation = opcode.name.partition(".")
        if type_ != "v128" or not opcode.access or operation in ("load", "store"):
            continue
        if operation.endswith("_lane"):
            yield from _lane_accesses(opcode)
        else:
            yield opcode.name, _partial_load(opcode)


def _partial_load(opcode: Opcode) -> Row:
    shape, part, text = partial_load(opcode)
    text = text.replace("{a}", "{r}p")
    return Row(("ptr",), shape.type, fill(f"{{r}}p = {_load(part)}\n{text}", shape))


def _lane_accesses(opcode: Opcode) -> Iterator[tuple[str, Row]]:
    size = opcode.access
    shape = SHAPES[f"i{8 * size}x{16 // size}"]
    for number in range(shape.count):
        if "load" in opcode.name:
            text = f"{{r}}p = {_load(shape.lane)}\n"
            text += f"{{r}} = insertelement {{t}} {{b}}, {{e}} {{r}}p, i32 {number}"
            result = shape.type
        else:
            text = f"{{r}}p = extractelement {{t}} {{b}}, i32 {number}\n"
            text += "store volatile {e} {r}p, ptr {a}, align 1"
            result = "void"
        yield f"{opcode.name} {number}", Row(("ptr", shape.type), result, fill(text, shape))


RECIPES: Final = dict([*_plain(), *_scalars(), *_shifts()])
"""What works on registers, by name; the types of operands and results are LLVM's."""
ACCESSES: Final = dict(_accesses())
"""What accesses memory. The result is `void` for stores."""
