# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The cache of compiled code on disk, as several processes have it: docs/cache.md."""

import json
import os
import pickle
import random
import resource
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import bfly

TEXT = """
func.func @twice(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %y = arith.addf %x, %x : tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
"""
FILTER = """
func.func @f(%x: tensor<?x16x8xf32>) -> tensor<?x16x8xf32> {
  %y = bfly.spectral_filter %x params() : tensor<?x16x8xf32> -> tensor<?x16x8xf32> {
  ^bb0(%bin: complex<f32>, %k: index):
    %m = complex.mul %bin, %bin : complex<f32>
    bfly.yield %m : complex<f32>
  }
  return %y : tensor<?x16x8xf32>
}
"""
X = np.arange(8, dtype=np.float32).reshape(2, 4)
BUILD = Path(os.environ.get("BFLY_BUILD_DIR", Path(__file__).parents[2] / "build"))

# Compiles TEXT, runs it, and says whether it came from the cache and how long that took.
CHILD = f"""
import json, sys, time
import numpy as np
import bfly
bfly.version()
begin = time.perf_counter()
kernel = bfly.compile({TEXT!r})
seconds = time.perf_counter() - begin
x = np.arange(8, dtype=np.float32).reshape(2, 4)
print(json.dumps([bool((kernel(x) == 2 * x).all()), kernel.is_from_cache, seconds]))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty cache of this test's own."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("BFLY_CACHE", str(folder))
    monkeypatch.delenv("BFLY_CACHE_LIMIT", raising=False)
    return folder


def start(**environment):
    return subprocess.Popen(
        [sys.executable, "-c", CHILD],
        env={**os.environ, "BFLY_CACHE_VERBOSE": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(child):
    """Whether the code was in the cache, and what was said of that."""
    out, err = child.communicate(timeout=120)
    assert child.returncode == 0, err
    right, cached, _ = json.loads(out)
    assert right
    return cached, err


def entries(folder):
    return sorted(path.name for path in folder.glob("*.code"))


def test_a_second_process_finds_the_code(folder):
    cached, said = finish(start())
    assert not cached
    assert "bfly: cache: miss" in said and "bfly: cache: stored" in said
    cached, said = finish(start())
    assert cached
    (name,) = entries(folder)
    assert said == f"bfly: cache: hit {name.removesuffix('.code')}\n"
    assert folder.stat().st_mode & 0o777 == 0o700


def test_processes_race(folder):
    for _round in range(2):
        found = [finish(child) for child in [start() for _ in range(6)]]
        assert all("is not used" not in said for _, said in found)
    assert all(cached for cached, _ in found)
    assert len(entries(folder)) == 1
    assert list(folder.glob(".tmp-*")) == []


def test_processes_that_are_killed_leave_nothing_that_is_used(folder):
    finish(start())
    (entry,) = folder.glob("*.code")
    whole = entry.read_bytes()
    draw = random.Random(0)
    for _ in range(10):
        entry.unlink(missing_ok=True)
        child = start()
        time.sleep(draw.uniform(0.1, 0.6))
        child.kill()
        child.communicate()
        if entry.exists():
            assert len(entry.read_bytes()) == len(whole)
    # What one leaves that is killed while it writes.
    (folder / ".tmp-AB").write_bytes(whole[:100])
    cached, said = finish(start())
    assert "is not used" not in said
    assert finish(start())[0]


@pytest.mark.parametrize("harm", ["empty", "cut", "bit", "foreign", "version"])
def test_what_is_damaged_is_compiled_anew(folder, harm):
    finish(start())
    (entry,) = folder.glob("*.code")
    whole = entry.read_bytes()
    changed = {
        "empty": b"",
        "cut": whole[:-1],
        "bit": whole[:-9] + bytes([whole[-9] ^ 16]) + whole[-8:],
        "foreign": Path(sys.executable).read_bytes()[:4096],
        "version": whole[:7] + b"\x7f" + whole[8:],
    }[harm]
    entry.write_bytes(changed)
    cached, said = finish(start())
    assert not cached
    assert said.count("is not used") == 1 and str(entry) in said
    assert entry.read_bytes() == whole
    assert finish(start())[0]


def test_another_build_has_entries_of_its_own(folder):
    """The tool and the library are two builds, unless the tool is in the library (scripts/package)."""
    tool = BUILD / "bin" / "bfly-run"
    if not tool.exists():
        pytest.skip("no bfly-run in this build")
    source = folder.parent / "twice.mlir"
    source.write_text(TEXT)
    command = [tool, source, "--input=2x4xf32=1"]
    first = subprocess.run(command, capture_output=True, text=True, check=True)
    assert len(entries(folder)) == 1
    kernel = bfly.compile(source)
    assert kernel.is_from_cache == (len(entries(folder)) == 1)
    again = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, "BFLY_CACHE_VERBOSE": "1"}
    )
    assert again.stdout == first.stdout
    assert "bfly: cache: hit" in again.stderr


@pytest.mark.parametrize("place", ["/proc/bfly", "/dev/null", "relative/path"])
def test_a_folder_that_cannot_be_used_fails_nothing(folder, place):
    cached, said = finish(start(BFLY_CACHE=place))
    assert not cached
    lines = [line for line in said.splitlines() if "miss" not in line]
    assert 1 <= len(lines) <= 2 and all(line.startswith("bfly: cache: ") for line in lines)
    # Nothing is said to who does not ask.
    assert finish(start(BFLY_CACHE=place, BFLY_CACHE_VERBOSE="0"))[1] == ""


def test_a_folder_of_another_user_is_not_used(folder):
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    finish(start())
    os.chown(folder, 12345, -1)
    cached, said = finish(start())
    assert not cached
    assert "it belongs to another user" in said


@pytest.fixture
def mount(folder):
    """A function that makes `folder` a file system of its own, or the same with other options; it says whether it could."""
    folder.mkdir(mode=0o700)
    tool = shutil.which("mount")
    mounted = []

    def run(options):
        if tool is None:
            return False
        options = f"remount,{options}" if mounted else f"mode=700,{options}"
        done = subprocess.run([tool, "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True)
        mounted.extend([folder] * (done.returncode == 0))
        return done.returncode == 0

    yield run
    if mounted:
        subprocess.run(["umount", folder], check=True)


def test_a_read_only_folder_is_read(folder, mount):
    """By who cannot write to it: hits need no writing."""
    mounted = mount("size=1m")
    if not mounted and os.geteuid() == 0:
        pytest.skip("root can write anywhere here")
    finish(start())
    if mounted:
        assert mount("ro")
    else:
        folder.chmod(0o500)
    try:
        assert finish(start())[0]
        with pytest.raises(bfly.BflyError, match="Permission denied|Read-only file system"):
            bfly.clear_cache()
        assert not bfly.compile(FILTER).is_from_cache
    finally:
        if not mounted:
            folder.chmod(0o700)


def test_a_full_disk_fails_nothing(folder, mount):
    """A file system of one page where one can be made; else a limit on files."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    if not mount("size=4k"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        for _ in range(2):
            kernel = bfly.compile(FILTER)
            assert not kernel.is_from_cache
            assert kernel(np.ones((1, 16, 8), np.float32)).shape == (1, 16, 8)
        assert list(folder.iterdir()) == []
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_was_used_last_stays(folder, monkeypatch):
    monkeypatch.setenv("BFLY_CACHE_LIMIT", "1")
    text = FILTER.replace("16x8", "16x{0}")
    for channels in range(8, 13):
        bfly.compile(text.replace("{0}", str(channels)))
    size = bfly.cache_info().bytes // 5
    many = (1 << 20) // size + 3
    # Entries of the right name and size, older than all others.
    for number in range(many):
        path = folder / f"{number:064x}.code"
        path.write_bytes(b"x" * size)
        os.utime(path, (number, number))
    bfly.compile(text.replace("{0}", "13"))
    info = bfly.cache_info()
    assert info.bytes <= info.limit == 1 << 20
    assert not (folder / f"{0:064x}.code").exists()
    assert bfly.compile(text.replace("{0}", "8")).is_from_cache


