# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""How the mixers grow with the number of tokens, beside attention: flops, times, and ratios to attention's, forward, and
forward and backward, as a table, as JSON, and as a plot with two logarithmic axes (which needs matplotlib).

    python bench/scaling.py                           N = 512 … 65536 on a GPU, 65536 tokens in all, some minutes
    python bench/scaling.py --device=cpu --channels=64 --dtype=f32 --tokens 512 1024 2048 4096
    python bench/scaling.py --draw scaling.json --output scaling.svg

The contenders compute the same number of tokens at each N, in batches of as many sequences as that takes. What is ours
is checked first: its result and its gradients beside those of the plain PyTorch program in float64. Then all take
turns (bench_cuda.py). Attention is projections to Q, K and V, scaled dot products by whatever torch takes, and the
projection of the result.
"""

import argparse
import json
import math
import shlex
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "python"))

from bench_cuda import Clock, Notes, commit, machine, normal, now, take_turns
from table import of_scaling

try:
    import torch

    from bfly.examples import _training, plain
except ImportError:
    torch = None

LENGTHS = [512 << shift for shift in range(8)]
KINDS = ("FFTNet", "FFT-IA", "FFT-IA per head")
# Of results and gradients, beside float64's, relative: bounds of the derivatives are tighter (docs/derivatives.md), and
# have tests of their own.
WRONG = {"f32": 1e-3, "bf16": 5e-2, "f16": 5e-2}


def flops(kind, batch, n, d, heads, hidden, backward):
    """Operations of the definition, a multiply-add being two: forward, or forward and backward. A matrix product's
    derivative is two products, and a real transform's is one of the same size; nothing is computed twice."""
    times = 3 if backward else 1
    stages = n.bit_length() - 1
    if kind == "attention":
        return times * batch * (8 * n * d * d + 4 * n * n * d)
    if kind == "FFTNet":
        # Two transforms of real numbers, three more for x and g backward; the bins; the MLP.
        transforms = (5 + 7.5 * backward) * n * math.log2(n) * d
        return batch * (transforms + (6 + 20 * backward) * n * d + times * 4 * d * hidden)
    inner = d if kind == "FFT-IA" else d // heads
    return times * batch * stages * (4 * n * d * inner + 7 * n * d)


def arguments_of(kind, options, batch, n):
    """A set of arguments of a mixer: x first."""
    d, dtype = options.channels, options.dtype
    x = normal(options, dtype, batch, n, d)
    if kind == "attention":
        return x, *(normal(options, dtype, of, d, scale=d**-0.5) for of in (3 * d, d))
    if kind == "FFTNet":
        hidden = 4 * d
        w1, w2 = normal(options, dtype, hidden, d, scale=d**-0.5), normal(options, dtype, d, hidden, scale=hidden**-0.5)
        vectors = [normal(options, dtype, size, scale=scale) for size, scale in ((d, 1), (hidden, 1), (d, 1))]
        return x, vectors[0], w1, vectors[1], w2, vectors[2], normal(options, dtype, d, scale=0.5 * n**0.5)
    stages, dh = n.bit_length() - 1, d // options.heads
    shape = (stages, d, d) if kind == "FFT-IA" else (stages, options.heads, dh, dh)
    return x, *(normal(options, dtype, *shape, scale=shape[-1] ** -0.5) for _ in range(2))


def function_of(module, kind, heads):
    if kind == "FFTNet":
        return module.spectral_filter
    function = module.attention if kind == "attention" else module.butterfly_attention
    return lambda *arrays: function(*arrays, heads)


def with_gradients(function, arrays, gradient):
    y = function(*arrays)
    return y, torch.autograd.grad(y, arrays, gradient)


def difference(ours, theirs):
    """The largest relative error of any of the tensors; infinite where there is a NaN."""
    errors = [float((one.double() - other).norm() / other.norm().clamp_min(1e-30)) for one, other in zip(ours, theirs)]
    return max(error if math.isfinite(error) else math.inf for error in errors)


def check(options, function, reference, arrays):
    """How far a function is from another that computes in float64, of one sequence, with all gradients."""
    arrays = [arrays[0][:1], *arrays[1:]]
    gradient = torch.randn_like(arrays[0])

    def all_of(function, convert):
        values = [convert(array).detach().requires_grad_() for array in arrays]
        y, gradients = with_gradients(function, values, convert(gradient))
        return [y.detach(), *gradients]

    return difference(all_of(function, lambda array: array), all_of(reference, lambda array: array.double()))


