"""Files in memory do what files of the host do, errno by errno; and what Python does with them."""

from __future__ import annotations

import errno
import gc
import os
import random
import sys
import threading
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from wasmine import wasi
from wasmine.wasi import Errno, HostDirectory, Link, MemoryDirectory
from wasmine.wasi.abi import FdFlags, OFlags
from wasmine.wasi.contents import PIECE, Content
from wasmine.wasi.filesystem import Opening, Times
from wasmine.wasi.memorynodes import NAME_SIZE, NODE_SIZE

from .guest import ROOT, Guest
from .host import use_walk
from .rivals import Rivals, host_tree, same_files

PROGRAM = Path(__file__).parents[2] / "examples" / "files" / "files.wasm"
EDIT = Opening(read=True, write=True, create=True)


@pytest.mark.parametrize("walk", ["openat2", "steps"])
@pytest.mark.parametrize("seed", range(25))
def test_random_calls_say_the_same(
    seed: int, walk: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_walk(monkeypatch, walk)
    numbers = random.Random(seed)
    rivals = Rivals(tmp_path)
    log = []
    for _ in range(300):
        name, arguments, host, memory = rivals.step(numbers)
        shown = [value[:20] if isinstance(value, bytes) else int(value) for value in arguments]
        log.append(f"{name}{shown} = {host!r:.80}")
        assert host == memory, "\n".join(log)
    rivals.close()
    assert rivals.files.to_dict() == host_tree(tmp_path), "\n".join(log)
    host_names, memory_names = same_files(tmp_path, rivals.files)
    assert host_names == memory_names


@pytest.fixture
def files() -> MemoryDirectory:
    return MemoryDirectory(
        {
            "a.txt": "text é",
            "sub": {"b": b"\0\xff", "deep": {}},
            "link": Link("sub/b"),
            "through": Link("sub"),
        }
    )


def open_file(files: MemoryDirectory, name: bytes, opening: Opening = EDIT) -> Any:
    return files.open(name, opening)


def test_a_program_finds_files_and_leaves_files() -> None:
    texts = Path(__file__).parents[2] / "examples" / "files"
    files = MemoryDirectory.load(texts / "texts")
    host = wasi.run(PROGRAM, ["files", "/"], dirs={"/": HostDirectory(texts / "texts", True)})
    result = wasi.run(PROGRAM, ["files", "/"], dirs={"/": files})
    assert (result.exit_code, result.stdout) == (host.exit_code, host.stdout)


def test_paths_lead_to_bytes_links_and_directories(files: MemoryDirectory) -> None:
    assert files["a.txt"] == "text é".encode()
    assert files["link"] == Link("sub/b")
    assert files["through/b"] == b"\0\xff"
    assert list(files) == ["a.txt", "sub", "link", "through"]
    assert list(files["sub"]) == ["b", "deep"]
    assert (len(files), len(files["sub/deep"])) == (4, 0)
    assert files.get("sub/c") is None
    assert "sub/b" in files
    assert "through/b" in files
    assert "a.txt/b" not in files
    assert repr(files["sub"]) == "<wasmine.wasi.MemoryDirectory with 2 names>"


def test_a_directory_is_seen_as_it_is(files: MemoryDirectory) -> None:
    sub = files["sub"]
    files["sub/new"] = b"1"
    assert sub["new"] == b"1"
    del sub["b"]
    assert "sub/b" not in files
    assert files == files.to_dict()
    assert sub != files
    del files["sub"]
    assert len(sub) == 0
    with pytest.raises(FileNotFoundError):
        sub["x"] = b""


def test_what_is_assigned(files: MemoryDirectory) -> None:
    files["sub"] = bytearray(b"a file now")
    files["a.txt"] = {"one/two": memoryview(b"abcd")[::2], "three": {}}
    files["link"] = "no link"
    files["x/y/z"] = files["a.txt"]
    files.update({"u": b"", "through": Link("a.txt")})
    files["through/four"] = b"4"
    assert files.to_dict() == {
        "through": Link("a.txt"),
        "sub": b"a file now",
        "a.txt": {"one": {"two": b"ac"}, "three": {}, "four": b"4"},
        "link": b"no link",
        "x": {"y": {"z": {"one": {"two": b"ac"}, "three": {}}}},
        "u": b"",
    }


def test_walking(files: MemoryDirectory) -> None:
    assert {path: value for path, value in files.walk() if isinstance(value, (bytes, Link))} == {
        "a.txt": "text é".encode(),
        "link": Link("sub/b"),
        "through": Link("sub"),
        "sub/b": b"\0\xff",
    }
    paths = [path for path, _ in files.walk()]
    assert paths == ["a.txt", "sub", "link", "through", "sub/b", "sub/deep"]


def test_deleting(files: MemoryDirectory) -> None:
    empty = MemoryDirectory().used
    for path in ("through/b", "link", "sub"):
        del files[path]
    assert list(files) == ["a.txt", "through"]
    assert files.pop("a.txt") == "text é".encode()
    files.clear()
    assert files.used == empty


@pytest.mark.parametrize(
    "path", ["none", "a.txt/b", "sub/none/b", "dangling/x", "circle/x", "out/x"]
)
def test_what_is_not_there(files: MemoryDirectory, path: str) -> None:
    files.update(dangling=Link("none"), circle=Link("circle"), out=Link("../.."))
    with pytest.raises(KeyError) as caught:
        files[path]
    assert caught.value.args == (path,)
    with pytest.raises(KeyError):
        del files[path]
    assert path not in files


@pytest.mark.parametrize(
    ("path", "value", "error", "text"),
    [
        (b"a", b"", TypeError, "expected a path as str, got bytes"),
        (7, b"", TypeError, "expected a path as str, got int"),
        ("", b"", ValueError, "'' is no path: names, single slashes between, no '.' or '..'"),
        ("/a", b"", ValueError, "'/a' is no path"),
        ("a/", b"", ValueError, "'a/' is no path"),
        ("a//b", b"", ValueError, "'a//b' is no path"),
        ("../a", b"", ValueError, "'../a' is no path"),
        ("a/./b", b"", ValueError, "'a/./b' is no path"),
        ("a\0", b"", ValueError, r"'a\\x00' is no path"),
        ("é" * 128, b"", ValueError, "a name has at most 255 bytes"),
        ("a.txt/b", b"", ValueError, "'a.txt/b' leads through what is no directory"),
        ("dangling/b", b"", ValueError, "'dangling/b' leads through a link to nothing"),
        ("x", 7, TypeError, "'x': expected bytes, str, a mapping or a Link, got int"),
        ("x", None, TypeError, "'x': expected bytes, str, a mapping or a Link, got NoneType"),
        ("x", {"y": [1]}, TypeError, "'y': expected bytes, str, a mapping or a Link, got list"),
        ("x", {"..": b""}, ValueError, "'..' is no path"),
    ],
)
def test_what_is_refused(
    files: MemoryDirectory, path: Any, value: Any, error: type[Exception], text: str
) -> None:
    files["dangling"] = Link("nothing")
    before = files.to_dict()
    with pytest.raises(error, match=text):
        files[path] = value
    assert files.to_dict() == before


@pytest.mark.parametrize(
    ("target", "error"), [("", ValueError), ("a\0", ValueError), (b"a", TypeError)]
)
def test_links_that_can_be_none(target: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="Link: "):
        Link(target)


def test_names_that_are_no_text_survive(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    Path(os.fsdecode(bytes(tmp_path / "in") + b"/\xff")).write_bytes(b"x")
    files = MemoryDirectory.load(tmp_path / "in")
    assert files.to_dict() == {"\udcff": b"x"}
    assert files["\udcff"] == b"x"
    files.save(tmp_path / "out")
    assert os.listdir(bytes(tmp_path / "out")) == [b"\xff"]


# -- room ----------------------------------------------------------------------------------------


def test_everything_is_counted_and_given_back() -> None:
    files = MemoryDirectory()
    assert (files.used, files.limit) == (NODE_SIZE, 1 << 30)
    before = files.used
    files["f"] = b"12345"
    assert files.used == before + NODE_SIZE + NAME_SIZE + 1 + 5
    files.link(b"f", files, b"gg")
    assert files.used == before + NODE_SIZE + 2 * NAME_SIZE + 3 + 5
    opened = open_file(files, b"f")
    files.clear()
    assert files.used == before + NODE_SIZE + 5
    opened.set_size(1000)
    assert files.used == before + NODE_SIZE + 1000
    del opened
    assert files.used == before
    files["link"] = Link("somewhere")
    assert files.used == before + NODE_SIZE + NAME_SIZE + 4 + 9


def test_a_tree_is_gone_when_nothing_refers_to_it() -> None:
    files = MemoryDirectory({"a": {"b": {"c": b"content"}}, "d": Link("a")})
    volume = files.folder.volume
    gc.disable()
    try:
        del files
        assert volume.used == 0
    finally:
        gc.enable()


def test_a_file_is_written_as_far_as_there_is_room() -> None:
    files = MemoryDirectory(limit=2 * NODE_SIZE + NAME_SIZE + 1 + 100)
    file = open_file(files, b"f")
    assert file.write([memoryview(bytes(60)), memoryview(bytes(60))]) == 100
    for call in (
        lambda: file.write([memoryview(b"x")]),
        lambda: file.set_size(101),
        lambda: file.allocate(0, 101),
        lambda: file.write_at([memoryview(b"x")], 10**6),
        lambda: files.make_directory(b"d"),
        lambda: files.make_link(b"l", b"f"),
        lambda: files.link(b"f", files, b"g"),
        lambda: files.rename(b"f", files, b"longer"),
        lambda: files.open(b"h", EDIT),
        lambda: files.update(h=b""),
    ):
        with pytest.raises(OSError, match="No space left") as caught:
            call()
        assert caught.value.errno == errno.ENOSPC
    assert files.to_dict() == {"f": bytes(100)}
    assert files.used == files.limit
    files.rename(b"f", files, b"g")
    assert file.write_at([memoryview(b"xyz")], 98) == 2
    del files["g"]
    assert file.status().size == 100


def test_the_guest_is_told_that_there_is_no_room() -> None:
    guest = Guest(dirs={"/": MemoryDirectory(limit=2000)})
    fd = guest.open(b"f", OFlags.CREAT, -1)
    assert guest.ask("fd_write", fd, bytes(3000)) == 2000 - 2 * NODE_SIZE - NAME_SIZE - 1
    assert guest.errno("fd_write", fd, b"x") is Errno.ENOSPC
    assert guest.errno("path_create_directory", ROOT, b"d") is Errno.ENOSPC


def test_what_is_given_back_is_not_held() -> None:
    files = MemoryDirectory()
    empty = sys.getsizeof(files.folder.names)
    for number in range(10_000):
        files.make_link(b"%d" % number, b"x")
    full = sys.getsizeof(files.folder.names)
    for number in range(10, 10_000):
        files.remove_file(b"%d" % number)
    assert sys.getsizeof(files.folder.names) < full / 10
    assert list(files) == [str(number) for number in range(10)]
    for number in range(10):
        files.remove_file(b"%d" % number)
    assert sys.getsizeof(files.folder.names) <= 2 * empty


def test_holes_take_no_memory_and_are_counted() -> None:
    files = MemoryDirectory(limit=1 << 40)
    file = open_file(files, b"f")
    file.set_size(1 << 39)
    assert file.write_at([memoryview(b"end")], (1 << 39) - 3) == 3
    buffer = bytearray(b"?" * 6)
    assert file.read_at([memoryview(buffer)], (1 << 39) - 6) == 6
    assert buffer == b"\0\0\0end"
    assert files.used > 1 << 39


def test_copies_of_files_with_many_names_take_no_more(tmp_path: Path) -> None:
    files = MemoryDirectory({"f": bytes(10)})
    for number in range(10):
        files.link(b"f", files, b"%d" % number)
    copied = files.to_dict()
    assert len({id(content) for content in copied.values()}) == 1
    files.save(tmp_path)
    assert {os.stat(tmp_path / name).st_nlink for name in copied} == {11}
    assert MemoryDirectory.load(tmp_path).used == files.used


def test_content_against_a_model() -> None:
    numbers = random.Random(5)
    for _ in range(30):
        content, model = Content(), bytearray()
        for _ in range(40):
            offset = numbers.choice((0, 5, PIECE - 1, PIECE, 2 * PIECE - 3, len(model)))
            length = numbers.choice((0, 1, 10, PIECE, 2 * PIECE + 5))
            match numbers.randrange(3):
                case 0:
                    data = numbers.randbytes(length)
                    content.write(memoryview(data), offset)
                    if data:
                        model += bytes(max(0, offset - len(model)))
                        model[offset : offset + length] = data
                case 1:
                    content.resize(offset)
                    model = model[:offset] + bytes(max(0, offset - len(model)))
                case _:
                    buffer = bytearray(b"?" * length)
                    read = content.read(memoryview(buffer), offset)
                    wanted = model[offset : offset + length]
                    assert read == len(wanted)
                    assert buffer[:read] == wanted
                    assert buffer[read:] == b"?" * (length - read)
        assert content.size == len(model)
        assert bytes(content) == bytes(model)


# -- what Linux does -----------------------------------------------------------------------------


def test_a_file_without_a_name_can_be_read(files: MemoryDirectory) -> None:
    file = open_file(files, b"a.txt")
    files.remove_file(b"a.txt")
    buffer = bytearray(4)
    assert file.read([memoryview(buffer)]) == 4
    assert bytes(buffer) == b"text"
    assert file.status().links == 0
    assert file.write([memoryview(b"!")]) == 1


def test_times_come_from_the_clock() -> None:
    ticks = count(1)
    files = MemoryDirectory(clock=lambda: next(ticks))
    file = open_file(files, b"f")

    def times() -> tuple[int, ...]:
        status = file.status()
        return status.accessed, status.modified, status.changed

    created = times()
    file.write([memoryview(b"x")])
    written = times()
    file.read_at([memoryview(bytearray(1))], 0)
    read = times()
    files.link(b"f", files, b"g")
    linked = times()
    file.set_times(Times(77, None))
    assert created[0] == created[1]
    assert written[0] == created[0] < written[1] == written[2]
    assert read[0] > written[2] == read[2]
    assert linked[:2] == read[:2]
    assert linked[2] > read[2]
    assert times()[:2] == (77, written[1])


def test_two_runs_with_a_clock_are_the_same() -> None:
    def run() -> list[Any]:
        ticks = count()
        files = MemoryDirectory({"a": b"1", "d": {"b": "2"}}, clock=lambda: next(ticks))
        guest = Guest(dirs={"/": files})
        return [guest.status(path)._replace(device=0) for path in (b"a", b"d", b"d/b")]

    assert run() == run()


def test_file_systems_are_different_devices(files: MemoryDirectory) -> None:
    other = MemoryDirectory()
    assert files.status().device != other.status().device
    guest = Guest(dirs={"/": files, "/other": other, "/sub": files["sub"]})
    assert guest.errno("path_rename", ROOT, b"a.txt", ROOT + 1, b"x") is Errno.EXDEV
    assert guest.errno("path_link", ROOT, 0, b"a.txt", ROOT + 1, b"x") is Errno.EXDEV
    assert guest.errno("path_rename", ROOT, b"a.txt", ROOT + 2, b"x") is Errno.SUCCESS
    assert files["sub/x"] == "text é".encode()


def test_the_host_is_another_device(files: MemoryDirectory, tmp_path: Path) -> None:
    (tmp_path / "h").write_bytes(b"")
    guest = Guest(dirs={"/": files, "/host": tmp_path})
    for call in (("path_rename",), ("path_link", 0)):
        name, *flags = call
        assert guest.errno(name, ROOT, *flags, b"a.txt", ROOT + 1, b"x") is Errno.EXDEV
        assert guest.errno(name, ROOT + 1, *flags, b"h", ROOT, b"x") is Errno.EXDEV


def test_read_only_is_for_programs() -> None:
    files = MemoryDirectory({"f": b"1", "d": {}}, read_only=True)
    guest = Guest(dirs={"/": files})
    for name, *arguments in (
        ("path_open", ROOT, 0, b"f", 0, -1, 0, 0),
        ("path_open", ROOT, 0, b"f", OFlags.TRUNC, 2, 0, 0),
        ("path_open", ROOT, 0, b"new", OFlags.CREAT, 2, 0, 0),
        ("path_create_directory", ROOT, b"x"),
        ("path_unlink_file", ROOT, b"f"),
        ("path_remove_directory", ROOT, b"d"),
        ("path_rename", ROOT, b"f", ROOT, b"g"),
        ("path_link", ROOT, 0, b"f", ROOT, b"g"),
        ("path_symlink", b"f", ROOT, b"g"),
        ("path_filestat_set_times", ROOT, 0, b"f", 1, 1, 1),
    ):
        assert guest.errno(name, *arguments) is Errno.EROFS, name
    fd = guest.open(b"f", OFlags.CREAT)
    assert guest.read(fd) == b"1"
    assert guest.errno("fd_filestat_set_times", fd, 1, 1, 1) is Errno.EROFS
    files["f"] = b"2"
    files["d/e"] = b"3"
    assert files["d"].read_only
    assert guest.read(guest.open(b"d/e")) == b"3"


def test_a_hundred_thousand_names() -> None:
    files = MemoryDirectory()
    for number in range(100_000):
        files.make_link(b"%d" % number, b"x")
    guest = Guest(dirs={"/": files})
    assert len({entry.name for entry in guest.list(size=1 << 16)}) == 100_002
    assert guest.status(b"99999").size == 1


def test_trees_of_any_depth_come_and_go() -> None:
    files = MemoryDirectory()
    here = files
    for _ in range(30_000):
        here.make_directory(b"d")
        here = here.enter(b"d")
    with pytest.raises(OSError, match="Invalid argument"):
        files.rename(b"d", here, b"e")
    inner = files.to_dict()
    depth = 0
    while inner:
        inner, depth = inner["d"], depth + 1
    assert depth == 30_000
    other = MemoryDirectory({"copy": files})
    del files["d"], here
    assert files.used == NODE_SIZE
    del other


def test_threads_share_a_file_system() -> None:
    files = MemoryDirectory()
    line = b"line of one thread\n"

    def work(number: int) -> None:
        own = b"%d" % number
        for _ in range(200):
            opening = EDIT._replace(flags=FdFlags.APPEND)
            assert open_file(files, b"log", opening).write([memoryview(line)]) == len(line)
            assert open_file(files, own).write([memoryview(own)]) == 1
            files.rename(own, files, b"moved")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert files["log"] == line * 800
    assert set(files) == {"log", "moved"}
    del files["moved"], files["log"]
    assert files.used == NODE_SIZE


# -- copies --------------------------------------------------------------------------------------


def test_what_is_loaded_is_saved(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "sub" / "empty").mkdir(parents=True)
    (source / "sub" / "big").write_bytes(os.urandom(3 * PIECE + 7))
    (source / "a").write_bytes(b"")
    (source / "link").symlink_to("../outside")
    (source / "dir").symlink_to("sub")
    os.link(source / "a", source / "sub" / "again")
    os.utime(source / "a", ns=(1_000, 2_000))
    os.utime(source / "sub", ns=(3_000, 4_000))
    files = MemoryDirectory.load(source)
    assert files.to_dict() == host_tree(source)
    assert list(files) == sorted(os.listdir(source))
    assert files.status(b"a")[3:7] == (2, 0, 1_000, 2_000)
    target = tmp_path / "new" / "target"
    files.save(target)
    files.save(target)
    assert host_tree(target) == host_tree(source)
    assert os.stat(target / "a").st_ino == os.stat(target / "sub" / "again").st_ino
    assert os.stat(target / "a").st_mtime_ns == 2_000
    assert os.stat(target / "sub").st_mtime_ns == 4_000
    assert not (tmp_path / "outside").exists()


def test_loading_what_does_not_fit(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(bytes(10_000))
    with pytest.raises(OSError, match="No space left"):
        MemoryDirectory.load(tmp_path, limit=9_000)
    with pytest.raises(NotADirectoryError):
        MemoryDirectory.load(tmp_path / "big")
    with pytest.raises(FileNotFoundError):
        MemoryDirectory.load(tmp_path / "none")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="'pipe' is neither a file, a directory nor a link"):
        MemoryDirectory.load(tmp_path)


def test_saving_writes_nothing_outside(tmp_path: Path) -> None:
    """A first program leaves links, another directories and files in their place."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_bytes(b"kept")
    target = tmp_path / "target"
    first = MemoryDirectory(
        {
            "folder": Link("../outside"),
            "file": Link("../outside/kept"),
            "absolute": Link(str(outside / "kept")),
        }
    )
    first.save(target)
    os.link(outside / "kept", target / "hard")
    second = MemoryDirectory({"file": b"new", "absolute": b"new", "hard": b"new"})
    second.save(target)
    assert host_tree(target) == {"folder": Link("../outside"), **second.to_dict()}
    with pytest.raises(FileExistsError):
        MemoryDirectory({"folder": {"kept": b"new", "more": b"new"}}).save(target)
    assert host_tree(outside) == {"kept": b"kept"}


def test_saving_over_what_is_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "f").write_bytes(b"old")
    with pytest.raises(IsADirectoryError):
        MemoryDirectory({"d": b""}).save(tmp_path)
    with pytest.raises(FileExistsError):
        MemoryDirectory({"f": {}}).save(tmp_path)
    assert host_tree(tmp_path) == {"d": {}, "f": b"old"}


def test_a_file_that_grows_while_it_is_copied(tmp_path: Path) -> None:
    """No view of a file's bytes is out while another thread may make it grow."""
    files = MemoryDirectory({"f": bytes(PIECE // 2)})
    file = open_file(files, b"f", EDIT._replace(flags=FdFlags.APPEND))
    stop = threading.Event()

    def save() -> None:
        while not stop.is_set():
            files.save(tmp_path)
            bytes(files["f"])

    thread = threading.Thread(target=save)
    thread.start()
    for _ in range(2_000):
        file.write([memoryview(b"x" * 100)])
    stop.set()
    thread.join()
    assert files.status(b"f").size == PIECE // 2 + 200_000
