# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""bfly on a GPU beside what a user would run without it, in one run on one card.

At each shape every contender that computes a mixer is checked by the float64 oracle first. Then all take turns, so that
whatever else happens to the card meets them alike. A turn is a row of calls between two events, on inputs and results
that rotate over so many buffers that no cache holds them; while the host fills the stream, the card is kept waiting, so
that a turn is the card's time. What a call costs the host is recorded beside it.

    python bench/bench_cuda.py                       everything, some minutes
    python bench/bench_cuda.py --only filter         the spectral filter; dense and per head: "butterfly"
    python bench/table.py                            the results as bench/RESULTS.md

Without torch there are no rivals, and bfly-run does the timing.
"""

import argparse
import datetime
import json
import math
import os
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
# Of the checkout or the package that this is part of.
sys.path.append(str(HERE.parent / "python"))

import numpy as np

import bfly
from bfly import _library, _mixers, reference

try:
    import torch
except ImportError:
    torch = None

FILTER_SHAPES = [(8, 1024, 768), (8, 4096, 768), (2, 16384, 1024), (1, 65536, 1024)]
BUTTERFLY_SHAPES = [(32768 // n, n, d, h) for d, h in ((512, 8), (1024, 16)) for n in (512, 2048, 8192)]
# What --small takes: to see that everything works.
SMALL_FILTER_SHAPES = [(2, 256, 48)]
SMALL_BUTTERFLY_SHAPES = [(2, 64, 64, 2)]
# What is aimed at: at most so many times the reference's time.
GOALS = {
    "filter_over_copy": 6.0,
    "dense_over_torch_compile": 1.0,
    "per_head_over_attention": 1.0,
}
ROTATED_BYTES = 320 << 20  # of inputs and results at least: several times the largest cache


class Notes:
    """What could not be measured, and why; each said once."""

    def __init__(self):
        self.all = []

    def add(self, text):
        if text not in self.all:
            self.all.append(text)
            print(f"note: {text}", flush=True)


def commit():
    """The commit at hand: of the checkout, or of the one that the package was made from."""
    file = HERE.parent / "COMMIT"
    if file.exists():
        return file.read_text().strip()

    def git(*arguments):
        try:
            done = subprocess.run(["git", "-C", str(HERE), *arguments], capture_output=True, text=True, check=False)
        except OSError:
            return ""
        return done.stdout.strip()

    head = git("rev-parse", "--short=12", "HEAD")
    changed = git("status", "--porcelain", "--untracked-files=no")
    return (head or f"version {bfly.version()}") + ("+" if changed else "")


def now():
    """The date that results are filed under."""
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def machine(device):
    """What the figures are of: the card, its driver, its measured ceilings, versions."""
    info = {"python": platform.python_version(), "numpy": np.__version__, "bfly": bfly.version()}
    if device.startswith("cuda"):
        query = "name,driver_version,memory.total,clocks.max.sm,power.limit"
        command = [
            "nvidia-smi",
            f"--query-gpu={query}",
            "--format=csv,noheader",
            f"--id={device.partition(':')[2] or 0}",
        ]
        try:
            told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip().split(", ")
            info |= dict(zip(("card", "driver", "memory", "clock", "power"), told))
        except (OSError, subprocess.CalledProcessError):
            info["card"] = torch.cuda.get_device_name(device) if torch else "unknown"
    else:
        info["card"] = "none: a CPU"
    if torch:
        info |= {"torch": torch.__version__, "cuda": torch.version.cuda}
        if device.startswith("cuda"):
            info["cudnn"] = torch.backends.cudnn.version()
    return info


def ceilings(device):
    """Bytes a second of a copy, f32 operations a second of multiply-adds, bf16 ones of the matrix units: measured."""
    import ctypes

    values = [ctypes.c_double() for _ in range(3)]
    if _library.library().bfly_measure_device(device.encode(), 0.2, *map(ctypes.byref, values)):
        raise _library.failure()
    names = ("copy_bytes_per_second", "flops_per_second", "matrix_flops_per_second")
    return {name: value.value for name, value in zip(names, values)}


# ------------------------------------------------------------------ with torch


def dtype_of(name):
    return {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}[name]


class Clock:
    """Takes the times of calls on a device."""

    def __init__(self, device):
        self.on_gpu = device.startswith("cuda")
        self.wait = torch.cuda.synchronize if self.on_gpu else lambda: None
        # A clock of the card's multiprocessors, at most.
        self.cycles_per_second = 2.0e9

    def host_seconds(self, call, count):
        """What a call costs the host, and with a synchronisation what it costs in all."""
        self.wait()
        start = time.perf_counter()
        for index in range(count):
            call(index)
        enqueued = time.perf_counter()
        self.wait()
        return (enqueued - start) / count, (time.perf_counter() - start) / count

    def turn(self, call, count, host_seconds):
        """Milliseconds of a call, out of `count`, on the device."""
        if not self.on_gpu:
            return 1e3 * self.host_seconds(call, count)[1]
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        # Long enough for the host to be done first, unless the queue fills up.
        torch.cuda._sleep(int(self.cycles_per_second * min(1.5 * host_seconds * count + 1e-4, 0.1)))
        begin.record()
        for index in range(count):
            call(index)
        end.record()
        self.wait()
        return begin.elapsed_time(end) / count


def take_turns(clock, runs, turns, seconds):
    """Figures of each of `runs`, functions of the number of a set of buffers, by label: `turns` turns of about
    `seconds` each."""
    plans = {}
    for label, run in runs.items():
        for index in range(3):
            run(index)
        host, total = clock.host_seconds(run, 3)
        plans[label] = min(200, max(3, int(seconds / max(total, 1e-6)))), host
    times = {label: [] for label in runs}
    for _ in range(turns):
        for label, run in runs.items():
            count, host = plans[label]
            run(count)  # after the others' turn
            times[label].append(clock.turn(run, count, host))
    return {
        label: {
            "median_ms": statistics.median(of),
            "least_ms": min(of),
            "host_ms": 1e3 * plans[label][1],
            "turns": len(of),
            "calls_a_turn": plans[label][0],
        }
        for label, of in times.items()
    }


def difference(out, oracle, floor=None):
    """Relative error, as docs/definitions.md defines it; infinite where there is a NaN."""
    wide = out.double()
    if not bool(torch.isfinite(wide).all()):
        return math.inf
    norm = float(oracle.norm())
    return float((wide - oracle).norm()) / max(norm, floor or 0.0)


class Shape:
    """The contenders at one shape, in the order in which they were added."""

    def __init__(self, options, clock, notes, **what):
        self.options, self.clock, self.notes, self.what = options, clock, notes, what
        self.runs, self.rows = {}, {}
        self.title = " ".join(str(value) for value in what.values())

    def guarded(self, label, function):
        """function(), or a note of why not."""
        try:
            return function()
        except Exception as error:  # a rival that torch cannot run here must not end the benchmark
            text = str(error).strip().splitlines()
            self.notes.add(f"{self.title}: {label}: {type(error).__name__}: {text[0] if text else ''}"[:400])
            return None

    def add(self, label, run, **row):
        self.runs[label], self.rows[label] = run, row

    def rival(self, label, function, sets, oracle=None, floor=None, compiled=False):
        """A function of torch's. One that has to be compiled is left out when time is short."""
        if compiled and (not self.options.compile or time.monotonic() > self.options.deadline):
            self.notes.add(
                f"{self.title}: {label}: left out, {'as asked' if not self.options.compile else 'no time left'}"
            )
            return
        row = {}

        def prepare():
            run = function
            if compiled:
                torch._dynamo.reset()
                start = time.perf_counter()
                run = torch.compile(function, dynamic=False)
                run(*sets[0][:-1])
                self.clock.wait()
                row["compile_seconds"] = time.perf_counter() - start
            out = run(*sets[0][:-1])
            if oracle is not None:
                row["error"] = difference(out, oracle, floor)
            return run

        run = self.guarded(label, prepare)
        if run is not None:
            self.add(label, lambda index: run(*sets[index % len(sets)][:-1]), **row)

    def ours(self, label, text, sets, oracle, limit, floor=None):
        """bfly's kernel: checked, poisoned first, the same bits twice."""

        def prepare():
            start = time.perf_counter()
            kernel = bfly.compile(text, device=self.options.device)
            row = {"compile_seconds": time.perf_counter() - start, "kernels": kernel.report["kernels"]}
            *arrays, out = sets[0]
            copies = []
            for _ in range(2):
                out.fill_(math.nan)
                kernel(*arrays, out=out)
                self.clock.wait()
                copies.append(out.clone())
            row["error"], row["limit"] = difference(copies[0], oracle, floor), limit
            if not row["error"] <= limit:
                raise ValueError(f"error {row['error']:.2e} is above {limit:.2e}; its time means nothing")
            if not torch.equal(*(copy.view(torch.uint8) for copy in copies)):
                raise ValueError("two runs differ; its time means nothing")
            return kernel, row

        made = self.guarded(label, prepare)
        if made is None:
            self.options.failed = True
            return
        kernel, row = made
        self.add(label, lambda index: kernel(*sets[index % len(sets)][:-1], out=sets[index % len(sets)][-1]), **row)

    def measure(self):
        """The rows."""
        if self.options.device.startswith("cuda"):
            torch.cuda.empty_cache()
        figures = take_turns(self.clock, self.runs, self.options.turns, self.options.seconds)
        rows = [{**self.what, "contender": label, **figures[label], **self.rows[label]} for label in self.runs]
        for row in rows:
            error = f"   error {row['error']:.1e}" if "error" in row else ""
            print(
                f"{self.title:34} {row['contender']:24} {row['median_ms']:9.4f} ms   host {row['host_ms']:7.4f} ms{error}",
                flush=True,
            )
        return rows


