"""Vectors of 128 bits: all of SIMD and relaxed SIMD.

Between instructions a v128 is `ir.VECTOR`, whatever its lanes are. An instruction takes its operands
in the type that it works on and gives its result back: casts are no code. The name in the other type is
remembered, so a chain of instructions of one shape reads as if there were only that type.
"""

from __future__ import annotations

import math
import re
import struct
from typing import Any, Final

from wasmine.compiler.builder import FunctionBuilder, Handler
from wasmine.compiler.ir import VECTOR, float_constant, vector_constant
from wasmine.compiler.lanes import (
    EXTREME,
    EXTREME_OF_CONSTANT,
    EXTREMES,
    SCALARS,
    SHAPES,
    Row,
    Shape,
    fill,
    fixed,
    lanes,
    spread,
)
from wasmine.compiler.lowering import (
    ARITHMETIC,
    IDENTITIES_LEFT,
    IDENTITIES_RIGHT,
    QUIET,
    SHIFTS,
    Template,
    template,
)
from wasmine.compiler.reshaping import RELAXED, ROWS, SSSE3, low_half
from wasmine.wasm.opcodes import OPCODES

# --- operands --------------------------------------------------------------------------------------


def cast(f: FunctionBuilder, position: int, number: int, value: str, type_: str) -> str:
    """Operand `number` of an instruction in the type that it is to have."""
    if type_ == VECTOR or value == "zeroinitializer":
        return value
    if value[0] != "%":
        return f"bitcast ({VECTOR} {value} to {type_})"
    key = f"{value} {type_}"
    known = f.cache.get(key)
    if known is None:
        known = f.cache[key] = f"%k{position}_{number}"
        # LLVM may load in this type at once, and then the load's place is the one given here.
        f.append(f.located(f"{known} = bitcast {VECTOR} {value} to {type_}", known, value))
    return known


def push(
    f: FunctionBuilder,
    position: int,
    write: Template,
    type_: str,
    operands: list[str],
    *origins: str,
) -> None:
    """Append what a template makes of operands in its types; push the result as a v128.

    `origins` are the operands as they were on the stack.
    """
    r = f"%v{position}"
    if type_ == VECTOR:
        lines = write(r, *operands)
    else:
        typed = f.cache[f"{r} {type_}"] = f"%x{position}"
        lines = f"{write(typed, *operands)}\n{r} = bitcast {type_} {typed} to {VECTOR}"
    if any(origin in f.loaded for origin in origins):
        lines = _located(f, lines, dict(zip(operands, origins, strict=False)))
    f.append(lines)
    f.stack.append(r)


_NAME: Final = re.compile(r"%\w+")


def _located(f: FunctionBuilder, lines: str, origins: dict[str, str]) -> str:
    """Each line with the location of the last load that it depends on: see FunctionBuilder.located."""
    loaded = f.loaded
    places = {operand: loaded.get(origin, 0) for operand, origin in origins.items()}
    found = []
    for line in lines.split("\n"):
        result, *names = _NAME.findall(line)
        place = max((places.get(name, 0) for name in names), default=0)
        if place:
            loaded[result] = places[result] = place
            line += f", !dbg !DILocation(line: {place}, scope: !{f.scope})"
        found.append(line)
    return "\n".join(found)


def _bits(value: str) -> int:
    """The bits of a constant v128, as `ir.vector_constant` writes it."""
    if value == "zeroinitializer":
        return 0
    numbers = [int(number) for number in re.findall(r"i64 (-?\d+)", value)]
    return sum(number % (1 << 64) << 64 * place for place, number in enumerate(numbers))


def _floats(value: str, shape: Shape) -> tuple[float, ...]:
    """The lanes of a constant."""
    code = "<4f" if shape.count == 4 else "<2d"
    return struct.unpack(code, _bits(value).to_bytes(16, "little"))


# --- handlers --------------------------------------------------------------------------------------


