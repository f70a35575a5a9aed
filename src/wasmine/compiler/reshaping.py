"""What the instructions on vectors mean that go from one shape to another; all of them as rows.

Templates are those of `lanes`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from wasmine.compiler.lanes import SHAPES, Row, Shape, fill, fixed, lanes, plain, row
from wasmine.wasm.opcodes import BY_NAME

AVERAGE: Final = (
    "{r}x = zext {t} {a} to {w}\n"
    "{r}y = zext {t} {b} to {w}\n"
    "{r}p = add {w} {r}x, {r}y\n"
    "{r}q = add {w} {r}p, splat (i{d} 1)\n"
    "{r}s = lshr {w} {r}q, splat (i{d} 1)\n"
    "{r} = trunc {w} {r}s to {t}"
)
# A frozen operand stays apart from the load it comes from: an instruction that extends in memory would
# read the lower half alone, and not trap if only the upper half is out of bounds.
HALF: Final = (
    "{r}{v}f = freeze {t} {{v}}\n{r}{v}h = shufflevector {t} {r}{v}f, {t} poison, {lanes}\n"
)
NARROW: Final = (
    "{r}c = shufflevector {t} {a}, {t} {b}, {lanes}\n"
    "{r}l = call {w} @llvm.smax.{g}({w} {r}c, {w} splat ({e} {low}))\n"
    "{r}h = call {w} @llvm.smin.{g}({w} {r}l, {w} splat ({e} {high}))\n"
    "{r} = trunc {w} {r}h to {target}"
)
DOT: Final = (
    "{r}x = sext <8 x i16> {a} to <8 x i32>\n"
    "{r}y = sext <8 x i16> {b} to <8 x i32>\n"
    "{r}p = mul <8 x i32> {r}x, {r}y\n"
    f"{{r}}v = shufflevector <8 x i32> {{r}}p, <8 x i32> poison, {lanes(4, 0, 2)}\n"
    f"{{r}}o = shufflevector <8 x i32> {{r}}p, <8 x i32> poison, {lanes(4, 1, 2)}\n"
    "{r} = add <4 x i32> {r}v, {r}o"
)


def _dot_of(stem: str, a: str, b: str) -> str:
    """The same with other operands, which may have been computed before, and with another result."""
    return DOT.replace("{r}", stem).replace("{a}", a).replace("{b}", b) + "\n"


def _relaxed_dot() -> str:
    """Lines for the sums of products of i8, which exceed an i16 in one case: `{r}s` saturates them."""
    lines: list[str] = []
    for half, start in (("l", 0), ("h", 8)):
        for operand in "ab":
            stem = f"{{r}}{operand}{half}"
            text = fill(fixed(HALF, {"v": operand, "lanes": lanes(8, start)}), SHAPES["i8x16"])
            lines += (
                text.replace("{r}", f"{{r}}{half}"),
                f"{stem} = sext <8 x i8> {{r}}{half}{operand}h to <8 x i16>\n",
            )
        lines.append(_dot_of(f"{{r}}d{half}", f"{{r}}a{half}", f"{{r}}b{half}"))
    fields = {"a": "{r}dl", "b": "{r}dh", "lanes": lanes(8), "w": "<8 x i32>", "g": "v8i32"}
    fields |= {"low": "-32768", "high": "32767", "target": "<8 x i16>"}
    narrow = fill(fixed(NARROW, fields), SHAPES["i32x4"])
    return "".join(lines) + narrow.replace("{r} =", "{r}s =")


# The product without rounding is high and low half; only the square of the minimum does not fit.
Q15: Final = (
    "{r}x = sext <8 x i16> {a} to <8 x i32>\n"
    "{r}y = sext <8 x i16> {b} to <8 x i32>\n"
    "{r}p = mul <8 x i32> {r}x, {r}y\n"
    "{r}t = lshr <8 x i32> {r}p, splat (i32 16)\n"
    "{r}h = trunc <8 x i32> {r}t to <8 x i16>\n"
    "{r}l = mul <8 x i16> {a}, {b}\n"
    "{r}d = lshr <8 x i16> {r}l, splat (i16 14)\n"
    "{r}i = add <8 x i16> {r}d, splat (i16 1)\n"
    "{r}c = lshr <8 x i16> {r}i, splat (i16 1)\n"
    "{r}g = shl <8 x i16> {r}h, splat (i16 1)\n"
    "{r}s = add <8 x i16> {r}g, {r}c\n"
)
Q15_SATURATE: Final = (
    "{r}o = icmp eq <8 x i16> {r}s, splat (i16 -32768)\n"
    "{r}e = sext <8 x i1> {r}o to <8 x i16>\n"
    "{r} = xor <8 x i16> {r}s, {r}e"
)
PAIRWISE: Final = {
    "s": "{r}m = shl {t} {a}, splat ({e} {d})\n{r}v = ashr {t} {r}m, splat ({e} {d})\n"
    "{r}o = ashr {t} {a}, splat ({e} {d})\n{r} = add {t} {r}v, {r}o",
    "u": "{r}v = and {t} {a}, splat ({e} {mask})\n"
    "{r}o = lshr {t} {a}, splat ({e} {d})\n{r} = add {t} {r}v, {r}o",
}

# What is not in range never reaches a conversion, whose result LLVM would leave undefined.
TRUNCATE_F32: Final = {
    "s": (
        "{r}o = fcmp ord <4 x float> {a}, {a}\n"
        "{r}n = select <4 x i1> {r}o, <4 x float> {a}, <4 x float> zeroinitializer\n"
        "{r}g = fcmp ogt <4 x float> {r}n, splat (float 0xC1E0000000000000)\n"
        "{r}l = select <4 x i1> {r}g, <4 x float> {r}n, <4 x float> splat (float 0xC1E0000000000000)\n"
        "{r}h = fcmp oge <4 x float> {r}l, splat (float 0x41E0000000000000)\n"
        "{r}c = select <4 x i1> {r}h, <4 x float> zeroinitializer, <4 x float> {r}l\n"
        "{r}i = fptosi <4 x float> {r}c to <4 x i32>\n"
        "{r} = select <4 x i1> {r}h, <4 x i32> splat (i32 2147483647), <4 x i32> {r}i"
    ),
    "u": (
        "{r}g = fcmp ogt <4 x float> {a}, zeroinitializer\n"
        "{r}l = select <4 x i1> {r}g, <4 x float> {a}, <4 x float> zeroinitializer\n"
        "{r}h = fcmp oge <4 x float> {r}l, splat (float 0x41F0000000000000)\n"
        "{r}c = select <4 x i1> {r}h, <4 x float> zeroinitializer, <4 x float> {r}l\n"
        "{r}i = fptoui <4 x float> {r}c to <4 x i32>\n"
        "{r} = select <4 x i1> {r}h, <4 x i32> splat (i32 -1), <4 x i32> {r}i"
    ),
}
CLAMP_F64: Final = (
    "{r}g = fcmp ogt <2 x double> {r}n, splat (double {low})\n"
    "{r}l = select <2 x i1> {r}g, <2 x double> {r}n, <2 x double> splat (double {low})\n"
    "{r}k = fcmp olt <2 x double> {r}l, splat (double {high})\n"
    "{r}c = select <2 x i1> {r}k, <2 x double> {r}l, <2 x double> splat (double {high})\n"
)
TRUNCATE_F64: Final = {
    "s": (
        "{r}o = fcmp ord <2 x double> {a}, {a}\n"
        "{r}n = select <2 x i1> {r}o, <2 x double> {a}, <2 x double> zeroinitializer\n"
        + fixed(CLAMP_F64, {"low": "0xC1E0000000000000", "high": "0x41DFFFFFFFC00000"})
        + "{r}i = fptosi <2 x double> {r}c to <2 x i32>\n"
        "{r} = shufflevector <2 x i32> {r}i, <2 x i32> zeroinitializer, " + lanes(4)
    ),
    # An integer below 2**52 stands in the low bits once 2**52 has been added.
    "u": (
        "{r}o = fcmp ogt <2 x double> {a}, zeroinitializer\n"
        "{r}n = select <2 x i1> {r}o, <2 x double> {a}, <2 x double> zeroinitializer\n"
        "{r}k = fcmp olt <2 x double> {r}n, splat (double 0x41EFFFFFFFE00000)\n"
        "{r}c = select <2 x i1> {r}k, <2 x double> {r}n,"
        " <2 x double> splat (double 0x41EFFFFFFFE00000)\n"
        "{r}t = call <2 x double> @llvm.trunc.v2f64(<2 x double> {r}c)\n"
        "{r}s = fadd <2 x double> {r}t, splat (double 0x4330000000000000)\n"
        "{r}i = bitcast <2 x double> {r}s to <4 x i32>\n"
        "{r} = shufflevector <4 x i32> {r}i, <4 x i32> zeroinitializer,"
        " <4 x i32> <i32 0, i32 2, i32 4, i32 4>"
    ),
}


def _swizzle() -> str:
    """Lane by lane, which LLVM recognises; an index beyond the end gives 0."""
    lines = ["{r}i = and <16 x i8> {b}, splat (i8 15)"]
    for lane in range(16):
        before = f"{{r}}s{lane - 1}" if lane else "poison"
        lines += (
            f"{{r}}i{lane} = extractelement <16 x i8> {{r}}i, i32 {lane}",
            f"{{r}}e{lane} = extractelement <16 x i8> {{a}}, i8 {{r}}i{lane}",
            f"{{r}}s{lane} = insertelement <16 x i8> {before}, i8 {{r}}e{lane}, i32 {lane}",
        )
    lines += (
        "{r}b = icmp ult <16 x i8> {b}, splat (i8 16)",
        "{r} = select <16 x i1> {r}b, <16 x i8> {r}s15, <16 x i8> zeroinitializer",
    )
    return "\n".join(lines)


# pshufb gives 0 for an index with the highest bit, which saturated addition sets from 16 on.
SSSE3_SWIZZLE: Final = (
    "{r}i = call <16 x i8> @llvm.uadd.sat.v16i8(<16 x i8> {b}, <16 x i8> splat (i8 112))\n"
    "{r} = call <16 x i8> @llvm.x86.ssse3.pshuf.b.128(<16 x i8> {a}, <16 x i8> {r}i)"
)
# cvttps2dq gives the minimum for what does not fit: all bits of that are turned where it was too large.
SSSE3: Final = {
    "i8x16.swizzle": SSSE3_SWIZZLE,
    "i16x8.q15mulr_sat_s": (
        "{r}s = call <8 x i16> @llvm.x86.ssse3.pmul.hr.sw.128(<8 x i16> {a}, <8 x i16> {b})\n"
        + Q15_SATURATE
    ),
    "i32x4.trunc_sat_f32x4_s": (
        "{r}o = fcmp ord <4 x float> {a}, {a}\n"
        "{r}n = select <4 x i1> {r}o, <4 x float> {a}, <4 x float> zeroinitializer\n"
        "{r}i = call <4 x i32> @llvm.x86.sse2.cvttps2dq(<4 x float> {r}n)\n"
        "{r}h = fcmp oge <4 x float> {a}, splat (float 0x41E0000000000000)\n"
        "{r}t = sext <4 x i1> {r}h to <4 x i32>\n"
        "{r} = xor <4 x i32> {r}i, {r}t"
    ),
    # Below 2**31 the first conversion says it all, from there on what is above it is added.
    "i32x4.trunc_sat_f32x4_u": (
        "{r}g = fcmp ogt <4 x float> {a}, zeroinitializer\n"
        "{r}l = select <4 x i1> {r}g, <4 x float> {a}, <4 x float> zeroinitializer\n"
        "{r}i = call <4 x i32> @llvm.x86.sse2.cvttps2dq(<4 x float> {r}l)\n"
        "{r}d = fsub <4 x float> {r}l, splat (float 0x41E0000000000000)\n"
        "{r}j = call <4 x i32> @llvm.x86.sse2.cvttps2dq(<4 x float> {r}d)\n"
        "{r}h = fcmp oge <4 x float> {r}d, splat (float 0x41E0000000000000)\n"
        "{r}t = sext <4 x i1> {r}h to <4 x i32>\n"
        "{r}x = xor <4 x i32> {r}j, {r}t\n"
        "{r}p = call <4 x i32> @llvm.smax.v4i32(<4 x i32> {r}x, <4 x i32> zeroinitializer)\n"
        "{r} = add <4 x i32> {r}i, {r}p"
    ),
    "i16x8.extadd_pairwise_i8x16_s": (
        "{r}a = bitcast <8 x i16> {a} to <16 x i8>\n"
        "{r} = call <8 x i16> @llvm.x86.ssse3.pmadd.ub.sw.128("
        "<16 x i8> splat (i8 1), <16 x i8> {r}a)"
    ),
    "i16x8.extadd_pairwise_i8x16_u": (
        "{r}a = bitcast <8 x i16> {a} to <16 x i8>\n"
        "{r} = call <8 x i16> @llvm.x86.ssse3.pmadd.ub.sw.128("
        "<16 x i8> {r}a, <16 x i8> splat (i8 1))"
    ),
}
"""Shorter ways with what x86-64 has since SSSE3, where LLVM does not find them by itself."""

RELAXED: Final = {
    "i8x16.relaxed_swizzle": "i8x16.swizzle",
    "i32x4.relaxed_trunc_f32x4_s": "i32x4.trunc_sat_f32x4_s",
    "i32x4.relaxed_trunc_f32x4_u": "i32x4.trunc_sat_f32x4_u",
    "i32x4.relaxed_trunc_f64x2_s_zero": "i32x4.trunc_sat_f64x2_s_zero",
    "i32x4.relaxed_trunc_f64x2_u_zero": "i32x4.trunc_sat_f64x2_u_zero",
    "i8x16.relaxed_laneselect": "v128.bitselect",
    "i16x8.relaxed_laneselect": "v128.bitselect",
    "i32x4.relaxed_laneselect": "v128.bitselect",
    "i64x2.relaxed_laneselect": "v128.bitselect",
    "f32x4.relaxed_min": "f32x4.min",
    "f32x4.relaxed_max": "f32x4.max",
    "f64x2.relaxed_min": "f64x2.min",
    "f64x2.relaxed_max": "f64x2.max",
    "i16x8.relaxed_q15mulr_s": "i16x8.q15mulr_sat_s",
}
"""Relaxed instructions by the strict one that each is.

