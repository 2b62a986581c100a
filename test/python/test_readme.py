# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What README.md and docs/ say: the Python in them runs, what they link to is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# gpu.md's is run where there is a GPU (test/Execution/test_torch_on_a_gpu.py).
PYTHON = [
    (path, match[1])
    for path in PAGES
    for match in re.finditer(r"```python\n(.*?)```", path.read_text(), re.S)
    if path.name != "gpu.md"
]


@pytest.mark.parametrize("path, code", PYTHON, ids=lambda value: value.name if isinstance(value, Path) else "")
def test_python_in_the_pages_runs(path, code, monkeypatch):
    monkeypatch.chdir(ROOT)
    exec(compile(code, str(path), "exec"), {})


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text())
    missing = [link for link in links if "://" not in link and not (path.parent / link).exists()]
    assert not missing


def test_the_readme_shows_every_example_at_every_level():
    text = (ROOT / "README.md").read_text()
    for example in sorted((ROOT / "examples").glob("*.mlir")):
        shown = text.split(f"<summary><b>{example.stem}</b>")[1].split("</details>")[0]
        assert re.findall(r"^\*\*(\w+)\*\*:", shown, re.M) == ["mixer", "network", "schedule", "affine", "llvm"]


def test_nothing_names_a_path_that_only_one_machine_has():
    # The pages and scripts are for any machine.
    for path in [*PAGES, *(ROOT / "scripts").iterdir()]:
        if path.is_file():
            assert not re.search(r"/(work|home|root|tmp)/", path.read_text()), path
