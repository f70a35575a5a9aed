"""What the instructions on vectors of 128 bits mean that stay in one shape, as templates.

In templates `a`, `b` and `c` are the operands, `r` is the result's name and a stem for others; `t` is
the vector type, `f` its name in intrinsics, `e` the lane's type and `n` the number of lanes, `i` the
vector of integers of the same shape and `m` that of as many i1.

Lanes that LLVM leaves undefined where WebAssembly does not never reach one of its instructions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from wasmine.compiler.ir import VECTOR
from wasmine.compiler.lowering import FLOAT_COMPARISONS, INTEGER_COMPARISONS, ONE, SQUARE_ROOT
from wasmine.frozen import Frozen


class Shape(Frozen):
    """How 128 bits are divided into lanes."""

    lane: str
    count: int
    code: str
    """What intrinsics call it."""

    @property
    def type(self) -> str:
        """The LLVM type."""
        return f"<{self.count} x {self.lane}>"

    @property
    def width(self) -> int:
        """Bits of a lane."""
        return 128 // self.count

    @property
    def integers(self) -> str:
        """The type of the same shape with integers for lanes."""
        return f"<{self.count} x i{self.width}>"


SHAPES: Final = {
    "i8x16": Shape("i8", 16, "v16i8"),
    "i16x8": Shape("i16", 8, "v8i16"),
    "i32x4": Shape("i32", 4, "v4i32"),
    "i64x2": Shape("i64", 2, "v2i64"),
    "f32x4": Shape("float", 4, "v4f32"),
    "f64x2": Shape("double", 2, "v2f64"),
}
SCALARS: Final = {
    "i8": "i32",
    "i16": "i32",
    "i32": "i32",
    "i64": "i64",
    "float": "float",
    "double": "double",
}
"""The LLVM type of the scalar that instructions have for a lane."""


def lanes(count: int, start: int = 0, step: int = 1) -> str:
    """A mask for shufflevector: `count` lane numbers."""
    numbers = ", ".join(f"i32 {start + step * number}" for number in range(count))
    return f"<{count} x i32> <{numbers}>"


def fill(text: str, shape: Shape) -> str:
    """A template for a shape."""
    fields = {
        "t": shape.type,
        "f": shape.code,
        "e": shape.lane,
        "n": str(shape.count),
        "i": shape.integers,
        "m": f"<{shape.count} x i1>",
        "one": f"<{', '.join([f'{shape.lane} {ONE}'] * shape.count)}>",
        "nought": "zeroinitializer",
    }
    for name, value in fields.items():
        text = text.replace(f"{{{name}}}", value)
    return text


# --- of the same shape -----------------------------------------------------------------------------

MASK: Final = "{r}b = {compare} {t} {a}, {b}\n{r} = sext {m} {r}b to {i}"

INTEGER: Final = {
    "add": "{r} = add {t} {a}, {b}",
    "sub": "{r} = sub {t} {a}, {b}",
    "mul": "{r} = mul {t} {a}, {b}",
    "neg": "{r} = sub {t} zeroinitializer, {a}",
    "abs": "{r} = call {t} @llvm.abs.{f}({t} {a}, i1 false)",
    "popcnt": "{r} = call {t} @llvm.ctpop.{f}({t} {a})",
    **{
        f"{name}_sat_{sign}": f"{{r}} = call {{t}} @llvm.{sign}{name}.sat.{{f}}({{t}} {{a}}, {{t}} {{b}})"
        for name in ("add", "sub")
        for sign in "su"
    },
    **{
        f"{name}_{sign}": f"{{r}} = call {{t}} @llvm.{sign}{name}.{{f}}({{t}} {{a}}, {{t}} {{b}})"
        for name in ("min", "max")
        for sign in "su"
    },
}
INTEGER_MASKS: Final = {
    name: MASK.replace("{compare}", compare) for name, compare in INTEGER_COMPARISONS.items()
}

# Both orders of operands, because a processor's minimum is `a < b ? a : b`: they differ in zeros, whose
# signs the bitwise operation joins, and in NaNs, for which the canonical one is always allowed.
EXTREME: Final = (
    "{r}x = fcmp {compare} {t} {a}, {b}\n"
    "{r}m = select {m} {r}x, {t} {a}, {t} {b}\n"
    "{r}y = fcmp {compare} {t} {b}, {a}\n"
    "{r}n = select {m} {r}y, {t} {b}, {t} {a}\n"
    "{r}i = bitcast {t} {r}m to {i}\n"
    "{r}j = bitcast {t} {r}n to {i}\n"
    "{r}k = {join} {i} {r}i, {r}j\n"
    "{r}z = bitcast {i} {r}k to {t}\n"
    "{r}u = fcmp uno {t} {a}, {b}\n"
    "{r} = select {m} {r}u, {t} splat ({e} {nan}), {t} {r}z"
)
# For a constant `b` that is no NaN and no zero of the sign that loses.
EXTREME_OF_CONSTANT: Final = (
    "{r}x = fcmp {compare} {t} {a}, {b}\n"
    "{r}m = select {m} {r}x, {t} {a}, {t} {b}\n"
    "{r}u = fcmp uno {t} {a}, {a}\n"
    "{r} = select {m} {r}u, {t} splat ({e} {nan}), {t} {r}m"
)
NAN: Final = "0x7FF8000000000000"
EXTREMES: Final = {
    "min": {"compare": "olt", "join": "or", "nan": NAN},
    "max": {"compare": "ogt", "join": "and", "nan": NAN},
}


def fixed(text: str, fields: dict[str, str]) -> str:
    """A template with some of its fields filled in."""
    for name, value in fields.items():
        text = text.replace(f"{{{name}}}", value)
    return text


FLOAT: Final = {
    **{
        name: f"{{r}} = call {{t}} @llvm.{function}.{{f}}({{t}} {{a}})"
        for name, function in {
            "abs": "fabs",
            "ceil": "ceil",
            "floor": "floor",
            "trunc": "trunc",
            "nearest": "roundeven",
        }.items()
    },
    "neg": "{r} = fneg {t} {a}",
    "sqrt": SQUARE_ROOT,
    "pmin": "{r}b = fcmp olt {t} {b}, {a}\n{r} = select {m} {r}b, {t} {b}, {t} {a}",
    "pmax": "{r}b = fcmp olt {t} {a}, {b}\n{r} = select {m} {r}b, {t} {b}, {t} {a}",
    "relaxed_madd": "{r}p = fmul {t} {a}, {b}\n{r} = fadd {t} {r}p, {c}",
    "relaxed_nmadd": "{r}p = fmul {t} {a}, {b}\n{r} = fsub {t} {c}, {r}p",
}
FLOAT_MASKS: Final = {
    name: MASK.replace("{compare}", compare) for name, compare in FLOAT_COMPARISONS.items()
}

BITWISE: Final = {
    "not": "{r} = xor {t} {a}, splat (i64 -1)",
    "and": "{r} = and {t} {a}, {b}",
    "andnot": "{r}n = xor {t} {b}, splat (i64 -1)\n{r} = and {t} {a}, {r}n",
    "or": "{r} = or {t} {a}, {b}",
    "xor": "{r} = xor {t} {a}, {b}",
    "bitselect": (
        "{r}y = and {t} {a}, {c}\n"
        "{r}i = xor {t} {c}, splat (i64 -1)\n"
        "{r}n = and {t} {b}, {r}i\n"
        "{r} = or {t} {r}y, {r}n"
    ),
}

# Results are 0 or 1, with the i1 that others may ask for.
ALL_TRUE: Final = (
    "{r}l = icmp ne {t} {a}, zeroinitializer\n"
    "{r}i = bitcast {m} {r}l to i{n}\n"
    "{r}b = icmp eq i{n} {r}i, -1\n"
    "{r} = zext i1 {r}b to i32"
)
ANY_TRUE: Final = (
    f"{{r}}i = bitcast {VECTOR} {{a}} to i128\n{{r}}b = icmp ne i128 {{r}}i, 0\n"
    "{r} = zext i1 {r}b to i32"
)
BITMASK: Final = (
    "{r}l = icmp slt {t} {a}, zeroinitializer\n"
    "{r}i = bitcast {m} {r}l to i{n}\n"
    "{r} = zext i{n} {r}i to i32"
)


def spread(lane: str) -> str:
    """Lines that put a lane's value into all of them."""
    return (
        f"{{r}}f = insertelement {{t}} poison, {{e}} {lane}, i32 0\n"
        "{r} = shufflevector {t} {r}f, {t} poison, <{n} x i32> zeroinitializer"
    )


