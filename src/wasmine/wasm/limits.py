"""Implementation limits: how much of anything a module may hold.

The specification leaves these to the implementation. Where the WebAssembly JavaScript interface
names a number for the web, that number is used, so that what runs in browsers runs here.
"""

from __future__ import annotations

from typing import Final

MODULE_SIZE: Final = 1 << 30
FUNCTION_SIZE: Final = 7_654_321
LOCALS: Final = 50_000
PARAMETERS: Final = 1_000
RESULTS: Final = 1_000
TYPES: Final = 1_000_000
FUNCTIONS: Final = 1_000_000
IMPORTS: Final = 1_000_000
EXPORTS: Final = 1_000_000
GLOBALS: Final = 1_000_000
TAGS: Final = 1_000_000
TABLES: Final = 100_000
MEMORIES: Final = 100
DATA_SEGMENTS: Final = 100_000
ELEMENT_SEGMENTS: Final = 100_000
SEGMENT_ELEMENTS: Final = 10_000_000
STRUCT_FIELDS: Final = 10_000
BRANCH_TABLE: Final = 65_520
CATCHES: Final = 10_000

NESTING: Final = 10_000
"""Blocks within blocks. Not in the interface, where the size of a function is the only bound."""

EXPRESSION_SIZE: Final = 10_000
"""Instructions of one constant expression."""

NAME_SIZE: Final = 100_000
"""Bytes of the name of an import or export."""
