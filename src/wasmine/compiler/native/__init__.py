"""Native code that is not compiled from WebAssembly: the runtime and the boundary with CPython.

It is written as LLVM IR, compiled and linked like everything else, and reaches CPython's C API, the
C library and its own state through the address table of its Image.
"""
