"""The cache's directory and files: what is found, what is refused, what is removed."""

from __future__ import annotations

import errno
import fcntl
import os
import pwd
import random
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from wasmine.api import cache, cachefile, cachekeys
from wasmine.api.cache import Cache
from wasmine.api.cachefile import ALIGNMENT, Entry, Key
from wasmine.api.cachekeys import content_digest, make_key

KEY = make_key("module", "a", "b")
PARTS = [b"first", b"", bytes(range(256)) * 40]


@pytest.fixture
def store(tmp_path: Path) -> Cache:
    return Cache(str(tmp_path / "below" / "cache"))


def found(store: Cache, key: Key = KEY) -> list[bytes] | None:
    """The parts of an entry."""
    entry = store.get(key)
    if entry is None:
        return None
    with entry:
        return [bytes(entry.part(index)) for index in range(len(entry))]


def file_of(store: Cache, key: Key = KEY) -> Path:
    assert store.directory is not None
    return Path(store.directory, key.name)


def names(store: Cache) -> set[str]:
    assert store.directory is not None
    return set(os.listdir(store.directory))


def test_what_was_put_is_found(store: Cache) -> None:
    assert found(store) is None
    assert store.put(KEY, PARTS)
    assert found(store) == PARTS
    assert found(store, make_key("module", "ab")) is None
    assert found(store, Key("tier", KEY.digest)) is None
    assert store.put(KEY, [b"other"])
    assert found(store) == [b"other"]
    # nothing but the entry and the record of what was written
    assert names(store) == {KEY.name, "usage", "evicting"}


def test_parts_can_be_mapped_from_the_file(store: Cache) -> None:
    store.put(KEY, PARTS)
    entry = store.get(KEY)
    assert entry is not None
    with entry:
        for index, part in enumerate(PARTS):
            assert entry.offset(index) % ALIGNMENT == 0
            assert os.pread(entry.fd, len(part), entry.offset(index)) == part
        view = entry.part(2)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(entry.fd)
    assert view == PARTS[2], "what was given stays mapped"


def test_every_flipped_byte_is_noticed(store: Cache) -> None:
    store.put(KEY, [b"abcdefg"])
    file = file_of(store)
    good = file.read_bytes()
    with file.open("r+b", buffering=0) as damaged:
        for place, byte in enumerate(good):
            os.pwrite(damaged.fileno(), bytes([byte ^ 1 << place % 8]), place)
            assert store.get(KEY) is None, f"byte {place} of {len(good)}"
            os.pwrite(damaged.fileno(), bytes([byte]), place)
    assert found(store) == [b"abcdefg"]


def test_torn_and_foreign_files_are_ignored_and_replaced(store: Cache) -> None:
    store.put(KEY, PARTS)
    file = file_of(store)
    good = file.read_bytes()
    lengths = [0, 1, 8, cachefile.HEADER.size, 4096, len(good) - 1]
    wrong = [*(good[:length] for length in lengths), good + b"\0", b"\x7fELF" * 9000]
    wrong += [good[:size] + bytes(len(good) - size) for size in (0, 512, 4096, 8192)]
    for content in wrong:
        file.write_bytes(content)
        assert found(store) is None
        assert store.put(KEY, PARTS)
        assert found(store) == PARTS
    other = make_key("module", "other")
    file.rename(file_of(store, other))
    assert found(store, other) is None, "a file under another name"


def test_what_is_no_file_of_ours_is_not_opened(store: Cache, tmp_path: Path) -> None:
    store.put(KEY, PARTS)
    file = file_of(store)
    elsewhere = tmp_path / "elsewhere"
    file.rename(elsewhere)
    file.symlink_to(elsewhere)
    assert found(store) is None
    assert store.put(KEY, PARTS)
    assert not file.is_symlink()
    assert found(store) == PARTS
    file.unlink()
    os.mkfifo(file)  # opening it would wait for a writer
    assert found(store) is None
    file.unlink()
    file.mkdir()
    assert found(store) is None
    assert not store.put(KEY, PARTS)
    assert not [name for name in names(store) if name.startswith("new-")]


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_a_directory_that_others_may_write_is_refused(store: Cache, mode: int) -> None:
    store.put(KEY, PARTS)
    directory = file_of(store).parent
    directory.chmod(mode)
    assert found(store) is None
    assert not store.put(make_key("module", "new"), PARTS)
    assert "can be written by other users" in str(store.info().problem)
    directory.chmod(0o755)
    assert found(store) == PARTS
    file_of(store).chmod(0o666)
    assert found(store) is None, "the file likewise"


