"""Python types that native code knows: callable without a detour, readable as a buffer.

A class of this package is written in Python, with methods and docstrings; the functions here derive
the final type from it, with slots that Python code cannot set.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Sequence
from typing import Any, Final, TypeVar

from wasmine.abi.runtime import NativeCallable
from wasmine.abi.vmcontext import offset_of, size_of

T = TypeVar("T")

# Numbers of <typeslots.h> and flags of <object.h> and <structmember.h>, all of the stable ABI.
_BF_GETBUFFER: Final = 1
_TP_CALL: Final = 50
_TP_MEMBERS: Final = 72
_TP_CLEAR: Final = 51
_TP_TRAVERSE: Final = 71
_BASETYPE: Final = 1 << 10
_HAVE_VECTORCALL: Final = 1 << 11
_HAVE_GC: Final = 1 << 14
_T_PYSSIZET: Final = 19
_READONLY: Final = 1


class _Slot(ctypes.Structure):
    _fields_ = (("slot", ctypes.c_int), ("function", ctypes.c_void_p))


class _Spec(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("basicsize", ctypes.c_int),
        ("itemsize", ctypes.c_int),
        ("flags", ctypes.c_uint),
        ("slots", ctypes.POINTER(_Slot)),
    )


class _Member(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("type", ctypes.c_int),
        ("offset", ctypes.c_ssize_t),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


_from_spec: Final = ctypes.pythonapi.PyType_FromSpecWithBases
_from_spec.argtypes = [ctypes.c_void_p, ctypes.py_object]
_from_spec.restype = ctypes.py_object

_kept: Final[list[object]] = []
"""What types made here point into; they live as long as the process."""


def _make_type(
    base: type, name: str, size: int, flags: int, slots: Sequence[tuple[int, int | None]]
) -> Any:
    """A type derived from `base` with these slots; `size` 0 is that of the base."""
    array = (_Slot * (len(slots) + 1))(*(_Slot(*slot) for slot in slots))
    spec = _Spec(f"wasmine.{name}".encode(), size, 0, flags, array)
    _kept.extend((array, spec))
    made = _from_spec(ctypes.addressof(spec), (base,))
    made.__doc__ = base.__doc__
    return made


def _address(function: object) -> int | None:
    return ctypes.cast(function, ctypes.c_void_p).value  # type: ignore[arg-type]


_HEADER: Final = offset_of(NativeCallable, "vectorcall")
if object.__basicsize__ != _HEADER:
    raise ImportError(
        f"wasmine knows objects with a header of {_HEADER} bytes; "
        f"those of this CPython have {object.__basicsize__} ({sys.version})"
    )

CallableBase: Any = _make_type(object, "CallableBase", size_of(NativeCallable), _BASETYPE, [])
"""Where the fields of a NativeCallable are; the base of classes for `vectorcallable`."""


def vectorcallable(cls: type[T]) -> type[T]:
    """The final type of a class derived from CallableBase: calling it is a call of native code."""
    members = (_Member * 2)(_Member(b"__vectorcalloffset__", _T_PYSSIZET, _HEADER, _READONLY, None))
    _kept.append(members)
    slots = [
        (_TP_MEMBERS, ctypes.addressof(members)),
        (_TP_CALL, _address(ctypes.pythonapi.PyVectorcall_Call)),
    ]
    made: type[T] = _make_type(cls, cls.__name__, 0, _HAVE_VECTORCALL, slots)
    return made


def exporting_buffer(cls: type[T], get_buffer: int) -> type[T]:
    """A type derived from a class whose instances are buffers; `get_buffer` is a native function.

    Not a callback into Python: for those ctypes needs memory that is writable and executable.
    """
    made: type[T] = _make_type(cls, cls.__name__, 0, 0, [(_BF_GETBUFFER, get_buffer)])
    return made


def traversable(cls: type[T], traverse: int, clear: int) -> type[T]:
    """A type derived from a class; native functions tell the garbage collector what it refers to.

    Slots of the class itself are not visited: they must hold nothing that can be in a cycle.
    """
    slots = [(_TP_TRAVERSE, traverse), (_TP_CLEAR, clear)]
    made: type[T] = _make_type(cls, cls.__name__, 0, _HAVE_GC, slots)
    return made