def _apply(name: str, row: Row) -> Handler:
    """The handler of an instruction that is a row."""
    plain = template(row.text)
    ssse3 = template(SSSE3[RELAXED.get(name, name)]) if RELAXED.get(name, name) in SSSE3 else plain
    types, result = row.operands, row.result
    count = len(types)

    def apply(f: FunctionBuilder, position: int, _: Any) -> None:
        values = f.pop(count)
        operands = [
            cast(f, position, number, value, type_)
            for number, (value, type_) in enumerate(zip(values, types, strict=True))
        ]
        push(f, position, ssse3 if f.module.options.ssse3 else plain, result, operands, *values)

    return apply


def _ask(row: Row, letter: str) -> Handler:
    """The handler of a row whose result is an i32: a comparison's if the letter is `c`."""
    write = template(row.text)
    (type_,) = row.operands

    def ask(f: FunctionBuilder, position: int, _: Any) -> None:
        value = f.stack[-1]
        operand = cast(f, position, 0, value, type_)
        r = f.stack[-1] = f"%{letter}{position}"
        f.append(f.located(write(r, operand), r, value))

    return ask


def _arithmetic(shape: Shape, operation: str) -> Handler:
    """LLVM drops an operation with a constant that gives back its operand: see lowering."""
    plain = template(fill(ARITHMETIC[operation], shape))
    left, right = (
        {constant: template(fill(text, shape)) for constant, text in rows[operation].items()}
        for rows in (IDENTITIES_LEFT, IDENTITIES_RIGHT)
    )
    type_ = shape.type

    def identity(rows: dict[str, Template], value: str) -> Template | None:
        if value[0] == "%":
            return None
        constants = set(map(float_constant, _floats(value, shape)))
        return rows.get(constants.pop()) if len(constants) == 1 else None

    def arithmetic(f: FunctionBuilder, position: int, _: Any) -> None:
        values = f.pop(2)
        operands = [cast(f, position, number, value, type_) for number, value in enumerate(values)]
        write = plain
        if found := identity(right, values[1]):
            write, operands = found, operands[:1]
        elif found := identity(left, values[0]):
            write, operands, values = found, operands[1:], values[1:]
        push(f, position, write, type_, operands, *values)

    return arithmetic


def _extreme(shape: Shape, operation: str) -> Handler:
    fields = EXTREMES[operation]
    plain, constant = (
        template(fill(fixed(text, fields), shape)) for text in (EXTREME, EXTREME_OF_CONSTANT)
    )
    type_ = shape.type
    # Of equal numbers the constant is the result, which must then be the zero that wins.
    winner = -1.0 if operation == "min" else 1.0

    def simple(value: str) -> bool:
        return (
            value[0] != "%"
            and all(
                number or math.copysign(1.0, number) == winner
                for number in _floats(value, shape)
                if not math.isnan(number)
            )
            and not any(map(math.isnan, _floats(value, shape)))
        )

    def extreme(f: FunctionBuilder, position: int, _: Any) -> None:
        values = f.pop(2)
        operands = [cast(f, position, number, value, type_) for number, value in enumerate(values)]
        write = plain
        if simple(values[1]):
            write = constant
        elif simple(values[0]):
            write, operands, values = constant, operands[::-1], values[::-1]
        push(f, position, write, type_, operands, *values)

    return extreme


_PROMOTE: Final = template(
    f"{low_half('<4 x float>')}{{r}} = fpext <2 x float> {{r}}ah to <2 x double>"
)
_DEMOTE: Final = (
    "{r}n = fptrunc <2 x double> {a} to <2 x float>\n"
    "{r}z = shufflevector <2 x float> {r}n, <2 x float> zeroinitializer, " + lanes(4)
)
_DEMOTE_ANY: Final = template(_DEMOTE.replace("{r}z", "{r}"))
_DEMOTE_PROMOTED: Final = template(
    _DEMOTE + "\n" + fill(QUIET.replace("{a}", "{r}z"), SHAPES["f32x4"])
)


