"""The words of the text format that are not identifiers: keywords and literals of numbers."""

from __future__ import annotations

import re
from typing import Final

from wasmine.wasm.opcodes import OPCODES

_STRUCTURE: Final = """
module definition instance binary quote register invoke get either thread shared wait
assert_return assert_trap assert_exhaustion assert_exception assert_malformed assert_invalid
assert_unlinkable assert_malformed_custom assert_invalid_custom nan:canonical nan:arithmetic
type rec sub final func struct array field mut param result local import export start offset item
table memory global tag elem data declare then do catch catch_ref catch_all catch_all_ref
i8 i16 i32 i64 f32 f64 v128 i8x16 i16x8 i32x4 i64x2 f32x4 f64x2
ref null any eq i31 none nofunc extern noextern exn noexn
anyref eqref i31ref structref arrayref nullref funcref nullfuncref externref nullexternref exnref
nullexnref ref.extern ref.host ref.any ref.struct ref.array
"""
KEYWORDS: Final = {*_STRUCTURE.split(), *(opcode.mnemonic for opcode in OPCODES)}

_DIGITS: Final = r"[0-9](?:_?[0-9])*+"
_HEX_DIGITS: Final = r"[0-9a-fA-F](?:_?[0-9a-fA-F])*+"
UNSIGNED: Final = re.compile(rf"0x{_HEX_DIGITS}|{_DIGITS}")
INTEGER: Final = re.compile(rf"([+-]?)(?:0x({_HEX_DIGITS})|({_DIGITS}))")
"""Groups: sign, hexadecimal digits, decimal digits."""

FLOAT: Final = re.compile(
    rf"([+-]?)(?:"
    rf"0x({_HEX_DIGITS})(?:\.({_HEX_DIGITS})?)?(?:[pP]([+-]?{_DIGITS}))?"
    rf"|({_DIGITS})(?:\.({_DIGITS})?)?(?:[eE]([+-]?{_DIGITS}))?"
    rf"|inf|nan(?::0x({_HEX_DIGITS}))?)"
)
"""Groups: sign; of hexadecimal and of decimal numbers integer part, fraction, exponent; NaN payload."""

_MEMORY_ARGUMENT: Final = re.compile(rf"(?:offset|align)=(?:0x{_HEX_DIGITS}|{_DIGITS})")


def is_keyword(word: str) -> bool:
    """Whether the word stands for something, at some place of a module or script."""
    return (
        word in KEYWORDS
        or FLOAT.fullmatch(word) is not None
        or _MEMORY_ARGUMENT.fullmatch(word) is not None
    )
