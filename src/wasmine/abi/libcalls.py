"""The runtime functions that compiled code may call: one row each, nothing else lists them.

Rows with an index are the builtins of the reference (section 3): their addresses lie in the
VMContext in this order. The others are reached by symbol; those that the reference has not are ours,
as their symbols say. Who implements them is not known here.

Parameters are written `name:kind`, kinds being ptr, i32, i64, f32 and f64; references are ptr.
`ctx` is always the VMContext of the caller. Integers are unsigned; a result of -1 means that growing
failed.

The column `space` says what the index of a table, memory or function counts, and it is the one
convention of this project (reference row I05 explains why there has to be one):

    local    the index among those that the module defines, which is also the slot in VMContext
    global   the index as in the module, imports first
    none     there is no such index; segments always have their index as in the module

Columns `relocation` and `trap`: the row's name in the reference's LibCall enumeration ("-" if it
has none), and the code with which the function may trap.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from enum import StrEnum
from functools import cache

from wasmine.errors import TrapCode
from wasmine.frozen import Frozen

TABLE = """
# index  name                    symbol                            parameters                                                      result    space   relocation            trap
  0      memory32_grow           wasmer_vm_memory32_grow           ctx:ptr,delta:i32,memory:i32                                    i32       local   -                     -
  1      imported_memory32_grow  wasmer_vm_imported_memory32_grow  ctx:ptr,delta:i32,memory:i32                                    i32       global  -                     -
  2      memory32_size           wasmer_vm_memory32_size           ctx:ptr,memory:i32                                              i32       local   Memory32Size          -
  3      imported_memory32_size  wasmer_vm_imported_memory32_size  ctx:ptr,memory:i32                                              i32       global  ImportedMemory32Size  -
  4      table_copy              wasmer_vm_table_copy              ctx:ptr,dst_table:i32,src_table:i32,dst:i32,src:i32,length:i32  void      global  TableCopy             table_get_oob
  5      table_init              wasmer_vm_table_init              ctx:ptr,table:i32,segment:i32,dst:i32,src:i32,length:i32        void      global  TableInit             table_get_oob
  6      elem_drop               wasmer_vm_elem_drop               ctx:ptr,segment:i32                                             void      none    ElemDrop              -
  7      memory_copy             wasmer_vm_memory32_copy           ctx:ptr,memory:i32,dst:i32,src:i32,length:i32                   void      local   Memory32Copy          heap_get_oob
  8      imported_memory_copy    wasmer_vm_imported_memory32_copy  ctx:ptr,memory:i32,dst:i32,src:i32,length:i32                   void      global  ImportedMemory32Copy  heap_get_oob
  9      memory_fill             wasmer_vm_memory32_fill           ctx:ptr,memory:i32,dst:i32,value:i32,length:i32                 void      local   Memory32Fill          heap_get_oob
  10     imported_memory_fill    wasmer_vm_imported_memory32_fill  ctx:ptr,memory:i32,dst:i32,value:i32,length:i32                 void      global  ImportedMemory32Fill  heap_get_oob
  11     memory_init             wasmer_vm_memory32_init           ctx:ptr,memory:i32,segment:i32,dst:i32,src:i32,length:i32       void      global  Memory32Init          heap_get_oob
  12     data_drop               wasmer_vm_data_drop               ctx:ptr,segment:i32                                             void      none    DataDrop              -
  13     raise_trap              wasmer_vm_raise_trap              code:i32                                                        noreturn  none    RaiseTrap             any
  14     table_size              wasmer_vm_table_size              ctx:ptr,table:i32                                               i32       local   TableSize             -
  15     imported_table_size     wasmer_vm_imported_table_size     ctx:ptr,table:i32                                               i32       global  ImportedTableSize     -
  16     table_grow              wasmer_vm_table_grow              ctx:ptr,init:ptr,delta:i32,table:i32                            i32       local   TableGrow             -
  17     imported_table_grow     wasmer_vm_imported_table_grow     ctx:ptr,init:ptr,delta:i32,table:i32                            i32       global  ImportedTableGrow     -
  18     table_get               wasmer_vm_table_get               ctx:ptr,table:i32,element:i32                                   ptr       local   TableGet              table_get_oob
  19     imported_table_get      wasmer_vm_imported_table_get      ctx:ptr,table:i32,element:i32                                   ptr       global  ImportedTableGet      table_get_oob
  20     table_set               wasmer_vm_table_set               ctx:ptr,table:i32,element:i32,value:ptr                         void      local   TableSet              table_get_oob
  21     imported_table_set      wasmer_vm_imported_table_set      ctx:ptr,table:i32,element:i32,value:ptr                         void      global  ImportedTableSet      table_get_oob
  22     func_ref                wasmer_vm_func_ref                ctx:ptr,function:i32                                            ptr       global  FuncRef               -
  23     table_fill              wasmer_vm_table_fill              ctx:ptr,table:i32,start:i32,value:ptr,length:i32                void      global  TableFill             table_get_oob
  24     externref_inc           wasmer_vm_externref_inc           reference:ptr                                                   void      none    -                     -
  25     externref_dec           wasmer_vm_externref_dec           reference:ptr                                                   void      none    -                     -
  -      f32.ceil                wasmer_vm_f32_ceil                value:f32                                                       f32       none    CeilF32               -
  -      f64.ceil                wasmer_vm_f64_ceil                value:f64                                                       f64       none    CeilF64               -
  -      f32.floor               wasmer_vm_f32_floor               value:f32                                                       f32       none    FloorF32              -
  -      f64.floor               wasmer_vm_f64_floor               value:f64                                                       f64       none    FloorF64              -
  -      f32.trunc               wasmer_vm_f32_trunc               value:f32                                                       f32       none    TruncF32              -
  -      f64.trunc               wasmer_vm_f64_trunc               value:f64                                                       f64       none    TruncF64              -
  -      f32.nearest             wasmer_vm_f32_nearest             value:f32                                                       f32       none    NearestF32            -
  -      f64.nearest             wasmer_vm_f64_nearest             value:f64                                                       f64       none    NearestF64            -
  -      memory64_grow           wasmine_memory64_grow             ctx:ptr,delta:i64,memory:i32                                    i64       global  -                     -
  -      memory64_copy           wasmine_memory64_copy             ctx:ptr,dst_memory:i32,src_memory:i32,dst:i64,src:i64,length:i64  void    global  -                     heap_get_oob
  -      memory64_fill           wasmine_memory64_fill             ctx:ptr,memory:i32,dst:i64,value:i32,length:i64                 void      global  -                     heap_get_oob
  -      memory64_init           wasmine_memory64_init             ctx:ptr,memory:i32,segment:i32,dst:i64,src:i32,length:i32       void      global  -                     heap_get_oob
  -      table64_grow            wasmine_table64_grow              ctx:ptr,init:ptr,delta:i64,table:i32                            i64       global  -                     -
  -      table64_fill            wasmine_table64_fill              ctx:ptr,table:i32,start:i64,value:ptr,length:i64                void      global  -                     table_get_oob
  -      table64_copy            wasmine_table64_copy              ctx:ptr,dst_table:i32,src_table:i32,dst:i64,src:i64,length:i64  void      global  -                     table_get_oob
  -      table64_init            wasmine_table64_init              ctx:ptr,table:i32,segment:i32,dst:i64,src:i32,length:i32        void      global  -                     table_get_oob
  -      atomic_wait32           wasmine_atomic_wait32             cell:ptr,expected:i32,timeout:i64                               i32       none    -                     -
  -      atomic_wait64           wasmine_atomic_wait64             cell:ptr,expected:i64,timeout:i64                               i32       none    -                     -
  -      atomic_notify           wasmine_atomic_notify             cell:ptr,count:i32                                              i32       none    -                     -
