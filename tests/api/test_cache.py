"""Programs whose cache is killed, shared, full, damaged or gone give the right result all the same."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import SOURCE, assemble
from wasmine import Engine, Instance, InvalidModule, Module
from wasmine.api import cache, firstcalls
from wasmine.api.cache import Cache
from wasmine.api.cachekeys import make_key

PROGRAM = Path(__file__).parent / "programs" / "cold.py"
ENTRIES = {"optimized": "3", "auto": "2"}
"""The native runtime, the code of the module and, of all that LLVM compiles at once, its thunks."""


TIERS = pytest.mark.parametrize("tier", ["optimized", "auto"])


def with_stencils(directory: Path) -> Path:
    """A cache in a directory that has nothing but the stencils, which take seconds to make."""
    firstcalls.library()
    kept = cache.default().directory
    assert kept is not None
    for file in Path(kept).glob("stencils-*"):
        shutil.copy(file, directory)
    return directory


def run(
    trouble: str,
    number: int,
    directory: object,
    *prefix: str,
    tier: str = "optimized",
    **environment: str,
) -> list[str]:
    """What the program that has this trouble prints; it must succeed."""
    done = subprocess.run(
        [*prefix, sys.executable, str(PROGRAM), trouble, str(number), tier],
        env={
            **os.environ,
            "PYTHONPATH": str(SOURCE),
            "WASMINE_CACHE_DIR": str(directory),
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.split("\n")[:-1]


@TIERS
def test_killed_at_random_moments(tier: str, tmp_path: Path) -> None:
    assert run("kill", 15, with_stencils(tmp_path), tier=tier) == ["True"]


def test_killed_at_each_step(tmp_path: Path) -> None:
    assert run("kill_at_each_step", 0, tmp_path) == ["True"]


@TIERS
def test_twenty_at_once(tier: str, tmp_path: Path) -> None:
    shown = run("together", 20, with_stencils(tmp_path), tier=tier)
    assert shown == ["True", "True", ENTRIES[tier]]


@pytest.mark.parametrize("size", [0, 5000, 40_000])
def test_files_of_limited_size(size: int, tmp_path: Path) -> None:
    shown = run("limited", size, tmp_path)
    assert shown[0] == "True"
    assert (shown[1] != "0") == (size == 40_000)


@TIERS
def test_flipped_bytes(tier: str, tmp_path: Path) -> None:
    assert run("flip", 20, with_stencils(tmp_path), tier=tier) == ["True"]


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs a mount namespace")
@pytest.mark.parametrize(
    ("mount", "entries", "problem"),
    [
        ("mount -t tmpfs -o size=16k,mode=700 none {0}", range(2), "None"),
        ("mount -t tmpfs -o size=1m,mode=700 none {0}", range(3, 4), "None"),
        ("mount -t tmpfs -o ro,mode=700 none {0}", range(1), "nothing can be written to"),
    ],
)
def test_a_disk_that_is_full_or_read_only(
    mount: str, entries: range, problem: str, tmp_path: Path
) -> None:
    prepare = mount.format(tmp_path)
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    if subprocess.run([*command, prepare], capture_output=True, check=False).returncode:
        pytest.skip("may not mount file systems")
    shown = run("plain", 0, tmp_path, *command, f'{prepare} && exec "$@"', "sh")
    assert int(shown[0]) in entries
    assert problem in shown[1]


def test_no_home(tmp_path: Path) -> None:
    shown = run("plain", 0, "/proc/nowhere", HOME="/proc/nowhere")
    assert shown[0] == "0"
    assert "/proc/nowhere" in shown[1]


def test_a_directory_that_others_may_write(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    shown = run("plain", 0, tmp_path)
    assert shown[0] == "0"
    assert "can be written by other users" in shown[1]
    assert not list(tmp_path.iterdir())


def test_switched_off(tmp_path: Path) -> None:
    shown = run("plain", 0, tmp_path, WASMINE_CACHE="0")
    assert shown == ["0", "switched off by WASMINE_CACHE"]


def test_random_bytes_of_a_large_entry(tmp_path: Path) -> None:
    store = Cache(str(tmp_path))
    key = make_key("baseline", "large")
    store.put(key, [random.Random(1).randbytes(20_000_000)])
    choose = random.Random(2)
    with (tmp_path / key.name).open("r+b", buffering=0) as damaged:
        size = os.fstat(damaged.fileno()).st_size
        for place in (0, size - 1, *(choose.randrange(size) for _ in range(20))):
            byte = os.pread(damaged.fileno(), 1, place)[0]
            os.pwrite(damaged.fileno(), bytes([byte ^ 1 << choose.randrange(8)]), place)
            assert store.get(key) is None, f"byte {place} of {size}"
            os.pwrite(damaged.fileno(), bytes([byte]), place)
    entry = store.get(key)
    assert entry is not None
    entry.close()


WITHOUT_LLVM = """
import sys
sys.modules["llvmlite"] = None  # an import of it fails from here on
"""
RUN = """
import wasmine
module = wasmine.Module({data!r}, engine=wasmine.Engine(**{options!r}))
print(wasmine.Instance(module, {{"env": {{"f": lambda: 20}}}}).exports.main())
"""
DATA = assemble("""
(module
  (import "env" "f" (func $f (result i32)))
  (memory 1)
  (func (export "main") (result i32) (i32.add (call $f) (i32.const 1))))
