"""Which code may be running: what the stack of this thread holds, and whether there are others.

All of this needs the interpreter lock, without which no thread enters WebAssembly code.
"""

from __future__ import annotations

import ctypes
from array import array

from wasmine.abi.vmcontext import LANDING_COOKIE, Landing, ThreadRecord
from wasmine.vm.process import Process
from wasmine.vm.store import live_stores


def addresses_on_stack(process: Process, low: int, high: int) -> list[int] | None:
    """All that might be return addresses from `low` to `high` in frames of WebAssembly code.

    None if there may be frames that cannot be seen: another thread's, or on a stack that has been
    switched away.
    """
    depth = sum(store.depth for store in live_stores())
    if not depth:
        return []
    address = process.current_thread()
    if not address:
        return None
    record = ThreadRecord.from_address(address)
    if depth != _landings(record.landing):
        return None
    stack = process.stack_pointer()
    if not record.stack_low <= stack < record.stack_high:  # within the handler of a signal
        return None
    words = array("Q", ctypes.string_at(stack, (record.stack_high - stack) & -8))
    return [word for word in words if low <= word <= high]


def _landings(address: int) -> int:
    """How many calls into WebAssembly code this thread is in, as far as its stack is the one that
    they were made on."""
    count = 0
    while address:
        landing = Landing.from_address(address)
        if landing.cookie != address ^ LANDING_COOKIE:
            break
        count += 1
        address = landing.previous
    return count
