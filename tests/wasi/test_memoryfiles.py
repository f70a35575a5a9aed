"""Files in memory do what files of the host do, errno by errno."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.wasi.rivals import Rivals, host_tree, same_files


@pytest.mark.parametrize("seed", range(40))
def test_random_calls_say_the_same(seed: int, tmp_path: Path) -> None:
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
