# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""check_installed.py VERSION CHECKOUT: the wheel where it is installed, in an environment with NumPy and nothing else.
scripts/test-package runs it with that environment's Python."""

import base64
import hashlib
import importlib.metadata
import inspect
import json
import subprocess
import sys
import typing
from pathlib import Path

import numpy as np

import bfly
import bfly.draw
import bfly.reference
import bfly.report

VERSION, CHECKOUT = sys.argv[1], Path(sys.argv[2])
SCRIPTS = Path(sys.executable).parent
PACKAGE = Path(bfly.__file__).parent


def run(tool, *arguments, **more):
    return subprocess.run([SCRIPTS / tool, *map(str, arguments)], capture_output=True, text=True, **more)


def expect(done, text):
    assert done.returncode == 0 and text in done.stdout, (done.args, done.returncode, done.stdout, done.stderr)


def metadata():
    installed = importlib.metadata.distribution("bfly")
    about = installed.metadata
    assert about["Name"] == "bfly" and installed.version == bfly.version() == VERSION
    assert about["License-Expression"] == "Apache-2.0 WITH LLVM-exception"
    assert about.get_all("License-File") == ["LICENSE"] and about["Summary"]
    assert about["Description-Content-Type"] == "text/markdown" and "# bfly" in about.get_payload()
    assert about["Requires-Python"] == ">=3.10"
    assert [need for need in installed.requires if "extra ==" not in need] == ["numpy"]
    assert about.get_all("Provides-Extra") == ["cuda"]
    assert "Typing :: Typed" in about.get_all("Classifier")
    licenses = {str(file): file for file in installed.files if "licenses/" in str(file)}
    texts = {name.rsplit("/", 1)[-1]: file.locate().read_text() for name, file in licenses.items()}
    assert texts["LICENSE"] == (CHECKOUT / "LICENSE").read_text()
    third = texts["THIRD-PARTY"]
    assert third.count("====") >= 8 and "LLVM" in third and "zlib" in third and "GCC RUNTIME LIBRARY EXCEPTION" in third
    for file in installed.files:
        if file.hash is not None:
            digest = base64.urlsafe_b64encode(hashlib.sha256(file.locate().read_bytes()).digest()).rstrip(b"=").decode()
            assert file.hash.value == digest, file
    assert (PACKAGE / "py.typed").exists()
    scripts = {point.name for point in installed.entry_points if point.group == "console_scripts"}
    assert scripts == {"bfly-lsp-server", "bfly-opt", "bfly-run"}


def types():
    """py.typed promises them for what is public."""
    functions = [getattr(bfly, name) for name in bfly.__all__ if inspect.isfunction(getattr(bfly, name))]
    functions += [bfly.Kernel.ir, bfly.Kernel.__call__, bfly.draw.draw, bfly.report.text]
    functions += [f for name, f in vars(bfly.reference).items() if inspect.isfunction(f) and not name.startswith("_")]
    for function in functions:
        hints = typing.get_type_hints(function)
        assert hints.keys() == {*inspect.signature(function).parameters, "return"} - {"self"}, function


def numbers():
    random = np.random.default_rng()
    x = random.standard_normal((3, 20, 8), dtype=np.float32)
    kernel = bfly.compile("""
      func.func @filter(%x: tensor<?x20x8xf32>, %w: tensor<20xf32>) -> tensor<?x20x8xf32> {
        %y = bfly.spectral_filter %x params(%w[bin] : tensor<20xf32>) : tensor<?x20x8xf32> -> tensor<?x20x8xf32> {
        ^bb0(%f: complex<f32>, %k: index, %s: f32):
          %zero = arith.constant 0.0 : f32
          %g = complex.create %s, %zero : complex<f32>
          %a = complex.mul %f, %g : complex<f32>
          bfly.yield %a : complex<f32>
        }
        return %y : tensor<?x20x8xf32>
      }""")
    w = random.standard_normal(20, dtype=np.float32)
    expected = np.fft.ifft(np.fft.fft(x, axis=1) * w[:, None], axis=1).real
    np.testing.assert_allclose(kernel(x, w), expected, rtol=1e-4, atol=1e-5)
    assert kernel.inputs[0] == ("input 0", (None, 20, 8), "f32", False) and len(kernel.report["kernels"]) == 1
    wq, wk = random.standard_normal((2, 5, 8, 8), dtype=np.float32) / 3
    expected = bfly.reference.butterfly_attention(x, wq, wk, 2)
    assert bfly.reference.error(bfly.butterfly_attention(x, wq, wk, 2), expected) < 1e-5
    try:
        bfly.compile("func.func @f() { nonsense }")
    except bfly.BflyError as error:
        assert "nonsense" in str(error)
    else:
        raise AssertionError("nonsense was compiled")


def tools():
    expect(run("bfly-run", "--version"), f"bfly-run {VERSION},")
    example = CHECKOUT / "examples" / "fnet_mixing.mlir"
    expect(run("bfly-opt", example, "-bfly-compile=to=schedule"), "bfly.kernel")
    expect(run("bfly-opt", "-", "-bfly-compile=to=llvm", input=example.read_text()), "llvm.func")
    x = np.random.default_rng().standard_normal((2, 60, 32), dtype=np.float32)
    np.save("in put.npy", x)
    expected = bfly.reference.fnet_mixing(x)
    done = run("bfly-run", example, "--input=@in put.npy", "--output=@out put.npy")
    assert done.returncode == 0, done.stderr
    assert bfly.reference.error(np.load("out put.npy"), expected) < 1e-5
    wrong = run("bfly-opt", "no such file.mlir")
    assert wrong.returncode == 1 and "no such file.mlir" in wrong.stderr
    request = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}})
    # That nobody says goodbye is a failure to it.
    assert '"capabilities"' in run("bfly-lsp-server", input=f"Content-Length: {len(request)}\r\n\r\n{request}").stdout


def libraries():
    """Nothing comes from elsewhere but what is glibc's, and the unwinder."""
    for file in [PACKAGE / "libbfly.so", PACKAGE / "libomp.so.5", *(PACKAGE / "bin").iterdir()]:
        listed = subprocess.run(["ldd", file], capture_output=True, text=True, check=True).stdout
        for line in listed.splitlines():
            name, arrow, path = line.strip().partition(" => ")
            if not arrow or name in ("libc.so.6", "libm.so.6", "libgcc_s.so.1"):
                continue
            assert Path(path.rsplit(" (", 1)[0]).resolve().is_relative_to(PACKAGE), line


for check in (metadata, types, numbers, tools, libraries):
    check()
    print(f"  {check.__name__}", flush=True)