def normal(options, dtype, *shape, scale=1.0):
    return (torch.randn(shape, device=options.device) * scale).to(dtype_of(dtype))


def rotated(options, dtype, shape, *rest):
    """Sets of (x, …, out), so many that no cache holds them; `rest` is in all of them."""
    size = math.prod(shape) * (4 if dtype == "f32" else 2)
    count = max(2, -(-ROTATED_BYTES // (2 * size))) if options.device.startswith("cuda") else 2
    return [(normal(options, dtype, *shape), *rest, normal(options, dtype, *shape)) for _ in range(count)]


def copy_of(sets):
    return lambda index: sets[index % len(sets)][-1].copy_(sets[index % len(sets)][0])


def filter_oracle(x, w_base, w1, b1, w2, b2, bias):
    """The definition in float64, and the norm that its error is measured by (docs/definitions.md)."""
    x, w_base, w1, b1, w2, b2, bias = (array.double() for array in (x, w_base, w1, b1, w2, b2, bias))
    n = x.shape[1]
    weight = w_base + torch.relu(x.mean(1) @ w1.T + b1) @ w2.T + b2
    bins = torch.fft.rfft(x, dim=1) * weight[:, None, :]
    floor = float(torch.fft.irfft(bins, n=n, dim=1).norm())
    magnitude = bins.abs()
    bins *= torch.relu(magnitude + bias) / (magnitude + 1e-10)
    return torch.fft.irfft(bins, n=n, dim=1), floor


def bench_filter(options, clock, notes):
    from bfly.examples.plain import spectral_filter

    rows = []
    for dtype in options.dtypes:
        for batch, n, d in SMALL_FILTER_SHAPES if options.small else FILTER_SHAPES:
            shape = Shape(options, clock, notes, op="filter", dtype=dtype, batch=batch, tokens=n, channels=d)
            hidden = 4 * d
            weights = (
                normal(options, dtype, d),
                normal(options, dtype, hidden, d, scale=d**-0.5),
                normal(options, dtype, hidden),
                normal(options, dtype, d, hidden, scale=hidden**-0.5),
                normal(options, dtype, d),
                normal(options, dtype, d, scale=0.5 * n**0.5),
            )
            sets = rotated(options, dtype, (batch, n, d), *weights)
            oracle, floor = filter_oracle(*sets[0][:-1])
            text = _mixers.filter_text((batch, n, d), hidden, dtype)
            limit = reference.bound("spectral_filter", dtype, n)
            shape.ours("bfly", text, sets, oracle, limit, floor)
            shape.add("copy", copy_of(sets))
            shape.rival("torch eager", spectral_filter, sets, oracle, floor)
            if dtype == "f32" or options.all_rivals:
                shape.rival("torch.compile", spectral_filter, sets, oracle, floor, compiled=True)
            del oracle
            rows += shape.measure()
            options.save(rows)
    return rows


def wide_oracle(function, x, *weights):
    """A function of torch's in float64, a few sequences at a time."""
    weights = [array.double() for array in weights]
    step = max(1, (1 << 24) // math.prod(x.shape[1:]))
    return torch.cat([function(part.double(), *weights) for part in x.split(step)])


def bench_butterfly(options, clock, notes):
    from bfly.examples.plain import attention, butterfly_attention

    rows = []
    for batch, n, d, heads in SMALL_BUTTERFLY_SHAPES if options.small else BUTTERFLY_SHAPES:
        dtype, stages, dh = "bf16", n.bit_length() - 1, d // heads
        shape = Shape(
            options, clock, notes, op="butterfly", dtype=dtype, batch=batch, tokens=n, channels=d, heads=heads
        )

        def function(x, wq, wk, heads=heads):
            return butterfly_attention(x, wq, wk, heads)

        forms = {"dense": (stages, d, d), "per head": (stages, heads, dh, dh)}
        sets = oracle = None
        for form, weight_shape in forms.items():
            scale = weight_shape[-1] ** -0.5
            weights = [normal(options, dtype, *weight_shape, scale=scale) for _ in range(2)]
            sets = rotated(options, dtype, (batch, n, d), *weights)
            oracle = wide_oracle(function, sets[0][0], *weights)
            rounded = difference(function(*sets[0][:-1]), oracle)
            limit = reference.bound("butterfly_attention", dtype, n, rounded)
            text = _mixers.attention_text((batch, n, d), weight_shape, dtype, heads)
            shape.ours(f"bfly, {form}", text, sets, oracle, limit)
            if form == "dense" or options.all_rivals:
                shape.rival(f"torch eager, {form}", function, sets, oracle)
                shape.rival(f"torch.compile, {form}", function, sets, oracle, compiled=True)
        shape.add("copy", copy_of(sets))
        w_in, w_out = (normal(options, dtype, of, d, scale=d**-0.5) for of in (3 * d, d))
        sets = [(x, w_in, w_out, out) for x, *_, out in sets]

        def attended(backend, heads=heads):
            return lambda x, w_in, w_out: attention(x, w_in, w_out, heads, backend)

        if options.device.startswith("cuda"):
            from torch.nn.attention import SDPBackend

            shape.rival("attention, flash", attended(SDPBackend.FLASH_ATTENTION), sets)
            shape.rival("attention, cuDNN", attended(SDPBackend.CUDNN_ATTENTION), sets)
        else:
            shape.rival("attention", attended(None), sets)
        del oracle
        rows += shape.measure()
        options.save(rows)
    return rows


# --------------------------------------------------------------- without torch


def arrays_of(rng, dtype, *shapes):
    """Normal deviates for (shape, scale) each."""
    return [reference.store(scale * rng.standard_normal(shape, np.float32), dtype) for shape, scale in shapes]


def measure_alone(options, what, text, arrays, check):
    """A row for bfly alone: checked through NumPy, timed by bfly-run."""
    build = Path(os.environ.get("BFLY_BUILD_DIR") or HERE.parent / "build")
    programs = [folder / "bin" / "bfly-run" for folder in (HERE.parent, build)]
    program = next((path for path in programs if path.exists()), programs[0])
    start = time.perf_counter()
    kernel = bfly.compile(text, device=options.device)
    row = {**what, "contender": what.pop("contender"), "compile_seconds": time.perf_counter() - start}
    row["kernels"] = kernel.report["kernels"]
    row["error"], row["limit"] = check(kernel(*arrays))
    title = " ".join(str(value) for value in what.values())
    if not row["error"] <= row["limit"]:
        options.failed = True
        print(f"{title}: error {row['error']:.2e} is above {row['limit']:.2e}; its time means nothing", flush=True)
        return []
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "source.mlir").write_text(text)
        inputs = []
        for index, array in enumerate(arrays):
            file = Path(folder) / f"{index}.npy"
            np.save(file, array)
            inputs.append(f"--input=@{file}")
        command = [program, Path(folder) / "source.mlir", *inputs, f"--device={options.device}"]
        command += ["--benchmark", "--benchmark_format=json", "--output="]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    if done.returncode:
        options.failed = True
        print(f"{title}: bfly-run: {done.stderr.strip()}", flush=True)
        return []
    measured = json.loads(done.stdout[done.stdout.index("{") :])["benchmarks"][0]
    milliseconds = measured["real_time"] * {"ns": 1e-6, "us": 1e-3, "ms": 1.0}[measured["time_unit"]]
    row |= {"median_ms": milliseconds, "least_ms": milliseconds, "turns": 1, "calls_a_turn": measured["iterations"]}
    row["copy_ms"] = 1e3 * measured["bytes"] / measured["copy_bytes_per_second"]
    print(f"{title:34} {row['contender']:24} {milliseconds:9.4f} ms   error {row['error']:.1e}", flush=True)
    return [row]


def bench_alone(options):
    """Both mixers without torch. The oracle is NumPy's, of the first sequence, which depends on no other."""
    rng = np.random.default_rng(0)
    rows = []
    if options.only in (None, "filter"):
        for dtype in options.dtypes:
            for batch, n, d in SMALL_FILTER_SHAPES if options.small else FILTER_SHAPES:
                hidden = 4 * d
                shapes = [((batch, n, d), 1), ((d,), 1), ((hidden, d), d**-0.5), ((hidden,), 1)]
                shapes += [((d, hidden), hidden**-0.5), ((d,), 1), ((d,), 0.5 * n**0.5)]
                arrays = arrays_of(rng, dtype, *shapes)

                def check(out, arrays=arrays, dtype=dtype, n=n):
                    first = [arrays[0][:1], *arrays[1:]]
                    floor = reference.spectral_filter_floor(*first[:-1])
                    wrong = reference.error(out[:1], reference.spectral_filter(*first), floor)
                    return wrong, reference.bound("spectral_filter", dtype, n)

                what = {"op": "filter", "dtype": dtype, "batch": batch, "tokens": n, "channels": d, "contender": "bfly"}
                text = _mixers.filter_text((batch, n, d), hidden, dtype)
                rows += measure_alone(options, what, text, arrays, check)
                options.save(rows)
    if options.only in (None, "butterfly"):
        for batch, n, d, heads in SMALL_BUTTERFLY_SHAPES if options.small else BUTTERFLY_SHAPES:
            stages, dh, dtype = n.bit_length() - 1, d // heads, "bf16"
            for form, shape in {"dense": (stages, d, d), "per head": (stages, heads, dh, dh)}.items():
                scale = shape[-1] ** -0.5
                arrays = arrays_of(rng, dtype, ((batch, n, d), 1), (shape, scale), (shape, scale))

                def check(out, arrays=arrays, heads=heads, form=form, n=n, dtype=dtype):
                    first = (arrays[0][:1], *arrays[1:])
                    weights = "dense" if form == "dense" else "per_head"
                    oracle = reference.butterfly_attention(*first, heads, weights)
                    rounded = reference.butterfly_attention_rounded(*first, heads, dtype, weights)
                    limit = reference.bound("butterfly_attention", dtype, n, reference.error(rounded, oracle))
                    return reference.error(out[:1], oracle), limit

                what = {"op": "butterfly", "dtype": dtype, "batch": batch, "tokens": n, "channels": d, "heads": heads}
                what["contender"] = f"bfly, {form}"
                text = _mixers.attention_text((batch, n, d), shape, dtype, heads)
                rows += measure_alone(options, what, text, arrays, check)
                options.save(rows)
    return rows


# ------------------------------------------------------------------------------


def main():
    parser = argparse.ArgumentParser(description="bfly beside its rivals on a GPU, in one run, checked by the oracle.")
    parser.add_argument("--device", default="cuda", help='"cuda", "cuda:1"; "cpu" to try the benchmark itself')
    parser.add_argument("--only", choices=("filter", "butterfly"), help="one of the mixers")
    parser.add_argument("--dtypes", nargs="+", default=["f32", "bf16", "f16"], choices=["f32", "bf16", "f16"],
                        help="of the filter; butterfly attention is measured in bf16")  # fmt: skip
    parser.add_argument("--turns", type=int, default=7, help="that each contender gets")
    parser.add_argument("--seconds", type=float, default=0.02, help="that a turn lasts, about")
    parser.add_argument("--limit", type=float, default=230, help="seconds after which no more torch.compile is begun")
    parser.add_argument("--no-compile", dest="compile", action="store_false", help="leave torch.compile out")
    parser.add_argument("--all-rivals", action="store_true", help="rivals in 16-bit types and per head too")
    parser.add_argument("--small", action="store_true", help="one small shape of each, to try the benchmark itself")
    parser.add_argument("--no-torch", action="store_true", help="as if torch were not installed")
    parser.add_argument("--output", type=Path, help="file for the results; bench/results/cuda-<date>.json unless given")
    options = parser.parse_args()
    if not bfly.is_available(options.device):
        sys.exit(f"bench_cuda: {_library.failure()}")
    options.deadline = time.monotonic() + options.limit
    options.failed = False
    notes, begin = Notes(), time.monotonic()
    result = {
        "date": now(),
        "commit": commit(),
        "command": shlex.join(["python", "bench/bench_cuda.py", *sys.argv[1:]]),
        "machine": machine(options.device),
        "goals": GOALS,
        "notes": notes.all,
    }
    result["ceilings"] = ceilings(options.device)
    path = options.output or HERE / "results" / f"cuda-{result['date'][:10]}.json"
    path.parent.mkdir(parents=True, exist_ok=True)

    def save(op, rows):
        # After each shape, so that what was measured stays whatever comes.
        result[op] = rows
        result["seconds"] = time.monotonic() - begin
        path.write_text(json.dumps(result, indent=1) + "\n")

    if torch and not options.no_torch and (options.device == "cpu" or torch.cuda.is_available()):
        torch.manual_seed(0)
        clock = Clock(options.device)
        parts = {"filter": bench_filter, "butterfly": bench_butterfly}
        with torch.inference_mode():
            for op, part in parts.items():
                if options.only in (None, op):
                    options.save = lambda rows, op=op: save(op, rows)
                    part(options, clock, notes)
    else:
        notes.add("no rivals: torch is not installed" + (" for this device" if torch else ""))

        def save_all(rows):
            for op in ("filter", "butterfly"):
                save(op, [row for row in rows if row["op"] == op])

        options.save = save_all
        bench_alone(options)
    print(f"written to {path} after {time.monotonic() - begin:.0f} s")
    if options.failed:
        sys.exit("bench_cuda: not everything of bfly's could be measured; see the notes above")


if __name__ == "__main__":
    main()
