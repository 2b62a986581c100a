# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Turns the results of bench_cuda.py, profile_cuda.py, scaling.py and bench_cpu.py into tables.

python bench/table.py                        the newest of each in bench/results as bench/RESULTS.md
python bench/table.py FILE... --output -     these files, to standard output
"""

import argparse
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def table(header, rows):
    """A Markdown table; all columns but the first are numbers."""
    lines = ["| " + " | ".join(header) + " |", "|---" + "|---:" * (len(header) - 1) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def verdict(met):
    return "met" if met else "not met"


def mixers(result):
    rows = result["mixers"]
    goals = result["goals"]
    lines = []
    for row in rows:
        goal = ""
        if row["contender"] in ("scipy.fft + NumPy", "NumPy + OpenBLAS"):
            wanted = goals[row["op"]]
            goal = f"at least {wanted:g}: {verdict(row['least_ms_over_bfly'] >= wanted)}"
        lines.append(
            [
                f"{row['op']}: {row['contender']}",
                f"{row['least_ms']:.3f}",
                f"{row['median_ms']:.3f}",
                f"{row['least_ms_over_bfly']:.2f}",
                f"{row['median_ms_over_bfly']:.2f}",
                goal,
                f"{row['error']:.1e}",
                str(row["calls"]),
            ]
        )
    header = ["", "least, ms", "median, ms", "bfly is faster by (least)", "(median)", "goal", "error", "calls"]
    return table(header, lines)


def per_token(result):
    rows = result["filter_per_token"]
    lines = [
        [
            f"({row['batch']}, {row['tokens']}, {row['channels']})",
            f"{row['least_ms']:.3f}",
            f"{row['median_ms']:.3f}",
            f"{row['least_ns_per_token']:.1f}",
            f"{row['median_ns_per_token']:.1f}",
        ]
        for row in rows
    ]
    ratio = rows[-1]["least_ns_per_token"] / rows[0]["least_ns_per_token"]
    goal = result["goals"]["filter_per_token"]
    return (
        table(["(B, N, D)", "least, ms", "median, ms", "ns a token (least)", "(median)"], lines)
        + f"\n\nThe longest takes {ratio:.2f} times the shortest's time per token; goal: at most {goal:g}, "
        + f"{verdict(ratio <= goal)}."
    )


def products(result):
    lines = [
        [
            f"({r['rows']}, {r['in']}) x ({r['in']}, {r['out']})",
            f"{r['bfly']['gflops']:.0f}",
            f"{r['OpenBLAS']['gflops']:.0f}",
            f"{r['OpenBLAS']['least_ms'] / r['bfly']['least_ms']:.2f}",
        ]
        for r in result["dense_products"]
    ]
    return table(["", "bfly, GFLOP/s", "OpenBLAS, GFLOP/s", "bfly is faster by"], lines)


def compiling(result):
    rows = result["compile"]
    lines = [[f"{r['op']}, N = {r['tokens']}", f"{r['least_s']:.3f}", f"{r['median_s']:.3f}"] for r in rows]
    goal = result["goals"]["compile_seconds"]
    met = verdict(all(row["median_s"] < goal for row in rows))
    return table(["", "least, s", "median, s"], lines) + f"\n\nGoal: under {goal:g} s, {met}."


# ---------------------------------------------------------------------- a GPU


def shapes_of(rows):
    """Rows by what was measured, in order: {(dtype, batch, tokens, channels, heads): {contender: row}}."""
    shapes = {}
    for row in rows:
        key = tuple(row.get(name) for name in ("dtype", "batch", "tokens", "channels", "heads"))
        shapes.setdefault(key, {})[row["contender"]] = row
    return shapes


def milliseconds(row):
    return f"{row['median_ms']:.4g}" if row else "–"


def ratio(row, other):
    return f"{row['median_ms'] / other['median_ms']:.2f}" if row and other else "–"


def at_the_ceilings(row, ceilings):
    """(milliseconds, which ceiling): the least that this card could take for what the report counts. The matrix units
    work beside the others."""
    times = {"memory": 0.0, "arithmetic": 0.0, "matrix units": 0.0}
    for kernel in row["kernels"]:
        moved, flops, matrix = (
            kernel.get(name, 0) + kernel.get(f"{name}_per_batch", 0) * row["batch"]
            for name in ("bytes", "flops", "matrix_flops")
        )
        matrix = matrix if ceilings["matrix_flops_per_second"] else 0
        times["memory"] += moved / ceilings["copy_bytes_per_second"]
        times["arithmetic"] += (flops - matrix) / ceilings["flops_per_second"]
        times["matrix units"] += matrix / (ceilings["matrix_flops_per_second"] or 1)
    name = max(times, key=times.get)
    return 1e3 * times[name], name


def block(row):
    """What the kernel's blocks and threads have: "512 × 120, 136 KB, 1": threads, registers, shared memory, blocks."""
    launch = (row or {}).get("kernels", [{}])[0].get("launch", {})
    if "registers" not in launch:
        return "–"
    spilled = f" ({launch['local_bytes']} B spilled)" if launch["local_bytes"] else ""
    return (
        f"{launch['threads']} × {launch['registers']}{spilled}, {launch['shared_bytes'] / 1024:.0f} KB, "
        f"{launch['blocks_per_multiprocessor']}"
    )


