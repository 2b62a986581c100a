# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Turns the results of bench_cpu.py into tables.

    python bench/table.py                        the newest bench/results/cpu-*.json as bench/RESULTS.md
    python bench/table.py FILE --output -        one file, to standard output
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


def document(result):
    shape, machine = result["shape"], result["machine"]
    caches = ", ".join(f"{name} {size}" for name, size in machine["caches"].items())
    sections = [
        "# What bfly takes, beside what users have",
        "Made by `bench/table.py`; do not edit.",
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
    return "\n\n".join(sections) + "\n"


def main():
    parser = argparse.ArgumentParser(description="Tables of bench_cpu.py's results.")
    parser.add_argument("file", nargs="?", type=Path, help="the newest of bench/results unless given")
    parser.add_argument("--output", default=str(HERE / "RESULTS.md"), help="- for standard output")
    options = parser.parse_args()
    path = options.file or max((HERE / "results").glob("cpu-*.json"), default=None)
    if path is None:
        sys.exit("there are no results: run bench/bench_cpu.py first")
    text = document(json.loads(path.read_text()))
    if options.output == "-":
        sys.stdout.write(text)
    else:
        Path(options.output).write_text(text)


if __name__ == "__main__":
    main()
