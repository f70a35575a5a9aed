"""The baseline compiler: machine code from stencils, copied and patched, without LLVM."""
