"""Global variables: typed access to the 16 bytes of a VMGlobalDefinition.

Which types may be given to which Python value at the surface of the package is not decided here.
"""

from __future__ import annotations

import ctypes
import operator
from typing import Final

from wasmine.abi.convention import is_counted
from wasmine.abi.heap import RootKind
from wasmine.abi.objects import is_traced
from wasmine.abi.vmcontext import VMGlobalDefinition
from wasmine.errors import WasmineError
from wasmine.frozen import Frozen
from wasmine.types import F32, F64, I32, I64, V128, GlobalType, ValType
from wasmine.vm.table import UNCOUNTED, ReferenceCounts


class _Access(Frozen):
    """Fields of the storage: for a value's bits, and for the value itself; its width in bits."""

    bits: str
    value: str
    width: int


_ACCESS: Final[dict[ValType, _Access]] = {
    I32: _Access("as_u32", "as_i32", 32),
    I64: _Access("as_u64", "as_i64", 64),
    F32: _Access("as_u32", "as_f32", 32),
    F64: _Access("as_u64", "as_f64", 64),
    V128: _Access("as_u128", "as_u128", 128),
}
_REFERENCE: Final = _Access("as_u64", "as_u64", 64)


class GlobalError(WasmineError, TypeError):
    """A global was set that is immutable or has another type."""


class GlobalCell:
    """A global: its type and its storage, whose address never changes.

    The storage lies at `definition_address`, in the VMContext of an instance, or, without an
    address, in this object. `owner` keeps that VMContext in memory. The storage starts as it is:
    zero bits in fresh memory.
    """

    def __init__(
        self,
        type_: GlobalType,
        definition_address: int = 0,
        owner: object = None,
        references: ReferenceCounts = UNCOUNTED,
    ) -> None:
        if definition_address % VMGlobalDefinition.ALIGNMENT:
            raise ValueError(f"a global at {definition_address:#x} is not aligned")
        self.type: Final = type_
        self._owner = owner
        self._access = _ACCESS.get(type_.value, _REFERENCE)
        if definition_address:
            self._definition = VMGlobalDefinition.from_address(definition_address)
        else:
            self._definition = VMGlobalDefinition.new()
        self._references = references if is_counted(type_.value) else UNCOUNTED
        self._root: Final = (
            references.track(RootKind.WORD, self.definition_address, self._definition)
            if is_traced(type_.value)
            else None
        )

    @property
    def definition_address(self) -> int:
        """Address of the VMGlobalDefinition, a multiple of 16."""
        return ctypes.addressof(self._definition)

    def get(self) -> int | float:
        """The value: a signed i32 or i64, a float, a v128 as an integer, a reference's address."""
        value: int | float = getattr(self._definition.storage, self._access.value)
        return value

    def get_bits(self) -> int:
        """The bits of the value as an unsigned integer."""
        bits: int = getattr(self._definition.storage, self._access.bits)
        return bits

    def set(self, value: float) -> None:
        """Set the value; integers may be signed or unsigned.

        Raises GlobalError if the global is immutable, OverflowError if the value does not fit and
        TypeError if it is no number of this kind.
        """
        self._check_mutable()
        if self.type.value in (F32, F64):
            setattr(self._definition.storage, self._access.value, value)
        else:
            bits, width = operator.index(value), self._access.width  # type: ignore[arg-type]
            self._write(bits + (1 << width) if -(1 << width - 1) <= bits < 0 else bits)

    def set_bits(self, bits: int, type_: ValType) -> None:
        """Set the bits of a value of type `type_`.

        Raises GlobalError if the global is immutable or of another type, OverflowError if the
        bits are more than the type has.
        """
        self._check_mutable()
        if type_ is not self.type.value:
            raise GlobalError(
                f"Attempted to operate on a global of type {self.type.value} "
                f"as a global of type {type_}"
            )
        self._write(bits)

    def initialize(self, bits: int) -> None:
        """Set the bits of the first value, of an immutable global too."""
        self._write(bits)

    def _check_mutable(self) -> None:
        if not self.type.mutable:
            raise GlobalError("Attempted to set an immutable global")

    def _write(self, bits: int) -> None:
        if not 0 <= bits < 1 << self._access.width:
            raise OverflowError(f"{bits} does not fit in {self.type.value}")
        # The new reference is held before the old one is let go: they may be the same.
        if bits:
            self._references.retain(bits)
        old = self.get_bits()
        setattr(self._definition.storage, self._access.bits, bits)
        if old:
            self._references.release(old)

    def close(self) -> None:
        """Let go of the reference in the global. May be called again."""
        if self._references is not UNCOUNTED:
            self._write(0)
