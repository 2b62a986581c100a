# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Every radix up to 64, both directions, against the definition; and how many
operations they take."""

import math
import random

from straight_line import compile_functions, to_type

RADICES = range(1, 65)
# Additions, subtractions and products. No negation is left in any of these.
COUNTS = {2: 4, 4: 16, 8: 56, 16: 168}


def source_of(radix, inverse, type_name):
    arguments = [f"%a{k}" for k in range(2 * radix)]
    results = ", ".join(f"%y#{k}" for k in range(2 * radix))
    types = ", ".join([type_name] * (2 * radix))
    signature = ", ".join(f"{a}: {type_name}" for a in arguments)
    return (
        f"func.func @dft_{inverse}{radix}_{type_name}({signature}) -> ({types}) {{\n"
        f"  %y:{2 * radix} = bfly.dft {inverse} {', '.join(arguments)} : {type_name}\n"
        f"  return {results} : {types}\n}}\n"
    )


def definition(values, sign):
    """The transform of a list of complex numbers, in exactly rounded sums."""
    n = len(values)
    result = []
    for q in range(n):
        re, im = [], []
        for p, value in enumerate(values):
            angle = sign * 2 * math.pi * (p * q % n) / n
            c, s = math.cos(angle), math.sin(angle)
            re += [value.real * c, -value.imag * s]
            im += [value.real * s, value.imag * c]
        result.append(complex(math.fsum(re), math.fsum(im)))
    return result


def main():
    random.seed(16)
    cases = [
        (radix, inverse, type_name) for radix in RADICES for inverse in ("", "inverse") for type_name in ("f32", "f64")
    ]
    functions = compile_functions(
        "".join(source_of(*case) for case in cases), "bfly-expand-dft,bfly-expand-rotate,canonicalize,cse"
    )
    worst = {"f32": 0.0, "f64": 0.0}
    for radix, inverse, type_name in cases:
        function = functions[f"dft_{inverse}{radix}_{type_name}"]
        values = [complex(*(to_type(random.uniform(-1, 1), type_name) for _ in "ri")) for _ in range(radix)]
        flat = function.call([v.real for v in values] + [v.imag for v in values])
        got = [complex(*pair) for pair in zip(flat[:radix], flat[radix:])]
        want = definition(values, 1 if inverse else -1)
        norm = math.sqrt(sum(abs(v) ** 2 for v in want))
        error = max(abs(g - w) for g, w in zip(got, want)) / norm
        worst[type_name] = max(worst[type_name], error)
        if error > (1e-15 if type_name == "f64" else 5e-7):
            raise SystemExit(f"radix {radix} {inverse} {type_name}: error {error:.2g}")
        count = function.count("arith.addf", "arith.subf", "arith.mulf")
        negations = function.count("arith.negf")
        if radix in COUNTS and (count, negations) != (COUNTS[radix], 0):
            raise SystemExit(
                f"radix {radix} {inverse}: {count} operations and {negations} negations, expected {COUNTS[radix]} and 0"
            )
        if not inverse and type_name == "f64":
            print(f"radix {radix}: {count} operations, {negations} negations")
    print(f"worst relative error: f32 {worst['f32']:.1e}, f64 {worst['f64']:.1e}")


if __name__ == "__main__":
    main()
