"""Runs the commands of one script and says of each whether it passed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias, TypeVar

from wasmine import Engine, Function, Global, Instance, Module, Store
from wasmine.script.report import Outcome, Report
from wasmine.script.spectest import spectest
from wasmine.script.stages import (
    EXCEPTION,
    EXHAUSTION,
    INVALID,
    LINK,
    MALFORMED,
    TRAP,
    describe,
    says,
    stage_of,
)
from wasmine.script.values import argument, matches, show_all
from wasmine.types import ValType
from wasmine.wasm.text.commands import (
    Action,
    ActionCommand,
    AssertException,
    AssertExhaustion,
    AssertInvalid,
    AssertInvalidCustom,
    AssertMalformed,
    AssertMalformedCustom,
    AssertModule,
    AssertReturn,
    AssertTrap,
    AssertUnlinkable,
    Command,
    Get,
    InstanceCommand,
    Invoke,
    ModuleCommand,
    ModuleSource,
    Register,
    Thread,
    Wait,
)
from wasmine.wasm.text.script import parse_script


def run_script(
    script: str | bytes,
    *,
    engine: Engine | None = None,
    imports: Mapping[str, Any] | None = None,
) -> Report:
    """Runs a script in a store of its own; `imports` are what its modules can import besides
    `spectest` and each other. Raises MalformedText for what is no script."""
    engine = engine or Engine()
    runner = _Runner(_Modules(engine), imports or {})
    runner.run(parse_script(script, memory64=engine.features.memory64))
    return Report(tuple(sorted(runner.outcomes, key=lambda one: (one.line, one.column))))


_Results: TypeAlias = tuple[tuple[ValType, ...], tuple[object, ...]]
"""Types and values; numbers are the unsigned integer of their bits."""


class _Failed(Exception):
    """A command that did not do what the script expects."""


class _Modules:
    """Compiles modules: each only once, for scripts repeat them and compiling is what takes time."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._compiled: dict[bytes, Module] = {}

    def compile(self, source: ModuleSource) -> Module:
        """The module. Raises what encoding and compiling it raise."""
        data = source.encode()
        known = self._compiled.get(data)
        if known is None:
            known = self._compiled[data] = Module(data, engine=self.engine)
        return known


_Named = TypeVar("_Named")
_Exported = TypeVar("_Exported", Function, Global)


class _Runner:
    """The state of a script, or of one of its threads: its instances by name, all in one store.

    What is named None is the latest. It is missing where it could not be made: commands that need it
    fail too, rather than reaching an earlier one of the same name.
    """

    def __init__(self, modules: _Modules, imports: Mapping[str, Any]) -> None:
        self.outcomes: list[Outcome] = []
        self._compiled = modules
        self._imports = imports
        self._store = Store(modules.engine)
        self._definitions: dict[str | None, Module] = {}
        self._instances: dict[str | None, Instance] = {}
        self._registered: dict[str, Mapping[str, Any] | None] = {
            **imports,
            "spectest": spectest(self._store),
        }
        self._threads: dict[str, tuple[threading.Thread, _Runner]] = {}

    def run(self, commands: Iterable[Command]) -> None:
        """Adds what came of every command to `outcomes`; threads that it started have ended."""
        for command in commands:
            kind, act = _COMMANDS[type(command)]
            problem = None
            try:
                act(self, command)
            except _Failed as failed:
                problem = str(failed)
            # Whatever else is raised is a failure of this command, and the next ones still run.
            except Exception as error:
                problem = describe(error)
            self.outcomes.append(Outcome(command.line, command.column, kind, problem))
        for name in list(self._threads):
            self.join(name)

    # --- commands that change the state

    def module(self, command: ModuleCommand) -> None:
        """Compiles a module, and instantiates it unless it is only a definition."""
        if command.definition:
            self._set(self._definitions, command.name, lambda: self._compile(command.source))
        else:
            self._set(
                self._instances,
                command.name,
                lambda: self._instantiate(self._compile(command.source)),
            )

    def instance_of_definition(self, command: InstanceCommand) -> None:
        """Instantiates a module that was compiled before."""
        self._set(
            self._instances,
            command.name,
            lambda: self._instantiate(self._get(self._definitions, command.module)),
        )

    def register(self, command: Register) -> None:
        """Makes the exports of an instance importable."""
        self._registered[command.name] = None
        self._registered[command.name] = self._get(self._instances, command.module).exports

    def act(self, action: Action) -> _Results:
        """Calls a function, or reads a global."""
        exports = self._get(self._instances, action.module).exports
        match action:
            case Invoke():
                function = _exported(exports, action.name, Function)
                results = function.call_raw(*map(argument, action.arguments))
                return function.type.results, results
            case Get():
                exported = _exported(exports, action.name, Global)
                type_ = exported.type.value
                return (type_,), (exported.value if type_.is_ref else exported.bits,)

    def thread(self, command: Thread) -> None:
        """Runs commands in a thread, in a store of their own."""
        runner = _Runner(self._compiled, self._imports)
        for name in command.shared:
            runner._instances[name] = self._get(self._instances, name)
        thread = threading.Thread(target=runner.run, args=(command.commands,), name=command.name)
        thread.start()
        self._threads[command.name] = thread, runner

    def join(self, name: str) -> None:
        """Waits for a thread, and takes over what came of its commands."""
        if name not in self._threads:
            raise _Failed(f"there is no thread {name}")
        thread, runner = self._threads.pop(name)
        thread.join()
        self.outcomes += runner.outcomes

    # --- assertions

    def assert_return(self, command: AssertReturn) -> None:
        """The action has to return this."""
        types, results = self.act(command.action)
        expected = command.results
        if len(results) != len(expected) or not all(map(matches, expected, types, results)):
            raise _Failed(f"expected {show_all(expected)}, got {show_all(results)}")

    def assert_trap(self, command: AssertTrap) -> None:
        """The action, or instantiating the module, has to trap."""
        subject = command.subject
        if isinstance(subject, Invoke | Get):
            _expect(TRAP, command.message, lambda: self.act(subject))
        else:
            module = self._compile(subject)
            _expect(TRAP, command.message, lambda: self._instantiate(module))

    def assert_exhaustion(self, command: AssertExhaustion) -> None:
        """The action has to run out of stack."""
        _expect(EXHAUSTION, command.message, lambda: self.act(command.action))

    def assert_exception(self, command: AssertException) -> None:
        """The action has to throw."""
        _expect(EXCEPTION, "", lambda: self.act(command.action))

    def assert_refused(self, command: AssertModule) -> None:
        """The module has to be malformed, or invalid."""
        _expect(_REFUSALS[type(command)], command.message, lambda: self._compile(command.source))

    def assert_unlinkable(self, command: AssertUnlinkable) -> None:
        """The module's imports must not fit."""
        module = self._compile(command.source)
        _expect(LINK, command.message, lambda: self._instantiate(module))

    # --- what they share

    def _compile(self, source: ModuleSource) -> Module:
        return self._compiled.compile(source)

    def _instantiate(self, module: Module) -> Instance:
        for name in {one.module for one in module.imports}:
            if self._registered.get(name, ...) is None:
                raise _Failed(f"it imports from {name!r}, which could not be instantiated")
        available = {name: one for name, one in self._registered.items() if one is not None}
        return Instance(module, available, store=self._store)

    def _set(
        self, things: dict[str | None, _Named], name: str | None, make: Callable[[], _Named]
    ) -> None:
        """Makes something known by its name, and as the latest of its kind."""
        things.pop(None, None)
        things.pop(name, None)
        things[None] = things[name] = make()

    def _get(self, things: Mapping[str | None, _Named], name: str | None) -> _Named:
        found = things.get(name)
        if found is None:
            raise _Failed(f"{name or 'the module that it needs'} could not be made")
        return found


