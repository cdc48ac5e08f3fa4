"""The committed files of this project, as the style tests read them."""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("app", "contracts", "grid", "matching", "meters")
CODE = (".py", ".sol", ".js", ".html", ".css")
NOT_OURS = ("/vendor/", "/artifacts/", "/migrations/versions/")


@cache
def committed() -> tuple[Path, ...]:
    """Every file git knows or would add, relative to the project's root."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return tuple(sorted(Path(line) for line in set(listed.splitlines()) if (ROOT / line).is_file()))


def own_code() -> tuple[Path, ...]:
    """Source files written here: neither vendored nor generated."""
    return tuple(
        path for path in committed() if path.suffix in CODE and not any(part in f"/{path}" for part in NOT_OURS)
    )


def python_files(*folders: str) -> tuple[Path, ...]:
    """Own Python files below the named folders, everywhere when none is named."""
    return tuple(path for path in own_code() if path.suffix == ".py" and (not folders or path.parts[0] in folders))


def text(path: Path) -> str:
    """A committed file's text, empty for a binary one."""
    try:
        return (ROOT / path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


@cache
def tree(path: Path) -> ast.Module:
    """A committed Python file, parsed."""
    return ast.parse(text(path), filename=str(path))


def functions(module: ast.Module) -> Iterator[tuple[str, int]]:
    """Each function of a module with its class before its name, and its length in lines without decorators."""
    for prefix, node in _definitions("", module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            yield f"{prefix}{node.name}", node.end_lineno - node.lineno + 1


def _definitions(prefix: str, parent: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    for node in ast.iter_child_nodes(parent):
        yield prefix, node
        inner = f"{prefix}{node.name}." if isinstance(node, ast.ClassDef | ast.FunctionDef) else prefix
        yield from _definitions(inner, node)
