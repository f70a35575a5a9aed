"""What numeric instructions mean, as IR templates; most rows serve both widths.

Validation has proved the operands' types, so a template is all there is to say. In templates `a` and
`b` are the operands, `r` is the result's name and a stem for others, `t` the operands' LLVM type, `f`
its name in intrinsics. Templates become functions once, at import: formatting is what translation
spends most of its time on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from wasmine.compiler.builder import FunctionBuilder, Handler
from wasmine.compiler.ir import float_constant
from wasmine.errors import TrapCode

Template: TypeAlias = Callable[..., str]
"""Called with the result's name and the operands."""

LLVM: Final = {"i32": "i32", "i64": "i64", "f32": "float", "f64": "double"}
WIDTH: Final = {"i32": 32, "i64": 64}
INTEGERS: Final = ("i32", "i64")
FLOATS: Final = ("f32", "f64")

INTEGER_BINARY: Final = {
    "add": "{r} = add {t} {a}, {b}",
    "sub": "{r} = sub {t} {a}, {b}",
    "mul": "{r} = mul {t} {a}, {b}",
    "and": "{r} = and {t} {a}, {b}",
    "or": "{r} = or {t} {a}, {b}",
    "xor": "{r} = xor {t} {a}, {b}",
    "rotl": "{r} = call {t} @llvm.fshl.{t}({t} {a}, {t} {a}, {t} {b})",
    "rotr": "{r} = call {t} @llvm.fshr.{t}({t} {a}, {t} {a}, {t} {b})",
}
SHIFTS: Final = {"shl": "shl", "shr_s": "ashr", "shr_u": "lshr"}
DIVISIONS: Final = {"div_s": "sdiv", "div_u": "udiv", "rem_s": "srem", "rem_u": "urem"}

INTEGER_COMPARISONS: Final = {
    "eq": "icmp eq",
    "ne": "icmp ne",
    **{f"{name}_s": f"icmp s{name}" for name in ("lt", "gt", "le", "ge")},
    **{f"{name}_u": f"icmp u{name}" for name in ("lt", "gt", "le", "ge")},
}
FLOAT_COMPARISONS: Final = {
    "eq": "fcmp oeq",
    "ne": "fcmp une",
    "lt": "fcmp olt",
    "gt": "fcmp ogt",
    "le": "fcmp ole",
    "ge": "fcmp oge",
}
COMPARISON: Final = "{r}b = {compare} {t} {a}, {b}\n{r} = zext i1 {r}b to i32"

FLOAT_BINARY: Final = {"copysign": "{r} = call {t} @llvm.copysign.{f}({t} {a}, {t} {b})"}

# LLVM drops an operation that gives back its operand, and with it the quieting of a signalling NaN,
# which WebAssembly can see. Where a constant makes it one, the quieting is said aloud.
ONE, MINUS_ONE, ZERO, MINUS_ZERO = map(float_constant, (1.0, -1.0, 0.0, -0.0))
# `llvm.canonicalize` would say it, but LLVM itself makes <2 x float> of two of them, or of half a vector,
# and X86 code generation ends the process over that. So it is a product with a 1 that LLVM cannot see.
QUIET: Final = "{r}f = call {t} @llvm.arithmetic.fence.{f}({t} {one})\n{r} = fmul {t} {a}, {r}f"
_QUIETED: Final = QUIET.replace("{r} =", "{r}q =")
QUIET_NEGATED: Final = _QUIETED + "\n{r} = fneg {t} {r}q"
# LLVM drops this addition where it can prove that the operand is not -0.
QUIET_PLUS_ZERO: Final = _QUIETED + "\n{r} = fadd {t} {r}q, {nought}"
# llvm.minimum hands on a NaN as it is, also a signalling one; an addition makes it quiet, and then
# llvm.minimum need not look for NaNs itself.
EXTREME: Final = (
    "{r}u = fcmp uno {t} {a}, {b}\n"
    "{r}n = fadd {t} {a}, {b}\n"
    "{r}m = call nnan {t} @llvm.{function}.{f}({t} {a}, {t} {b})\n"
    "{r} = select i1 {r}u, {t} {r}n, {t} {r}m"
)
EXTREME_OF_ZERO: Final = (
    "{r}u = fcmp uno {t} {a}, {a}\n"
    + QUIET.replace("{r} =", "{r}n =")
    + "\n{r}m = call nnan {t} @llvm.{function}.{f}({t} {a}, {t} {zero})\n"
    "{r} = select i1 {r}u, {t} {r}n, {t} {r}m"
)
EXTREMES: Final = {"min": "minimum", "max": "maximum"}

