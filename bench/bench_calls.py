#!/usr/bin/env python3
# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What a program waits for beside its kernels: starting, with and without the cache of compiled code (docs/cache.md), what a
call costs the host, also one of bfly.torch, and lengths that are new.

    PYTHONPATH=build/python python bench/bench_calls.py [--device=cuda] [--output=FILE.json]

Prints a table. Times are wall times; where others use the machine, the least of them and the processor's time say more."""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import bfly

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ("fftnet_layer", "fftnet_model", "fft_ia_layer", "fft_inspired_attention", "fnet_mixing")
STARTS = 7


def tool():
    build = Path(os.environ.get("BFLY_BUILD_DIR", ROOT / "build"))
    return next(path for path in (ROOT / "bin/bfly-run", build / "bin/bfly-run") if path.exists())


def run(command):
    """Wall and processor time of a command in ms."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    wall = time.perf_counter() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1e3 * wall, 1e3 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def least(pairs):
    return {"wall_ms": round(min(wall for wall, _ in pairs), 2), "cpu_ms": round(min(cpu for _, cpu in pairs), 2)}


def starts(device):
    """Of bfly-run on each example: compiling, and with the code in the cache."""
    rows = []
    with tempfile.TemporaryDirectory() as data:
        subprocess.run([sys.executable, ROOT / "examples/make_parameters.py", data], check=True, capture_output=True)
        nothing = least([run([tool(), "--version"]) for _ in range(STARTS)])
        for name in EXAMPLES:
            command = [
                tool(),
                ROOT / f"examples/{name}.mlir",
                f"--input=@{data}/{name}.input.npy",
                f"--device={device}",
            ]
            if Path(f"{data}/{name}.safetensors").exists():
                command.append(f"--parameters={data}/{name}.safetensors")
            command += [f"--expected_output=@{data}/{name}.expected.npy", "--tolerance=1e-3"]
            bfly.clear_cache()
            first = [run(command)]
            bytes_kept = bfly.cache_info().bytes
            rows.append(
                {
                    "example": name,
                    "nothing": nothing,
                    "compiling": least(first),
                    "cached": least([run(command) for _ in range(STARTS)]),
                    "bytes": bytes_kept,
                }
            )
    return rows


def microseconds(call, rounds=300, calls=10):
    """Of one call: the least and the median of many short rounds."""
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        for _ in range(calls):
            call()
        times.append(1e6 * (time.perf_counter() - begin) / calls)
    return {"least_us": round(min(times), 2), "median_us": round(sorted(times)[len(times) // 2], 2)}


def sums(count, batch="4"):
    """A kernel that adds up `count` arrays of 16 numbers."""
    kind = f"tensor<{batch}x4xf32>"
    arguments = ", ".join(f"%a{i}: {kind}" for i in range(count))
    lines = [f"  %s{i} = arith.addf %s{i - 1}, %a{i} : {kind}" for i in range(1, count)]
    body = "\n".join(lines).replace("%s0,", "%a0,")
    return f"func.func @sum({arguments}) -> {kind} {{\n{body}\n  return %s{count - 1} : {kind}\n}}"


def host_costs(device):
    """What calls of kernels that do next to nothing cost: on a GPU, with tensors that are there."""
    if device == "cpu":
        array = np.ones((4, 4), np.float32)
        library = "NumPy"
    else:
        import torch

        array = torch.ones(4, 4, device="cuda")
        library = "torch"
    rows = []
    for count, batch in ((2, "4"), (2, "?"), (4, "4"), (8, "4")):
        kernel = bfly.compile(sums(count, batch), device=device)
        out = kernel(*[array] * count)
        for given in (None, out):
            row = microseconds(lambda kernel=kernel, count=count, given=given: kernel(*[array] * count, out=given))
            rows.append({"library": library, "inputs": count, "batch": batch, "out": given is not None, **row})
    return rows


def operator_costs(device):
    """What calls of bfly.torch's functions cost the host, of shapes that take next to no time: where no gradient is wanted,
    where one is, and with the backward. None without torch."""
    try:
        import torch

        from bfly import torch as ours
    except ImportError:
        return None
    torch.set_num_threads(1)
    x = torch.randn(1, 2, 4, device=device)
    q = torch.randn(1, 4, 4, device=device)
    vector, matrix = torch.randn(4, device=device), torch.randn(4, 4, device=device)
    calls = {
        "spectral_filter": (ours.spectral_filter, [x, vector, matrix, vector, matrix, vector, vector]),
        "butterfly_attention": (lambda *tensors: ours.butterfly_attention(*tensors, heads=1), [x, q, q]),
    }
    rows = []
    for name, (function, tensors) in calls.items():
        wanting = [tensor.clone().requires_grad_() for tensor in tensors]

        def backward(function=function, wanting=wanting):
            return torch.autograd.grad(function(*wanting), wanting, x)

        backward()
        for what, call in (
            ("forward", lambda function=function, tensors=tensors: function(*tensors)),
            ("forward, gradients wanted", lambda function=function, wanting=wanting: function(*wanting)),
            ("forward and backward", backward),
        ):
            if device == "cuda":
                torch.cuda.synchronize()
            rows.append({"function": name, "tensors": len(tensors), "what": what, **microseconds(call, 100)})
    return {"torch": torch.__version__, "calls": rows}


def filter_text(n, channels):
    kind = f"tensor<1x{n}x{channels}xf32>"
    return f"""func.func @f(%x: {kind}) -> {kind} {{
  %y = bfly.spectral_filter %x params() : {kind} -> {kind} {{
  ^bb0(%bin: complex<f32>, %k: index):
    %m = complex.mul %bin, %bin : complex<f32>
    bfly.yield %m : complex<f32>
  }}
  return %y : {kind}
}}"""


def lengths(device, channels=128):
    """A filter of every length in a row, as generation meets them: compiled, and out of the cache."""
    bfly.clear_cache()
    rows = []
    for n in (96, 97, 98, 99, 100, 101, 126, 127, 128, 129):
        row = {"tokens": n}
        for when in ("compiling", "cached"):
            begin, used = time.perf_counter(), time.process_time()
            kernel = bfly.compile(filter_text(n, channels), device=device)
            row[when] = {
                "wall_ms": round(1e3 * (time.perf_counter() - begin), 2),
                "cpu_ms": round(1e3 * (time.process_time() - used), 2),
            }
        assert kernel.is_from_cache
        rows.append(row)
    return rows


def show(result):
    for row in result["starts"]:
        print(
            f"{row['example']:24} compiling {row['compiling']['wall_ms']:9.1f} ms, cached {row['cached']['wall_ms']:7.1f} ms"
            f" (processor {row['compiling']['cpu_ms']:.0f} and {row['cached']['cpu_ms']:.0f}; --version"
            f" {row['nothing']['wall_ms']:.1f}), {row['bytes']} bytes"
        )
    for row in result["host"]:
        print(
            f"{row['library']}, {row['inputs']} inputs, batch {row['batch']}, out {row['out']!s:5}:"
            f" {row['least_us']:6.2f} us least, {row['median_us']:6.2f} median"
        )
    for row in (result["bfly.torch"] or {"calls": []})["calls"]:
        print(
            f"bfly.torch.{row['function']}, {row['tensors']} tensors, {row['what']}:"
            f" {row['least_us']:6.2f} us least, {row['median_us']:6.2f} median"
        )
    for row in result["lengths"]:
        print(
            f"filter of {row['tokens']:4} tokens: compiling {row['compiling']['cpu_ms']:7.1f} ms of the processor, cached"
            f" {row['cached']['cpu_ms']:5.2f} (wall {row['compiling']['wall_ms']:.1f} and {row['cached']['wall_ms']:.2f})"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BFLY_CACHE"] = folder + "/cache"
        result = {
            "device": options.device,
            "machine": platform.processor() or platform.machine(),
            "processors": os.cpu_count(),
            "load": os.getloadavg()[0],
            "version": bfly.version(),
            "starts": starts(options.device),
            "host": host_costs(options.device),
            "bfly.torch": operator_costs(options.device),
            "lengths": lengths(options.device),
        }
    show(result)
    if options.output:
        options.output.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