def test_a_kernel_of_the_cache_is_the_same_kernel(folder):
    new, old = bfly.compile(FILTER), bfly.compile(FILTER)
    assert (new.is_from_cache, old.is_from_cache) == (False, True)
    x = np.random.default_rng(0).standard_normal((3, 16, 8)).astype(np.float32)
    assert (new(x) == old(x)).all()
    assert repr(new) == repr(old)
    for level in ("mixer", "schedule", "llvm"):
        assert new.ir(level) == old.ir(level)
    assert new.report == old.report
    assert (pickle.loads(pickle.dumps(old))(x) == new(x)).all()
    for kernel in (new, old):
        with pytest.raises(bfly.BflyError, match="input 0: shape"):
            kernel(x[:, :8].copy())
    (row, *_) = bfly.tune(FILTER, [x], rounds=0).rows
    assert row.is_chosen


def test_plans_of_a_gpu(folder):
    """Run on the CPU, from the cache too."""
    options = {"target": "sm_90a", "emulate": True}
    new, old = bfly.compile(FILTER, **options), bfly.compile(FILTER, **options)
    assert old.is_from_cache
    assert not bfly.compile(FILTER, target="sm_80", emulate=True).is_from_cache
    x = np.random.default_rng(0).standard_normal((3, 16, 8)).astype(np.float32)
    assert (new(x) == old(x)).all()


