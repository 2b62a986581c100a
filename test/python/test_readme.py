# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What README.md and docs/ say: the Python in them runs, what they link to is there, what the compiler printed it prints."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bfly._library import library_path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
TOURS = sorted((ROOT / "docs" / "tours").glob("*.md"))
# gpu.md's is run where there is a GPU (test/Execution/test_torch_on_a_gpu.py).
PYTHON = [
    (path, match[1])
    for path in PAGES
    for match in re.finditer(r"```python\n(.*?)```", path.read_text(), re.DOTALL)
    if path.name != "gpu.md"
]


@pytest.mark.parametrize("path, code", PYTHON, ids=lambda value: value.name if isinstance(value, Path) else "")
def test_python_in_the_pages_runs(path, code, monkeypatch):
    if "import torch" in code:
        pytest.importorskip("torch")
    if "bfly.torch" in code and not Path(library_path()).with_name("libbfly_torch.so").exists():
        pytest.skip("bfly was built where torch was not")
    monkeypatch.chdir(ROOT)
    exec(compile(code, str(path), "exec"), {})


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text())
    missing = [link for link in links if "://" not in link and not (path.parent / link).exists()]
    assert not missing


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_files_that_pages_name_are_there(path):
    named = set(
        re.findall(
            r"`((?:[\w.-]+/)*[A-Z]\w+\.(?:cpp|h|td)|(?:[\w.-]+/)+[\w.-]+\.(?:c|py|mlir|json))`", path.read_text()
        )
    )
    # What a page has its reader write.
    own = re.compile("drop-?identity-?maps", re.IGNORECASE)
    folders = ("bench", "dialect", "docs", "examples", "lib", "python", "runtime", "scripts", "test", "tools")
    there = ["/" + str(file.relative_to(ROOT)) for folder in folders for file in (ROOT / folder).rglob("*.*")]
    missing = {name for name in named if not own.search(name) and not any(file.endswith("/" + name) for file in there)}
    assert not missing


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_the_readme_shows_a_picture_and_an_operation_at_two_levels():
    text = (ROOT / "README.md").read_text()
    assert re.search(r"^!\[[^\]]+\]\(docs/images/mixers\.svg\)", text, re.MULTILINE)
    assert re.findall(r"^\*\*(\w+)\*\*:", text, re.MULTILINE) == ["mixer", "schedule"]


def test_every_example_has_a_page_with_every_level():
    examples = {path.stem for path in (ROOT / "examples").glob("*.mlir")}
    assert {path.stem for path in TOURS} == examples | {"tour"}
    for path in TOURS:
        levels = re.findall(r"^\*\*(\w+)\*\*:", path.read_text(), re.MULTILINE)
        assert levels == ["mixer", "network", "schedule", "affine", "llvm"], path


def test_every_page_is_listed():
    text = (ROOT / "docs" / "README.md").read_text()
    listed = {(ROOT / "docs" / link).resolve() for link in re.findall(r"\]\(([^)#]+)\)", text)}
    missing = {path for path in PAGES if path.name != "README.md"} - listed
    assert not missing


def test_what_the_compiler_printed_it_prints():
    """The tours, the picture, and what README.md shows of both and of bench/results; printed anew by the script itself."""
    build = os.environ.get("BFLY_BUILD_DIR", ROOT / "build")
    command = [sys.executable, ROOT / "scripts" / "update_tours.py", "--check", f"--build={build}"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"scripts/update_tours.py would change this:\n{done.stdout}{done.stderr}"


def test_the_version_is_the_same_everywhere():
    version = re.search(r"^project\(bfly .* VERSION ([\d.]+)\)$", (ROOT / "CMakeLists.txt").read_text(), re.MULTILINE)[
        1
    ]
    header = (ROOT / "dialect" / "bfly" / "Engine" / "CAPI.h").read_text()
    assert version.split(".")[:2] == re.findall(r"^#define BFLY_VERSION_M\w+ (\d+)$", header, re.MULTILINE)
    # The newest that the changelog has, and what is to be installed.
    assert re.search(r"^## \[?(\d[\d.]*)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[1] == version
    for path in [ROOT / "README.md", ROOT / "docs" / "package.md"]:
        assert set(re.findall(r"bfly-(\d+\.\d+\.\d+)", path.read_text())) <= {version}, path


def test_nothing_names_a_path_that_only_one_machine_has():
    # The pages and scripts are for any machine.
    for path in [*PAGES, *(ROOT / "docs").rglob("*.svg"), *(ROOT / "scripts").iterdir()]:
        if path.is_file():
            assert not re.search(r"/(work|home|root|tmp)/", path.read_text()), path
