"""The one file that talks to llvmlite: LLVM IR text in, an ELF object or assembly out.

llvmlite is imported when the first target is made, so that parsing, validating and inspecting
modules never pay for loading LLVM. Objects are always ELF, whatever the host system uses.
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from wasmine.errors import InternalError, UnsupportedFeature

if TYPE_CHECKING:
    from llvmlite import binding as llvm

OPT_LEVELS: Final = ("none", "light", "O1", "O2", "O3")
"""What LLVM is asked to do: code generation only; SSA form and cleaning up; its own pipelines."""


@dataclass(frozen=True)
class Machine:
    """The processor that code is generated for; part of the key of every compiled module."""

    triple: str
    cpu: str
    features: str

    @property
    def architecture(self) -> str:
        """`x86_64` or `aarch64`."""
        return self.triple.partition("-")[0]


@functools.cache
def _llvm() -> Any:
    """llvmlite's binding, initialised once."""
    from llvmlite import binding

    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    if binding.get_process_triple().startswith("x86_64"):
        # A conditional move whose operand is in memory became a branch around the load.
        binding.set_option("wasmine", "-x86-cmov-converter-force-mem-operand=false")
    return binding


@functools.cache
def host_machine() -> Machine:
    """The processor this process runs on."""
    llvm = _llvm()
    architecture = llvm.get_process_triple().partition("-")[0]
    if architecture not in ("x86_64", "aarch64"):
        raise UnsupportedFeature(f"no code generator for {architecture} processors")
    features = llvm.get_host_cpu_features()
    features.update((name, False) for name in features if name.startswith(_MASKING))
    return Machine(
        f"{architecture}-unknown-linux-gnu", llvm.get_host_cpu_name(), features.flatten()
    )


_MASKING: Final = ("avx512", "avx10", "cf")
"""Features whose loads can be masked. LLVM makes a load and the choice of its value one of those,
`volatile` or not, and then it does not trap where the value is not chosen."""


def _target_machine(machine: Machine, opt_level: str) -> llvm.TargetMachine:
    return _llvm().Target.from_triple(machine.triple).create_target_machine(
        cpu=machine.cpu,
        features=machine.features,
        opt=1 if opt_level == "none" else 2,
        reloc="pic",
        codemodel="small",
    )


def _optimise(module: Any, target_machine: Any, opt_level: str) -> None:
    """Run the passes of `opt_level` over every function of `module`."""
    llvm = _llvm()
    level = {"none": 0, "light": 1, "O1": 1, "O2": 2, "O3": 3}[opt_level]
    tuning = llvm.create_pipeline_tuning_options(speed_level=level)
    vectorise = opt_level in ("O2", "O3")
    tuning.loop_vectorization = tuning.slp_vectorization = vectorise
    tuning.loop_unrolling = tuning.loop_interleaving = vectorise
    with llvm.create_pass_builder(target_machine, tuning) as builder:
        if opt_level == "none":
            passes = llvm.create_new_module_pass_manager()
            passes.add_sroa_pass()
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


def _prepare(ir: str, machine: Machine, opt_level: str) -> tuple[Any, Any]:
    llvm = _llvm()
    target_machine = _target_machine(machine, opt_level)
    try:
        module = llvm.parse_assembly(ir, llvm.create_context())
        if os.environ.get("WASMINE_VERIFY"):
            module.verify()
    except RuntimeError as error:
        raise InternalError(f"LLVM refuses generated code: {error}") from error
    module.triple = machine.triple
    module.data_layout = str(target_machine.target_data)
    _optimise(module, target_machine, opt_level)
    return module, target_machine


def emit_object(ir: str, machine: Machine, opt_level: str) -> bytes:
    """The ELF object of a module of LLVM IR."""
    module, target_machine = _prepare(ir, machine, opt_level)
    return bytes(target_machine.emit_object(module))


def emit_assembly(ir: str, machine: Machine, opt_level: str) -> str:
    """The same in the assembler's syntax, for people."""
    module, target_machine = _prepare(ir, machine, opt_level)
    return str(target_machine.emit_assembly(module))
