"""What linking needs to know about a processor: its relocations, and how far calls reach.

One module for each processor; `ARCHITECTURES` is by ELF machine number.
"""

from wasmine.compiler.architecture import aarch64, x86_64
from wasmine.compiler.architecture.base import Architecture, Fixups, Use

ARCHITECTURES = {
    architecture.machine: architecture
    for architecture in (x86_64.ARCHITECTURE, aarch64.ARCHITECTURE)
}

__all__ = ["ARCHITECTURES", "Architecture", "Fixups", "Use"]
