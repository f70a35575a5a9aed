"""Instance: a module brought to life, and what it exports."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

from wasmine.api import linking
from wasmine.api.exceptions import Tag
from wasmine.api.globals import Global
from wasmine.api.linking import Extern
from wasmine.api.memory import Memory, in_address_space, style_name
from wasmine.api.module import Module
from wasmine.api.store import Store, store_for
from wasmine.api.table import Table
from wasmine.public import public
from wasmine.vm.instance import Imports, InstanceHandle
from wasmine.vm.memory import MemoryStyle
from wasmine.wasm.module import Export


@public
class Exports(Mapping[str, Any]):
    """What an instance exports, by name: `exports.add`, `exports["add"]`, `dict(exports)`.

    An export takes the place of a mapping's method of the same name: `exports.get` is the module's
    if it has one. Iterating, `len`, `in` and `exports[name]` always work.
    """

    # Slots, so that no export of these names can take their place.
    __slots__ = ("__dict__", "__weakref__", "_exports", "_make")

    def __init__(self, exports: Sequence[Export], make: Callable[[Export], Extern]) -> None:
        """`make` gives what an export is, always the same object. With many it is asked late."""
        self._exports = {export.name: export for export in exports}
        self._make = make
        few = len(exports) <= _FEW
        # Attributes of the object itself are found faster than by __getattr__.
        for name in self._exports if few else _METHODS & self._exports.keys():
            self.__dict__[name] = self[name]

    def __getitem__(self, name: str) -> Any:
        try:
            return self._make(self._exports[name])
        except KeyError:
            raise KeyError(self._missing(name)) from None

    def __contains__(self, name: object) -> bool:
        return name in self._exports

    def get(self, name: str, default: Any = None) -> Any:
        """The export of this name, or else the default."""
        return self[name] if name in self._exports else default

    def __getattr__(self, name: str) -> Any:
        if name in ("_exports", "_make"):  # the object was never initialised
            raise AttributeError(name)
        if name in self._exports:
            found = self.__dict__[name] = self[name]
            return found
        raise AttributeError(self._missing(name), name=name, obj=self)

    def _missing(self, name: str) -> str:
        import difflib  # for messages only

        near = difflib.get_close_matches(str(name), self._exports, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return f"the instance exports nothing called {name!r}{hint}"

    def __iter__(self) -> Iterator[str]:
        return iter(self._exports)

    def __len__(self) -> int:
        return len(self._exports)

    def __dir__(self) -> list[str]:
        return sorted(self._exports)

    def __repr__(self) -> str:
        return f"<wasmine.Exports {', '.join(self._exports)}>"


_FEW: Final = 256
_METHODS: Final = frozenset(dir(Exports))
"""What an attribute finds before `__getattr__` is asked."""


@public
class Instance:
    """An instance of a module: `Instance(module, {"env": {"log": print}}).exports.main()`.

    `imports` maps module names to mappings of names to Functions, Memories, Tables, Globals, Tags, or
    Python callables and, for constant globals, values; the exports of another instance are such a
    mapping. Without `store` the instance joins that of the objects it imports, or makes its own; shared
    memories belong to none.

    Raises LinkError naming every import that is missing or of another type; StoreError if objects
    of different stores meet; Trap if a segment does not fit or the start function traps, and
    whatever host functions raise; ResourceError if there is no memory.
    """

    module: Final[Module]
    store: Final[Store]
    exports: Exports

    def __init__(
        self,
        module: Module,
        imports: Mapping[str, Any] | None = None,
        *,
        store: Store | None = None,
    ) -> None:
        if not isinstance(module, Module):
            raise TypeError(f"an Instance is made from a Module, not {module!r}")
        imports = {} if imports is None else imports
        wanted = module.imports
        given = linking.look_up(imports, wanted)
        store = store_for(store or linking.find_store(given) or Store(module.engine))
        resolved = linking.resolve(given, wanted, module.info, store)
        self.module = module
        self.store = store
        module.prepare_thunks()
        store.context.running(self._begin, resolved)

    def _begin(self, imports: Imports) -> None:
        """Make the native instance and run what the module does when it is instantiated."""
        store = self.store
        self._handle = in_address_space(store, lambda style: self._allocate(imports, style))
        # Not a method: whoever has the exports need not keep this.
        self.exports = Exports(self.module.info.exports, partial(_extern, self._handle, store))
        self._handle.initialize(lambda address: store.function_at(address)())

    def _allocate(self, imports: Imports, style: MemoryStyle) -> InstanceHandle:
        """The instance with its own memories in this style."""
        info = self.module.info
        return InstanceHandle(
            self.store.context,
            self.module.artifact(
                [style_name(memory.style) for memory in imports.memories], style_name(style)
            ),
            imports,
            self.store.engine.signatures,
            [style] * (len(info.memories) - info.imported_memories),
        )

    def __repr__(self) -> str:
        return f"<wasmine.Instance of {self.module!r}>"


def _extern(handle: InstanceHandle, store: Store, export: Export) -> Extern:
    """What an instance exports, as an object of its store."""
    match export.kind:
        case "func":
            address = handle.function_reference(export.index)
            return store.function_at(address)
        case "memory":
            return Memory.of(store, handle.memories[export.index])
        case "table":
            return Table.of(store, handle.tables[export.index])
        case "global":
            return Global.of(store, handle.globals[export.index])
        case "tag":
            return Tag.of(store, handle.tags[export.index])
