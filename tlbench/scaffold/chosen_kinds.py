"""The kinds of components that a module is left with: what belongs to others is taken out of its source."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator


def without(source: str, modules: Collection[str]) -> str:
    """A module's source without what it imports of some modules, and without the statements that use it.

    A function that has nothing left to do is taken out. The source is formatted: two empty lines round a function.
    """
    tree = ast.parse(source)
    names = {each.asname or each.name for node in _imports(tree, modules) for each in node.names}
    dropped = set(_lines(tree, names))
    kept = [line for number, line in enumerate(source.splitlines(), start=1) if number not in dropped]
    return "\n".join(kept) + "\n"


def _imports(tree: ast.Module, modules: Collection[str]) -> Iterator[ast.ImportFrom]:
    return (node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module in modules)


def _lines(tree: ast.Module, names: Collection[str]) -> Iterator[int]:
    """The numbers of the lines to be left out, those of the empty ones before a function among them."""
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and {each.name for each in node.names} <= set(names):
            yield from _of(node)
        elif isinstance(node, ast.FunctionDef):
            statements = [each for each in node.body if not _is_docstring(each)]
            unused = [each for each in statements if _uses(each, names)]
            if len(unused) == len(statements):
                yield from range(node.decorator_list[0].lineno - 2, (node.end_lineno or node.lineno) + 1)
            else:
                for each in unused:
                    yield from _of(each)


def _of(node: ast.stmt) -> range:
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)


def _uses(node: ast.stmt, names: Collection[str]) -> bool:
    return any(isinstance(each, ast.Name) and each.id in names for each in ast.walk(node))


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
