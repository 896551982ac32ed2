"""The pages for whoever works on the program say what is so: the tests and files that they name are there."""
from __future__ import annotations

import ast
import re
import subprocess

import pytest
from conftest import PROJECT

import main

pytestmark = pytest.mark.slow
PAGES = ["CONTRIBUTING.md", "docs/DESIGN.md", "docs/STYLE.md", "docs/RELIABILITY.md", "docs/DECISIONS.md",
         "docs/INSTALL.md", "docs/SERVERS.md", "docs/SIZES.md", "docs/BILLING.md"]


def names_of_tests(name: str) -> set[str]:
    tree = ast.parse((PROJECT / "tests" / name).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_each_promise_names_tests_that_are_there():
    page = (PROJECT / "docs/RELIABILITY.md").read_text(encoding="utf-8")
    named = re.findall(r"^- (test_\w+\.py) `(test_\w+)`", page, re.MULTILINE)
    assert len(named) > 50
    assert [(file, test) for file, test in named if test not in names_of_tests(file)] == []


def test_each_promise_has_a_test_or_says_that_it_has_none():
    page = (PROJECT / "docs/RELIABILITY.md").read_text(encoding="utf-8")
    promises = re.split(r"^(?=\*\*\d+\. )", page, flags=re.MULTILINE)[1:]
    assert [promise for promise in promises if "- test_" not in promise and "no test" not in promise] == []


@pytest.mark.parametrize("page", PAGES)
def test_each_file_that_a_page_names_is_there(page):
    text = (PROJECT / page).read_text(encoding="utf-8")
    known = subprocess.run(["git", "ls-files"], cwd=PROJECT, capture_output=True, text=True, check=True).stdout.split()
    folders = {str(parent) for name in known for parent in (PROJECT / name).relative_to(PROJECT).parents}
    ends = {*known, *(name.rpartition("/")[2] for name in known), *folders}
    named = re.findall(r"`((?:[\w.]+/)*[\w.-]+\.(?:py|sql|md|toml|txt)|(?:\.?\w+/)+)`", text)
    assert [name for name in named if name.rstrip("/") not in ends and not re.search(r"NNNN|_N\.", name)] == []


def test_the_changelog_has_the_program_s_version_and_a_tag_is_that_version():
    assert f"\n## [{main.VERSION}] - " in (PROJECT / "CHANGELOG.md").read_text(encoding="utf-8")
    tags = subprocess.run(["git", "tag", "--points-at", "HEAD"], cwd=PROJECT, capture_output=True, check=True)
    assert set(tags.stdout.decode().split()) <= {f"v{main.VERSION}"}