ARITHMETIC: Final = {
    "add": "{r} = fadd {t} {a}, {b}",
    "sub": "{r} = fsub {t} {a}, {b}",
    "mul": "{r} = fmul {t} {a}, {b}",
    "div": "{r} = fdiv {t} {a}, {b}",
    **{name: EXTREME.replace("{function}", function) for name, function in EXTREMES.items()},
}
_EXTREMES_OF_ZERO: Final = {
    name: {
        zero: EXTREME_OF_ZERO.replace("{function}", function).replace("{zero}", zero)
        for zero in (ZERO, MINUS_ZERO)
    }
    for name, function in EXTREMES.items()
}
IDENTITIES_RIGHT: Final = {
    "add": {MINUS_ZERO: QUIET, ZERO: QUIET_PLUS_ZERO},
    "sub": {ZERO: QUIET, MINUS_ZERO: QUIET_PLUS_ZERO},
    "mul": {ONE: QUIET, MINUS_ONE: QUIET_NEGATED},
    "div": {ONE: QUIET, MINUS_ONE: QUIET_NEGATED},
    **_EXTREMES_OF_ZERO,
}
"""By the constant that is the right operand."""
IDENTITIES_LEFT: Final = {
    "add": IDENTITIES_RIGHT["add"],
    "sub": {MINUS_ZERO: QUIET_NEGATED},
    "mul": IDENTITIES_RIGHT["mul"],
    "div": {},
    **_EXTREMES_OF_ZERO,
}
"""By the constant that is the left operand."""

INTEGER_UNARY: Final = {
    "clz": "{r} = call {t} @llvm.ctlz.{t}({t} {a}, i1 false)",
    "ctz": "{r} = call {t} @llvm.cttz.{t}({t} {a}, i1 false)",
    "popcnt": "{r} = call {t} @llvm.ctpop.{t}({t} {a})",
    "extend8_s": "{r}n = trunc {t} {a} to i8\n{r} = sext i8 {r}n to {t}",
    "extend16_s": "{r}n = trunc {t} {a} to i16\n{r} = sext i16 {r}n to {t}",
}
# Behind the fence, LLVM does not see that it is the root of a negative number which is a NaN: it would
# then take the root for any other NaN that a program puts in its place.
SQUARE_ROOT: Final = (
    "{r}s = call {t} @llvm.sqrt.{f}({t} {a})\n{r} = call {t} @llvm.arithmetic.fence.{f}({t} {r}s)"
)
FLOAT_UNARY: Final = {
    "abs": "{r} = call {t} @llvm.fabs.{f}({t} {a})",
    "neg": "{r} = fneg {t} {a}",
    "ceil": "{r} = call {t} @llvm.ceil.{f}({t} {a})",
    "floor": "{r} = call {t} @llvm.floor.{f}({t} {a})",
    "trunc": "{r} = call {t} @llvm.trunc.{f}({t} {a})",
    "nearest": "{r} = call {t} @llvm.roundeven.{f}({t} {a})",
    "sqrt": SQUARE_ROOT,
}
CONVERSIONS: Final = {
    "i32.wrap_i64": "{r} = trunc i64 {a} to i32",
    "i64.extend_i32_s": "{r} = sext i32 {a} to i64",
    "i64.extend_i32_u": "{r} = zext i32 {a} to i64",
    "i64.extend32_s": "{r}n = trunc i64 {a} to i32\n{r} = sext i32 {r}n to i64",
    "i32.reinterpret_f32": "{r} = bitcast float {a} to i32",
    "i64.reinterpret_f64": "{r} = bitcast double {a} to i64",
    "f32.reinterpret_i32": "{r} = bitcast i32 {a} to float",
    "f64.reinterpret_i64": "{r} = bitcast i64 {a} to double",
    **{
        f"{to}.convert_{from_}_{sign}": f"{{r}} = {sign}itofp {from_} {{a}} to {LLVM[to]}"
        for to in FLOATS
        for from_ in INTEGERS
        for sign in "su"
    },
    **{
        f"{to}.trunc_sat_{from_}_{sign}": (
            f"{{r}} = call {to} @llvm.fpto{sign}i.sat.{to}.{from_}({LLVM[from_]} {{a}})"
        )
        for to in INTEGERS
        for from_ in FLOATS
        for sign in "su"
    },
}