def test_a_directory_of_another_user_is_refused(
    store: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put(KEY, PARTS)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert found(store) is None
    assert not store.put(KEY, PARTS)
    assert "belongs to another user" in str(store.info().problem)


def test_it_is_private(store: Cache) -> None:
    store.put(KEY, PARTS)
    assert file_of(store).parent.stat().st_mode & 0o777 == 0o700
    assert file_of(store).stat().st_mode & 0o777 == 0o600


def test_a_directory_that_cannot_be(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"")
    for directory in (file, file / "below", Path("/proc/nowhere/at/all")):
        store = Cache(str(directory))
        assert not store.put(KEY, PARTS)
        assert found(store) is None
        assert store.info().problem
        store.clear()


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize("call", ["pwrite", "ftruncate", "rename", "write"])
def test_what_cannot_be_written_leaves_nothing(
    store: Cache, call: str, error: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put(KEY, PARTS)
    before = names(store)

    def fail(*_arguments: object, **_options: object) -> int:
        raise OSError(error, os.strerror(error))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        assert not store.put(make_key("module", "new"), PARTS)
        assert not store.put(KEY, [b"x"])
    assert names(store) == before
    assert found(store) == PARTS


def test_a_disk_that_fills_up_while_a_file_is_written(
    store: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = 5000
    pwrite = os.pwrite

    def write(fd: int, content: bytes, place: int) -> int:
        """What the system does at the end of a disk: less than asked for, then nothing."""
        nonlocal room
        if not room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = pwrite(fd, content[:room], place)
        room -= written
        return written

    monkeypatch.setattr(os, "pwrite", write)
    assert not store.put(KEY, PARTS)
    assert found(store) is None
    room = 1 << 20
    assert store.put(KEY, PARTS)
    assert found(store) == PARTS


def keys(count: int) -> list[Key]:
    return [make_key("tier", str(number)) for number in range(count)]


def test_the_least_recently_used_goes_first(tmp_path: Path) -> None:
    store = Cache(str(tmp_path), limit=40 * 10_000)
    all_keys = keys(40)
    long_ago = time.time() - 100_000
    for age, key in enumerate(all_keys[:30]):
        store.put(key, [bytes(8000)])
        os.utime(file_of(store, key), (long_ago + age, long_ago + age))
    used = all_keys[3]
    assert found(store, used) is not None  # which makes it new
    for key in all_keys[30:]:
        assert store.put(key, [bytes(8000)])
        assert store.info().size <= store.limit
    left = [key for key in all_keys if found(store, key)]
    assert used in left
    assert all_keys[0] not in left
    assert left[1:] == all_keys[-len(left) + 1 :], "the rest are the youngest"
    assert len(left) >= 20


def test_what_is_larger_than_the_bound_is_not_stored(tmp_path: Path) -> None:
    store = Cache(str(tmp_path), limit=10_000)
    assert not store.put(KEY, [bytes(10_000)])
    assert store.put(KEY, [bytes(100)])


def test_what_killed_writers_left_is_removed(tmp_path: Path) -> None:
    store = Cache(str(tmp_path), limit=50_000)
    store.put(KEY, [bytes(100)])
    old, young = (tmp_path / f"new-{number}-0123456789abcdef" for number in (1, 2))
    foreign = tmp_path / "new-3-somebody's"
    for file in (old, young, foreign):
        file.write_bytes(bytes(100))
        os.utime(file, (1, 1))
    os.utime(young)
    for key in keys(20):
        store.put(key, [bytes(8000)])
    assert not old.exists()
    assert young.exists()
    assert foreign.exists()
    store.clear()
    assert names(store) == {foreign.name}


def test_a_damaged_record_of_use_is_made_anew(tmp_path: Path) -> None:
    store = Cache(str(tmp_path), limit=100_000)
    for content in (b"abc", b"\xff" * 8, bytes(8 * 5000)):
        store.put(KEY, PARTS)
        (tmp_path / "usage").write_bytes(content)
        assert store.put(make_key("heap"), PARTS)
        assert found(store) == PARTS
        assert len((tmp_path / "usage").read_bytes()) == 8


def test_update(store: Cache) -> None:
    def merge(entry: Entry | None) -> Sequence[bytes]:
        return [b"1" if entry is None else bytes(entry.part(0)) + b"1"]

    for _ in range(3):
        assert store.update(KEY, merge)
    assert found(store) == [b"111"]
    assert not store.update(KEY, lambda _: None)
    assert found(store) == [b"111"]


def test_updates_of_many_threads_are_all_made(store: Cache) -> None:
    def work() -> None:
        for _ in range(20):
            store.update(KEY, lambda entry: [b"1" + (bytes(entry.part(0)) if entry else b"")])

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found(store) == [b"1" * 100]


def test_who_holds_the_lock_and_stopped_is_not_waited_for_long(store: Cache) -> None:
    store.update(KEY, lambda _: [b"1"])
    lock = os.open(file_of(store).parent / "updating", os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    start = time.monotonic()
    assert not store.update(KEY, lambda _: [b"2"])
    assert time.monotonic() - start >= cache.PATIENCE
    assert found(store) == [b"1"]
    assert store.put(KEY, [b"3"]), "which needs no lock"
    os.close(lock)
    assert store.update(KEY, lambda _: [b"4"])


def test_readers_and_evicting_writers_at_once(tmp_path: Path) -> None:
    store = Cache(str(tmp_path), limit=60_000)
    wanted = keys(12)
    wrong: list[object] = []

    def work(seed: int) -> None:
        choose = random.Random(seed)
        for _ in range(150):
            key = choose.choice(wanted)
            content = key.digest * 200
            if choose.random() < 0.5:
                store.put(key, [content])
            elif found(store, key) not in (None, [content]):
                wrong.append(key)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert store.info().problem is None


def test_info_and_clear(store: Cache) -> None:
    assert store.info().entries == {}
    store.put(KEY, PARTS)
    store.put(make_key("runtime"), [b"r"])
    info = store.info()
    assert {kind: count for kind, (count, _) in info.entries.items()} == {"module": 1, "runtime": 1}
    assert info.size == sum(
        file_of(store, key).stat().st_size for key in (KEY, make_key("runtime"))
    )
    store.clear()
    assert store.info().entries == {}
    assert names(store) == set()


@pytest.mark.parametrize(
    ("environment", "directory", "limit"),
    [
        ({"WASMINE_CACHE_DIR": "/some/where"}, "/some/where", 2 << 30),
        ({"WASMINE_CACHE_DIR": "/some/where", "WASMINE_CACHE_SIZE": "3M"}, "/some/where", 3 << 20),
        ({"XDG_CACHE_HOME": "/xdg"}, "/xdg/wasmine", 2 << 30),
        ({"HOME": "/home/of"}, "/home/of/.cache/wasmine", 2 << 30),
        ({"WASMINE_CACHE_SIZE": "77"}, None, 77),
        ({"WASMINE_CACHE_DIR": "relative"}, None, 2 << 30),
        ({"WASMINE_CACHE_DIR": "/some/where", "WASMINE_CACHE": "0"}, None, 2 << 30),
        ({"WASMINE_CACHE_DIR": "/some/where", "WASMINE_CACHE_SIZE": "big"}, None, 2 << 30),
    ],
)
def test_what_the_environment_says(
    environment: dict[str, str],
    directory: str | None,
    limit: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unknown(_user: int) -> None:
        raise KeyError

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr(os, "environ", environment)
    made = cache.default.__wrapped__()
    assert (made.directory, made.limit) == (directory, limit)
    assert (made.info().problem is None) == (directory is not None)


def test_the_directory_is_that_of_platformdirs(monkeypatch: pytest.MonkeyPatch) -> None:
    import platformdirs

    for variable in (None, "/xdg", " "):
        if variable is None:
            monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        else:
            monkeypatch.setenv("XDG_CACHE_HOME", variable)
        monkeypatch.delenv("WASMINE_CACHE_DIR", raising=False)
        assert cache.default.__wrapped__().directory == platformdirs.user_cache_dir("wasmine")


def test_options_of_an_engine(tmp_path: Path) -> None:
    assert cache.of_option(True) is cache.default()
    assert cache.of_option(False).directory is None
    assert cache.of_option(tmp_path).directory == str(tmp_path)
    with pytest.raises(TypeError, match="cache is True, False or the path of a directory, not 3"):
        cache.of_option(3)


def test_keys_tell_all_facts_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = [("a", "b"), ("ab",), ("", "ab"), ("a", "b", ""), ("b", "a"), (b"\0",), ()]
    digests = {make_key("module", *each).digest for each in facts}
    assert len(digests) == len(facts)
    for name in ("_sources", "_llvm"):
        with monkeypatch.context() as patch:
            patch.setattr(cachekeys, name, lambda: "other")
            cachekeys._environment.cache_clear()
            digests |= {make_key("module", *each).digest for each in facts}
    cachekeys._environment.cache_clear()
    assert len(digests) == 3 * len(facts)


def test_digests_of_contents() -> None:
    contents = [b"", b"a", bytes(1 << 20), bytes((1 << 20) - 1), bytes((1 << 20) + 1)]
    digests = {content_digest(content) for content in contents}
    assert len(digests) == len(contents)
    assert {len(digest) for digest in digests} == {32}
