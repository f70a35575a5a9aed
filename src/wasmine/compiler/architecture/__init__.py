"""What linking needs to know about a processor: its relocations, and how far calls reach.

One module for each processor; `ARCHITECTURES` is by ELF machine number.
"""

from wasmine.compiler.architecture import aarch64, x86_64
from wasmine.compiler.architecture.base import Architecture, Fixups, Use
from wasmine.errors import UnsupportedFeature

ARCHITECTURES = {
    architecture.machine: architecture
    for architecture in (x86_64.ARCHITECTURE, aarch64.ARCHITECTURE)
}


def by_name(name: str) -> Architecture:
    """The architecture that LLVM calls so. Raises UnsupportedFeature if there is no code for it."""
    for architecture in ARCHITECTURES.values():
        if architecture.name == name:
            return architecture
    raise UnsupportedFeature(f"no code generator for {name} processors")


__all__ = ["ARCHITECTURES", "Architecture", "Fixups", "Use", "by_name"]