def _promote(f: FunctionBuilder, position: int, _: Any) -> None:
    value = f.stack[-1]
    operand = cast(f, position, 0, value, "<4 x float>")
    r = f.stack[-1] = f"%p{position}"
    typed = f.cache[f"{r} <2 x double>"] = f"%x{position}"
    lines = f"{_PROMOTE(typed, operand)}\n{r} = bitcast <2 x double> {typed} to {VECTOR}"
    f.append(f.located(lines, r, value))


def _demote(f: FunctionBuilder, position: int, _: Any) -> None:
    value = f.stack.pop()
    # LLVM knows that this gives back what was promoted, signalling NaNs as well.
    write = _DEMOTE_PROMOTED if value[:2] == "%p" else _DEMOTE_ANY
    push(f, position, write, "<4 x float>", [cast(f, position, 0, value, "<2 x double>")], value)


def _splat(shape: Shape) -> Handler:
    """Every lane the same scalar."""
    scalar = SCALARS[shape.lane]
    cut = f"{{r}}n = trunc {scalar} {{a}} to {shape.lane}\n" if scalar != shape.lane else ""
    lane = "{r}n" if cut else "{a}"
    write = template(fill(f"{cut}{spread(lane)}", shape))

    def splat(f: FunctionBuilder, position: int, _: Any) -> None:
        value = f.stack.pop()
        if value[0] == "%":
            push(f, position, write, shape.type, [value], value)
        else:
            bits = _scalar_bits(value, shape)
            f.stack.append(
                vector_constant(sum(bits << shape.width * place for place in range(shape.count)))
            )

    return splat


def _scalar_bits(value: str, shape: Shape) -> int:
    """The bits of a lane from a constant of the scalar's type."""
    if value.startswith("0x"):
        bits = int(value, 16)
        if shape.lane == "double":
            return bits
        (number,) = struct.unpack("<d", bits.to_bytes(8, "little"))
        return int.from_bytes(struct.pack("<f", number), "little")
    number = int(value.split()[2]) if value.startswith("bitcast") else int(value)
    return number % (1 << shape.width)


def _extract(shape: Shape, sign: str) -> Handler:
    scalar = SCALARS[shape.lane]
    extend = {"s": "sext", "u": "zext"}.get(sign)

    def extract(f: FunctionBuilder, position: int, lane: int) -> None:
        value = f.stack[-1]
        operand = cast(f, position, 0, value, shape.type)
        r = f.stack[-1] = f"%v{position}"
        name = f"{r}n" if extend else r
        lines = f"{name} = extractelement {shape.type} {operand}, i32 {lane}"
        if extend:
            lines += f"\n{r} = {extend} {shape.lane} {name} to {scalar}"
        f.append(f.located(lines, r, value))

    return extract


def _replace(shape: Shape) -> Handler:
    scalar = SCALARS[shape.lane]

    def replace(f: FunctionBuilder, position: int, lane: int) -> None:
        vector, value = f.pop(2)
        operand = cast(f, position, 0, vector, shape.type)
        r = f"%v{position}"
        part, lines = value, ""
        if scalar != shape.lane:
            part = f"{r}n"
            lines = f"{part} = trunc {scalar} {value} to {shape.lane}\n"
        typed = f.cache[f"{r} {shape.type}"] = f"%x{position}"
        lines += (
            f"{typed} = insertelement {shape.type} {operand}, {shape.lane} {part}, i32 {lane}\n"
            f"{r} = bitcast {shape.type} {typed} to {VECTOR}"
        )
        f.append(f.located(lines, r, vector, value))
        f.stack.append(r)

    return replace


def _shuffle(f: FunctionBuilder, position: int, chosen: bytes) -> None:
    values = f.pop(2)
    shape, numbers = _coarsest(chosen)
    operands = [cast(f, position, number, value, shape.type) for number, value in enumerate(values)]
    push(f, position, _shuffled(shape, numbers), shape.type, operands, *values)


