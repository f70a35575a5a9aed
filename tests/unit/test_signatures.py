"""Rows S01 and S02: numbers for function types, addresses for function references."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor

from wasmine.abi.vmcontext import VMCallerCheckedAnyfunc
from wasmine.types import F64, I32, FunctionType, defined
from wasmine.vm.functions import FuncDataRegistry
from wasmine.vm.signatures import SignatureRegistry


def test_numbers_are_dense_and_equal_types_share_one() -> None:
    registry = SignatureRegistry()
    types = [FunctionType((I32,) * count, (F64,)) for count in range(5)]
    assert [registry.register(type_) for type_ in types] == [1, 2, 3, 4, 5]
    assert registry.register(FunctionType((I32, I32), (F64,))) == 3
    assert len(registry) == 5
    assert registry.lookup(4) is defined(types[3])
    assert registry.lookup(6) is None
    assert registry.lookup(0) is None


def test_types_that_nobody_else_holds_keep_their_number() -> None:
    registry = SignatureRegistry()
    first = registry.register(FunctionType((F64,) * 9, ()))
    gc.collect()
    assert registry.register(FunctionType((F64,) * 9, ())) == first


def test_threads_agree_on_numbers() -> None:
    registry = SignatureRegistry()
    types = [FunctionType((I32,) * count, ()) for count in range(200)]
    with ThreadPoolExecutor(8) as pool:
        tables = list(pool.map(lambda _: [registry.register(type_) for type_ in types], range(8)))
    assert all(table == tables[0] for table in tables)
    assert sorted(tables[0]) == list(range(1, 201))
    assert [registry.lookup(number) for number in tables[0]] == [defined(type_) for type_ in types]


def test_equal_records_have_one_address() -> None:
    registry = FuncDataRegistry()
    address = registry.register(VMCallerCheckedAnyfunc(0x10, 1, (0x20,)))
    assert registry.register(VMCallerCheckedAnyfunc(0x10, 1, (0x20,))) == address
    assert registry.register(VMCallerCheckedAnyfunc(0x10, 1, (0x21,))) != address
    assert len(registry) == 2


def test_addresses_are_stable() -> None:
    registry = FuncDataRegistry()
    records = [VMCallerCheckedAnyfunc(16 * index + 16, index, (index,)) for index in range(1000)]
    addresses = [registry.register(record) for record in records]
    assert len(set(addresses)) == 1000
    gc.collect()
    assert [VMCallerCheckedAnyfunc.from_address(address) for address in addresses] == records
    assert [registry.register(record) for record in records] == addresses


def test_records_are_copied() -> None:
    registry = FuncDataRegistry()
    record = VMCallerCheckedAnyfunc(0x10, 1, (0x20,))
    address = registry.register(record)
    record.func_ptr = 0x30
    assert VMCallerCheckedAnyfunc.from_address(address).key == (0x10, 1, 0x20)
    assert registry.register(record) != address