def bound_columns(row, ceilings):
    if not row:
        return ["–", "–", "–", "–"]
    least, name = at_the_ceilings(row, ceilings)
    return [f"{least:.4g}, {name}", f"{100 * least / row['median_ms']:.0f} %", block(row), f"{row['error']:.1e}"]


def filters_on_gpu(result):
    lines = []
    for (dtype, batch, n, d, _), of in shapes_of(result["filter"]).items():
        ours, copy = of.get("bfly"), of.get("copy")
        goal = ""
        if dtype == "f32" and ours and copy:
            limit = result["goals"]["filter_over_copy"]
            goal = f"at most {limit:g}: {verdict(ours['median_ms'] <= limit * copy['median_ms'])}"
        eager, compiled = of.get("torch eager"), of.get("torch.compile")
        times = [milliseconds(row) for row in (ours, copy, eager, compiled)]
        ratios = [ratio(ours, copy), goal, ratio(compiled, copy), ratio(eager, copy)]
        lines.append([f"({batch}, {n}, {d}) {dtype}", *times, *ratios, *bound_columns(ours, result["ceilings"])])
    header = ["(B, N, D)", "bfly, ms", "copy", "torch eager", "torch.compile", "bfly / copy", "goal"]
    header += ["torch.compile / copy", "eager / copy", "at the ceilings, ms", "share of that", "block", "error"]
    return table(header, lines)


def fastest(*rows):
    rows = [row for row in rows if row]
    return min(rows, key=lambda row: row["median_ms"]) if rows else None


def butterflies_on_gpu(result, form):
    lines = []
    for (dtype, batch, n, d, heads), of in shapes_of(result["butterfly"]).items():
        ours = of.get(f"bfly, {form}")
        rivals = [of.get(f"{name}, {form}") for name in ("torch eager", "torch.compile")]
        attention = [of.get("attention, flash"), of.get("attention, cuDNN")]
        best = fastest(*attention, of.get("attention"))
        against, limit = {
            "dense": (rivals[1], result["goals"]["dense_over_torch_compile"]),
            "per head": (best, result["goals"]["per_head_over_attention"]),
        }[form]
        goal = ""
        if ours and against:
            goal = f"at most {limit:g}: {verdict(ours['median_ms'] <= limit * against['median_ms'])}"
        times = [milliseconds(row) for row in ((ours, *rivals, *attention) if form == "dense" else (ours, *attention))]
        ratios = [ratio(ours, rivals[1])] if form == "dense" else []
        lines.append(
            [f"({batch}, {n}, {d}), {heads} {dtype}", *times, *ratios, ratio(ours, best), goal]
            + bound_columns(ours, result["ceilings"])
        )
    header = ["(B, N, D), heads", "bfly, ms", "attention, flash", "cuDNN"]
    if form == "dense":
        header[2:2] = ["torch eager", "torch.compile"]
        header.append("bfly / torch.compile")
    header += ["bfly / attention", "goal", "at the ceilings, ms", "share of that", "block", "error"]
    return table(header, lines)


