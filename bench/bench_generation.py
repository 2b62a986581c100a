#!/usr/bin/env python3
# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What a token costs where a text grows by one token at a time, so that each has a length that is new (docs/torch.md).

    PYTHONPATH=build/python python bench/bench_generation.py [--device=cuda] [--output=FILE.json]

Each way is a process of its own: kernels for each length, compiled; the same in a second process, out of the cache on disk;
bfly.torch.changing_lengths; the model in plain PyTorch; and kernels for a window of a fixed length, which is full of the
first token before the text."""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WAYS = ("compiled", "cached", "changing lengths", "plain PyTorch", "fixed window")


def child(way, options):
    """Prints milliseconds for each token."""
    import contextlib

    import torch

    import bfly.torch
    from bfly.examples import plain

    torch.manual_seed(0)
    kind = plain.FFTNet if way == "plain PyTorch" else bfly.torch.FFTNet
    model = kind(256, options.channels, options.layers).to(options.device).eval()
    first, last = options.first, options.first + options.tokens
    tokens = torch.randint(256, (1, last), device=options.device)
    context = bfly.torch.changing_lengths() if way == "changing lengths" else contextlib.nullcontext()
    times = []
    with torch.inference_mode(), context:
        # What a process does once: another length, far away.
        model(tokens[:, :5]).argmax().item()
        for n in range(first, last):
            seen = tokens[:, :n]
            if way == "fixed window":
                seen = torch.cat([seen[:, :1].expand(1, last - n), seen], dim=1)
            begin = time.perf_counter()
            model(seen)[0, -1].argmax().item()
            times.append(1e3 * (time.perf_counter() - begin))
    print(json.dumps(times))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--channels", type=int, default=128)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--first", type=int, default=64, help="tokens of the prompt")
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        child(options.way, options)
    else:
        measure(options)


def measure(options):
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for way in WAYS:
            cache = folder + ("/cache" if way in ("compiled", "cached") else f"/{way}")
            done = subprocess.run(
                [sys.executable, __file__, *sys.argv[1:], f"--way={way}"],
                env={**os.environ, "BFLY_CACHE": cache},
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
            times = sorted(json.loads(done.stdout))
            rows.append(
                {
                    "way": way,
                    "mean_ms": sum(times) / len(times),
                    "least_ms": times[0],
                    "median_ms": times[len(times) // 2],
                    "most_ms": times[-1],
                }
            )
            numbers = ", ".join(
                f"{key.removesuffix('_ms')} {value:.2f}" for key, value in rows[-1].items() if key != "way"
            )
            print(f"{way:18} ms a token: {numbers}", flush=True)
    if options.output:
        result = {key: value for key, value in vars(options).items() if key not in ("output", "way")}
        result.update(machine=platform.machine(), processors=os.cpu_count(), load=os.getloadavg()[0], rows=rows)
        options.output.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
