"""Every sentence that the code can put into a record, found by reading the code, not by running it.

A small interpreter of string expressions: literals, f-strings, ``+``, ``x if y else z``, names that were
assigned such an expression in the same function or module, and functions of the same module that return one.
Whatever else stands in a brace is a value, written as ``⟦0⟧``. The result is a list of whole sentences and of
the pieces that they are made of.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

VALUE = "⟦0⟧"
_MOST = 256
"""Alternatives of one expression that are followed; beyond, a name stands for itself."""

# What is raised or said to the person at the terminal is no part of a record.
_NOT_RECORDED = {
    "ValueError", "TypeError", "RuntimeError", "KeyError", "AssertionError", "NotImplementedError",
    "JobError", "OutputError", "EngineError", "stage", "step", "join", "split", "replace", "partition",
    "compile", "match", "search", "fullmatch", "sub", "startswith", "endswith", "get", "Field", "key",
    "choice", "cast", "Literal",
}  # fmt: skip
_NOT_KEYWORDS = {"stage", "expected", "help", "flags", "encoding", "dtype", "file"}


@dataclass(frozen=True)
class Sentence:
    """One thing that the code can say, with values as ``⟦0⟧``."""

    text: str
    where: str


def sentences(path: Path, name: str) -> list[Sentence]:
    """The sentences and pieces of one module, each once, in order."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    reader = _Reader(tree)
    found: dict[str, int] = {}
    for node, line in reader.expressions():
        for text in reader.expand(node, reader.scope_of(node)):
            if _is_english(text):
                found.setdefault(text, line)
    return [Sentence(text, f"{name}:{line}") for text, line in found.items()]


def _is_english(text: str) -> bool:
    """A word of four small letters beside another word: no key, no path, no format."""
    bare = text.replace(VALUE, " ").strip()
    return bool(re.search(r"[a-z]{3}", bare)) and bool(re.search(r"\S\s+\S", text.strip()))