def of_gpu(result):
    """The sections of bench_cuda.py's results."""
    machine, ceilings = result["machine"], result["ceilings"]
    about = [machine["card"]]
    about += [f"{name} {machine[name]}" for name in ("driver", "memory", "clock", "power") if name in machine]
    about += [f"{label} {machine[name]}" for name, label in (("torch", "PyTorch"), ("cuda", "CUDA")) if name in machine]
    parts = [
        "## On a GPU",
        f"{result['date']}, commit {result['commit']}, `{result['command']}`, {result['seconds']:.0f} s.",
        ", ".join(about) + f". Measured: a copy {ceilings['copy_bytes_per_second'] / 1e12:.2f} TB/s, "
        f"{ceilings['flops_per_second'] / 1e12:.1f} TFLOP/s of f32, "
        f"{ceilings['matrix_flops_per_second'] / 1e12:.0f} of bf16 on the matrix units.",
        "All contenders of a shape take turns in one process, on buffers that no cache holds; medians of a turn's time on the "
        "card, every result checked by the float64 oracle. The copy is of x's size; attention is QKV projection, scaled dot "
        "products, output projection. At the ceilings: the report's bytes and flops at the measured ones. Block: threads × "
        "registers of each, shared memory, blocks a multiprocessor. What lies between a kernel and its ceilings: the counters below, "
        "and [docs/gpu.md](../docs/gpu.md#what-is-left-to-the-bound).",
    ]
    if result.get("filter"):
        parts += ["### The spectral filter, hidden 4D", filters_on_gpu(result)]
    if result.get("butterfly"):
        parts += ["### Butterfly attention, dense weights", butterflies_on_gpu(result, "dense")]
        parts += ["### Butterfly attention, weights per head", butterflies_on_gpu(result, "per head")]
    if result["notes"]:
        parts.append("\n".join(f"- {note}" for note in result["notes"]))
    return parts


def of_profile(result):
    """The section of profile_cuda.py's results."""

    def cell(row, name, scale=1.0, digits=0, unit=""):
        return f"{row[name] * scale:,.{digits}f}{unit}" if name in row else "–"

    rows = [
        [
            row["case"],
            cell(row, "nanoseconds", 1e-3),
            cell({"moved": row.get("bytes_read", 0) + row.get("bytes_written", 0)}, "moved", 1e-6, 0, " MB"),
            cell(row, "memory_percent", 1, 0, " %"),
            cell(row, "cache_bytes", 1e-6, 0, " MB"),
            cell(row, "cache_percent", 1, 0, " %"),
            cell(row, "issue_percent", 1, 0, " %"),
            cell(row, "shared_conflicts", 1e-6, 1, " M"),
            cell(row, "waits_for_memory", 1, 1),
            cell(row, "waits_at_barriers", 1, 1),
            cell(row, "waits_for_matrix_units", 1, 1),
        ]
        for row in result["counters"]
    ]
    header = ["kernel", "µs", "memory, moved", "of its peak", "cache, moved", "of its peak"]
    header += ["issue slots used", "bank conflicts", "waits: memory", "barriers", "matrix units"]
    return [
        "## Counters of a GPU's kernels",
        f"{result['date']}, commit {result['commit']}, `{result['command']}`, {result['machine']['card']}.",
        "By Nsight Compute: one launch each, from empty caches, with the clocks as they are. Waits: warps that stand still for each "
        "one that issues.",
        table(header, rows),
    ]


