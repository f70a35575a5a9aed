"""Which processor this is, told without LLVM: native code is only good for the same."""

from __future__ import annotations

import ctypes
import functools
import mmap
import os
from array import array
from typing import Final

from wasmine.vm.mmap import Mmap

# void query(uint32_t result[4], uint32_t leaf, uint32_t subleaf)
_CPUID: Final = bytes.fromhex(
    "53"  #         push rbx
    "89f0"  #       mov eax, esi
    "89d1"  #       mov ecx, edx
    "0fa2"  #       cpuid
    "8907"  #       mov [rdi], eax
    "895f04"  #     mov [rdi+4], ebx
    "894f08"  #     mov [rdi+8], ecx
    "89570c"  #     mov [rdi+12], edx
    "5b"  #         pop rbx
    "c3"  #         ret
)
# uint32_t enabled(void): which registers the system saves, low half of XCR0
_XGETBV: Final = bytes.fromhex("31c9 0f01d0 c3")  # xor ecx, ecx; xgetbv; ret
_XGETBV_OFFSET: Final = 64

_ALL: Final = 0xFFFF_FFFF
_OSXSAVE: Final = 1 << 27
_LEAVES: Final = (
    # leaf, subleaf, and what counts of eax, ebx, ecx, edx
    (0x0000_0000, 0, (0, _ALL, _ALL, _ALL)),  # vendor
    (0x0000_0001, 0, (0x0FFF_3FF0, 0, _ALL, _ALL)),  # family and model without stepping; features
    (0x0000_0007, 0, (0, _ALL, _ALL, _ALL)),
    (0x0000_0007, 1, (_ALL, _ALL, _ALL, _ALL)),
    (0x0000_000D, 1, (_ALL, 0, 0, 0)),
    (0x0000_0014, 0, (0, _ALL, 0, 0)),
    (0x0000_0019, 0, (0, _ALL, 0, 0)),
    (0x0000_001E, 1, (_ALL, 0, 0, 0)),
    (0x0000_0024, 0, (0, _ALL, 0, 0)),
    (0x8000_0001, 0, (0, 0, _ALL, _ALL)),
    (0x8000_0008, 0, (0, _ALL, 0, 0)),
    (0x8000_0021, 0, (_ALL, 0, 0, 0)),
)
"""All that LLVM derives the name and the features of an x86 processor from."""

_FEATURES: Final = 4
"""Which of the answers is ecx of leaf 1."""
_SSE41: Final = 1 << 19

_VOLATILE: Final = (b"processor", b"BogoMIPS")
"""Lines of /proc/cpuinfo that differ between the cores of an ARM processor, or by the moment."""


@functools.cache
def identity() -> str:
    """Text that is equal on two machines only if LLVM would generate the same code on both.

    It consists of what LLVM asks the processor. It has no line break.
    """
    machine = os.uname().machine
    try:
        facts = _cpuid() if machine == "x86_64" else _cpuinfo()
    except OSError:  # no /proc
        facts = "unknown"
    return f"{machine} {facts}"


@functools.cache
def runs_baseline_code() -> bool:
    """Whether stencils can be made for this processor: an x86-64 one with SSE4.1, as all are since 2012."""
    machine, _, facts = identity().partition(" ")
    if machine != "x86_64" or "." not in facts:
        return False
    return bool(int(facts.split(".")[_FEATURES], 16) & _SSE41)


def _cpuid() -> str:
    """The answers to the instruction CPUID, as LLVM's own look at the processor."""
    with Mmap.accessible(mmap.PAGESIZE) as page:
        code = _CPUID.ljust(_XGETBV_OFFSET, b"\xcc") + _XGETBV
        ctypes.memmove(page.base, code, len(code))
        page.protect(0, page.length, mmap.PROT_READ | mmap.PROT_EXEC)
        ask = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint32)(page.base)
        enabled = ctypes.CFUNCTYPE(ctypes.c_uint32)(page.base + _XGETBV_OFFSET)
        answer = array("I", bytes(16))
        place = answer.buffer_info()[0]
        known = []
        last = {}  # the last leaf of each range that there is
        for leaf, subleaf, masks in _LEAVES:
            start = leaf & 0x8000_0000
            if start not in last:
                ask(place, start, 0)
                last[start] = answer[0]
            if leaf > last[start]:
                known.append("-")
                continue
            ask(place, leaf, subleaf)
            known += [
                f"{value & mask:x}" for value, mask in zip(answer, masks, strict=True) if mask
            ]
            if leaf == 1:
                # XCR0 can be read where the system uses it.
                known.append(f"{enabled():x}" if answer[2] & _OSXSAVE else "-")
    return ".".join(known)


def _cpuinfo() -> str:
    """What /proc/cpuinfo says of the first core, which is where LLVM looks too."""
    with open("/proc/cpuinfo", "rb", buffering=0) as file:
        text = file.read(8192)  # more would make the system write about hundreds of cores
    lines = text.partition(b"\n\n")[0].splitlines()
    facts = [line for line in lines if not line.startswith(_VOLATILE)]
    return "; ".join(line.decode(errors="replace").replace("\t", "") for line in facts)