class _Reader:
    def __init__(self, tree: ast.Module) -> None:
        self.tree = tree
        self.parents: dict[ast.AST, ast.AST] = {}
        for node in ast.walk(tree):
            for child in ast.iter_child_nodes(node):
                self.parents[child] = node
        self.functions = {n.name: n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}
        self.module_names = self._assigned(tree.body)
        self.names_of = {
            f: self._assigned([n for n in ast.walk(f) if isinstance(n, ast.stmt)])
            for f in self.functions.values()
        }
        self.busy: set[ast.AST] = set()

    @staticmethod
    def _assigned(body: list[ast.stmt]) -> dict[str, tuple[list[ast.expr], list[ast.expr]]]:
        """name: (expressions assigned, expressions added with +=)."""
        found: dict[str, tuple[list[ast.expr], list[ast.expr]]] = {}
        for node in body:
            if isinstance(node, ast.Assign):
                pairs = []
                for target in node.targets:
                    if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                        pairs += list(zip(target.elts, node.value.elts, strict=False))
                    elif isinstance(target, ast.Tuple) and isinstance(node.value, ast.IfExp):
                        for side in (node.value.body, node.value.orelse):
                            if isinstance(side, ast.Tuple):
                                pairs += list(zip(target.elts, side.elts, strict=False))
                    else:
                        pairs.append((target, node.value))
                for target, value in pairs:
                    if isinstance(target, ast.Name):
                        found.setdefault(target.id, ([], []))[0].append(value)
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
                found.setdefault(node.target.id, ([], []))[0].append(node.value)
            elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
                found.setdefault(node.target.id, ([], []))[1].append(node.value)
        return found

    def scope_of(self, node: ast.AST) -> ast.FunctionDef | None:
        up: ast.AST | None = node
        while up is not None and not isinstance(up, ast.FunctionDef):
            up = self.parents.get(up)
        return up

    # -- which expressions ------------------------------------------------------------------------------
    def expressions(self) -> Iterator[tuple[ast.expr, int]]:
        """The largest string expressions of the module, outside docstrings and what is not recorded."""
        for node in ast.walk(self.tree):
            if not isinstance(node, (ast.Constant, ast.JoinedStr, ast.BinOp, ast.IfExp)):
                continue
            if not self._speaks(node) or self._passed_over(node):
                continue
            parent = self.parents.get(node)
            inside = isinstance(parent, (ast.JoinedStr, ast.FormattedValue)) or (
                isinstance(parent, (ast.BinOp, ast.IfExp)) and self._speaks(parent)
            )
            if inside and not (isinstance(parent, ast.IfExp) and node is parent.test):
                continue
            yield node, node.lineno

    def _speaks(self, node: ast.AST) -> bool:
        if isinstance(node, ast.Constant):
            return isinstance(node.value, str)
        if isinstance(node, ast.JoinedStr):
            return True
        if isinstance(node, ast.BinOp):
            return isinstance(node.op, ast.Add) and (self._speaks(node.left) or self._speaks(node.right))
        if isinstance(node, ast.IfExp):
            return self._speaks(node.body) or self._speaks(node.orelse)
        return False

    def _passed_over(self, node: ast.AST) -> bool:
        child, up = node, self.parents.get(node)
        if isinstance(up, ast.Expr):
            return True  # a docstring
        while up is not None and not isinstance(up, (ast.FunctionDef, ast.ClassDef, ast.Module)):
            if isinstance(up, ast.keyword) and up.arg in _NOT_KEYWORDS:
                return True
            if isinstance(up, ast.Call) and child is not up.func:
                called = up.func
                name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
                if name in _NOT_RECORDED and child in (*up.args, *up.keywords):
                    return True
            if (
                isinstance(up, (ast.Subscript, ast.Compare, ast.AnnAssign))
                and getattr(up, "value", None) is not child
            ):
                return True
            if isinstance(up, ast.Dict) and child in up.keys:
                return True
            child, up = up, self.parents.get(up)
        return isinstance(up, ast.FunctionDef) and child in (up.returns, up.args)

    # -- what they say ----------------------------------------------------------------------------------
    def expand(self, node: ast.AST | None, scope: ast.FunctionDef | None) -> list[str]:
        """All that an expression can say; ``⟦0⟧`` alone if it is a value."""
        if node is None or node in self.busy:
            return [VALUE]
        self.busy.add(node)
        try:
            return list(dict.fromkeys(self._expand(node, scope)))[:_MOST]
        finally:
            self.busy.discard(node)

    def _expand(self, node: ast.AST, scope: ast.FunctionDef | None) -> list[str]:
        if isinstance(node, ast.Constant):
            if node.value is None:
                return []  # no sentence holds the word None
            return [node.value] if isinstance(node.value, str) else [VALUE]
        if isinstance(node, ast.JoinedStr):
            return self._product([self.expand(part, scope) for part in node.values])
        if isinstance(node, ast.FormattedValue):
            return self.expand(node.value, scope)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return self._product([self.expand(node.left, scope), self.expand(node.right, scope)])
        if isinstance(node, ast.IfExp):
            return self.expand(node.body, scope) + self.expand(node.orelse, scope)
        if isinstance(node, ast.Name):
            return self._named(node.id, scope)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in self.functions:
            return self._returned(self.functions[node.func.id])
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Dict):
            return [t for v in node.value.values for t in self.expand(v, scope)]
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
            table = self.module_names.get(node.value.id, ([], []))[0]
            if len(table) == 1 and isinstance(table[0], ast.Dict):
                return [t for v in table[0].values for t in self.expand(v, scope)]
        return [VALUE]

    def _named(self, name: str, scope: ast.FunctionDef | None) -> list[str]:
        known = self.names_of.get(scope, {}) if scope is not None else {}
        assigned, added = known.get(name) or self.module_names.get(name) or ([], [])
        if not any(self._speaks(a) or isinstance(a, (ast.Call, ast.Name)) for a in assigned):
            return [VALUE]
        said = [t for a in assigned for t in self.expand(a, scope)]
        for more in added:
            tails = self.expand(more, scope)
            if len(said) * (1 + len(tails)) > _MOST:
                break
            said = said + [s + t for s in said for t in tails]
        return said or [VALUE]

    def _returned(self, function: ast.FunctionDef) -> list[str]:
        out = []
        for node in ast.walk(function):
            if isinstance(node, ast.Return) and self.scope_of(node) is function:
                if node.value is None or (isinstance(node.value, ast.Constant) and node.value.value is None):
                    continue
                out += self.expand(node.value, function)
        return out or [VALUE]

    @staticmethod
    def _product(parts: list[list[str]]) -> list[str]:
        said = [""]
        for part in parts:
            if len(said) * len(part) > _MOST:
                part = [VALUE]
            said = [s + t for s in said for t in part]
        return said
