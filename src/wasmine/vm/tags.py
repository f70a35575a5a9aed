"""Tags of exceptions: one record at a fixed address for each."""

from __future__ import annotations

from typing import Final

from wasmine.abi.vmcontext import VMTag, size_of
from wasmine.types import TagType
from wasmine.vm.arena import Arena


class TagCell:
    """A tag. Its record lives as long as the arena; two tags are never the same."""

    def __init__(self, type_: TagType, number: int, arena: Arena) -> None:
        """`number` is that of the tag's type."""
        self.type: Final = type_
        self.number: Final = number
        self.address: Final = arena.allocate(size_of(VMTag))
        """Of the VMTag."""
        VMTag.from_address(self.address).type_index = number
