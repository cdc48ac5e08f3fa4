"""The habits of this house that no linter knows, each with a planted offence that it must find."""

import ast
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from house_sources import PACKAGES, ROOT, committed, functions, own_code, python_files, text, tree

FILE_LINES_MAX = 300
FUNCTION_LINES_MAX = 50
EXCEPTIONS = tomllib.loads((ROOT / "tests/house/exceptions.toml").read_text(encoding="utf-8"))

# In pieces, so that this file may be read by its own rules.
REGISTRIES = ("pypi" + ".org", "python" + "hosted", "npm" + "js.", "yarn" + "pkg", "deb." + "debian", "crates" + ".io")
MACHINE_PATHS = ("/" + "work/", "/" + "root/", "/" + "home/")
BAD_NAMES = re.compile(r"^(utils?|helpers?|commons?)$|(Manager|Handler|Utils?|Helpers?)$")


def too_long(lengths: dict[str, int], limit: int, excepted: dict[str, dict[str, object]]) -> list[str]:
    """What is above its limit, and the exceptions that are no longer needed."""
    errors = []
    for name, lines in lengths.items():
        allowed = max(limit, int(str(excepted.get(name, {}).get("lines", 0))))
        if lines > allowed:
            errors.append(f"{name} has {lines} lines, {allowed} allowed")
    for name, entry in excepted.items():
        if lengths.get(name, 0) <= limit:
            errors.append(f"{name} needs no exception any more: remove its entry from tests/house/exceptions.toml")
        if not str(entry.get("why", "")).strip():
            errors.append(f"{name} is excepted without a reason")
    return errors


def test_files_are_short_enough_to_be_read_in_one_sitting() -> None:
    lengths = {str(path): len(text(path).splitlines()) for path in own_code()}
    assert not too_long(lengths, FILE_LINES_MAX, EXCEPTIONS["files"])


def test_functions_are_short_enough_to_be_seen_at_once() -> None:
    lengths = {f"{path}::{name}": lines for path in python_files() for name, lines in functions(tree(path))}
    assert not too_long(lengths, FUNCTION_LINES_MAX, EXCEPTIONS["functions"])


def test_a_long_file_is_found_and_an_exception_that_is_not_needed_must_go() -> None:
    assert too_long({"a.py": 301}, 300, {}) == ["a.py has 301 lines, 300 allowed"]
    assert too_long({"a.py": 301}, 300, {"a.py": {"lines": 301, "why": "a table"}}) == []
    assert too_long({"a.py": 302}, 300, {"a.py": {"lines": 301, "why": "a table"}}) == [
        "a.py has 302 lines, 301 allowed"
    ]
    assert "needs no exception" in too_long({"a.py": 300}, 300, {"a.py": {"lines": 301, "why": "a table"}})[0]
    assert "without a reason" in too_long({"a.py": 301}, 300, {"a.py": {"lines": 301}})[0]


def naive_datetimes(module: ast.Module) -> Iterator[int]:
    """Lines that make a datetime without a time zone."""
    for node in ast.walk(module):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        name, arguments = node.func.attr, len(node.args) + len(node.keywords)
        if (
            name in {"utcnow", "utcfromtimestamp"}
            or (name == "now" and arguments == 0 and "datetime" in ast.unparse(node.func.value))
            or (name == "fromtimestamp" and arguments < 2)
        ):
            yield node.lineno


def prints(module: ast.Module) -> Iterator[int]:
    """Lines that print: programs speak through click.echo, packages do not speak."""
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            yield node.lineno


def bad_names(module: ast.Module) -> Iterator[int]:
    """Lines that define a class whose name says nothing."""
    for node in ast.walk(module):
        if isinstance(node, ast.ClassDef) and BAD_NAMES.search(node.name):
            yield node.lineno


@pytest.mark.parametrize("rule", [naive_datetimes, prints, bad_names])
def test_packages_keep_the_rule(rule) -> None:
    assert not [f"{path}:{line}" for path in python_files(*PACKAGES) for line in rule(tree(path))]


@pytest.mark.parametrize(
    ("rule", "source"),
    [
        (naive_datetimes, "from datetime import datetime\nx = datetime.now()"),
        (naive_datetimes, "import datetime\nx = datetime.datetime.utcnow()"),
        (naive_datetimes, "from datetime import datetime\nx = datetime.fromtimestamp(3)"),
        (prints, "\nprint('energy')"),
        (bad_names, "\nclass OrderManager: ..."),
    ],
)
def test_an_offence_is_found(rule, source: str) -> None:
    assert list(rule(ast.parse(source))) == [2]


def test_an_aware_datetime_is_no_offence() -> None:
    assert not list(naive_datetimes(ast.parse("datetime.now(UTC); datetime.fromtimestamp(3, UTC); clock.now()")))


def test_modules_have_names_that_say_something() -> None:
    named = [path for path in python_files() for part in path.with_suffix("").parts if BAD_NAMES.search(part)]
    assert not named


def test_every_test_file_has_a_name_of_its_own() -> None:
    """Two of one name in different folders cannot be collected in one run."""
    names = Counter(Path(name).name for name in committed() if Path(name).match("tests/**/test_*.py"))
    assert [name for name, number in names.items() if number > 1] == []
    assert len(names) > 200


def test_every_file_of_a_package_says_what_it_is_for() -> None:
    bare = [str(path) for path in python_files(*PACKAGES) if not ast.get_docstring(tree(path))]
    assert not bare


def forbidden(content: str, words: tuple[str, ...]) -> list[str]:
    """The words that occur in a text."""
    return [word for word in words if word in content]


def test_no_committed_file_names_a_registry_or_a_path_of_one_machine() -> None:
    words = REGISTRIES + MACHINE_PATHS
    found = {str(path): forbidden(text(path), words) for path in committed() if "/vendor/" not in f"/{path}"}
    assert not {path: hits for path, hits in found.items() if hits}


def test_a_registry_or_a_machine_path_is_found() -> None:
    assert forbidden(f"index = {REGISTRIES[0]}/simple", REGISTRIES) == [REGISTRIES[0]]
    assert forbidden(f"open('{MACHINE_PATHS[1]}x')", MACHINE_PATHS) == [MACHINE_PATHS[1]]


def test_no_linter_or_type_checker_is_silenced_without_a_reason() -> None:
    silenced = []
    for path in python_files():
        for number, line in enumerate(text(path).splitlines(), 1):
            bare = re.search(r"#\s*noqa(?!: [A-Z]+[0-9]+(, ?[A-Z]+[0-9]+)*\s+\S)", line)
            if bare or re.search(r"#\s*type:\s*ignore", line):
                silenced.append(f"{path}:{number}")
    assert not [place for place in silenced if not place.startswith(str(Path("tests/house/test_style.py")))]
