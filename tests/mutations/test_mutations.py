"""The mutations are well-formed, fit the code as it is, and name tests that exist; their runner is sound."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest
from tests.mutations.run import ROOT, Mutation, MutationError, Tree, judge, mutate, read_mutations

MUTATIONS = read_mutations()


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_mutation_still_fits_the_code(mutation: Mutation) -> None:
    for path, text in mutate(mutation, ROOT).items():
        if path.suffix == ".py":
            ast.parse(text)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_the_tests_of_a_mutation_exist(mutation: Mutation) -> None:
    for test in mutation.tests:
        file, *names = test.partition("[")[0].split("::")
        assert "::".join(names) in _tests_of(ROOT / file), f"there is no {test}"


@cache
def _tests_of(path: Path) -> set[str]:
    """``test`` and ``Class::test`` of a file, without running it."""
    found: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{n.name}" for n in node.body if isinstance(n, ast.FunctionDef)}
    return found


# --- the runner ----------------------------------------------------------------------------------------

_LOCK = 'def open_for(word):\n    return word == "sesame"\n'
_TEST = "from lock import open_for\n\ndef test_a_wrong_word():\n    assert not open_for('please')\n"


@pytest.fixture
def small(tmp_path: Path) -> Tree:
    """A tree with one source, whose one protection has one test."""
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine" / "lock.py").write_text(_LOCK)
    (tmp_path / "test_lock.py").write_text(_TEST)
    return Tree(tmp_path)


def _mutation(folder: Path, old: str, new: str, test: str = "test_lock.py::test_a_wrong_word") -> Mutation:
    folder.mkdir()
    change = f'[[change]]\nfile = "engine/lock.py"\nold = """{old}"""\nnew = """{new}"""\n'
    (folder / "made.toml").write_text(f'what = "Anything opens"\ntests = ["{test}"]\n{change}')
    return read_mutations(folder)[0]


def test_a_mutant_is_caught_or_survives_and_leaves_no_trace(small: Tree, tmp_path: Path) -> None:
    wicked = _mutation(tmp_path / "a", 'word == "sesame"', "len(word) > 0       ")
    harmless = _mutation(tmp_path / "b", '"sesame"', '"Sesame"')
    assert judge(small, wicked) == "test_lock.py::test_a_wrong_word"
    assert judge(small, harmless) is None
    assert judge(small, wicked) == "test_lock.py::test_a_wrong_word"
    assert (tmp_path / "engine" / "lock.py").read_text() == _LOCK


@pytest.mark.parametrize(
    ("new", "test"),
    [
        pytest.param("word ==", "test_lock.py::test_a_wrong_word", id="it is no Python"),
        pytest.param("True", "test_lock.py::test_a_right_word", id="its test does not exist"),
    ],
)
def test_a_mutant_whose_tests_cannot_run_is_not_taken_for_caught(
    new: str, test: str, small: Tree, tmp_path: Path
) -> None:
    with pytest.raises(MutationError, match="could not run"):
        judge(small, _mutation(tmp_path / "a", 'word == "sesame"', new, test))


@pytest.mark.parametrize("old", ["no such text", "word"], ids=["nowhere", "more than once"])
def test_a_stale_mutation_is_refused(old: str, small: Tree, tmp_path: Path) -> None:
    with pytest.raises(MutationError, match="occurs"):
        judge(small, _mutation(tmp_path / "a", old, "True"))


@pytest.mark.parametrize(
    "text",
    [
        "what = ",
        'what = "x"\ntests = ["a::b"]',
        'what = "x"\ntests = []\n[[change]]\nfile = "f"\nold = "a"\nnew = "b"',
        'what = "x"\ntests = ["a.py"]\n[[change]]\nfile = "f"\nold = "a"\nnew = "b"',
        'what = "x"\ntests = ["a::b"]\n[[change]]\nfile = "f"\nold = "a"',
        'what = "x"\ntests = ["a::b"]\n[[change]]\nfile = "f"\nold = "a"\nnew = "a"',
        'what = "x"\ntests = ["a::b"]\nhow = "y"\n[[change]]\nfile = "f"\nold = "a"\nnew = "b"',
    ],
    ids=["toml", "no change", "no tests", "no test's name", "no new text", "no difference", "a stray key"],
)
def test_a_malformed_mutation_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "made.toml").write_text(text)
    with pytest.raises(MutationError, match=r"made\.toml"):
        read_mutations(tmp_path)