# By source, target and sign: the largest float that is too low, the smallest that is too high.
TRUNC_BOUNDS: Final = {
    ("f32", "i32", "s"): (-(2.0**31) - 256, 2.0**31),
    ("f64", "i32", "s"): (-(2.0**31) - 1, 2.0**31),
    ("f32", "i64", "s"): (-(2.0**63) - 2.0**40, 2.0**63),
    ("f64", "i64", "s"): (-(2.0**63) - 2048, 2.0**63),
    ("f32", "i32", "u"): (-1.0, 2.0**32),
    ("f64", "i32", "u"): (-1.0, 2.0**32),
    ("f32", "i64", "u"): (-1.0, 2.0**64),
    ("f64", "i64", "u"): (-1.0, 2.0**64),
}


def template(text: str, type_: str = "", **fixed: str) -> Template:
    """A function of (r, a), (r, a, b) or (r, a, b, c) that fills in a template."""
    fields = {"t": LLVM.get(type_, ""), "f": type_, "one": ONE, "nought": ZERO}
    for name, value in {**fixed, **fields}.items():
        text = text.replace(f"{{{name}}}", value)
    parameters = "r, a, b, c" if "{c}" in text else "r, a, b" if "{b}" in text else "r, a"
    function: Template = eval(f"lambda {parameters}: f{text!r}")
    return function


def _by_type(rows: Mapping[str, str], types: tuple[str, ...]) -> dict[str, Template]:
    return {
        f"{type_}.{name}": template(text, type_) for type_ in types for name, text in rows.items()
    }


def _comparisons(rows: Mapping[str, str], types: tuple[str, ...]) -> dict[str, Template]:
    return {
        f"{type_}.{name}": template(COMPARISON, type_, compare=compare)
        for type_ in types
        for name, compare in rows.items()
    }


BINARY: Final = {**_by_type(INTEGER_BINARY, INTEGERS), **_by_type(FLOAT_BINARY, FLOATS)}
"""Two operands; the result's name starts with %v."""
COMPARE: Final = {
    **_comparisons(INTEGER_COMPARISONS, INTEGERS),
    **_comparisons(FLOAT_COMPARISONS, FLOATS),
}
"""Two operands; the result's name starts with %c."""
UNARY: Final = {
    **_by_type(INTEGER_UNARY, INTEGERS),
    **_by_type(FLOAT_UNARY, FLOATS),
    **{name: template(text) for name, text in CONVERSIONS.items()},
}
"""One operand; the result's name starts with %v."""


def _shift(type_: str, instruction: str) -> Handler:
    mask = WIDTH[type_] - 1
    line = template(f"{{r}} = {instruction} {type_} {{a}}, {{b}}")
    # LLVM leaves a count beyond the width undefined; WebAssembly takes it modulo the width.
    masked = template(
        f"{{r}}m = and {type_} {{b}}, {mask}\n{{r}} = {instruction} {type_} {{a}}, {{r}}m"
    )

    def shift(f: FunctionBuilder, position: int, _: Any) -> None:
        stack = f.stack
        b = stack.pop()
        r = f"%v{position}"
        lines = masked(r, stack[-1], b) if b[0] == "%" else line(r, stack[-1], int(b) & mask)
        f.append(f.located(lines, r, stack[-1], b))
        stack[-1] = r

    return shift


def _eqz(type_: str) -> Handler:
    def eqz(f: FunctionBuilder, position: int, _: Any) -> None:
        a = f.stack[-1]
        r = f.stack[-1] = f"%c{position}"
        test = f"xor i1 {a}b, true" if a[:2] == "%c" else f"icmp eq {type_} {a}, 0"
        f.append(f.located(f"{r}b = {test}\n{r} = zext i1 {r}b to i32", r, a))

    return eqz


