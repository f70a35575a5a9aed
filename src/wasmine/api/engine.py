"""How code is compiled: the options of an engine."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, TypedDict, get_args

from wasmine.api import loading
from wasmine.api.cache import of_option
from wasmine.api.importing import import_apart
from wasmine.api.savedcode import SavedCode
from wasmine.public import public
from wasmine.vm import processor
from wasmine.vm.signatures import SignatureRegistry
from wasmine.wasm.features import DEFAULT, Features
from wasmine.wasm.module import ModuleInfo

if TYPE_CHECKING:
    from wasmine.abi.image import Image
    from wasmine.compiler.module import MemoryStyle
    from wasmine.vm.code import Code
    from wasmine.vm.codespace import FunctionCompiler

OPT_LEVELS: Final = ("none", "light", "O1", "O2", "O3")
"""What LLVM is asked to do: code generation only; SSA form and cleaning up; its own pipelines."""

LARGE: Final = 1 << 19
"""Bytes of code from which on processes that help save seconds."""

Progress: TypeAlias = Callable[[int, int], None]
Tier: TypeAlias = Literal["auto", "baseline", "optimized"]


class EngineOptions(TypedDict):
    """The parameters of Engine."""

    opt_level: str
    memory: MemoryStyle
    features: Features
    tier: Tier
    cache: bool | str | os.PathLike[str]


@public
class Engine:
    """How modules are compiled. Stores and modules of one engine fit together.

    `opt_level` is what LLVM is asked to do: `"none"` (code generation only), `"light"` (the
    default), `"O1"`, `"O2"` or `"O3"`. `memory` is `"static"` (4 GiB of address space for each
    memory where they can be had, no bounds checks; the default) or `"dynamic"` (as little as
    possible, with checks). `features` are the proposals that modules may use. `tier` says when
    functions are compiled: each when it is first called, by a compiler that is fast, and what runs often
    is then optimised by other processes (`"auto"`, the default); the same without the other processes
    (`"baseline"`); or all optimised before the first call (`"optimized"`). `cache` says where compiled
    code is kept for other processes: in the user's cache directory, which environment variables can
    change (True, the default), nowhere (False), or in a directory of its own.
    Raises ValueError for other values.
    """

    def __init__(
        self,
        *,
        opt_level: str = "light",
        memory: MemoryStyle = "static",
        features: Features = DEFAULT,
        tier: Tier = "auto",
        cache: bool | str | os.PathLike[str] = True,
    ) -> None:
        if opt_level not in OPT_LEVELS:
            raise ValueError(f"opt_level is one of {', '.join(OPT_LEVELS)}, not {opt_level!r}")
        if memory not in ("static", "dynamic"):
            raise ValueError(f"memory is 'static' or 'dynamic', not {memory!r}")
        if not isinstance(features, Features):
            raise TypeError(f"features are Features, not {features!r}")
        if tier not in get_args(Tier):
            raise ValueError(f"tier is one of {', '.join(get_args(Tier))}, not {tier!r}")
        self.opt_level: Final = opt_level
        self.memory: Final[MemoryStyle] = memory
        self.features: Final = features
        self.tier: Final[Tier] = tier
        self.cache: Final = of_option(cache)
        self.options: Final = EngineOptions(
            opt_level=opt_level, memory=memory, features=features, tier=tier, cache=cache
        )
        """What an engine like this is made with, in another process too."""
        self.signatures: Final = SignatureRegistry()

    def __repr__(self) -> str:
        features = "" if self.features == DEFAULT else f", features={self.features!r}"
        tier = "" if self.tier == "auto" else f", tier={self.tier!r}"
        return f"Engine(opt_level={self.opt_level!r}, memory={self.memory!r}{features}{tier})"

    @property
    def is_lazy(self) -> bool:
        """Whether functions are compiled when they are first called."""
        return self.tier != "optimized" and processor.runs_baseline_code()

    def compile(
        self, info: ModuleInfo, styles: tuple[MemoryStyle, ...], progress: Progress | None = None
    ) -> Image:
        """Validate, translate, optimise and link all functions of a module.

        `styles` are those of its memories. `progress` is told how many bytes of code are compiled, and of
        how many. If it is given, and with large modules, other processes help. Raises MalformedModule or
        InvalidModule for a body that breaks the rules, and UnsupportedFeature for one that needs what is
        not implemented.
        """
        import_apart("wasmine.api.pipeline")
        from wasmine.api import pipeline

        self.validate(info, bodies=False)
        if progress is None and info.code_size < LARGE:
            return pipeline.compile_module(info, styles, self.opt_level)
        from wasmine.api.parallel import compile_parallel

        return compile_parallel(info, styles, self.opt_level, progress)

    def load(
        self,
        info: ModuleInfo,
        styles: tuple[MemoryStyle, ...],
        resolve: Callable[[str], int],
        progress: Progress | None = None,
    ) -> Code:
        """The code of a module from the cache; else it is compiled, and put there.

        Raises what `compile` raises.
        """
        key = loading.module_key(info, styles, self)
        return loading.load_or_make(
            self.cache, key, lambda: self.compile(info, styles, progress), resolve
        )

    def validate(self, info: ModuleInfo, *, bodies: bool) -> None:
        """Check a module, its bodies too if that is asked for. Raises what `compile` raises."""
        import_apart("wasmine.wasm.validator")
        from wasmine.wasm.validator import validate_bodies, validate_module

        validate_module(info)
        if bodies:
            validate_bodies(info)

    def function_compiler(
        self, info: ModuleInfo, styles: tuple[MemoryStyle, ...]
    ) -> FunctionCompiler:
        """What compiles functions of a module when they are first called.

        It raises what `compile` raises.
        """

        def make_compiler() -> FunctionCompiler:
            import_apart("wasmine.api.firstcalls")
            from wasmine.api.firstcalls import BaselineCompiler

            return BaselineCompiler(info, styles, counters=self.tier == "auto")

        def compile_alone(local: int) -> Image:
            import_apart("wasmine.api.pipeline")
            from wasmine.api import pipeline

            options = pipeline.options_for(styles, entries=True)
            indices = (info.imported_functions + local,)
            return pipeline.compile_functions(info, indices, (), options, self.opt_level)

        key = loading.module_key(info, styles, self, "baseline")
        return SavedCode(self.cache, key, make_compiler, compile_alone)

    def function_ir(self, info: ModuleInfo, index: int) -> str:
        """LLVM IR of one function, by its index with imports. Raises IndexError."""
        import_apart("wasmine.api.pipeline")
        from wasmine.api import pipeline

        if not info.imported_functions <= index < len(info.functions):
            raise IndexError(f"the module defines no function {index}")
        styles = (self.memory,) * len(info.memories)
        return pipeline.translate(info, range(index, index + 1), pipeline.options_for(styles))

    def function_assembly(self, info: ModuleInfo, index: int) -> str:
        """Assembly of one function, by its index with imports. Raises IndexError."""
        import_apart("wasmine.api.pipeline")
        from wasmine.api import pipeline

        return pipeline.assembly(self.function_ir(info, index), self.opt_level)
