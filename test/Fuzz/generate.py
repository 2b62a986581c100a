# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Random programs of every operation that people write: generate(seed) gives a Program."""

import math
import random
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from around import Around  # noqa: E402
from buffers import BufferGenerator  # noqa: E402
from choices import Choices  # noqa: E402
from mixers import CHANNELS, Mixers  # noqa: E402
from program import Program  # noqa: E402
from sizes import Sizes  # noqa: E402

LENGTHS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 16, 17, 19, 24, 31, 32, 64)


class Generator(Mixers, Around, Sizes, Choices):
    def __init__(self, seed):
        self.rng = rng = random.Random(seed)
        self.of = rng.choice(["f64", "f64", "f32", "f32", "f32", "bf16", "f16"])
        self.p = Program(rng, self.of)
        self.batch = rng.choice([1, 1, 2, 3, 4])
        self.dynamic = rng.random() < 0.4

    # Choosing

    def pick(self, *accept):
        """A value that every predicate accepts, the newest most often."""
        found = [v for v in self.p.values if all(test(v) for test in accept)]
        if not found:
            return None
        return found[-1] if self.rng.random() < 0.6 else self.rng.choice(found)

    def sequence(self):
        """A real (B, N, D), made if there is none."""
        return self.pick(lambda v: v.rank == 3 and v.of == self.of) or self.new_sequence()

    def new_sequence(self, of=None):
        n, d = self.rng.choice(LENGTHS), self.rng.choice(CHANNELS)
        batch = self.batch
        # Dynamic sizes have nothing to do with one another.
        if self.dynamic and self.rng.random() < 0.3:
            batch = self.rng.choice([1, 2, 3, 5])
        return self.p.input((None if self.dynamic else batch, n, d), (batch, n, d), of)

    MIXERS = (
        "stages", "attention", "spectral_filter", "spectral_filter", "transforms", "transforms", "layer_norm", "linear",
        "mean", "hadamard",
    )  # fmt: skip
    AROUND = (
        "elementwise", "with_constant", "concat", "slice", "pad", "windows", "transpose", "generic", "reduction",
        "insert", "elementwise", "elementwise", "call", "gelu", "softmax", "loop",
        "cast", "cast", "total", "select", "select", "branch", "elementwise_select", "accumulate",
    )  # fmt: skip

    def generate(self):
        self.new_sequence()
        if self.rng.random() < 0.4:
            # Of the same sizes at times, which have nothing to do with one another where they are dynamic.
            first = self.p.values[0]
            self.p.input(first.shape, first.sizes) if self.rng.random() < 0.5 else self.new_sequence()
        for _ in range(self.rng.choice([1, 2, 2, 3, 4, 6, 8])):
            kinds = self.MIXERS if self.rng.random() < 0.6 else self.AROUND
            getattr(self, self.rng.choice(kinds))()
        made = [v for v in self.p.values if v.arguments and not v.used] or self.p.values[-1:]
        # What nobody reads is returned, and sometimes what somebody does.
        self.p.results = made[-3:]
        if self.rng.random() < 0.25:
            extra = self.rng.choice(self.p.values)
            if extra.arguments and extra not in self.p.results:
                self.p.results.append(extra)
        if self.rng.random() < 0.3:
            self.p.results = self.settle(self.p.results)
        return self.p


def generate(seed):
    """The program of a seed; of those whose values grow out of all bounds the next."""
    for attempt in range(100):
        name = f"{seed} {attempt}"
        on_buffers = random.Random(f"form {name}").random() < 0.25
        program = (BufferGenerator if on_buffers else Generator)(name).generate()
        results = program.evaluate()
        sizes = [np.abs(r).max() if r.size else 0.0 for r in results]
        if all(math.isfinite(size) and size < 1e4 for size in sizes) and any(v.arguments for v in program.results):
            return program
    raise AssertionError(f"no program of seed {seed}")


if __name__ == "__main__":
    print(generate(int(sys.argv[1])).text())