"""

HEAP_TABLE = """
# name                parameters                                                            result  traps
  struct_new          ctx:ptr,type:i32,size:i32                                             ptr     heap_full
  array_new_{e}       ctx:ptr,type:i32,value:ptr,length:i32                                 ptr     alloc_large,heap_full
  array_default_{w}   ctx:ptr,type:i32,length:i32                                           ptr     alloc_large,heap_full
  array_fill_{e}      array:ptr,start:i32,value:ptr,length:i32                              void    null_array,array_oob
  array_copy_{w}      target:ptr,target_start:i32,source:ptr,source_start:i32,length:i32    void    null_array,array_oob
  array_data_{w}      ctx:ptr,type:i32,segment:ptr,start:i32,length:i32                     ptr     heap_get_oob,alloc_large,heap_full
  array_elem_{r}      ctx:ptr,type:i32,segment:ptr,start:i32,length:i32                     ptr     table_get_oob,alloc_large,heap_full
  array_init_data_{w} array:ptr,target_start:i32,segment:ptr,start:i32,length:i32           void    null_array,array_oob,heap_get_oob
  array_init_elem_{r} array:ptr,target_start:i32,segment:ptr,start:i32,length:i32           void    null_array,array_oob,table_get_oob
"""
"""What baseline code calls to make objects and for many elements at once, in the image of the heap.

