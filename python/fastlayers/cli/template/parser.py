"""Reads a template into its tree."""

from __future__ import annotations

from collections.abc import Mapping

from fastlayers.cli.template.errors import TemplateSyntaxError
from fastlayers.cli.template.functions import FUNCTIONS
from fastlayers.cli.template.lexer import Piece, Token, cut, line_of, literal
from fastlayers.cli.template.nodes import (
    Action,
    Block,
    Branch,
    Call,
    Chain,
    Command,
    Constant,
    Expression,
    Jump,
    Next,
    Node,
    Pipeline,
    Range,
    Stop,
    Text,
)

_DEEPEST = 50  # blocks and brackets in one another
_CONSTANTS: Mapping[str, object] = {"true": True, "false": False}
_KEYWORDS = frozenset(
    ("block", "break", "continue", "define", "else", "end", "if", "range", "template", "with")
)


def parse(source: str) -> Block:
    """The tree of a template. Raises TemplateSyntaxError."""
    reader = _Reader(source)
    block, ended_by = reader.block()
    if ended_by is not None:
        raise TemplateSyntaxError(reader.line, f"unexpected {{{{{ended_by}}}}}")
    return block


class _Reader:
    """Goes through the pieces once, and through the tokens of each action."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._pieces: list[Piece] = cut(source)
        self._next_piece = 0
        self._tokens: list[Token] = []
        self._next_token = 0
        self._names: list[str] = ["$"]
        self._depth = 0
        self._loops = 0
        self.line = 1

    # Blocks.

    def block(self) -> tuple[Block, str | None]:
        """Nodes up to {{end}} or {{else}}, and which of them it was; its word has been read."""
        nodes: list[Node] = []
        known = len(self._names)
        while self._next_piece < len(self._pieces):
            piece = self._pieces[self._next_piece]
            self._next_piece += 1
            if piece.tokens is None:
                nodes.append(Text(piece.text))
                continue
            self._tokens, self._next_token = piece.tokens, 0
            self.line = line_of(self._source, piece.start)
            word = self._keyword()
            if word in ("end", "else"):
                del self._names[known:]
                return Block(nodes), word
            nodes.append(self._control(word) if word else Action(self._whole_pipeline("command")))
        del self._names[known:]
        return Block(nodes), None

    def _keyword(self) -> str:
        token = self._peek()
        if token is not None and token.kind == "word" and token.text in _KEYWORDS:
            self._next_token += 1
            return token.text
        return ""

    def _control(self, word: str) -> Node:
        if word in ("break", "continue"):
            self._end_of_action(word)
            if not self._loops:
                raise self._error(f"{{{{{word}}}}} outside {{{{range}}}}")
            return Jump(Stop if word == "break" else Next)
        if word not in ("if", "with", "range"):
            raise self._error(f"{{{{{word}}}}} is not supported")
        self._deeper()
        known = len(self._names)
        pipeline = self._whole_pipeline(word, loop=word == "range")
        self._loops += word == "range"
        then, ended_by = self.block()
        self._loops -= word == "range"
        otherwise = self._otherwise(word, ended_by)
        del self._names[known:]
        self._depth -= 1
        if word == "range":
            return Range(pipeline, then, otherwise)
        return Branch(pipeline, then, otherwise, moves_dot=word == "with")

    def _otherwise(self, word: str, ended_by: str | None) -> Block:
        """What stands between {{else}} and {{end}}; nothing if there is no {{else}}."""
        if ended_by == "end":
            self._end_of_action("end")
            return Block([])
        if ended_by is None:
            raise self._error("unexpected EOF")
        token = self._peek()
        if token is not None:
            if token.text not in ("if", "with") or token.text != word:
                raise self._error(f"unexpected <{token.text}> in {{{{else}}}}")
            self._next_token += 1
            return Block([self._control(word)])
        block, ended_by = self.block()
        if ended_by == "else":
            raise self._error("expected end; found {{else}}")
        return self._closed(block, ended_by)

    def _closed(self, block: Block, ended_by: str | None) -> Block:
        if ended_by is None:
            raise self._error("unexpected EOF")
        self._end_of_action("end")
        return block

    # Pipelines.

    def _whole_pipeline(self, context: str, *, loop: bool = False) -> Pipeline:
        pipeline = self._pipeline(context, loop=loop)
        self._end_of_action(context)
        return pipeline

    def _pipeline(self, context: str, *, loop: bool = False) -> Pipeline:
        token = self._peek()
        if token is None:
            raise self._error(f"missing value for {context}")
        place = self._place(token.start)
        names, declares = self._targets(loop)
        commands: list[Expression] = [self._command(context)]
        while self._take("|"):
            commands.append(self._command(context))
        if declares:
            self._names += names
        return Pipeline(commands, names, declares, place)

    def _targets(self, loop: bool) -> tuple[list[str], bool]:
        """`$x :=`, `$x =`, and for range `$i, $x :=`."""
        start = self._next_token
        names = []
        while (token := self._peek()) is not None and token.kind == "variable":
            self._next_token += 1
            names.append(token.text)
            mark = self._peek()
            if mark is not None and mark.text in (":=", "="):
                self._next_token += 1
                if mark.text == "=":
                    for name in names:
                        self._known(name)
                return names, mark.text == ":="
            if mark is None or mark.text != "," or not loop or len(names) == 2:
                break
            self._next_token += 1
        self._next_token = start
        return [], False

    def _command(self, context: str) -> Expression:
        token = self._peek()
        if token is None:
            raise self._error(f"missing value for {context}")
        if token.kind == "word" and token.text not in _CONSTANTS:
            return self._function(token)
        head = self._operand()
        arguments = self._arguments()
        return Command(head, arguments) if arguments else head

    def _function(self, token: Token) -> Expression:
        self._next_token += 1
        if token.text == "nil":
            raise self._error("nil is not a command")
        if token.text not in FUNCTIONS and token.text not in ("and", "or"):
            raise self._error(f'function "{token.text}" not defined')
        arguments = self._arguments()
        source = self._source[token.start : self._tokens[self._next_token - 1].end]
        return Call(source, self._place(token.start), token.text, arguments)

    def _arguments(self) -> list[Expression]:
        arguments: list[Expression] = []
        while (token := self._peek()) is not None and token.text not in ("|", ")"):
            if not token.spaced and token.text != "(":
                raise self._error(f"unexpected <{token.text}> in operand")
            if token.kind == "word" and token.text not in _CONSTANTS:
                self._next_token += 1
                if token.text == "nil":
                    arguments.append(Constant("nil", self._place(token.start), None))
                    continue
                # A function among the arguments is called without any.
                if token.text not in FUNCTIONS:
                    raise self._error(f'function "{token.text}" not defined')
                arguments.append(Call(token.text, self._place(token.start), token.text, []))
                continue
            arguments.append(self._operand())
        return arguments

    # Operands.

    def _operand(self) -> Expression:
        token = self._tokens[self._next_token]
        self._next_token += 1
        place = self._place(token.start)
        if token.kind in ("string", "number", "char"):
            return Constant(token.text, place, literal(token, self._source))
        if token.kind == "word":
            return Constant(token.text, place, _CONSTANTS[token.text])
        if token.kind == "dot":
            return Chain(".", place, ".", [])
        if token.kind == "field":
            return self._chain(token, ".", [token.text])
        if token.kind == "variable":
            self._known(token.text)
            return self._chain(token, token.text, [])
        if token.text == "(":
            self._deeper()
            inner = self._pipeline("parenthesized pipeline")
            if not self._take(")"):
                raise self._error("unclosed left paren")
            self._depth -= 1
            return self._chain(token, inner, [])
        raise self._error(f"unexpected <{token.text}> in operand")

    def _chain(self, first: Token, base: Expression | str, names: list[str]) -> Expression:
        """The fields that follow without a blank; as in Go, the first of them is its place."""
        start = first.start
        while (token := self._peek()) is not None and token.kind == "field" and not token.spaced:
            self._next_token += 1
            if start == first.start:
                start = token.start
            names.append(token.text)
        source = self._source[first.start : self._tokens[self._next_token - 1].end]
        return Chain(source, self._place(start), base, names)

    # Tokens.

    def _peek(self) -> Token | None:
        return self._tokens[self._next_token] if self._next_token < len(self._tokens) else None

    def _take(self, text: str) -> bool:
        token = self._peek()
        if token is None or token.text != text or token.kind != "mark":
            return False
        self._next_token += 1
        return True

    def _end_of_action(self, context: str) -> None:
        token = self._peek()
        if token is not None:
            raise self._error(f"unexpected <{token.text}> in {context}")

    def _known(self, name: str) -> None:
        if name not in self._names:
            raise self._error(f'undefined variable "{name}"')

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._error(f"more than {_DEEPEST} blocks and brackets in one another")

    def _place(self, position: int) -> str:
        line_start = self._source.rfind("\n", 0, position) + 1
        return f"{line_of(self._source, position)}:{position - line_start}"

    def _error(self, complaint: str) -> TemplateSyntaxError:
        return TemplateSyntaxError(self.line, complaint)
