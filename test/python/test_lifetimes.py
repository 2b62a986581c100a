# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Kernels that are copied, pickled, sent to other processes, dropped during a call, or left behind at exit; and lack of
memory on any number of threads."""

import contextlib
import copy
import gc
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest

import bfly

NORM = """
func.func @norm(%x: tensor<?x4x8xf32>) -> tensor<?x4x8xf32> {
  %y = bfly.layer_norm %x epsilon(1.0e-5) : tensor<?x4x8xf32>
  return %y : tensor<?x4x8xf32>
}
"""
FILTER = """
func.func @filter(%x: tensor<?x1024x64xf32>) -> tensor<?x1024x64xf32> {
  %y = bfly.spectral_filter %x : tensor<?x1024x64xf32> -> tensor<?x1024x64xf32> {
  ^bb0(%b: complex<f32>, %k: index):
    %q = complex.mul %b, %b : complex<f32>
    bfly.yield %q : complex<f32>
  }
  return %y : tensor<?x1024x64xf32>
}
"""


@pytest.fixture
def x():
    return np.random.default_rng(3).standard_normal((5, 4, 8)).astype(np.float32)


def run_python(program, **environment):
    """Runs a program in a process of its own; its exit code and all that it prints."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **{name: str(value) for name, value in environment.items()}},
    )
    return done.returncode, done.stdout + done.stderr


def test_a_copy_outlives_its_kernel(x):
    for copied in (copy.copy, copy.deepcopy, lambda kernel: copy.deepcopy([kernel])[0]):
        kernel = bfly.compile(NORM)
        expected = kernel(x)
        other = copied(kernel)
        del kernel
        gc.collect()
        np.testing.assert_array_equal(other(x), expected)


@pytest.mark.parametrize("options", [{}, {"fuse": False, "threads": 1}, {"target": "sm_90a", "emulate": True}])
def test_a_pickle_compiles_again(x, options):
    kernel = bfly.compile(NORM + NORM.replace("@norm", "@other"), function="norm", **options)
    again = pickle.loads(pickle.dumps(kernel))
    assert again is not kernel and repr(again) == repr(kernel)
    assert again(x).tobytes() == kernel(x).tobytes()
    third = pickle.loads(pickle.dumps(again))
    assert third(x).tobytes() == kernel(x).tobytes()


def test_a_pickle_keeps_parameters(x):
    text = """
    ml_program.global private @"a.b"(#ml_program.extern<tensor<8xf32>>) : tensor<8xf32>
    func.func @layer(%x: tensor<?x4x8xf32>) -> tensor<?x4x8xf32> {
      %w = ml_program.global_load_const @"a.b" : tensor<8xf32>
      %y = bfly.layer_norm %x weight(%w : tensor<8xf32>) epsilon(1.0e-5) : tensor<?x4x8xf32>
      return %y : tensor<?x4x8xf32>
    }"""
    kernel = bfly.compile(text)
    again = pickle.loads(pickle.dumps(kernel))
    parameters = {"a.b": np.arange(8, dtype=np.float32)}
    np.testing.assert_array_equal(again(x, parameters=parameters), kernel(x, parameters=parameters))


def _call(kernel, x):
    return kernel(x)


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_other_processes(method, x, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([os.path.dirname(__file__), *sys.path]))
    kernel = bfly.compile(NORM, threads=2)
    expected = kernel(x)
    with multiprocessing.get_context(method).Pool(2) as pool:
        for result in pool.starmap(_call, [(kernel, x)] * 4):
            np.testing.assert_array_equal(result, expected)
    np.testing.assert_array_equal(kernel(x), expected)


def test_a_fork_calls_and_compiles_itself():
    program = f"""
import os, sys, numpy as np, bfly
kernel = bfly.compile({NORM!r}, threads=2)
x = np.ones((64, 4, 8), np.float32)
kernel(x)
child = os.fork()
kernel(x)
assert bfly.compile({NORM!r}, threads=3)(x).shape == x.shape
if child:
    print("status", os.waitpid(child, 0)[1])
"""
    assert run_python(program) == (0, "status 0\n")


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("work", ["kernel(x)", "bfly.compile(text)", "kernel.ir('llvm')"])
def test_exit_with_daemons_in_a_call(threads, work):
    program = f"""
import bfly, numpy as np, threading, time
text = {NORM!r}
kernel = bfly.compile(text, threads={threads})
x = np.ones((2000, 4, 8), np.float32)
def forever():
    while True:
        {work}
for _ in range(2):
    threading.Thread(target=forever, daemon=True).start()
time.sleep(0.3)
print("exit")
"""
    for _ in range(2):
        assert run_python(program) == (0, "exit\n")


