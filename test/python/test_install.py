# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""`cmake --install`, and a project outside of the tree that builds on what is installed (test/OutOfTree)."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("BFLY_BUILD_DIR", ROOT / "build")).resolve()
CACHE = dict(re.findall(r"^(\w+):\w+=(.*)$", (BUILD / "CMakeCache.txt").read_text(), re.M))
ON = ("ON", "1", "TRUE")


def run(*command, **more):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, stdin=subprocess.DEVNULL, **more)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


VERSION = re.search(r"^project\(bfly .* VERSION ([\d.]+)\)$", (ROOT / "CMakeLists.txt").read_text(), re.M)[1]


@pytest.fixture
def prefix(tmp_path):
    if CACHE.get("BFLY_SANITIZE") in ON:
        pytest.skip("what is instrumented asks the same of who links it")
    if CACHE.get("BFLY_STATIC") in ON:
        pytest.skip("a static build installs the wheel's files alone")
    # It may be moved after it was installed.
    run("cmake", "--install", BUILD, "--prefix", tmp_path / "first")
    return (tmp_path / "first").rename(tmp_path / "second")


def test_what_is_installed(prefix):
    for path in prefix.rglob("*"):
        if path.suffix in (".cmake", ".h", ".td", ".inc"):
            assert str(ROOT) not in path.read_text(), path
    assert run(prefix / "bin" / "bfly-run", "--version").startswith(f"bfly-run {VERSION},")
    example = ROOT / "examples" / "fftnet_layer.mlir"
    assert "bfly.kernel" in run(prefix / "bin" / "bfly-opt", example, "-bfly-compile=to=schedule")


def test_a_project_outside_of_the_tree(prefix, tmp_path):
    build = tmp_path / "build"
    same = [f"-D{name}={CACHE[name]}" for name in ("CMAKE_C_COMPILER", "CMAKE_CXX_COMPILER", "CMAKE_BUILD_TYPE")]
    run("cmake", "-G", "Ninja", "-S", ROOT / "test" / "OutOfTree", "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}", *same)
    run("cmake", "--build", build)
    assert "100% tests passed" in run("ctest", "--test-dir", build, "--output-on-failure")


def test_other_versions_are_not_taken(prefix, tmp_path):
    major, minor, _ = map(int, VERSION.split("."))
    (tmp_path / "CMakeLists.txt").write_text(f"""
cmake_minimum_required(VERSION 3.20)
project(asks LANGUAGES NONE)
foreach(version {major}.{minor + 1} {major + 1}.0 {major}.{max(minor - 1, 0)}.99)
  find_package(Bfly ${{version}} QUIET CONFIG)
  if(Bfly_FOUND OR NOT Bfly_CONSIDERED_VERSIONS STREQUAL "{VERSION}")
    message(FATAL_ERROR "${{version}}: ${{Bfly_CONSIDERED_VERSIONS}}")
  endif()
endforeach()
""")
    run("cmake", "-S", tmp_path, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={prefix}")


@pytest.mark.parametrize(
    "missing, said",
    [
        (
            "-DCMAKE_IGNORE_PATH=/usr/bin;/bin;/usr/lib/llvm-22/bin",
            "no clang-22 here: building bfly takes LLVM 22 and MLIR 22, which scripts/setup",
        ),
        (
            "-DCMAKE_DISABLE_FIND_PACKAGE_MLIR=ON",
            "no MLIR 22.1 here (Debian's libmlir-22-dev): scripts/setup installs it",
        ),
    ],
)
def test_what_pip_says_where_the_build_lacks_something(tmp_path, missing, said):
    command = ["cmake", "-G", "Ninja", "-S", ROOT, "-B", tmp_path, "-DSKBUILD=2", "-DBFLY_STATIC=ON", missing]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode and said in " ".join(done.stderr.split()), done.stderr
    assert done.stderr.count("CMake Error at") == 1


def test_the_page_shows_that_project():
    sources = [path.read_text() for path in (ROOT / "test" / "OutOfTree").iterdir()]
    shown = re.findall(r"```\w+\n(.*?)```", (ROOT / "docs" / "out-of-tree.md").read_text(), re.S)
    assert len(shown) == 5
    for block in shown:
        assert any(block in source for source in sources), block