Results are those of the specification's deterministic profile, on every processor. The others of them:
madd and nmadd round twice, dot products take both operands as signed and saturate sums to i16.
"""


def _widened(name: str, shape: Shape, wide: str, target: Shape) -> Iterator[tuple[str, Row]]:
    """From a shape of integers to the one with half as many lanes of twice the width."""
    count = target.count
    for sign, extend in (("s", "sext"), ("u", "zext")):
        for place, start in (("low", 0), ("high", count)):
            lines, halves = [], []
            for operand in "ab":
                text = fixed(HALF, {"v": operand, "lanes": lanes(count, start)})
                lines.append(
                    f"{text}{{r}}{operand}e = {extend} <{count} x {shape.lane}> {{r}}{operand}h"
                    f" to {target.type}\n"
                )
                halves.append(f"{{r}}{operand}e")
            product = f"{{r}} = mul {target.type} {halves[0]}, {halves[1]}"
            alone = lines[0].rstrip().replace("{r}ae =", "{r} =")
            yield (
                f"{wide}.extend_{place}_{name}_{sign}",
                row(shape.type, target.type, fill(alone, shape)),
            )
            yield (
                f"{wide}.extmul_{place}_{name}_{sign}",
                row(shape.type, target.type, fill("".join(lines) + product, shape)),
            )
        # The pair is looked at as one lane of the target.
        half = {"d": str(shape.width), "mask": str((1 << shape.width) - 1)}
        text = fill(fixed(PAIRWISE[sign], half), target)
        yield f"{wide}.extadd_pairwise_{name}_{sign}", row(target.type, target.type, text)


def _narrowed(name: str, shape: Shape, narrow: str, target: Shape) -> Iterator[tuple[str, Row]]:
    """From a shape of integers to the one with twice as many lanes of half the width."""
    width, count = target.width, target.count
    for sign, low, high in (
        ("s", -(1 << width - 1), (1 << width - 1) - 1),
        ("u", 0, (1 << width) - 1),
    ):
        fields = {
            "lanes": lanes(count),
            "w": f"<{count} x {shape.lane}>",
            "g": f"v{count}{shape.lane}",
            "low": str(low),
            "high": str(high),
            "target": target.type,
        }
        text = fill(fixed(NARROW, fields), shape)
        yield f"{narrow}.narrow_{name}_{sign}", row(shape.type, target.type, text)


def _converted() -> Iterator[tuple[str, Row]]:
    """Between integers and floats, and between floats."""
    i32x4, f32x4, f64x2 = (SHAPES[name].type for name in ("i32x4", "f32x4", "f64x2"))
    for sign in "su":
        text = f"{{r}} = {sign}itofp {i32x4} {{a}} to {f32x4}"
        yield f"f32x4.convert_i32x4_{sign}", row(i32x4, f32x4, text)
        text = f"{low_half(i32x4)}{{r}} = {sign}itofp <2 x i32> {{r}}ah to {f64x2}"
        yield f"f64x2.convert_low_i32x4_{sign}", row(i32x4, f64x2, text)
        yield f"i32x4.trunc_sat_f32x4_{sign}", row(f32x4, i32x4, TRUNCATE_F32[sign])
        yield f"i32x4.trunc_sat_f64x2_{sign}_zero", row(f64x2, i32x4, TRUNCATE_F64[sign])


def low_half(type_: str) -> str:
    """Lines for the lower two of four lanes."""
    return fixed(HALF, {"t": type_, "v": "a", "lanes": lanes(2)})


def _dots() -> Iterator[tuple[str, Row]]:
    """What is made of products of neighbours, and what is rounded or halved."""
    i8x16, i16x8, i32x4 = (SHAPES[name].type for name in ("i8x16", "i16x8", "i32x4"))
    yield "i32x4.dot_i16x8_s", row(i16x8, i32x4, DOT)
    text = _relaxed_dot().replace("{r}s =", "{r} =")
    yield "i16x8.relaxed_dot_i8x16_i7x16_s", row(i8x16, i16x8, text)
    ones = _dot_of("{r}q", "{r}s", "splat (i16 1)")
    text = f"{_relaxed_dot()}\n{ones}{{r}} = add <4 x i32> {{r}}q, {{c}}"
    yield "i32x4.relaxed_dot_i8x16_i7x16_add_s", Row((i8x16, i8x16, i32x4), i32x4, text)
    yield "i16x8.q15mulr_sat_s", row(i16x8, i16x8, Q15 + Q15_SATURATE)
    for name in ("i8x16", "i16x8"):
        shape = SHAPES[name]
        wide = {"w": f"<{shape.count} x i{2 * shape.width}>", "d": str(2 * shape.width)}
        text = fill(fixed(AVERAGE, wide), shape)
        yield f"{name}.avgr_u", row(shape.type, shape.type, text)
    yield "i8x16.swizzle", row(i8x16, i8x16, _swizzle())


def _rows() -> dict[str, Row]:
    """The instructions without immediates that are the same for all operands."""
    rows = dict([*plain(), *_converted(), *_dots()])
    names = ("i8x16", "i16x8", "i32x4", "i64x2")
    for narrow, wide in pairwise(names):
        rows.update(_widened(narrow, SHAPES[narrow], wide, SHAPES[wide]))
        rows.update(_narrowed(wide, SHAPES[wide], narrow, SHAPES[narrow]))
    # The sum of neighbours is a dot product with ones, for which processors have an instruction.
    rows["i32x4.extadd_pairwise_i16x8_s"] = Row(
        (SHAPES["i16x8"].type,), SHAPES["i32x4"].type, DOT.replace("{b}", "splat (i16 1)")
    )
    rows.update({relaxed: rows[strict] for relaxed, strict in RELAXED.items() if strict in rows})
    # Not every operation exists in every shape.
    return {name: row for name, row in rows.items() if name in BY_NAME}


ROWS: Final = _rows()