def contenders(options, notes):
    """(label, kind, function) of each, and whether it is checked."""
    found = [("attention", "attention", function_of(plain, "attention", options.heads), False)]
    modules = {"PyTorch": plain}
    if options.model == "bfly":
        modules = {"bfly": _training.layers_of("bfly"), **modules}
    for owner, module in modules.items():
        for kind in KINDS:
            found.append((f"{owner} {kind}", kind, function_of(module, kind, options.heads), owner == "bfly"))
    return found


def measure(options, notes, clock, n):
    """The rows of one N."""
    batch = max(1, options.total // n)
    runs, rows = {}, {}
    for label, kind, function, checked in contenders(options, notes):
        sizes = batch, n, options.channels, options.heads, 4 * options.channels
        if flops(kind, *sizes, False) > options.most_flops:
            notes.add(f"{label}, N = {n}: left out, over --most_flops")
            continue
        try:
            row = {"tokens": n, "batch": batch, "contender": label, "kind": kind}
            arrays = arguments_of(kind, options, batch, n)
            if checked:
                row["error"] = check(options, function, function_of(plain, kind, options.heads), arrays)
                if not row["error"] <= WRONG[options.dtype]:
                    raise ValueError(
                        f"error {row['error']:.2e} is above {WRONG[options.dtype]:.0e}; its time means nothing"
                    )
            wanting = [array.detach().requires_grad_() for array in arrays]
            gradient = torch.randn_like(arrays[0])

            def forward(_, function=function, arrays=arrays):
                with torch.no_grad():
                    function(*arrays)

            def both(_, function=function, wanting=wanting, gradient=gradient):
                with_gradients(function, wanting, gradient)

            both(0)
            if options.device.startswith("cuda"):
                torch.cuda.synchronize()
                torch.cuda.reset_peak_memory_stats()
                before = torch.cuda.memory_allocated()
                both(0)
                row["peak_bytes"] = torch.cuda.max_memory_allocated() - before
        except Exception as error:  # whatever a library raises: the others go on
            notes.add(f"{label}, N = {n}: {type(error).__name__}: {str(error).strip().splitlines()[0]}")
            options.failed |= checked
            continue
        runs |= {(label, False): forward, (label, True): both}
        rows[label] = row
    figures = take_turns(clock, runs, options.turns, options.seconds)
    made = []
    for (label, backward), figure in figures.items():
        row = {**rows[label], "backward": backward, **{name: figure[name] for name in ("median_ms", "least_ms")}}
        row["flops"] = flops(row["kind"], batch, n, options.channels, options.heads, 4 * options.channels, backward)
        if ("attention", backward) in figures:
            row["over_attention"] = row["median_ms"] / figures["attention", backward]["median_ms"]
        made.append(row)
        ratio = f"{row['over_attention']:8.3f} of attention" if "over_attention" in row else ""
        what = "forward and backward" if backward else "forward"
        print(f"N = {n:6} {label:24} {what:21} {row['median_ms']:10.4f} ms {ratio}", flush=True)
    return made


COLOURS = {"attention": "#444444", "FFTNet": "#1b6ca8", "FFT-IA": "#c8553d", "FFT-IA per head": "#3f8f4f"}


def draw(result, path):
    """Times over N, both axes logarithmic: forward, and forward and backward."""
    _training.require("matplotlib")
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"svg.hashsalt": "bfly", "axes.grid": True, "grid.alpha": 0.3, "font.size": 8}):
        figure = Figure(figsize=(10, 4.5), layout="constrained", dpi=120)
        for axis, backward in zip(figure.subplots(1, 2, sharey=True), (False, True)):
            rows = [row for row in result["scaling"] if row["backward"] == backward]
            for label in dict.fromkeys(row["contender"] for row in rows):
                of = [row for row in rows if row["contender"] == label]
                style = "--" if label.startswith("PyTorch") else "-"
                axis.plot([row["tokens"] for row in of], [row["median_ms"] for row in of], "o" + style, markersize=3,
                          label=label, color=COLOURS[of[0]["kind"]], linewidth=1.3)  # fmt: skip
            lengths = sorted({row["tokens"] for row in rows})
            title = "forward and backward" if backward else "forward"
            axis.set(title=title, xlabel="tokens of a sequence", ylabel="ms", xscale="log", yscale="log")
            axis.set_xticks(lengths, [str(length) for length in lengths])
            axis.minorticks_off()
            axis.legend(fontsize=7)
        shape = result["shape"]
        figure.suptitle(f"{shape['total']} tokens in all, {shape['channels']} channels, {shape['heads']} heads, {shape['dtype']}, "
                        f"{result['machine']['card']}", fontsize=9)  # fmt: skip
        kind = path.suffix[1:] or "svg"
        metadata = {"Date": None} if kind == "svg" else {}
        _training.write(path, lambda name: figure.savefig(name, format=kind, metadata=metadata))


