"""How code is compiled: the options of an engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wasmine.compiler.target import OPT_LEVELS
from wasmine.public import public
from wasmine.vm.signatures import SignatureRegistry
from wasmine.wasm.features import DEFAULT, Features
from wasmine.wasm.module import ModuleInfo

if TYPE_CHECKING:
    from wasmine.abi.image import Image
    from wasmine.compiler.module import MemoryStyle
    from wasmine.compiler.target import Machine


@public
class Engine:
    """How modules are compiled. Stores and modules of one engine fit together.

    `opt_level` is what LLVM is asked to do: `"none"` (code generation only), `"light"` (the
    default), `"O1"`, `"O2"` or `"O3"`. `memory` is `"static"` (4 GiB of address space for each
    memory where they can be had, no bounds checks; the default) or `"dynamic"` (as little as
    possible, with checks). `features` are the proposals that modules may use.
    Raises ValueError for other values.
    """

    def __init__(
        self,
        *,
        opt_level: str = "light",
        memory: MemoryStyle = "static",
        features: Features = DEFAULT,
    ) -> None:
        if opt_level not in OPT_LEVELS:
            raise ValueError(f"opt_level is one of {', '.join(OPT_LEVELS)}, not {opt_level!r}")
        if memory not in ("static", "dynamic"):
            raise ValueError(f"memory is 'static' or 'dynamic', not {memory!r}")
        if not isinstance(features, Features):
            raise TypeError(f"features are Features, not {features!r}")
        self.opt_level: Final = opt_level
        self.memory: Final[MemoryStyle] = memory
        self.features: Final = features
        self.signatures: Final = SignatureRegistry()

    def __repr__(self) -> str:
        features = "" if self.features == DEFAULT else f", features={self.features!r}"
        return f"Engine(opt_level={self.opt_level!r}, memory={self.memory!r}{features})"

    @property
    def machine(self) -> Machine:
        """The processor that code is generated for."""
        from wasmine.compiler.target import host_machine

        return host_machine()

    def compile(self, info: ModuleInfo, styles: tuple[MemoryStyle, ...]) -> Image:
        """Validate, translate, optimise and link all functions of a module.

        `styles` are those of its memories. Raises MalformedModule or InvalidModule for a body
        that breaks the rules, and UnsupportedFeature for one that needs what is not implemented.
        """
        from wasmine.api import pipeline

        return pipeline.compile_module(info, styles, self.opt_level)

    def function_ir(self, info: ModuleInfo, index: int) -> str:
        """LLVM IR of one function, by its index with imports. Raises IndexError."""
        from wasmine.api import pipeline

        if not info.imported_functions <= index < len(info.functions):
            raise IndexError(f"the module defines no function {index}")
        styles = (self.memory,) * len(info.memories)
        return pipeline.translate(info, range(index, index + 1), styles)

    def function_assembly(self, info: ModuleInfo, index: int) -> str:
        """Assembly of one function, by its index with imports. Raises IndexError."""
        from wasmine.api import pipeline

        return pipeline.assembly(self.function_ir(info, index), self.opt_level)