`{w}` stands for the width of an element in bits, `{r}` for 64 and for `extern`, references that are
counted elsewhere, `{e}` for all of these. `type` is a type's number, `size` in bytes with the header,
`value` the address of a value, `segment` that of a VMSegment.
"""


class IndexSpace(StrEnum):
    """What the table, memory or function index of a builtin counts."""

    LOCAL = "local"
    GLOBAL = "global"
    NONE = "none"


class LibCall(Frozen):
    """One row of the table."""

    index: int | None
    """Place among the builtins of VMContext; None for those reached by symbol only."""
    name: str
    symbol: str
    signature: str
    """The parameters, as the table has them."""
    result: str
    """A kind, "void", or "noreturn"."""
    space: IndexSpace
    relocation: str | None
    """Name in the reference's LibCall enumeration."""
    trap: str
    """The codes with which it may trap, as the table has them."""

    # Read when something is compiled: a program from the cache needs names and symbols only.
    @property
    def parameters(self) -> tuple[tuple[str, str], ...]:
        """(name, kind) of each, the kind being ptr, i32, i64, f32 or f64."""
        return _parameters(self.signature)

    @property
    def traps(self) -> frozenset[TrapCode]:
        """The codes with which it may trap."""
        return _traps(self.trap)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of the parameters, in order."""
        return tuple(kind for _, kind in self.parameters)


class Builtin(LibCall):
    """A row with a place in VMContext."""

    index: int


@cache
def _traps(text: str) -> frozenset[TrapCode]:
    match text:
        case "-":
            return frozenset()
        case "any":
            return frozenset(TrapCode)
        case _:
            return frozenset(map(TrapCode.parse, text.split(",")))


@cache
def _parameters(text: str) -> tuple[tuple[str, str], ...]:
    pairs = (parameter.partition(":") for parameter in text.split(","))
    return tuple((own, kind) for own, _, kind in pairs)


def _row(line: str) -> LibCall:
    index, name, symbol, parameters, result, space, relocation, trap = line.split()
    columns = (
        name,
        symbol,
        parameters,
        result,
        IndexSpace(space),
        None if relocation == "-" else relocation,
        trap,
    )
    return LibCall(None, *columns) if index == "-" else Builtin(int(index), *columns)


LIBCALLS: tuple[LibCall, ...] = tuple(_row(line) for line in TABLE.strip().splitlines()[1:])
"""Every row."""
BUILTINS: tuple[Builtin, ...] = tuple(call for call in LIBCALLS if isinstance(call, Builtin))
"""The rows with an index, each at its index."""
OWN: tuple[LibCall, ...] = tuple(call for call in LIBCALLS if call.symbol.startswith("wasmine_"))
"""Our own rows."""
WIDTHS = ("8", "16", "32", "64", "128")
"""Of the elements of an array, in bits."""
COUNTED = "extern"
"""Instead of a width: elements are references to host objects."""
_FAMILIES = {"{w}": WIDTHS, "{r}": ("64", COUNTED), "{e}": (*WIDTHS, COUNTED)}


def _heap_rows(line: str) -> Iterator[LibCall]:
    name, parameters, result, traps = line.split()
    kinds = next((_FAMILIES[key] for key in _FAMILIES if key in name), ("",))
    for kind in kinds:
        own = name[: name.find("{")] + kind if "{" in name else name
        yield LibCall(
            None,
            own,
            f"wasmine_heap_{own}",
            parameters,
            result,
            IndexSpace.NONE,
            None,
            traps,
        )


HEAP_CALLS: dict[str, LibCall] = {
    call.name: call for line in HEAP_TABLE.strip().splitlines()[1:] for call in _heap_rows(line)
}
"""The rows of HEAP_TABLE by name, one for each kind of element."""
BY_NAME: dict[str, LibCall] = {call.name: call for call in LIBCALLS}
BY_SYMBOL: dict[str, LibCall] = {call.symbol: call for call in LIBCALLS}
RELOCATIONS: dict[str, LibCall] = {call.relocation: call for call in LIBCALLS if call.relocation}
"""By the names of the reference's LibCall enumeration."""


def builtin(name: str) -> Builtin:
    """The builtin with this name. KeyError if there is none."""
    found = BY_NAME[name]
    if not isinstance(found, Builtin):
        raise KeyError(name)
    return found


def _rounding(round_finite: Callable[[float], int]) -> Callable[[float], float]:
    def rounded(value: float) -> float:
        if not math.isfinite(value):
            return value
        # An integer forgets the sign of zero; rounding never changes a sign otherwise.
        return math.copysign(float(round_finite(value)), value)

    return rounded


ROUNDINGS: dict[str, Callable[[float], float]] = {
    "ceil": _rounding(math.ceil),
    "floor": _rounding(math.floor),
    "trunc": _rounding(math.trunc),
    "nearest": _rounding(round),
}
"""What the rounding rows compute, for f32 as for f64: rounding a float gives a float of its width.

Python's `round` takes halves to the even neighbour, which is what nearest asks for.
"""
