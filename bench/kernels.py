"""The benchmark kernels: one row each, with the work that takes about 80 ms natively."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kernel:
    """A C source in `kernels/`, the argument its `run` export is timed with, and its kind."""

    name: str
    n: int
    category: str

    @property
    def simd(self) -> bool:
        """Whether it is built with SIMD, from `kernels/simd/`, and for WebAssembly alone."""
        return self.category == "SIMD"

    @property
    def source(self) -> str:
        """Its source without the suffix, relative to `kernels/`."""
        return self.name.replace("-", "/")


KERNELS = (
    Kernel("collatz", 820_000, "integer"),
    Kernel("gcd", 660_000, "integer"),
    Kernel("millerrabin", 510_000, "integer"),
    Kernel("bits", 20_000, "integer"),
    Kernel("bigint", 140_000, "integer"),
    Kernel("field25519", 1_400_000, "integer"),
    Kernel("hash64", 240_000, "hashing"),
    Kernel("sha256", 260_000, "hashing"),
    Kernel("blake2b", 390_000, "hashing"),
    Kernel("chacha20", 530_000, "hashing"),
    Kernel("crc32", 36_000, "hashing"),
    Kernel("base64", 19_000, "bytes"),
    Kernel("utf8", 14_000, "bytes"),
    Kernel("json", 7_600, "bytes"),
    Kernel("strsearch", 1_900, "bytes"),
    Kernel("regex", 11_000, "bytes"),
    Kernel("lz", 510, "bytes"),
    Kernel("huffman", 140, "bytes"),
    Kernel("life", 1_600, "bytes"),
    Kernel("memops", 350_000, "bytes"),
    Kernel("sieve", 1_100, "data"),
    Kernel("quicksort", 1_000, "data"),
    Kernel("heapsort", 1_300, "data"),
    Kernel("radixsort", 1_200, "data"),
    Kernel("hashtable", 1_400_000, "data"),
    Kernel("bintrees", 3_700, "data"),
    Kernel("pathfind", 590, "data"),
    Kernel("editdist", 2_200, "data"),
    Kernel("floyd", 420, "data"),
    Kernel("fib", 1_300, "control"),
    Kernel("tak", 3_300, "control"),
    Kernel("ackermann", 1_300, "control"),
    Kernel("nqueens", 9_900, "control"),
    Kernel("fannkuch", 1_700_000, "control"),
    Kernel("vm", 1_200, "control"),
    Kernel("virtual", 6_100, "control"),
    Kernel("events", 1_600_000, "control"),
    Kernel("nbody", 770_000, "float"),
    Kernel("mandelbrot", 2_400, "float"),
    Kernel("spectral", 3_200, "float"),
    Kernel("matmul", 1_600, "float"),
    Kernel("lu", 4_800, "float"),
    Kernel("jacobi2d", 16_000, "float"),
    Kernel("heat3d", 6_700, "float"),
    Kernel("fft", 7_900, "float"),
    Kernel("raytrace", 1_200_000, "float"),
    Kernel("blur", 7_400, "float"),
    Kernel("dct", 260_000, "float"),
    Kernel("simd-base64", 9_000, "SIMD"),
    Kernel("simd-blur", 20_000, "SIMD"),
    Kernel("simd-chacha20", 500_000, "SIMD"),
    Kernel("simd-dot8", 18_000, "SIMD"),
    Kernel("simd-idct", 2_600_000, "SIMD"),
    Kernel("simd-mandelbrot", 23_000, "SIMD"),
    Kernel("simd-matmul", 2_900, "SIMD"),
    Kernel("simd-memchr", 95_000, "SIMD"),
    Kernel("simd-minmax", 27_000, "SIMD"),
    Kernel("simd-nbody", 125_000, "SIMD"),
    Kernel("simd-quantise", 58_000, "SIMD"),
    Kernel("simd-saxpy", 160_000, "SIMD"),
    Kernel("simd-search", 13_000, "SIMD"),
    Kernel("simd-sha256", 190_000, "SIMD"),
    Kernel("simd-utf8", 43_000, "SIMD"),
    Kernel("simd-yuv", 52_000, "SIMD"),
)


def select(names: str | None) -> tuple[Kernel, ...]:
    """The kernels of a comma-separated list, or all of them."""
    if names is None:
        return KERNELS
    known = {kernel.name: kernel for kernel in KERNELS}
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise SystemExit(f"no such kernel: {', '.join(unknown)} (there are: {', '.join(known)})")
    return tuple(known[name] for name in wanted)
