# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What a user would run without bfly, on a CPU: the programs that the benchmarks stand beside.

Each `rival_…` takes one problem's arrays (float32, the shapes of `bfly.reference`), does once whatever a user would
do once (transposed weights, buffers), and returns a function of no arguments that computes the whole result and
returns it as float32 (B, N, D). They are the definitions, written as well as NumPy lets one write them: results go
into buffers that exist, products are as large as they can be, and no rewrite that needs the algebra of
the mixer is used. A result is valid until the next call.

OpenBLAS reads its thread count when NumPy is first imported: set OPENBLAS_NUM_THREADS before that (running this file
does). scipy.fft's threads are an argument.

    python bench/rivals.py                         the rivals at (B,N,D) = (4,1024,256), hidden 4D, 8 heads, 2 threads
    python bench/rivals.py --json rivals.json      the same, to a file too
"""

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path

if __name__ == "__main__":
    # Ahead of NumPy's import, which the argument parser proper would come after.
    early = argparse.ArgumentParser(add_help=False)
    early.add_argument("--threads", type=int, default=2)
    os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = str(early.parse_known_args()[0].threads)

import numpy as np
import scipy.fft


def rival_spectral_filter_numpy(x, w_base, w1, b1, w2, b2, bias, threads=2):
    """FFTNet's spectral filter by scipy.fft's real transforms on `threads` threads, and NumPy.

    The spectrum is filtered where it lies. With W = W_base + ΔW real, |G| = |W| |F|, so that modReLU costs one
    product of the spectrum with a real array, and the mean is bin 0 over N: neither is news to a NumPy user.
    """
    n = x.shape[1]
    w1t, w2t = w1.T, w2.T
    tiny = np.float32(1e-10)
    bins = (x.shape[0], n // 2 + 1, x.shape[2])
    magnitude, gain = np.empty(bins, np.float32), np.empty(bins, np.float32)
    inverse_n = np.float32(1 / n)

    def run():
        spectrum = scipy.fft.rfft(x, axis=1, workers=threads)
        context = spectrum[:, 0].real * inverse_n
        w = w_base + (np.maximum(context @ w1t + b1, 0) @ w2t + b2)
        w = w[:, None, :]
        np.abs(spectrum, out=magnitude)
        np.multiply(magnitude, np.abs(w), out=magnitude)
        np.add(magnitude, bias, out=gain)
        np.maximum(gain, 0, out=gain)
        np.add(magnitude, tiny, out=magnitude)
        np.divide(gain, magnitude, out=gain)
        np.multiply(gain, w, out=gain)
        np.multiply(spectrum, gain, out=spectrum)
        return scipy.fft.irfft(spectrum, n=n, axis=1, workers=threads, overwrite_x=True)

    return run


def rival_butterfly_numpy(x, wq, wk, heads, scale=None):
    """Dense butterfly attention by NumPy and its OpenBLAS, exactly as it is defined: a softmax over two.

    x (B, N, D) with N a power of two; wq, wk (L, D, D), or (1, D, D) shared by the stages. All tokens of all batches
    are one product per projection. The partner j XOR s is the other of two halves of 2s tokens, so that a view finds
    it and nothing is gathered.
    """
    batch, n, d = x.shape
    dh = d // heads
    count = n.bit_length() - 1
    if n != 1 << count:
        raise ValueError(f"x: {n} tokens, expected a power of two")
    scale = np.float32(dh**-0.5 if scale is None else scale)
    wqt = np.ascontiguousarray(wq.transpose(0, 2, 1))
    wkt = np.ascontiguousarray(wk.transpose(0, 2, 1))
    q, k, product = (np.empty((batch * n, d), np.float32) for _ in range(3))
    states = [np.empty(x.shape, np.float32) for _ in range(2)]

    def run():
        v = x
        for stage in range(count):
            weight = stage if len(wqt) > 1 else 0
            rows = v.reshape(batch * n, d)
            np.matmul(rows, wqt[weight], out=q)
            np.matmul(rows, wkt[weight], out=k)
            stride = 1 << stage
            pairs = (batch, n // (2 * stride), 2, stride, heads, dh)
            qp, kp, vp = q.reshape(pairs), k.reshape(pairs), v.reshape(pairs)
            own = np.vecdot(qp, kp)
            other = np.vecdot(qp, kp[:, :, ::-1])
            own *= scale
            other *= scale
            top = np.maximum(own, other)
            own -= top
            other -= top
            np.exp(own, out=own)
            np.exp(other, out=other)
            total = np.add(own, other, out=top)
            own /= total
            other /= total
            v = states[stage & 1]
            mixed = v.reshape(pairs)
            np.multiply(vp, own[..., None], out=mixed)
            mixed += np.multiply(vp[:, :, ::-1], other[..., None], out=product.reshape(pairs))
        return v

    return run


def _in_torch(function, arrays, compiled):
    """A rival out of a torch function: tensors over the same memory, no gradients, torch.compile if wanted."""
    import torch

    tensors = [torch.from_numpy(array) for array in arrays]
    if compiled:
        function = torch.compile(function)

    def run():
        with torch.inference_mode():
            return function(*tensors).numpy()

    return run


def rival_spectral_filter_torch(x, w_base, w1, b1, w2, b2, bias, compiled=False):
    """FFTNet's spectral filter in torch (ImportError without it), eager or by torch.compile, real transforms.

    Its threads are torch.get_num_threads().
    """
    from bfly.examples.plain import spectral_filter

    return _in_torch(spectral_filter, (x, w_base, w1, b1, w2, b2, bias), compiled)


def rival_butterfly_torch(x, wq, wk, heads, scale=None, compiled=False):
    """Dense butterfly attention in torch (ImportError without it), eager or by torch.compile, as it is defined."""
    from bfly.examples.plain import butterfly_attention

    def attend(x, wq, wk):
        return butterfly_attention(x, wq, wk, heads, scale)

    return _in_torch(attend, (x, wq, wk), compiled)


def make_problem(batch, n, d, hidden, seed=0):
    """The two mixers' arguments for one shape, float32: a dictionary each, "spectral_filter" and "butterfly".

    Weights have the scale of a trained layer's: projections keep the variance, scores are about 1, and the filter's
    bias is of the size of a bin, so that modReLU removes some.
    """
    rng = np.random.default_rng(seed)
    stages = (n - 1).bit_length()

    def normal(*shape, scale=1.0):
        return (scale * rng.standard_normal(shape)).astype(np.float32)

    x = normal(batch, n, d)
    return {
        "spectral_filter": {
            "x": x,
            "w_base": normal(d),
            "w1": normal(hidden, d, scale=d**-0.5),
            "b1": normal(hidden),
            "w2": normal(d, hidden, scale=hidden**-0.5),
            "b2": normal(d),
            "bias": normal(d, scale=0.5 * n**0.5),
        },
        "butterfly": {
            "x": x,
            "wq": normal(stages, d, d, scale=d**-0.5),
            "wk": normal(stages, d, d, scale=d**-0.5),
        },
    }


def measure(run, seconds=1.0):
    """Times of single calls of `run`, in seconds: as many as `seconds` hold, 5 at least, after two uncounted ones.

    Their least is the figure to compare: whatever else a machine does only adds, and OpenBLAS, whose threads spin, loses
    most by it.
    """
    run()
    run()
    times = []
    end = time.perf_counter() + seconds
    while len(times) < 5 or time.perf_counter() < end:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return times


def main():
    parser = argparse.ArgumentParser(description="Time what a user would run without bfly, checked by the oracle.")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=1024, help="a power of two")
    parser.add_argument("--channels", type=int, default=256)
    parser.add_argument("--hidden", type=int, help="of the filter's MLP; four times the channels unless given")
    parser.add_argument("--heads", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--torch", action="store_true", help="also torch, eager and compiled; it must be installed")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    options = parser.parse_args()

    sys.path.append(str(Path(__file__).resolve().parents[1] / "python"))
    from bfly import reference

    problem = make_problem(options.batch, options.tokens, options.channels, options.hidden or 4 * options.channels)
    mix, attend = problem["spectral_filter"], problem["butterfly"]
    rivals = [
        ("spectral_filter", "scipy.fft + NumPy", rival_spectral_filter_numpy(**mix, threads=options.threads)),
        ("butterfly_attention", "NumPy + OpenBLAS", rival_butterfly_numpy(**attend, heads=options.heads)),
    ]
    if options.torch:
        import torch

        torch.set_num_threads(options.threads)
        for label, compiled in (("torch eager", False), ("torch.compile", True)):
            rivals += [
                ("spectral_filter", label, rival_spectral_filter_torch(**mix, compiled=compiled)),
                ("butterfly_attention", label, rival_butterfly_torch(**attend, heads=options.heads, compiled=compiled)),
            ]

    without_bias = {name: array for name, array in mix.items() if name != "bias"}
    oracle = {
        "spectral_filter": (reference.spectral_filter(**mix), reference.spectral_filter_floor(**without_bias)),
        "butterfly_attention": (reference.butterfly_attention(**attend, heads=options.heads), None),
    }
    rows = []
    for op, label, run in rivals:
        wrong = reference.error(run(), *oracle[op])
        limit = reference.bound(op, "f32", options.tokens)
        if not wrong <= limit:
            sys.exit(f"{op}, {label}: error {wrong:.2e} is above {limit:.2e}; its time means nothing")
        times = measure(run)
        rows.append(
            {
                "op": op,
                "rival": label,
                "batch": options.batch,
                "tokens": options.tokens,
                "channels": options.channels,
                "threads": options.threads,
                "milliseconds": 1e3 * statistics.median(times),
                "milliseconds_least": 1e3 * min(times),
                "error": wrong,
            }
        )
        row = rows[-1]
        print(
            f"{op:20} {label:18} {row['milliseconds']:9.3f} ms   least {row['milliseconds_least']:9.3f} ms   "
            f"error {wrong:.1e}",
            flush=True,
        )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
