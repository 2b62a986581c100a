# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""`tune`: other plans than the chosen ones, tried on the machine at hand."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from . import _arrays, _library
from ._errors import BflyError
from ._kernel import compile
from ._library import library


class TriedPlan(NamedTuple):
    """A plan of a kernel that was tried: the kernel's name and the place that it was written at, the plan as IR, seconds
    of a call (the median), their noise (half of what lies between the quartiles, over the median), the ratio to the chosen
    plan's time, and the share of it that the report's bound is. Where `problem` says why it does not compile or run, and
    where nothing was timed, these are None."""

    kernel: str
    location: str
    plan: str
    seconds: float | None
    noise: float | None
    ratio: float | None
    bound_share: float | None
    is_chosen: bool
    is_best: bool
    problem: str | None


class Tuning:
    """What `tune` found.

    rows   a TriedPlan for each plan that was tried, kernel by kernel, the chosen one first. Kernels that are alike are
           tried once.
    text   the same as a table for people
    ir     the function with the best plan on each kernel, at schedule level: what `compile` takes
    report the "tuning" of a report, as docs/report.md says
    """

    rows: list[TriedPlan]
    text: str
    ir: str
    report: dict[str, Any]

    def __init__(self, report):
        self.text, self.ir, self.report = report.pop("text"), report.pop("ir"), report
        self.rows = [
            TriedPlan(
                kernel["name"],
                kernel["location"],
                row["plan"],
                *(row.get(field) for field in ("seconds", "noise", "ratio", "bound_share")),
                index == 0,
                index == kernel.get("best", 0),
                row.get("problem"),
            )
            for kernel in report["kernels"]
            for index, row in enumerate(kernel["plans"])
        ]

    def __repr__(self):
        return f"<bfly.Tuning of {len(self.rows)} plans for {len(self.report['kernels'])} kernels>"


def tune(
    text_or_path: str | bytes | os.PathLike[str],
    inputs: Sequence[Any],
    parameters: Mapping[str, Any] | None = None,
    *,
    rounds: int = 8,
    **settings: Any,
) -> Tuning:
    """Tries other plans for the kernels of a function on the machine at hand: those that differ from the chosen one in
    one word, then those beside the best so far, until none is faster by more than the noise. Each has to compute what the
    chosen one does. This compiles every plan, and takes seconds to minutes.

    text_or_path  as `compile` has it.
    inputs, parameters  those of a call that counts, as `Kernel.__call__` has them: plans are timed for their sizes.
    rounds        how often at most the neighbours of the best plan are tried; 0: the chosen ones' are compiled and checked,
                  and nothing is timed.
    settings      of `compile`: device, function, threads, and options of the pipeline.

    Returns a Tuning. BflyError where there is no kernel with a plan, where a GPU's plan is emulated and would be timed,
    where a plan changes what a kernel computes, and for what `compile` and a call refuse.

        best = bfly.tune("layer.mlir", [x], {"w": w})
        print(best.text)
        kernel = bfly.compile(best.ir)
    """
    if not isinstance(rounds, int) or isinstance(rounds, bool) or not 0 <= rounds <= 1000:
        raise BflyError(f"rounds: {rounds!r}, expected an integer from 0 to 1000")
    if not isinstance(inputs, (list, tuple)):
        raise BflyError(f"inputs: a list of arrays is expected, got {type(inputs).__name__}")
    kernel = compile(text_or_path, **settings)
    # Arrays of a GPU are copied on the default stream.
    stream = None if kernel._number is None else 0
    views, weights = kernel._views(inputs, parameters, None, stream, "exact")
    inputs_c, keep_inputs = _arrays.describe(views)
    weights_c, keep_weights = _arrays.describe(weights)
    text = _library.take_text(
        library().bfly_kernel_tune(kernel._handle, inputs_c, len(views), weights_c, len(weights), rounds)
    )
    del keep_inputs, keep_weights
    return Tuning(json.loads(text))
