"""The one file that talks to llvmlite: LLVM IR text in, an ELF object or assembly out.

llvmlite is imported when the first target is made, so that parsing, validating and inspecting
modules never pay for loading LLVM. Objects are always ELF, whatever the host system uses.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

from wasmine.compiler.architecture import by_name
from wasmine.errors import InternalError
from wasmine.frozen import Frozen

if TYPE_CHECKING:
    from llvmlite import binding as llvm

T = TypeVar("T")

NATIVE: Final = "native"
"""For hand-written IR that is called often: what it says is to be inlined is."""

STENCILS: Final = "stencils"
"""For thousands of tiny functions: code generation only."""


OPTIONS: Final = ("-cgpp-huge-func=500",)
"""Of the code generator, for all processors. From so many blocks on one of its passes looks again only
at blocks that it has changed, and not at the whole function: the main loop of an interpreter takes
seconds then instead of half a minute, and its code is the same but for a thousandth."""


class Machine(Frozen):
    """The processor that code is generated for; part of the key of every compiled module."""

    triple: str
    cpu: str
    features: str

    @property
    def architecture(self) -> str:
        """`x86_64` or `aarch64`."""
        return self.triple.partition("-")[0]

    def has(self, feature: str) -> bool:
        """Whether the processor has what LLVM calls so."""
        return f"+{feature}" in self.features.split(",")


@functools.cache
def _llvm() -> Any:
    """llvmlite's binding, initialised once."""
    from llvmlite import binding

    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    binding.initialize_native_asmparser()
    for option in (*OPTIONS, *by_name(_architecture_name(binding)).llvm_options):
        binding.set_option("wasmine", option)
    return binding


@functools.cache
def host_machine() -> Machine:
    """The processor this process runs on."""
    llvm = _llvm()
    architecture = by_name(_architecture_name(llvm))
    features = llvm.get_host_cpu_features()
    unwanted = architecture.unwanted_features
    features.update((name, False) for name in features if name.startswith(unwanted))
    return Machine(
        f"{architecture.name}-unknown-linux-gnu", llvm.get_host_cpu_name(), features.flatten()
    )


def _architecture_name(binding: Any) -> str:
    name: str = binding.get_process_triple().partition("-")[0]
    return name


def _target_machine(machine: Machine, opt_level: str) -> llvm.TargetMachine:
    return (
        _llvm()
        .Target.from_triple(machine.triple)
        .create_target_machine(
            cpu=machine.cpu,
            features=machine.features,
            opt=1 if opt_level in ("none", STENCILS) else 2,
            reloc="pic",
            codemodel="small",
        )
    )


def _optimise(module: Any, target_machine: Any, opt_level: str) -> None:
    """Run the passes of `opt_level` over every function of `module`."""
    llvm = _llvm()
    level = {"none": 0, "light": 1, "O1": 1, "O2": 2, "O3": 3, NATIVE: 1}[opt_level]
    tuning = llvm.create_pipeline_tuning_options(speed_level=level)
    vectorise = opt_level in ("O2", "O3")
    tuning.loop_vectorization = tuning.slp_vectorization = vectorise
    tuning.loop_unrolling = tuning.loop_interleaving = vectorise
    with llvm.create_pass_builder(target_machine, tuning) as builder:
        if opt_level == "none":
            passes = llvm.create_new_module_pass_manager()
            passes.add_always_inliner_pass()
            passes.add_sroa_pass()
            passes.add_simplify_cfg_pass()
        elif opt_level == NATIVE:
            passes = llvm.create_new_module_pass_manager()
            passes.add_always_inliner_pass()
            passes.add_sroa_pass()
            passes.add_instruction_combine_pass()
            passes.add_simplify_cfg_pass()
        elif opt_level == "light":
            passes = _light_pipeline(llvm)
        else:
            passes = builder.getModulePassManager()
        passes.run(module, builder)


def _light_pipeline(llvm: Any) -> Any:
    """Modules have been optimised before they reach us: build SSA form and clean up after us.

    Over the kernels of the benchmark, loop rotation, value numbering and dead store elimination
    cost a third more time in LLVM and make no program faster; accesses to memory are volatile.
    """
    passes = llvm.create_new_module_pass_manager()
    passes.add_sroa_pass()
    passes.add_simplify_cfg_pass()
    passes.add_instruction_combine_pass()
    passes.add_simplify_cfg_pass()
    return passes


def _emit(ir: str, machine: Machine, opt_level: str, emit: Callable[[Any, Any], T]) -> T:
    """What `emit` makes of the optimised module and its target machine."""
    llvm = _llvm()
    target_machine = _target_machine(machine, opt_level)
    context = llvm.create_context()
    try:
        try:
            module = llvm.parse_assembly(ir, context)
        except RuntimeError as error:
            raise InternalError(f"LLVM refuses generated code: {error}") from error
        with module:
            if os.environ.get("WASMINE_VERIFY"):
                module.verify()
            module.triple = machine.triple
            module.data_layout = str(target_machine.target_data)
            if opt_level != STENCILS:
                _optimise(module, target_machine, opt_level)
            result = emit(target_machine, module)
    except BaseException:
        # The handler of a signal may have raised at any step: a module may be alive, in the traceback
        # at least, and would end the process if it were freed after its context.
        context.detach()
        raise
    context.close()
    return result


def emit_object(ir: str, machine: Machine, opt_level: str) -> bytes:
    """The ELF object of a module of LLVM IR."""
    return _emit(ir, machine, opt_level, lambda target, module: bytes(target.emit_object(module)))


def emit_assembly(ir: str, machine: Machine, opt_level: str) -> str:
    """The code in the assembler's syntax, for people: labels and instructions."""
    text = _emit(ir, machine, opt_level, lambda target, module: str(target.emit_assembly(module)))
    lines = []
    code = False
    for line in text.splitlines():
        if line.startswith(("\t.text", "\t.section")):
            code = line.startswith("\t.text")
        elif code and not _NOT_CODE.match(line):
            lines.append(line)
    return "\n".join((*lines, ""))


_NOT_CODE: Final = re.compile(r"\t\.|\s*$|\.L(func_begin|func_end|tmp)\d+:")
"""Directives, blank lines, and labels that only these refer to."""