class Row(Frozen):
    """The meaning of one instruction."""

    operands: tuple[str, ...]
    """The LLVM types that the template takes."""
    result: str
    """The LLVM type that it gives."""
    text: str


def row(operand: str, result: str, text: str) -> Row:
    """A row whose operands are all of one type."""
    count = 3 if "{c}" in text else 2 if "{b}" in text else 1
    return Row((operand,) * count, result, text)


def plain() -> Iterator[tuple[str, Row]]:
    """What stays in one shape, and what makes a scalar of it."""
    for name, shape in SHAPES.items():
        type_ = shape.type
        floats = name[0] == "f"
        for operation, text in (FLOAT if floats else INTEGER).items():
            yield f"{name}.{operation}", row(type_, type_, fill(text, shape))
        for operation, text in (FLOAT_MASKS if floats else INTEGER_MASKS).items():
            yield f"{name}.{operation}", row(type_, shape.integers, fill(text, shape))
        yield f"{name}.all_true", row(type_, "i32", fill(ALL_TRUE, shape))
        yield f"{name}.bitmask", row(type_, "i32", fill(BITMASK, shape))
    for operation, text in BITWISE.items():
        yield f"v128.{operation}", row(VECTOR, VECTOR, text.replace("{t}", VECTOR))
    yield "v128.any_true", row(VECTOR, "i32", ANY_TRUE)
