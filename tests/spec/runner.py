"""Runs the commands of one test script on an engine and says of each whether it passed.

What the commands mean is in the README of WebAssembly/spec, interpreter, "Scripts".  The engine is
behind a protocol, so that the runner's own tests can show that it notices wrong engines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any, Protocol

from .suite import Command, Script
from .values import argument, matches


class Stage(StrEnum):
    """Where an engine stopped: one for each exception class that scripts can tell apart."""

    MALFORMED = "malformed module"
    INVALID = "invalid module"
    UNSUPPORTED = "unsupported feature"
    LINK = "link error"
    TRAP = "trap"
    EXHAUSTION = "exhaustion"
    EXCEPTION = "WebAssembly exception"
    OTHER = "another exception"


class Engine(Protocol):
    """What the runner needs of an engine; modules and instances are the engine's own objects.

    Numbers are passed and returned as the unsigned integer of their bits, references as objects.
    """

    def compile(self, data: bytes) -> Any:
        """A module. Raises for malformed, invalid and unsupported ones."""

    def imported_modules(self, module: Any) -> set[str]:
        """The module names that the module imports from."""

    def instantiate(self, module: Any, registered: Mapping[str, Any]) -> Any:
        """An instance that imports from `spectest` and from the registered instances."""

    def invoke(self, instance: Any, field: str, arguments: Sequence[object]) -> tuple[object, ...]:
        """The results of an exported function."""

    def get(self, instance: Any, field: str) -> object:
        """The value of an exported global."""

    def explain(self, error: Exception) -> tuple[Stage, str]:
        """Which stage an exception belongs to, and its message without places."""


class Status(Enum):
    """What came of a command."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_APPLICABLE = "not applicable"
    """It is about the text format, which wasmine does not read."""


@dataclass(frozen=True)
class Outcome:
    """What came of one command, `detail` says why it failed."""

    line: int
    kind: str
    status: Status
    detail: str = ""

    @property
    def is_assertion(self) -> bool:
        """Whether the command is one that the suite counts as an assertion."""
        return self.kind.startswith("assert_")


# Texts that differ from the suite's, and why ours may: expected text -> the beginning we give.
ACCEPTED_WORDING = {
    # The trap is raised by a code without operands; one assertion of 3,574 adds the index.
    "uninitialized element 2": "uninitialized element",
}


class _Failed(Exception):
    """A command that did not do what the script expects."""


