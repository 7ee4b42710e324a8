"""The tree of a template, and how each part of it is worked out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fastlayers.cli.template.errors import TemplateError
from fastlayers.cli.template.functions import CallError, Function
from fastlayers.cli.template.values import (
    MISSING,
    Missing,
    Null,
    Record,
    StringMap,
    kind,
    show,
    truth,
)

_PIPED_NOTHING = object()  # "no value comes from the command before"


class Scope:
    """The dot, the variables and the functions at one point of the work."""

    def __init__(self, dot: object, functions: Mapping[str, Function]) -> None:
        self.dot = dot
        self.functions = functions
        self.variables: list[list[object]] = [["$", dot]]

    def declare(self, name: str, value: object) -> None:
        self.variables.append([name, value])

    def assign(self, name: str, value: object) -> None:
        self._find(name)[1] = value

    def value(self, name: str) -> object:
        return self._find(name)[1]

    def _find(self, name: str) -> list[object]:
        return next(pair for pair in reversed(self.variables) if pair[0] == name)


class Expression:
    """Something with a value. `source` and `place` say where it stands, for errors."""

    def __init__(self, source: str, place: str) -> None:
        self.source = source
        self.place = place

    def value(self, scope: Scope, arguments: tuple[object, ...] = ()) -> object:
        raise NotImplementedError

    def fail(self, complaint: str) -> TemplateError:
        return TemplateError(self.place, self.source, complaint)


class Constant(Expression):
    def __init__(self, source: str, place: str, constant: object) -> None:
        super().__init__(source, place)
        self._constant = constant

    def value(self, scope: Scope, arguments: tuple[object, ...] = ()) -> object:
        if arguments:
            raise self.fail(f"can't give argument to non-function {self.source}")
        return self._constant


class Chain(Expression):
    """`.A.B`, `$x.A`, `(…).A`, or only the first part: a value, and fields one in the other."""

    def __init__(self, source: str, place: str, base: Expression | str, names: list[str]) -> None:
        super().__init__(source, place)
        self._base = base  # an expression, "." or the name of a variable
        self._names = names

    def value(self, scope: Scope, arguments: tuple[object, ...] = ()) -> object:
        if isinstance(self._base, Expression):
            value = self._base.value(scope)
        else:
            value = scope.dot if self._base == "." else scope.value(self._base)
        for position, name in enumerate(self._names):
            last = position == len(self._names) - 1
            value = self._field(value, name, arguments if last else ())
        if arguments and not self._names:
            raise self.fail(f"can't give argument to non-function {self.source}")
        return value

    def _field(self, value: object, name: str, arguments: tuple[object, ...]) -> object:
        if isinstance(value, Record) and name not in value:
            raise self.fail(f"can't evaluate field {name} in type {value.kind}")
        if isinstance(value, StringMap):
            value = value.get(name, MISSING)
        elif isinstance(value, dict):
            if name not in value:
                raise self.fail(f'map has no entry for key "{name}"')
            value = value[name]
        elif value is None or isinstance(value, Missing | Null):
            raise self.fail(f"nil pointer evaluating interface {{}}.{name}")
        else:
            raise self.fail(f"can't evaluate field {name} in type {kind(value)}")
        if callable(value):
            return self._call(name, value, arguments)
        if arguments:
            raise self.fail(f"{name} has arguments but cannot be invoked as function")
        return value

    def _call(self, name: str, method: Function, arguments: tuple[object, ...]) -> object:
        try:
            return method(*arguments)
        except (TypeError, CallError):
            raise self.fail(f"wrong arguments for {name}") from None


class Call(Expression):
    """A function and its arguments."""

    def __init__(self, source: str, place: str, name: str, arguments: list[Expression]) -> None:
        super().__init__(source, place)
        self._name = name
        self._arguments = arguments

    def value(self, scope: Scope, arguments: tuple[object, ...] = ()) -> object:
        if self._name in ("and", "or"):
            return self._first_to_decide(scope, arguments)
        given = [argument.value(scope) for argument in self._arguments]
        try:
            return scope.functions[self._name](*given, *arguments)
        except CallError as error:
            raise self.fail(f"error calling {self._name}: {error}") from None
        except TypeError:
            # The functions check their arguments themselves: what is left is their number.
            raise self.fail(f"wrong number of args for {self._name}") from None

    def _first_to_decide(self, scope: Scope, arguments: tuple[object, ...]) -> object:
        if not self._arguments and not arguments:
            raise self.fail(f"wrong number of args for {self._name}")
        value: object = None
        for argument in self._arguments:
            value = argument.value(scope)
            if truth(value) == (self._name == "or"):
                return value
        return arguments[0] if arguments else value


class Command(Expression):
    """One part of a pipeline: an expression and, if it is a method, its arguments."""

    def __init__(self, head: Expression, arguments: list[Expression]) -> None:
        super().__init__(head.source, head.place)
        self._head = head
        self._arguments = arguments

    def value(self, scope: Scope, arguments: tuple[object, ...] = ()) -> object:
        given = tuple(argument.value(scope) for argument in self._arguments)
        return self._head.value(scope, given + arguments)


class Pipeline(Expression):
    """Commands, each given the value of the one before; `names` are set to the last one's."""

    def __init__(
        self, commands: list[Expression], names: list[str], declares: bool, place: str
    ) -> None:
        super().__init__(commands[0].source, place)
        self._commands = commands
        self.names = names
        self._declares = declares

    def value(self, scope: Scope, arguments: tuple[object, ...] = ()) -> object:
        value = self.value_only(scope)
        for name in self.names:
            self.bind(scope, name, value)
        return value

    def value_only(self, scope: Scope) -> object:
        value: object = _PIPED_NOTHING
        for command in self._commands:
            value = command.value(scope, () if value is _PIPED_NOTHING else (value,))
        return value

    def bind(self, scope: Scope, name: str, value: object) -> None:
        if self._declares:
            scope.declare(name, value)
        else:
            scope.assign(name, value)