def _coarsest(chosen: bytes) -> tuple[Shape, list[int]]:
    """The shape with the widest lanes that a shuffle of bytes leaves whole, and its numbers."""
    for name in ("i64x2", "i32x4", "i16x8"):
        shape = SHAPES[name]
        size = shape.width // 8
        numbers = [first // size for first in chosen[::size]]
        if chosen == bytes(size * number + byte for number in numbers for byte in range(size)):
            return shape, numbers
    return SHAPES["i8x16"], list(chosen)


def _shuffled(shape: Shape, numbers: list[int]) -> Template:
    mask = ", ".join(f"i32 {number}" for number in numbers)

    def write(r: str, a: str, b: str) -> str:
        return f"{r} = shufflevector {shape.type} {a}, {shape.type} {b}, <{shape.count} x i32> <{mask}>"

    return write


def _swizzle_handler(name: str, row: Row) -> Handler:
    """With constant lane numbers it is a shuffle."""
    general = _apply(name, row)

    def swizzle(f: FunctionBuilder, position: int, _: Any) -> None:
        if f.stack[-1][0] == "%":
            general(f, position, _)
            return
        numbers = _bits(f.stack.pop()).to_bytes(16, "little")
        f.stack.append("zeroinitializer")
        _shuffle(f, position, bytes(min(number, 16) for number in numbers))

    return swizzle


def _shift(shape: Shape, instruction: str) -> Handler:
    mask, width = shape.width - 1, shape.width
    fit = {8: "trunc i32 {r}m to i8", 16: "trunc i32 {r}m to i16", 64: "zext i32 {r}m to i64"}
    lines = f"{{r}}m = and i32 {{b}}, {mask}\n"
    count = "{r}m"
    if width in fit:
        lines += f"{{r}}c = {fit[width]}\n"
        count = "{r}c"
    lines += (
        spread(count).replace("{r} =", "{r}s =") + f"\n{{r}} = {instruction} {{t}} {{a}}, {{r}}s"
    )
    masked = template(fill(lines, shape))
    known = template(fill(f"{{r}} = {instruction} {{t}} {{a}}, splat ({{e}} {{b}})", shape))

    def shift(f: FunctionBuilder, position: int, _: Any) -> None:
        value, count = f.pop(2)
        operand = cast(f, position, 0, value, shape.type)
        if count[0] == "%":
            push(f, position, masked, shape.type, [operand, count], value, count)
        else:
            push(f, position, known, shape.type, [operand, str(int(count) & mask)], value)

    return shift


def _handlers() -> dict[str, Handler]:
    handlers = {
        name: _apply(name, row)
        if row.result[0] == "<"
        else _ask(row, "c" if "true" in name else "v")
        for name, row in ROWS.items()
    }
    for opcode in OPCODES:
        shape_name, _, operation = opcode.name.partition(".")
        if operation.startswith("extract_lane"):
            handlers[opcode.name] = _extract(SHAPES[shape_name], operation[-1])
    for name, shape in SHAPES.items():
        handlers[f"{name}.splat"] = _splat(shape)
        handlers[f"{name}.replace_lane"] = _replace(shape)
        if name[0] == "i":
            for operation, instruction in SHIFTS.items():
                handlers[f"{name}.{operation}"] = _shift(shape, instruction)
        else:
            for operation in ("add", "sub", "mul", "div"):
                handlers[f"{name}.{operation}"] = _arithmetic(shape, operation)
            for operation in EXTREMES:
                handler = _extreme(shape, operation)
                handlers[f"{name}.{operation}"] = handlers[f"{name}.relaxed_{operation}"] = handler
    for name in ("i8x16.swizzle", "i8x16.relaxed_swizzle"):
        handlers[name] = _swizzle_handler(name, ROWS[name])
    handlers["i8x16.shuffle"] = _shuffle
    handlers["f64x2.promote_low_f32x4"] = _promote
    handlers["f32x4.demote_f64x2_zero"] = _demote
    return handlers


HANDLERS: Final = _handlers()
"""Every instruction of both proposals but `v128.const` and those that access memory."""