def test_a_program_without_trust_gets_none_of_a_trusted_one(folder):
    assert not bfly.compile(TEXT, allow_foreign_calls=True).is_from_cache
    assert not bfly.compile(TEXT).is_from_cache
    assert bfly.compile(TEXT, allow_foreign_calls=True).is_from_cache
    foreign = """
        llvm.func @getppid() -> i32
        func.func @call() -> tensor<1xi32> {
          %0 = llvm.call @getppid() : () -> i32
          %1 = tensor.from_elements %0 : tensor<1xi32>
          return %1 : tensor<1xi32>
        }"""
    assert bfly.compile(foreign, allow_foreign_calls=True)() == os.getppid()
    assert bfly.compile(foreign, allow_foreign_calls=True).is_from_cache
    with pytest.raises(bfly.BflyError, match="foreign symbol 'getppid' is used"):
        bfly.compile(foreign)


def test_errors_are_not_kept(folder):
    for _ in range(2):
        with pytest.raises(bfly.BflyError, match="error: "):
            bfly.compile("func.func @f(\n")
    assert bfly.cache_info().entries == 0


def test_threads(folder):
    texts = [TEXT.replace("twice", f"twice{number % 4}") for number in range(16)]
    with ThreadPoolExecutor(8) as pool:
        kernels = list(pool.map(bfly.compile, texts))
    assert all((kernel(X) == 2 * X).all() for kernel in kernels)
    assert len(entries(folder)) == 4


def test_switching_off_and_clearing(folder, monkeypatch):
    before = bfly.cache_info()
    assert (before.folder, before.problem, before.entries) == (str(folder), "", 0)
    assert not bfly.compile(TEXT, cache=False).is_from_cache
    assert not folder.exists()
    bfly.compile(TEXT)
    assert not bfly.compile(TEXT, cache=False).is_from_cache
    assert bfly.compile(TEXT).is_from_cache
    info = bfly.cache_info()
    assert info.entries == 1 and info.bytes > 1000
    assert (info.hits - before.hits, info.misses - before.misses, info.stores - before.stores) == (1, 1, 1)
    gone = bfly.clear_cache()
    assert (gone.entries, gone.bytes) == (info.entries, info.bytes)
    assert bfly.cache_info().entries == 0
    monkeypatch.setenv("BFLY_CACHE", "off")
    assert bfly.cache_info().folder == ""
    for _ in range(2):
        assert not bfly.compile(TEXT).is_from_cache
    with pytest.raises(bfly.BflyError, match="cache: 'no', expected True or False"):
        bfly.compile(TEXT, cache="no")