_COMMANDS: Final[dict[type[Command], tuple[str, Callable[[_Runner, Any], object]]]] = {
    ModuleCommand: ("module", _Runner.module),
    InstanceCommand: ("module instance", _Runner.instance_of_definition),
    Register: ("register", _Runner.register),
    ActionCommand: ("action", lambda runner, command: runner.act(command.action)),
    AssertReturn: ("assert_return", _Runner.assert_return),
    AssertTrap: ("assert_trap", _Runner.assert_trap),
    AssertExhaustion: ("assert_exhaustion", _Runner.assert_exhaustion),
    AssertException: ("assert_exception", _Runner.assert_exception),
    AssertMalformed: ("assert_malformed", _Runner.assert_refused),
    AssertInvalid: ("assert_invalid", _Runner.assert_refused),
    AssertMalformedCustom: ("assert_malformed_custom", _Runner.assert_refused),
    AssertInvalidCustom: ("assert_invalid_custom", _Runner.assert_refused),
    AssertUnlinkable: ("assert_unlinkable", _Runner.assert_unlinkable),
    Thread: ("thread", _Runner.thread),
    Wait: ("wait", lambda runner, command: runner.join(command.name)),
}
"""By class of the command: its name in scripts, and what it does."""

_REFUSALS: Final[dict[type[AssertModule], str]] = {
    AssertMalformed: MALFORMED,
    AssertMalformedCustom: MALFORMED,
    AssertInvalid: INVALID,
    AssertInvalidCustom: INVALID,
}
"""Where a module has to be refused."""


def _exported(exports: Mapping[str, Any], name: str, kind: type[_Exported]) -> _Exported:
    found = exports[name] if name in exports else None  # noqa: SIM401 - `get` may be an export
    if not isinstance(found, kind):
        raise _Failed(f"there is no exported {kind.__name__.lower()} {name!r}")
    return found


def _expect(stage: str, text: str, act: Callable[[], object]) -> None:
    """Acts, which has to end in an exception of this stage with the text that is expected."""
    try:
        result = act()
    except _Failed:
        raise
    except Exception as error:
        if stage_of(error) != stage or not says(error, text):
            raise _Failed(f"expected {stage}: {text!r}, got {describe(error)}") from error
        return
    shown = f" with {show_all(result[1])}" if isinstance(result, tuple) else ""
    raise _Failed(f"expected {stage}: {text!r}, but it succeeded{shown}")