def _divide(type_: str, name: str) -> Handler:
    """Division and remainder: WebAssembly traps where LLVM leaves the result undefined."""
    line = template(f"{{r}} = {DIVISIONS[name]} {type_} {{a}}, {{b}}")
    minimum = -1 << WIDTH[type_] - 1

    def divide(f: FunctionBuilder, position: int, _: Any) -> None:
        b = f.stack.pop()
        a = f.stack[-1]
        r = f.stack[-1] = f"%v{position}"
        if b[0] == "%" or b == "0":
            f.append(f.located(f"{r}z = icmp eq {type_} {b}, 0", r, b))
            f.trap_if(f"{r}z", position, TrapCode.INTEGER_DIVISION_BY_ZERO)
        if name == "div_s" and (b[0] == "%" or b == "-1"):
            f.append(
                f"{r}m = icmp eq {type_} {b}, -1\n"
                f"{r}l = icmp eq {type_} {a}, {minimum}\n"
                f"{r}o = and i1 {r}m, {r}l"
            )
            f.trap_if(f"{r}o", position, TrapCode.INTEGER_OVERFLOW, "o")
        elif name == "rem_s":
            # The remainder by -1 is the one by 1; the processor would fault for the minimum.
            f.append(
                f"{r}m = icmp eq {type_} {b}, -1\n{r}d = select i1 {r}m, {type_} 1, {type_} {b}"
            )
            b = f"{r}d"
        f.append(f.located(line(r, a, b), r, a, b))

    return divide


def _truncate(to: str, from_: str, sign: str) -> Handler:
    low, high = map(float_constant, TRUNC_BOUNDS[from_, to, sign])
    check = template(
        f"{{r}}l = fcmp ule {{t}} {{a}}, {low}\n"
        f"{{r}}h = fcmp uge {{t}} {{a}}, {high}\n"
        "{r}o = or i1 {r}l, {r}h",
        from_,
    )
    # Which of the two traps it is matters only once there is one.
    reason = template(
        "{r}u = fcmp uno {t} {a}, {a}\n"
        f"{{r}}c = select i1 {{r}}u, i32 {TrapCode.BAD_CONVERSION_TO_INTEGER.value},"
        f" i32 {TrapCode.INTEGER_OVERFLOW.value}\n",
        from_,
    )
    convert = template(f"{{r}} = fpto{sign}i {{t}} {{a}} to {to}", from_)

    def truncate(f: FunctionBuilder, position: int, _: Any) -> None:
        a = f.stack[-1]
        r = f.stack[-1] = f"%v{position}"
        f.append(f.located(check(r, a), r, a))
        f.trap_if(f"{r}o", position, f"{r}c", before=reason(r, a))
        f.append(f.located(convert(r, a), r, a))

    return truncate


def _arithmetic(type_: str, name: str) -> Handler:
    line = template(ARITHMETIC[name], type_)
    left, right = (
        {constant: template(text, type_) for constant, text in rows[name].items()}
        for rows in (IDENTITIES_LEFT, IDENTITIES_RIGHT)
    )

    def arithmetic(f: FunctionBuilder, position: int, _: Any) -> None:
        stack = f.stack
        b = stack.pop()
        a = stack[-1]
        r = stack[-1] = f"%v{position}"
        if b[0] != "%" and b in right:
            lines = right[b](r, a)
        elif a[0] != "%" and a in left:
            lines = left[a](r, b)
        else:
            lines = line(r, a, b)
        f.append(f.located(lines, r, a, b))

    return arithmetic


def _promote(f: FunctionBuilder, position: int, _: Any) -> None:
    a = f.stack[-1]
    r = f.stack[-1] = f"%p{position}"
    f.append(f.located(f"{r} = fpext float {a} to double", r, a))


def _demote(f: FunctionBuilder, position: int, _: Any) -> None:
    a = f.stack[-1]
    r = f.stack[-1] = f"%v{position}"
    if a[:2] == "%p":
        # LLVM knows that this gives back what was promoted: an identity, as above.
        lines = f"{r}n = fptrunc double {a} to float\n{_QUIET_F32(r, f'{r}n')}"
    else:
        lines = f"{r} = fptrunc double {a} to float"
    f.append(f.located(lines, r, a))


_QUIET_F32: Final = template(QUIET, "f32")

HANDLERS: Final[dict[str, Handler]] = {
    "f64.promote_f32": _promote,
    "f32.demote_f64": _demote,
    **{f"{type_}.eqz": _eqz(type_) for type_ in INTEGERS},
    **{f"{type_}.{name}": _shift(type_, SHIFTS[name]) for type_ in INTEGERS for name in SHIFTS},
    **{f"{type_}.{name}": _divide(type_, name) for type_ in INTEGERS for name in DIVISIONS},
    **{f"{type_}.{name}": _arithmetic(type_, name) for type_ in FLOATS for name in ARITHMETIC},
    **{
        f"{to}.trunc_{from_}_{sign}": _truncate(to, from_, sign) for from_, to, sign in TRUNC_BOUNDS
    },
}
"""Instructions whose text depends on their operands, or that may trap."""
