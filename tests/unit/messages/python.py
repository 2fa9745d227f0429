# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds every failure that Python code of the collection can tell, by reading the code.

A value that is only known at run time stands as one sign; a name, a constant, a helper's argument
and what a helper returns are followed to the texts that are written down.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import TypeVar

from tests.unit.messages.collected import PASSED_ON, VALUE, Message

MOST_TEXTS = 60
DEPTH = 6
Function = ast.FunctionDef | ast.AsyncFunctionDef
Node = TypeVar("Node", bound=ast.AST)


@dataclass
class Module:
    """One file, with the function that each of its nodes is in."""

    path: Path
    tree: ast.Module
    inside: dict[ast.AST, Function] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for function in ast.walk(self.tree):
            if isinstance(function, Function):
                # The innermost comes last, because it is walked later.
                self.inside.update(dict.fromkeys(ast.walk(function), function))

    def nodes(self, kind: type[Node]) -> Iterator[Node]:
        """Every node of a kind."""
        return (node for node in ast.walk(self.tree) if isinstance(node, kind))


@dataclass
class Code:
    """All files together: what is defined, and who calls it."""

    modules: list[Module]
    functions: dict[str, list[tuple[Module, Function]]] = field(init=False)
    calls: dict[str, list[tuple[Module, ast.Call]]] = field(init=False)

    def __post_init__(self) -> None:
        self.functions, self.calls = defaultdict(list), defaultdict(list)
        for module in self.modules:
            for node in ast.walk(module.tree):
                if isinstance(node, Function):
                    self.functions[node.name].append((module, node))
                elif isinstance(node, ast.Call):
                    self.calls[called(node)].append((module, node))


def read(paths: Iterable[Path]) -> Code:
    """Parse files."""
    return Code([Module(path, ast.parse(path.read_text(encoding="utf-8"))) for path in paths])


def called(call: ast.Call) -> str:
    """The name of what is called, without what it is an attribute of."""
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    """The value of a keyword argument."""
    return next((one.value for one in call.keywords if one.arg == name), None)


def argument(call: ast.Call, function: Function, name: str) -> ast.expr | None:
    """What a call passes for a parameter; its default where it passes nothing."""
    given = keyword(call, name)
    if given is not None:
        return given
    parameters = [one.arg for one in (*function.args.posonlyargs, *function.args.args)]
    bound = parameters[1:] if parameters[:1] in (["self"], ["cls"]) else parameters
    if name in bound and bound.index(name) < len(call.args):
        return call.args[bound.index(name)]
    named = dict(zip(reversed(parameters), reversed(function.args.defaults), strict=False))
    only = dict(zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True))
    return named.get(name) or next((d for arg, d in only.items() if arg.arg == name), None)


