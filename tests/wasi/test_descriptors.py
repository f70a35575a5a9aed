"""The numbers that descriptors get."""

from __future__ import annotations

import pytest

from wasmine.wasi import MemoryDirectory, descriptors
from wasmine.wasi.abi import Errno, ErrnoError
from wasmine.wasi.descriptors import Descriptor, DescriptorTable

from .guest import Guest


def table() -> DescriptorTable:
    return DescriptorTable([Descriptor() for _ in range(5)])


def test_a_number_that_is_free_is_given_out_again() -> None:
    descriptors = table()
    descriptors.close(3)
    assert [descriptors.add(Descriptor()) for _ in range(2)] == [3, 5]


@pytest.mark.parametrize("stream", range(3))
def test_the_number_of_a_standard_stream_is_not(stream: int) -> None:
    descriptors = table()
    descriptors.close(stream)
    assert descriptors.add(Descriptor()) == 5
    with pytest.raises(ErrnoError) as caught:
        descriptors[stream]
    assert caught.value.errno == Errno.EBADF


def test_but_another_descriptor_can_take_its_place() -> None:
    descriptors = table()
    added = Descriptor()
    descriptors.renumber(descriptors.add(added), 1)
    assert descriptors[1] is added


def test_listings_are_bounded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {f"file {number:04}": b"" for number in range(100)}
    monkeypatch.setattr(descriptors, "_MOST_HELD", 15_000)
    with Guest(dirs={"/": MemoryDirectory(names)}) as guest:
        opened = [guest.open(b".") for _ in range(5)]
        listed = [guest.errno("fd_readdir", number, 4096, 0) for number in opened]
        assert listed == [Errno.SUCCESS] * 5
        another = guest.open(b".")
        assert guest.errno("fd_readdir", another, 4096, 5) is Errno.ENOMEM
        assert guest.errno("fd_readdir", opened[0], 4096, 5) is Errno.SUCCESS
        guest.ask("fd_close", opened.pop())
        assert len(list(guest.list(another))) == 102