""")


@pytest.mark.parametrize("tier", ["auto", "baseline", "optimized"])
def test_a_cached_module_starts_without_llvmlite(tier: str, tmp_path: Path) -> None:
    def run(script: str, **options: object) -> subprocess.CompletedProcess[str]:
        script = script.format(data=DATA, options={"tier": tier, **options})
        return subprocess.run(
            [sys.executable, "-c", script],
            env={
                **os.environ,
                "PYTHONPATH": str(SOURCE),
                "WASMINE_CACHE_DIR": str(tmp_path),
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert run(WITHOUT_LLVM + RUN).returncode, "nothing is cached yet"
    assert run(RUN).stdout == "21\n"
    done = run(WITHOUT_LLVM + RUN)
    assert done.stdout == "21\n", done.stderr
    if tier == "optimized":
        assert run(WITHOUT_LLVM + RUN, opt_level="O2").returncode, "code of another level"
        assert run(WITHOUT_LLVM + RUN, memory="dynamic").returncode, "code for other memories"
    else:  # what is in the cache compiles
        done = run(WITHOUT_LLVM + RUN, memory="dynamic")
        assert done.stdout == "21\n", done.stderr


def test_engines_choose_their_cache(tmp_path: Path) -> None:
    data = assemble('(module (func (export "f") (result i32) (i32.const 77)))')

    def entries() -> int:
        return len(list(tmp_path.glob("module-*")))

    Module(data, engine=Engine(tier="optimized", cache=False))
    Module(data, engine=Engine(tier="optimized"))
    assert entries() == 0
    for _ in range(2):
        made = Module(data, engine=Engine(tier="optimized", cache=tmp_path))
        assert entries() == 1
        assert Instance(made).exports.f() == 77
    Module(data, engine=Engine(tier="optimized", cache=str(tmp_path), opt_level="O1"))
    assert entries() == 2


def test_code_is_mapped_from_the_cache(tmp_path: Path) -> None:
    data = assemble('(module (func (export "f") (result i32) (i32.const 78)))')
    Module(data, engine=Engine(tier="optimized", cache=tmp_path))
    (file,) = tmp_path.glob("module-*")
    mapped = Module(data, engine=Engine(tier="optimized", cache=tmp_path))
    assert f"{file}\n" in Path("/proc/self/maps").read_text()
    file.unlink()
    assert Instance(mapped).exports.f() == 78
    assert (
        mapped.serialize() == Module(data, engine=Engine(tier="optimized", cache=False)).serialize()
    )


def test_what_is_invalid_is_never_found(tmp_path: Path) -> None:
    engine = Engine(cache=tmp_path)
    data = assemble('(module (func (export "f") (result i32) (i32.const 0)))')
    invalid = data.replace(b"\x41\x00\x0b", b"\x42\x00\x0b")  # i64.const
    assert invalid != data
    for _ in range(2):
        with pytest.raises(InvalidModule):
            Module(invalid, engine=engine)
    assert not list(tmp_path.glob("module-*"))