class Node:
    """A part of a template that writes something."""

    def write(self, scope: Scope, out: list[str]) -> None:
        raise NotImplementedError


class Text(Node):
    def __init__(self, text: str) -> None:
        self._text = text

    def write(self, scope: Scope, out: list[str]) -> None:
        out.append(self._text)


class Action(Node):
    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    def write(self, scope: Scope, out: list[str]) -> None:
        value = self._pipeline.value(scope)
        if not self._pipeline.names:
            out.append(show(value))


class Block(Node):
    """Nodes with variables of their own."""

    def __init__(self, nodes: list[Node]) -> None:
        self._nodes = nodes

    def write(self, scope: Scope, out: list[str]) -> None:
        known = len(scope.variables)
        try:
            for node in self._nodes:
                node.write(scope, out)
        finally:
            del scope.variables[known:]


class Branch(Node):
    """`if` and `with`: `with` makes its value the dot."""

    def __init__(self, pipeline: Pipeline, then: Block, otherwise: Block, moves_dot: bool) -> None:
        self._pipeline = pipeline
        self._then = then
        self._otherwise = otherwise
        self._moves_dot = moves_dot

    def write(self, scope: Scope, out: list[str]) -> None:
        known, dot = len(scope.variables), scope.dot
        value = self._pipeline.value(scope)
        try:
            if truth(value):
                scope.dot = value if self._moves_dot else dot
                self._then.write(scope, out)
            else:
                self._otherwise.write(scope, out)
        finally:
            scope.dot = dot
            del scope.variables[known:]


class Stop(Exception):
    """{{break}}"""


class Next(Exception):
    """{{continue}}"""


class Jump(Node):
    def __init__(self, signal: type[Stop] | type[Next]) -> None:
        self._signal = signal

    def write(self, scope: Scope, out: list[str]) -> None:
        raise self._signal


class Range(Node):
    def __init__(self, pipeline: Pipeline, body: Block, otherwise: Block) -> None:
        self._pipeline = pipeline
        self._body = body
        self._otherwise = otherwise

    def write(self, scope: Scope, out: list[str]) -> None:
        known, dot = len(scope.variables), scope.dot
        empty = True
        try:
            for key, item in self._items(self._pipeline.value_only(scope)):
                empty = False
                names = self._pipeline.names
                values = (key, item) if len(names) == 2 else (item,)
                for name, value in zip(names, values, strict=False):  # or no name at all
                    self._pipeline.bind(scope, name, value)
                scope.dot = item
                try:
                    self._body.write(scope, out)
                except Next:
                    continue
                finally:
                    del scope.variables[known:]
        except Stop:
            pass
        finally:
            scope.dot = dot
        if empty:
            self._otherwise.write(scope, out)

    def _items(self, value: object) -> Iterable[tuple[object, object]]:
        if value is None or isinstance(value, Missing | Null):
            return ()
        if isinstance(value, dict):
            return ((key, value[key]) for key in sorted(value))
        if isinstance(value, list | tuple):
            return enumerate(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return ((number, number) for number in range(value))
        raise self._pipeline.fail(f"range can't iterate over {show(value)}")
