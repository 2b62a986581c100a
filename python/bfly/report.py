# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Prints a report of bfly-run (--report) as a table, one kernel a line; docs/report.md says what the fields mean.

python -m bfly.report report.json"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .draw import words


def plan(kernel: Mapping[str, Any]) -> str:
    """The words of the plan's parts, and where the state of the stages lives."""
    parts = [f"{name.split('_', 1)[-1]} {words(part)}" for name, part in kernel["plan"].items()]
    parts += [f"stages {s['first']}-{s['last']} in {s['place']}" for s in kernel.get("state", []) if "first" in s]
    return "; ".join(parts)


def text(report: Mapping[str, Any]) -> Iterator[str]:
    """The table of a report (a dictionary) as lines."""
    batch = report.get("batch") or 1

    def amount(kernel, what):
        return kernel[what] + kernel.get(f"{what}_per_batch", 0) * batch

    machine = report["machine"]
    width = f"{machine['threads']} threads" if "threads" in machine else f"{machine['multiprocessors']} multiprocessors"
    # The compiler's own report is of a module, and knows nothing of the time.
    name = report.get("function") or ", ".join(dict.fromkeys(kernel["function"] for kernel in report["kernels"]))
    spent = f", compiled in {report['compile_seconds']:.2f} s" if "compile_seconds" in report else ""
    yield f"{name} on {machine['name']}, {width}{spent}; batch {batch}"
    yield f"{'kernel':<20} {'kB':>8} {'kflop':>8} {'bound':<10} {'us at bound':>11}  plan"
    for kernel in report["kernels"]:
        yield (
            f"{kernel['name']:<20} {amount(kernel, 'bytes') / 1e3:8.1f} {amount(kernel, 'flops') / 1e3:8.1f} "
            f"{kernel['bound']:<10} {kernel['seconds'] * 1e6:11.2f}  {plan(kernel)}"
        )
        launch = kernel.get("launch")
        if launch:
            words = [
                f"{launch['threads']} threads a block",
                f"{launch['shared_bytes'] / 1024:.1f} KiB of shared memory",
            ]
            if "registers" in launch:
                words += [f"{launch['registers']} registers", f"{launch['local_bytes']} B spilled",
                          f"{launch['blocks_per_multiprocessor']} blocks a multiprocessor"]  # fmt: skip
            yield f"{'':<20} launched: {', '.join(words)}"
        if kernel["rewrites"]:
            yield f"{'':<20} rewritten: {', '.join(kernel['rewrites']).replace('_', ' ')}"
        if kernel.get("unfused"):
            yield f"{'':<20} not fused: {kernel['unfused']}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bfly.report", description="Print a report as a table.")
    parser.add_argument("report", type=Path, help="report.json, from bfly-run --report")
    path = parser.parse_args(arguments).report
    try:
        lines = list(text(json.loads(path.read_text(encoding="utf-8"))))
    except (OSError, ValueError) as problem:
        print(f"bfly.report: {path}: {problem}", file=sys.stderr)
        return 1
    except (KeyError, TypeError, AttributeError) as problem:
        print(f"bfly.report: {path}: not a report of bfly-run: {type(problem).__name__} {problem}", file=sys.stderr)
        return 1
    print(*lines, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
