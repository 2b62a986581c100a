# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compiles random programs in every way, runs them between guard pages and compares with their own evaluation.

    check_programs.py FIRST COUNT   seeds FIRST … FIRST + COUNT - 1, a line of JSON for each
    check_programs.py SEED          one, in words, with its text

A line has "seed", "checked" (how many ways it ran right), "refused" (messages by way) and "findings".
What the driver (fuzz.py) sees of a process that dies is the seed of the line that is missing."""

import itertools
import json
import os
import random
import re
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "Execution"))

from batches import evaluated, is_refused, may_be_refused  # noqa: E402
from generate import generate  # noqa: E402
from guarded import guarded  # noqa: E402
from program import EPSILON  # noqa: E402

import bfly  # noqa: E402
from bfly import reference  # noqa: E402

# A message that says where: the text's name, line and column.
PLACED = re.compile(r"^<text>:\d+:\d+: ")
# What upstream's passes say of a program that none of ours refused: true, and of no use to who wrote it.
UPSTREAM = re.compile(
    r"does not dominate|LLVM Translation failed|not equivalent to the corresponding|failed to legalize|unrealized|"
    r"op was not bufferized|could not be|cannot be lowered|foreign function"
)
WAYS = {
    "cpu": {},
    "unfused": {"fuse": False},
    "gpu": {"target": "sm_90a", "emulate": True},
}
NUMPY = {"complex<f32>": np.complex64, "complex<f64>": np.complex128}


def stored(array, of):
    return np.asarray(array, order="C").astype(NUMPY[of]) if of in NUMPY else reference.store(array, of)


def tolerances(program):
    """How far off each result may be, by its norm; None where rounding may change it altogether."""
    exact = program.evaluate()
    # What is computed in f32 is rounded no less than that.
    epsilon = EPSILON[program.of]
    limits = [64 * epsilon] * len(exact)
    for seed in range(3):
        for i, (one, other) in enumerate(zip(exact, program.evaluate(epsilon, seed))):
            limits[i] = max(limits[i], 24 * error(other, one))
    return exact, [limit if limit < 0.2 else None for limit in limits]


def error(out, exact):
    out = np.asarray(out)
    difference = np.linalg.norm((out - exact).ravel())
    if not np.isfinite(difference):
        return np.inf
    # What cancels is measured against one, as the inputs are of that size.
    return difference / max(np.linalg.norm(exact.ravel()), 1e-3 * np.sqrt(max(exact.size, 1)))


def wide(array):
    return array.astype(np.complex128) if array.dtype.kind == "c" else reference.load(array)


def run(kernel, program, where, batches=None):
    """The results; with other batches of inputs of zeros."""
    sizes = [(value, data, (batches or {}).get(value.name)) for value, data in program.inputs]
    data = [data if batch is None else np.zeros((batch, *data.shape[1:])) for value, data, batch in sizes]
    inputs = [stored(data, value.of) for data, (value, _) in zip(data, program.inputs)]
    arrays = [guarded(array, where) if array.ndim else array for array in inputs]
    parameters = {name: guarded(stored(*program.parameters[name]), where) for name in parameter_names(kernel)}
    before = [array.tobytes() for array in arrays]
    os.environ["BFLY_GUARD"] = where
    try:
        results = kernel(*arrays, parameters=parameters or None)
    finally:
        del os.environ["BFLY_GUARD"]
    assert [array.tobytes() for array in arrays] == before, "an input was written"
    return results if isinstance(results, tuple) else (results,)


def parameter_names(kernel):
    return [value.name for value in kernel.parameters]


class Check:
    def __init__(self, seed):
        self.rng = random.Random(f"check {seed}")
        self.program = generate(seed)
        self.text = self.program.text()
        self.exact, self.limits = tolerances(self.program)
        self.checked, self.refused, self.findings = 0, {}, []
        self.where = itertools.cycle(("end", "begin"))

    def find(self, way, kind, message):
        self.findings.append({"way": way, "kind": kind, "message": message[:500]})

    def attempt(self, way, text, **options):
        """Compiles and runs; the kernel, or None."""
        try:
            kernel = bfly.compile(text, threads=self.rng.choice([1, 2, 3]), **options)
            if self.program.wrong:
                self.find(way, "not refused", self.program.wrong)
                return None
        except bfly.BflyError as refusal:
            message = str(refusal)
            self.refused[way] = message.splitlines()[0]
            if not PLACED.match(message):
                self.find(way, "unplaced", message)
            elif UPSTREAM.search(message):
                self.find(way, "upstream's message", message)
            return None
        try:
            results = run(kernel, self.program, next(self.where))
        except (bfly.BflyError, AssertionError) as problem:
            self.find(way, "run", str(problem))
            return kernel
        for i, (out, exact, limit) in enumerate(zip(results, self.exact, self.limits, strict=True)):
            if out.shape != exact.shape:
                self.find(way, "shape", f"{out.shape}, not {exact.shape}")
            elif limit is not None and not error(wide(out), exact) <= limit:
                self.find(way, "wrong", f"result {i}: error {error(wide(out), exact):.3g} above {limit:.3g}")
        self.checked += 1
        return kernel

    def resize(self, way, kernel):
        """Calls with another batch of one input: refused where it does not fit, and of the right shapes where it does."""
        dynamic = {value.name: value.sizes[0] for value, _ in self.program.inputs if value.batch}
        if not dynamic:
            return
        name = self.rng.choice(list(dynamic))
        here = dynamic[name]
        batches = dynamic | {name: self.rng.choice([b for b in (0, here - 1, here + 1, here + 7) if b != here])}
        refused = [need for need in self.program.needs() if is_refused(need, batches)]
        every = [*self.program.asides, *(need for value in self.program.values for need in value.needs)]
        told = f"{way}, batch {batches[name]} of {name}"
        try:
            results = run(kernel, self.program, next(self.where), batches)
        except AssertionError as problem:
            self.find(told, "run", str(problem))
            return
        except bfly.BflyError as refusal:
            if not any(may_be_refused(need, batches) for need in every):
                self.find(told, "refused", str(refusal))
            return
        if refused:
            self.find(told, "not refused", str(refused[0]))
        for value, out in zip(self.program.results, results, strict=True):
            batch = value.sizes[:1] if value.batch is None else (evaluated(value.batch, batches),)
            if not refused and out.shape != (*batch, *value.sizes[1:]):
                self.find(told, "shape", f"{out.shape}, not {(*batch, *value.sizes[1:])}")

    def run(self):
        for way, options in WAYS.items():
            kernel = self.attempt(way, self.text, **options)
            if kernel is None:
                continue
            self.resize(way, kernel)
            level = self.rng.choice(["network", "schedule", "affine"])
            self.attempt(f"{way}, read again at {level}", kernel.ir(level), **options)
            if way != "unfused":
                drawn = self.draw_plan(kernel.ir("schedule"))
                if drawn:
                    self.attempt(f"{way}, a drawn plan", drawn, **options)
                    self.text_of_plan = drawn

    def draw_plan(self, schedule):
        """The schedule with other plans, some of which nothing can run."""
        rng = self.rng

        def redraw(match):
            plan = match.group()
            listed = re.search(r"radices = \[(.*?)\]", plan)
            radices = [int(radix) for radix in re.findall(r"\d+", listed.group(1))] if listed else []
            if radices and rng.random() < 0.7:
                other = self.factors(int(np.prod(radices))) if rng.random() < 0.6 else rng.sample(radices, len(radices))
                plan = re.sub(r"radices = \[.*?\]", f"radices = {other}", plan)
                stages = len(other)
                if stages != len(radices) or rng.random() < 0.5:
                    places = ("memory", "shared", "shared") if "gpu_block" in plan else ("slab", "pair", "slab")
                    spans = [(0, 0), (1, stages - 1)] if stages > 1 and rng.random() < 0.5 else [(0, stages - 1)]
                    if rng.random() < 0.1:
                        places = rng.sample(places, 3)
                    of = places[:2] if len(spans) == 2 else places[2:]
                    groups = ", ".join(f"<{a} to {b} in {place}>" for (a, b), place in zip(spans, of))
                    plan = re.sub(r"groups = \[[^\]]*\]", f"groups = [{groups}]", plan)
            numbers = {"threads": [32, 64, 96, 128, 256, 512]}
            for word in sorted(set(re.findall(r"(\w+) = \d", plan))):
                if rng.random() < 0.4:
                    value = rng.choice(numbers.get(word, [1, 2, 3, 4, 8, 16, 32, 64, 256]))
                    plan = re.sub(rf"\b{word} = \d+", f"{word} = {value}", plan)
            if rng.random() < 0.5:
                plan = re.sub(r'parallel = "\w+"', f'parallel = "{rng.choice(["batch", "tile"])}"', plan)
            return plan

        drawn = re.sub(r"plan \[.*?>\](?= : \()", redraw, schedule)
        return drawn if drawn != schedule else None

    def factors(self, n):
        """Some factorisation of n into radices."""
        radices = []
        while n > 1:
            radix = self.rng.choice([r for r in range(2, 17) if n % r == 0] or [n])
            radices.append(radix)
            n //= radix
        return radices


def main(make=Check, more=()):
    """The command line of checks that `make` makes of a seed. `more` names what one of them says in words besides."""
    if len(sys.argv) == 2:
        check = make(int(sys.argv[1]))
        print(check.text)
        check.run()
        print(json.dumps({name: getattr(check, name) for name in ("checked", *more, "refused", "findings")}, indent=1))
        return
    first, count = int(sys.argv[1]), int(sys.argv[2])
    for seed in range(first, first + count):
        begin = time.monotonic()
        # Said first, for a process that dies in it.
        print(json.dumps({"begin": seed}), flush=True)
        check = make(seed)
        check.run()
        line = {"seed": seed, "checked": check.checked, "refused": check.refused, "findings": check.findings}
        print(json.dumps(line | {"seconds": round(time.monotonic() - begin, 2)}), flush=True)


if __name__ == "__main__":
    main()