class Texts:
    """Follows an expression to the texts that it can become."""

    def __init__(self, code: Code, part: str) -> None:
        self._code = code
        self._part = part

    def of(self, node: ast.expr | None, module: Module, depth: int = DEPTH) -> set[str]:
        """Every text that an expression can become, as far as it is written down."""
        if node is None or depth == 0:
            return {VALUE}
        match node:
            case ast.Constant(value=value):
                return {VALUE if value is None else str(value)}
            case ast.JoinedStr(values=values):
                return self._joined([self.of(value, module, depth) for value in values])
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return self._joined([self.of(side, module, depth) for side in (left, right)])
            case ast.FormattedValue(value=value):
                # Whether it is empty, what stands around it decides.
                return {text or VALUE for text in self.of(value, module, depth - 1)}
            case ast.IfExp(body=body, orelse=other):
                return self.of(body, module, depth) | self.of(other, module, depth)
            case ast.BoolOp(op=ast.Or(), values=values):
                texts = set().union(*(self.of(value, module, depth) for value in values[:-1]))
                return (texts - {""}) | self.of(values[-1], module, depth)
            case ast.Name(id=name):
                return self._name(node, name, module, depth)
            case ast.Call():
                return self._call(node, module, depth)
        return {PASSED_ON} if self._is_passed_on(node) else {VALUE}

    def _joined(self, parts: list[set[str]]) -> set[str]:
        count = 1
        for part in parts:
            count *= len(part)
        if count > MOST_TEXTS:
            parts = [part if len(part) == 1 else {VALUE} for part in parts]
        return {"".join(texts) for texts in product(*parts)}

    def _is_passed_on(self, node: ast.expr) -> bool:
        match node:
            case ast.Attribute(attr=name) | ast.Subscript(slice=ast.Constant(value=name)):
                return name == self._part
        return False

    def _call(self, call: ast.Call, module: Module, depth: int) -> set[str]:
        name = called(call)
        if name in ("str", "next") and call.args and self._passes(call):
            return {PASSED_ON}
        if isinstance(call.func, ast.Attribute) and not isinstance(call.func.value, ast.Name):
            return {VALUE}
        returned = [
            (where, node.value)
            for where, function in self._code.functions.get(name, [])
            for node in ast.walk(function)
            if isinstance(node, ast.Return) and where is module
        ]
        return set().union(*(self.of(v, w, depth - 1) for w, v in returned)) or {VALUE}

    def _passes(self, call: ast.Call) -> bool:
        return any(
            self._is_passed_on(node) for node in ast.walk(call) if isinstance(node, ast.expr)
        )

    def _name(self, node: ast.expr, name: str, module: Module, depth: int) -> set[str]:
        function = module.inside.get(node)
        if function is not None:
            assigned = list(_assigned(function, name))
            if assigned:
                texts = set().union(*(self.of(value, module, depth - 1) for value in assigned))
                # What was found begins as nothing where nothing may be wrong; advice never does.
                return texts - {""} if self._part == "found" and len(texts) > 1 else texts
            arguments = (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)
            if name in (one.arg for one in arguments):
                return self._parameter(module, function, name, depth)
        constants = [
            (where, value)
            for where in [module, *self._code.modules]
            for value in _assigned(where.tree, name, deep=False)
        ]
        return self.of(constants[0][1], constants[0][0], depth - 1) if constants else {VALUE}

    def _parameter(self, module: Module, function: Function, name: str, depth: int) -> set[str]:
        """What those who call a function pass for a parameter."""
        method = [one.arg for one in function.args.args[:1]] in (["self"], ["cls"])
        texts: set[str] = set()
        for where, call in self._code.calls.get(function.name, []):
            private = function.name.startswith("_") and where is not module
            if not private and isinstance(call.func, ast.Attribute) == method:
                texts |= self.of(argument(call, function, name), where, depth - 1)
        return texts or {VALUE}


def _assigned(
    scope: Function | ast.Module, name: str, *, deep: bool = True
) -> Iterator[ast.expr | None]:
    """Every value that a name is given; None where it comes from a loop or an unpacking."""
    for node in ast.walk(scope) if deep else scope.body:
        match node:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    yield from _unpacked(target, value, name)
            case ast.AnnAssign(target=ast.Name(id=found), value=value) if found == name and value:
                yield value
            case ast.For(target=target) | ast.comprehension(target=target):
                if any(isinstance(n, ast.Name) and n.id == name for n in ast.walk(target)):
                    yield None


def _unpacked(target: ast.expr, value: ast.expr, name: str) -> Iterator[ast.expr | None]:
    match target, value:
        case ast.Name(id=found), _ if found == name:
            yield value
        case ast.Tuple(elts=targets), ast.Tuple(elts=values):
            for one, other in zip(targets, values, strict=False):
                yield from _unpacked(one, other, name)
        case ast.Tuple(elts=targets), _:
            if any(isinstance(one, ast.Name) and one.id == name for one in targets):
                yield None


def message(code: Code, module: Module, call: ast.AST, kind: str, **parts: ast.expr) -> Message:
    """A message made of expressions."""
    where = f"{module.path.as_posix()}:{getattr(call, 'lineno', 0)}"
    texts = {part: sorted(Texts(code, part).of(node, module)) for part, node in parts.items()}
    return Message(where, kind, texts)