def parse():
    parser = argparse.ArgumentParser(description="The mixers' times over the number of tokens, beside attention's.")
    parser.add_argument("--device", default="cuda", help='"cuda", "cuda:1", "cpu"')
    parser.add_argument("--dtype", choices=("f32", "bf16", "f16"), default="bf16", help="(%(default)s)")
    parser.add_argument(
        "--model", choices=("bfly", "torch"), default="bfly", help="torch: without bfly's (%(default)s)"
    )
    parser.add_argument(
        "--tokens", type=int, nargs="+", default=LENGTHS, help="powers of two, 512 … 65536 unless given"
    )
    parser.add_argument("--total", type=int, default=65536, help="tokens of all sequences of a batch (%(default)s)")
    parser.add_argument("--channels", type=int, default=512, help="(%(default)s)")
    parser.add_argument("--heads", type=int, default=8, help="(%(default)s)")
    parser.add_argument("--turns", type=int, default=5, help="that each contender gets (%(default)s)")
    parser.add_argument("--seconds", type=float, default=0.02, help="that a turn lasts, about (%(default)s)")
    parser.add_argument("--most_flops", type=float, default=1e14, help="leave out what has more, forward (%(default)s)")
    parser.add_argument("--output", type=Path, help="file for the results, .json, with the plot beside it as .svg; "
                        "bench/results/scaling-<date>.json unless given")  # fmt: skip
    parser.add_argument(
        "--plot", action=argparse.BooleanOptionalAction, default=True, help="draw them (needs matplotlib)"
    )
    parser.add_argument("--draw", type=Path, metavar="JSON", help="only draw these results, to --output")
    options = parser.parse_args()
    if any(n < 2 or n & (n - 1) for n in options.tokens):
        parser.error("argument --tokens: powers of two are expected")
    if options.heads < 1 or options.channels % options.heads:
        parser.error(f"argument --heads: {options.heads} heads do not share {options.channels} channels equally")
    return options


def main():
    options = parse()
    if torch is None:
        raise SystemExit("scaling: error: torch is not installed")
    if options.draw:
        try:
            result = json.loads(options.draw.read_text())
        except (OSError, ValueError) as error:
            raise _training.Failure(f"--draw: cannot read {options.draw}: {error}") from error
        return draw(result, options.output or options.draw.with_suffix(".svg"))
    if _training.device_of(options.device).type == "cuda":
        torch.cuda.set_device(options.device)
    options.failed = False
    torch.manual_seed(0)
    notes, begin, clock = Notes(), time.monotonic(), Clock(options.device)
    shape = {name: getattr(options, name) for name in ("total", "channels", "heads", "dtype", "device")}
    result = {
        "date": now(),
        "commit": commit(),
        "command": shlex.join(["python", "bench/scaling.py", *sys.argv[1:]]),
        "machine": machine(options.device),
        "shape": shape,
        "notes": notes.all,
        "scaling": [],
    }
    path = options.output or HERE / "results" / f"scaling-{result['date'][:10]}.json"
    for n in options.tokens:
        result["scaling"] += measure(options, notes, clock, n)
        result["seconds"] = time.monotonic() - begin
        # After each length, so that what was measured stays whatever comes.
        _training.write_json(path, result)
    print("\n\n".join(of_scaling(result)))
    if options.plot:
        draw(result, path.with_suffix(".svg"))
    print(f"written to {path} after {time.monotonic() - begin:.0f} s")
    if options.failed:
        sys.exit("scaling: not everything of bfly's could be measured; see the notes above")
    return None


if __name__ == "__main__":
    if torch is None:
        sys.exit("scaling: error: torch is not installed (python/requirements-torch.txt)")
    _training.run("scaling", main)
