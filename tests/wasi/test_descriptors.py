"""The numbers that descriptors get."""

from __future__ import annotations

import pytest

from wasmine.wasi.abi import Errno, ErrnoError
from wasmine.wasi.descriptors import Descriptor, DescriptorTable


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
