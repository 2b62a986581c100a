# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""scripts/lint and scripts/check-message say what is wrong, where, and fail."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LICENCE = """Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception"""
HASH = "".join(f"# {line}\n" for line in LICENCE.splitlines())
SLASHES = HASH.replace("#", "//")

needs_tools = pytest.mark.skipif(
    not (shutil.which("clang-format-22") and shutil.which("shellcheck") and (ROOT / ".venv/bin/ruff").exists()),
    reason="clang-format-22, shellcheck and ruff are not all installed",
)


def lint(*arguments):
    return subprocess.run(
        [ROOT / "scripts/lint", *arguments], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


BAD = {
    "a.cpp": ("int f() { return 0; }\n", "licence"),
    "b.cpp": (SLASHES + "int  f( ) { return 0; }\n", "clang-format"),
    "c.py": (HASH + "import os\n", "ruff"),
    "d.py": (HASH + "x = [ 1,2 ]\n", "ruff's format"),
    "CMakeLists.txt": ("project(a)\n", "licence"),
}


@needs_tools
@pytest.mark.parametrize("name", BAD)
def test_lint_names_what_is_wrong(name, tmp_path):
    text, check = BAD[name]
    (tmp_path / name).write_text(text)
    done = lint("--quick", str(tmp_path / name))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"lint: {check}: failed"
    assert name in done.stdout + done.stderr


@needs_tools
def test_lint_of_good_files(tmp_path):
    (tmp_path / "a.cpp").write_text(SLASHES + "\nint f() { return 0; }\n")
    (tmp_path / "b.py").write_text(HASH + "\nx = [1, 2]\n")
    done = lint("--quick", *map(str, tmp_path.iterdir()))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_lint_refuses_what_it_does_not_know():
    done = lint("--fast")
    assert done.returncode == 1 and "unknown argument --fast" in done.stderr


MESSAGES = {
    "Add a pass\n\nBecause it is missing.\n": None,
    "# a comment\nAdd a pass\n\nBecause.\n# Please enter\n": None,
    "Merge branch 'a'\n": None,
    "": "no subject",
    "Add a pass\n": "a body says why",
    "Add a pass\nBecause.\n": "the line after the subject is empty",
    "Added a pass\n\nBecause.\n": "imperative",
    "Adding a pass\n\nBecause.\n": "imperative",
    "add a pass\n\nBecause.\n": "capital",
    "Add a pass.\n\nBecause.\n": "full stop",
    "Add " + "a" * 69 + "\n\nBecause.\n": "73 characters",
}


@pytest.mark.parametrize("message", MESSAGES)
def test_messages(message, tmp_path):
    (tmp_path / "message").write_text(message)
    done = subprocess.run(
        [ROOT / "scripts/check-message", tmp_path / "message"], capture_output=True, text=True, check=False
    )
    wrong = MESSAGES[message]
    assert done.returncode == (1 if wrong else 0)
    assert (wrong or "") in done.stderr and len(done.stderr.splitlines()) == (1 if wrong else 0)


def test_hooks_are_valid():
    pytest.importorskip("pre_commit")
    subprocess.run(
        [sys.executable, "-m", "pre_commit", "validate-config", ROOT / ".pre-commit-config.yaml"], check=True
    )
