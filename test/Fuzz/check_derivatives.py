# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Makes the backward functions of random programs, compiles them in every way and compares with differences of the
program's own evaluation, in float64.

    check_derivatives.py FIRST COUNT   seeds FIRST … FIRST + COUNT - 1, a line of JSON for each, as check_programs.py's
    check_derivatives.py SEED          one, in words, with its text

For each input and parameter, one direction at a time: the gradient's product with it, and the difference quotient of
<g, f> along it. Where quotients of two steps disagree the function has a kink there, and the direction says nothing."""

import os
import random
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "Execution"))

from check_programs import PLACED, UPSTREAM, WAYS, main, stored  # noqa: E402
from generate import Generator  # noqa: E402
from program import is_complex  # noqa: E402

import bfly  # noqa: E402

BUILD = Path(os.environ.get("BFLY_BUILD_DIR", Path(__file__).parents[2] / "build"))
# What has no derivative is said with its place.
REFUSED = re.compile(r"^<stdin>:\d+:\d+: error: '[\w.]+' op has no (derivative|floating-point)", re.M)
DIRECTIONS = 3


class Smooth(Generator):
    """Programs of f64, whose every operation has a derivative."""

    AROUND = tuple(name for name in Generator.AROUND if name not in ("loop", "branch"))

    def __init__(self, seed):
        super().__init__(seed)
        self.of = self.p.of = "f64"


def generate(seed):
    """The program of a seed whose numbers stay small."""
    for attempt in range(100):
        program = Smooth(f"derivative {seed} {attempt}").generate()
        sizes = [np.abs(r).max() if r.size else 0.0 for r in program.evaluate()]
        if not program.wrong and all(size < 1e3 for size in sizes) and any(v.arguments for v in program.results):
            return program
    raise AssertionError(f"no program of seed {seed}")


class Check:
    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.choose = random.Random(f"check {seed}")
        self.program = generate(seed)
        self.text = self.program.text()
        self.checked, self.skipped, self.refused, self.findings = 0, 0, {}, []
        self.given = [self.draw(value.sizes, value.of) for value in self.program.results]
        # What has a gradient, and the array that it is of.
        self.names = [value.name for value, _ in self.program.inputs]
        self.arrays = {value.name: (data, value.of) for value, data in self.program.inputs} | self.program.parameters

    def draw(self, sizes, of):
        values = self.rng.standard_normal(sizes)
        return values + 1j * self.rng.standard_normal(sizes) if is_complex(of) else values

    def find(self, way, kind, message):
        self.findings.append({"way": way, "kind": kind, "message": message[:500]})

    def loss(self, moved):
        """<g, f> with some arrays others."""
        found = self.program.evaluate(inputs=moved)
        return sum(np.vdot(g, result).real for g, result in zip(self.given, found))

    def slope(self, name, direction):
        """The difference quotient along a direction, and how far off it may be; None at a kink."""
        data, _ = self.arrays[name]
        quotients = []
        for step in (2e-4, 1e-4, 3e-6):
            ends = [self.loss({name: data + sign * step * direction}) for sign in (1, -1)]
            quotients.append((ends[0] - ends[1]) / (2 * step))
        wide, narrow, least = quotients
        best = (4 * narrow - wide) / 3
        size = max(abs(best), self.size)
        off = 1e-6 * size + abs(narrow - wide)
        # Two steps alone may be on one side of a kink.
        return None if not abs(narrow - wide) <= 1e-3 * size or abs(least - best) > 1e-5 * size + off else (best, off)

    def backward(self):
        # Inlined, and nothing else: what nobody reads stays, and has gradient 0.
        passes = ["-inline=default-pipeline=", "-bfly-differentiate=function=main"]
        done = subprocess.run([BUILD / "bin/bfly-opt", *passes], input=self.text, capture_output=True, text=True)
        if done.returncode == 0:
            return done.stdout
        self.refused["differentiate"] = done.stderr.splitlines()[0] if done.stderr else ""
        if done.returncode < 0:
            self.find("differentiate", "crash", done.stderr)
        elif not REFUSED.search(done.stderr):
            self.find("differentiate", "unplaced", done.stderr)
        elif done.stderr.count("error:") != 1:
            self.find("differentiate", "several messages", done.stderr)
        return None

    def wanted(self):
        """(name, direction, slope) of what is compared."""
        self.size = 1e-3 * max(1.0, np.sqrt(sum(np.sum(np.abs(g) ** 2) for g in self.given)))
        found = []
        for name, (data, of) in self.arrays.items():
            for _ in range(DIRECTIONS if np.size(data) > 1 else 1):
                direction = self.draw(np.shape(data), of)
                with np.errstate(all="ignore"):
                    slope = self.slope(name, direction)
                self.skipped += slope is None
                if slope is not None:
                    found.append((name, direction, *slope))
        return found

    def compare(self, way, text, wanted, **options):
        try:
            kernel = bfly.compile(text, function="main_backward", **options)
        except bfly.BflyError as refusal:
            message = str(refusal)
            self.refused[way] = message.splitlines()[0]
            if not PLACED.match(message) or UPSTREAM.search(message):
                self.find(way, "unplaced, or upstream's", message)
            return
        arrays = [stored(data, value.of) for value, data in self.program.inputs]
        arrays += [stored(g, value.of) for value, g in zip(self.program.results, self.given)]
        parameters = {value.name: stored(*self.program.parameters[value.name]) for value in kernel.parameters}
        try:
            results = kernel(*arrays, parameters=parameters or None)
        except bfly.BflyError as problem:
            self.find(way, "run", str(problem))
            return
        results = results if isinstance(results, tuple) else (results,)
        read = [name for name in self.program.parameters if f'@"{name}" :' in self.text]
        gradients = dict(zip([*self.names, *read], results, strict=True))
        for name, direction, slope, off in wanted:
            gradient = np.asarray(gradients[name])
            if gradient.shape != direction.shape:
                self.find(way, "shape", f"{name}: {gradient.shape}, not {direction.shape}")
            elif not abs(np.vdot(gradient, direction).real - slope) <= off:
                self.find(
                    way, "wrong", f"{name}: {np.vdot(gradient, direction).real:.12g}, not {slope:.12g} ± {off:.2g}"
                )
        self.checked += 1

    def run(self):
        text = self.backward()
        if text is None:
            return
        wanted = self.wanted()
        for way, options in WAYS.items():
            self.compare(way, text, wanted, **options)


if __name__ == "__main__":
    main(Check, more=("skipped",))