def scaling(rows):
    """A table of the rows of one direction."""
    lines = []
    for row in rows:
        over = f"{row['over_attention']:.3f}" if "over_attention" in row else "–"
        moved = f"{row['peak_bytes'] / 2**20:,.0f}" if "peak_bytes" in row else "–"
        error = f"{row['error']:.1e}" if "error" in row else ""
        lines.append(
            [
                f"{row['tokens']} × {row['batch']}, {row['contender']}",
                f"{row['flops'] / 1e9:.4g}",
                f"{row['median_ms']:.4g}",
                over,
                *([moved, error] if row["backward"] else []),
            ]
        )
    header = ["N × batch, contender", "Gflop of the definition", "ms", "of attention's time"]
    return table(header + (["MiB at most", "error"] if rows and rows[0]["backward"] else []), lines)


def of_scaling(result):
    """The section of scaling.py's results."""
    shape, machine = result["shape"], result["machine"]
    parts = [
        "## Over the number of tokens",
        f"{result['date']}, commit {result['commit']}, `{result['command']}`, {machine['card']}, PyTorch {machine['torch']}.",
        f"{shape['total']} tokens in all, {shape['channels']} channels, {shape['heads']} heads, {shape['dtype']}. Attention is QKV "
        "projection, scaled dot products, output projection; the error is the largest of the result's and the gradients', of one "
        "sequence, beside float64.",
    ]
    for title, backward in (("Forward", False), ("Forward and backward", True)):
        parts += [f"### {title}", scaling([row for row in result["scaling"] if row["backward"] == backward])]
    if result["notes"]:
        parts.append("\n".join(f"- {note}" for note in result["notes"]))
    return parts


# ---------------------------------------------------------------------- a CPU


def of_cpu(result):
    """The sections of bench_cpu.py's results."""
    shape, machine = result["shape"], result["machine"]
    caches = ", ".join(f"{name} {size}" for name, size in machine["caches"].items())
    return [
        "## On a CPU",
        f"{result['date']}, commit {result['commit']}, `{result['command']}`.",
        f"{machine['processor']}, {machine['cores']} cores ({caches}), {machine['memory_GiB']} GiB, {machine['system']}, "
        f"Python {machine['python']}, NumPy {machine['numpy']}, SciPy {machine['scipy']}; load "
        f"{machine['load_before'][0]} before and {machine['load_after'][0]} after.",
        f"### The mixers at (B, N, D) = ({shape['batch']}, {shape['tokens']}, {shape['channels']}), hidden "
        f"{shape['hidden']}, {shape['heads']} heads, {shape['dtype']}, {shape['threads']} threads",
        "All contenders take turns in one process; every result was checked by the float64 oracle.",
        mixers(result),
        "### Dense products, f32",
        "`bfly.linear` as it stands, its weights packed at each call, beside NumPy's OpenBLAS on the same threads; least times. "
        "A call of a kernel from Python takes about 20 µs, which counts in the smallest.",
        products(result),
        "### The filter's time per token",
        per_token(result),
        "### Compiling, from text to a function that can be called",
        compiling(result),
    ]


def document(results):
    sections = ["# What bfly takes, beside what users have", "Made by `bench/table.py`; do not edit."]
    kinds = (("ceilings", of_gpu), ("counters", of_profile), ("scaling", of_scaling), ("mixers", of_cpu))
    for key, section in kinds:
        for result in results:
            sections += section(result) if key in result else []
    return "\n\n".join(sections) + "\n"


def main():
    parser = argparse.ArgumentParser(description="Tables of the benchmarks' results.")
    parser.add_argument("files", nargs="*", type=Path, help="the newest of each kind in bench/results unless given")
    parser.add_argument("--output", default=str(HERE / "RESULTS.md"), help="- for standard output")
    options = parser.parse_args()
    newest = (
        max((HERE / "results").glob(f"{kind}-*.json"), default=None) for kind in ("cuda", "profile", "scaling", "cpu")
    )
    paths = options.files or [path for path in newest if path]
    if not paths:
        sys.exit("there are no results: run bench/bench_cuda.py or bench/bench_cpu.py first")
    text = document([json.loads(path.read_text()) for path in paths])
    if options.output == "-":
        sys.stdout.write(text)
    else:
        Path(options.output).write_text(text)


if __name__ == "__main__":
    main()