def test_calls_at_exit():
    """What others do at exit still works, and kernels end in any order."""
    program = f"""
import atexit, gc, weakref, numpy as np
class Holder:
    def __del__(self):
        print("gone")
holder = Holder()
atexit.register(lambda: print(kernel(x).shape))
import bfly
kernel = holder.kernel = bfly.compile({NORM!r})
holder.self = holder
x = np.ones((2, 4, 8), np.float32)
kernel(x)
atexit.register(lambda: print(kernel(x).shape))
"""
    code, text = run_python(program)
    assert code == 0 and text.startswith("(2, 4, 8)\n(2, 4, 8)\n"), text


def test_a_kernel_is_dropped_during_calls(x):
    kernels = [bfly.compile(NORM, threads=1)]
    expected = kernels[0](x)
    wrong = []

    def call():
        for _ in range(200):
            kernel = kernels[0]
            if kernel(x).tobytes() != expected.tobytes():
                wrong.append(1)

    threads = [threading.Thread(target=call) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        kernels[0] = bfly.compile(NORM, threads=1)
        gc.collect()
    for thread in threads:
        thread.join()
    assert not wrong


# Memory -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_no_memory_for_a_region(threads):
    """An allocation fails on every thread of a region, in calls of several threads at once; the process goes on, and so
    does a kernel that needs less."""
    program = f"""
import bfly, numpy as np, threading
large = bfly.compile({FILTER!r}, threads={threads})
small = bfly.compile({NORM!r}, threads={threads})
x, y = np.ones((16, 1024, 64), np.float32), np.ones((9, 4, 8), np.float32)
def calls():
    for _ in range(5):
        try:
            large(x)
            print("ran")
        except bfly.BflyError as error:
            assert "out of memory: function 'filter' needs another" in str(error), error
        assert small(y).shape == y.shape
workers = [threading.Thread(target=calls) for _ in range(3)]
for worker in workers: worker.start()
for worker in workers: worker.join()
print("alive")
"""
    assert run_python(program, BFLY_SCRATCH_LIMIT=2000) == (0, "alive\n")
    # The limit is what fails: without it all run.
    assert run_python(program)[1].count("ran") == 15


@pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux")
@pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="AddressSanitizer takes terabytes of addresses")
@pytest.mark.parametrize("threads", [1, 2, 64])
def test_too_little_address_space(threads):
    n = 1 << 20
    program = f"""
import resource, numpy as np, bfly
t = "tensor<1x{n}x64xf32>"
kernel = bfly.compile({FILTER.replace("tensor<?x1024x64xf32>", "TYPE")!r}.replace("TYPE", t), threads={threads})
x = np.zeros((1, {n}, 64), np.float32); out = np.empty_like(x)
used = int(open("/proc/self/statm").read().split()[0]) * 4096
resource.setrlimit(resource.RLIMIT_AS, (used + (96 << 20), resource.RLIM_INFINITY))
try:
    kernel(x, out=out)
    print("ran")
except bfly.BflyError as error:
    print("BflyError:", "out of memory" in str(error))
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
kernel(x, out=out)
print("alive")
"""
    code, text = run_python(program)
    assert code == 0 and text.endswith("alive\n") and text != "alive\n", text
    assert text in ("BflyError: True\nalive\n", "ran\nalive\n"), text


# The compiler's own end ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        '%0 = llvm.call_intrinsic "llvm.nvvm.read.ptx.sreg.tid.x"() : () -> (i32)',
        '%0 = llvm.inline_asm "this is no instruction", "=r" : () -> i32',
    ],
)
def test_a_fatal_error_of_llvm_is_an_exception(body, x):
    text = f"func.func @f() -> tensor<1xi32> {{\n  {body}\n  %1 = tensor.from_elements %0 : tensor<1xi32>\n  return %1 : tensor<1xi32>\n}}"
    with pytest.raises(bfly.BflyError, match="not allowed"):
        bfly.compile(text)
    for _ in range(2):
        with pytest.raises(bfly.BflyError):
            bfly.compile(text, allow_foreign_calls=True)
    assert bfly.compile(NORM)(x).shape == x.shape


def test_deep_recursion_is_an_exception():
    depth = 400
    text = "func.func @f(%x: f32) -> tensor<1xf32> {\n  %c = arith.constant true\n" + "  scf.if %c {\n" * depth
    text += "  }\n" * depth + "  %y = tensor.from_elements %x : tensor<1xf32>\n  return %y : tensor<1xf32>\n}\n"
    with contextlib.suppress(bfly.BflyError):
        bfly.compile(text)
    assert bfly.compile(NORM).name == "norm"