class Runner:
    """The state of one script: its instances by name, all in one store of the engine.

    An instance is None where its module did not compile or instantiate: commands that need it fail
    too, rather than reaching an earlier one of the same name.
    """

    def __init__(self, engine: Engine, script: Script) -> None:
        self._engine = engine
        self._script = script
        self._modules: dict[bytes, Any] = {}
        self._definitions: dict[str | None, Any] = {}
        self._instances: dict[str | None, Any] = {}
        self._registered: dict[str, Any] = {}

    def run(self) -> list[Outcome]:
        """What came of every command, in order."""
        return [self._run(command) for command in self._script.commands]

    def _run(self, command: Command) -> Outcome:
        line, kind = command["line"], command["type"]
        if command.get("module_type") == "text" and "binary_filename" not in command:
            return Outcome(line, kind, Status.NOT_APPLICABLE)
        try:
            _HANDLERS[kind](self, command)
        except _Failed as failed:
            return Outcome(line, kind, Status.FAILED, str(failed))
        # Whatever else the engine raises is a failure of this command, and the next ones still run.
        except Exception as error:
            stage, message = self._engine.explain(error)
            return Outcome(line, kind, Status.FAILED, f"{stage}: {message}")
        return Outcome(line, kind, Status.PASSED)

    # Commands that change the state

    def _module(self, command: Command) -> None:
        self._instances[None] = self._instances[command.get("name")] = None
        instance = self._instantiate(self._compile(command))
        self._instances[None] = self._instances[command.get("name")] = instance

    def _module_definition(self, command: Command) -> None:
        self._definitions[None] = self._definitions[command.get("name")] = None
        module = self._compile(command)
        self._definitions[None] = self._definitions[command.get("name")] = module

    def _module_instance(self, command: Command) -> None:
        name = command.get("instance")
        self._instances[None] = self._instances[name] = None
        module = self._definitions.get(command.get("module"))
        if module is None:
            raise _Failed("its module did not compile")
        self._instances[None] = self._instances[name] = self._instantiate(module)

    def _register(self, command: Command) -> None:
        self._registered[command["as"]] = None
        self._registered[command["as"]] = self._instance(command.get("name"))

    def _action(self, command: Command) -> tuple[object, ...]:
        action = command["action"]
        instance = self._instance(action.get("module"))
        if action["type"] == "get":
            return (self._engine.get(instance, action["field"]),)
        arguments = [argument(value) for value in action["args"]]
        return self._engine.invoke(instance, action["field"], arguments)

    # Assertions

    def _assert_return(self, command: Command) -> None:
        results, expected = self._action(command), command["expected"]
        if len(results) != len(expected) or not all(map(matches, expected, results)):
            raise _Failed(f"expected {expected}, got {_show(results)}")

    def _assert_trap(self, command: Command) -> None:
        self._expect(Stage.TRAP, command, self._action)

    def _assert_exhaustion(self, command: Command) -> None:
        self._expect(Stage.EXHAUSTION, command, self._action)

    def _assert_exception(self, command: Command) -> None:
        self._expect(Stage.EXCEPTION, command, self._action)

    def _assert_malformed(self, command: Command) -> None:
        self._expect(Stage.MALFORMED, command, self._compile)

    def _assert_invalid(self, command: Command) -> None:
        self._expect(Stage.INVALID, command, self._compile)

    def _assert_unlinkable(self, command: Command) -> None:
        module = self._compile(command)
        self._expect(Stage.LINK, command, lambda _: self._instantiate(module))

    def _assert_uninstantiable(self, command: Command) -> None:
        module = self._compile(command)
        self._expect(Stage.TRAP, command, lambda _: self._instantiate(module))

    def _expect(self, stage: Stage, command: Command, act: Callable[[Command], object]) -> None:
        """Acts, which has to end in an exception of this stage with the text that is expected."""
        text = command.get("text", "")
        try:
            result = act(command)
        except _Failed:
            raise
        except Exception as error:
            found, message = self._engine.explain(error)
            if found is not stage or not _says(stage, message, text):
                raise _Failed(f"expected {stage}: {text!r}, got {found}: {message}") from error
            return
        shown = f" {_show(result)}" if isinstance(result, tuple) else ""
        raise _Failed(f"expected {stage}: {text!r}, but it succeeded{shown}")

    # What they share

    def _compile(self, command: Command) -> Any:
        name = command.get("binary_filename") or command["filename"]
        data = (self._script.directory / name).read_bytes()
        # Scripts contain the same module many times over, and compiling is what takes time.
        if data not in self._modules:
            self._modules[data] = self._engine.compile(data)
        return self._modules[data]

    def _instantiate(self, module: Any) -> Any:
        for name in self._engine.imported_modules(module):
            if self._registered.get(name, ...) is None:
                raise _Failed(f"it imports from {name!r}, which could not be instantiated")
        made = {name: one for name, one in self._registered.items() if one is not None}
        return self._engine.instantiate(module, made)

    def _instance(self, name: str | None) -> Any:
        instance = self._instances.get(name)
        if instance is None:
            raise _Failed("its instance could not be made")
        return instance


_HANDLERS: dict[str, Callable[[Runner, Command], object]] = {
    "module": Runner._module,
    "module_definition": Runner._module_definition,
    "module_instance": Runner._module_instance,
    "register": Runner._register,
    "action": Runner._action,
    "assert_return": Runner._assert_return,
    "assert_trap": Runner._assert_trap,
    "assert_exhaustion": Runner._assert_exhaustion,
    "assert_exception": Runner._assert_exception,
    "assert_malformed": Runner._assert_malformed,
    "assert_malformed_custom": Runner._assert_malformed,
    "assert_invalid": Runner._assert_invalid,
    "assert_invalid_custom": Runner._assert_invalid,
    "assert_unlinkable": Runner._assert_unlinkable,
    "assert_uninstantiable": Runner._assert_uninstantiable,
}


def _says(stage: Stage, message: str, text: str) -> bool:
    """Whether a message has the text that a script expects.

    Trap codes of the reference cover two texts of the suite at once ("undefined element: out of
    bounds table access"), so a trap has to contain the text; all others begin with it.
    """
    texts = (text, ACCEPTED_WORDING.get(text, text))
    if stage is Stage.TRAP:
        return any(one in message for one in texts)
    return message.startswith(texts)


def _show(results: Iterable[object]) -> str:
    return ", ".join(hex(r) if isinstance(r, int) else repr(r) for r in results) or "nothing"
