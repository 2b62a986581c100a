# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The index expressions of nests, before and after upstream's canonicalisation, evaluated: they are the same numbers.

Upstream takes bounds of a remainder of what may be negative wrongly, and so folds ((-i) mod 4) floordiv 2 to a constant. A
nest's expression that is one of those would be addressed wrongly, for some lengths and radices alone. This draws plans,
converts their kernels to nests, takes every affine map with the loops that its operands run in, and compares."""

import itertools
import random
import re
import subprocess
import sys

FILTER = """func.func @f{number}(%x: tensor<1x{n}x3xf32>) -> tensor<1x{n}x3xf32> {{
  %0 = bfly.kernel "k" (%a = %x) plan [{plan}] : (tensor<1x{n}x3xf32>) -> tensor<1x{n}x3xf32> {{
    %1 = bfly.fft %a : tensor<1x{n}x3xf32> -> tensor<1x{h}x3xcomplex<f32>>
    %2 = bfly.spectrum_map %1 tokens({n}) hermitian : tensor<1x{h}x3xcomplex<f32>> -> tensor<1x{h}x3xcomplex<f32>> {{
    ^bb0(%f: complex<f32>, %k: index):
      %i = arith.index_cast %k : index to i64
      %s = arith.sitofp %i : i64 to f32
      %c = complex.create %s, %s : complex<f32>
      %q = complex.mul %f, %c : complex<f32>
      bfly.yield %q : complex<f32>
    }}
    %3 = bfly.ifft %2 : tensor<1x{h}x3xcomplex<f32>> -> tensor<1x{n}x3xf32>
    bfly.yield %3 : tensor<1x{n}x3xf32>
  }}
  return %0 : tensor<1x{n}x3xf32>
}}
"""
LINEAR = """func.func @f{number}(%x: tensor<{n}x20xf32>, %w: tensor<{m}x20xf32>) -> tensor<{n}x{m}xf32> {{
  %0 = bfly.kernel "k" (%a = %x, %b = %w) plan [{plan}]
      : (tensor<{n}x20xf32>, tensor<{m}x20xf32>) -> tensor<{n}x{m}xf32> {{
    %1 = bfly.linear %a, %b : tensor<{n}x20xf32>, tensor<{m}x20xf32> -> tensor<{n}x{m}xf32>
    bfly.yield %1 : tensor<{n}x{m}xf32>
  }}
  return %0 : tensor<{n}x{m}xf32>
}}
"""
ATTENTION = """func.func @f{number}(%x: tensor<1x{n}x4xf32>, %w: {weights}) -> tensor<1x{n}x4xf32> {{
  %0 = bfly.kernel "k" (%a = %x, %b = %w) plan [{plan}]
      : (tensor<1x{n}x4xf32>, {weights}) -> tensor<1x{n}x4xf32> {{
{body}    bfly.yield %v{stages} : tensor<1x{n}x4xf32>
  }}
  return %0 : tensor<1x{n}x4xf32>
}}
"""
PANELS = "#bfly.cpu_panels<columns = 8>"
BLOCK = "#bfly.gpu_block<threads = {}>"


def factors(rng, n, largest):
    found = []
    while n > 1:
        found.append(rng.choice([r for r in range(2, min(n, largest) + 1) if n % r == 0]))
        n //= found[-1]
    return found


def draw(rng, number, cpu):
    """A kernel with a plan for a CPU, or for a GPU."""
    if rng.random() < 0.2:
        stages = rng.randint(1, 5)
        n = 1 << stages
        shared = not cpu and rng.random() < 0.5
        weights = f"tensor<{stages}x2x2x2xf32>" if shared else f"tensor<{stages}x4x4xf32>"
        if cpu:
            plan = f'#bfly.cpu_attention<pairs = {rng.choice([1, 2, 8])}, parallel = "tile">, {PANELS}'
        elif shared:
            plan = f"{BLOCK.format(256)}, #bfly.gpu_block_attention<tokens = 256, groups = [<0 to {stages - 1} in shared>]>"
        else:
            plan = f"{BLOCK.format(128)}, #bfly.gpu_grid_attention<columns = 32, heads = 8, depth = 16, slots = 2>"
        body = "".join(
            f"    %v{stage + 1} = bfly.attention_stage {'%a' if not stage else f'%v{stage}'} weights(%b, %b : "
            f"{weights}, {weights}) stage({stage}) heads(2) scale(1.0) definition "
            f": tensor<1x{n}x4xf32>\n"
            for stage in range(stages)
        )
        return ATTENTION.format(number=number, n=n, stages=stages, weights=weights, plan=plan, body=body)
    if rng.random() < 0.1:
        plan = f"{PANELS}, #bfly.cpu_dense<rows = {rng.choice([4, 16])}>"
        if not cpu:
            plan = f"{BLOCK.format(128)}, #bfly.gpu_dense<rows = 16, depth = 16>"
        return LINEAR.format(number=number, n=rng.randint(1, 40), m=rng.randint(1, 40), plan=plan)
    n = rng.choice([4, 6, 8, 12, 16, 24, 30, 32, 36, 48, 64] if cpu else [4, 8, 16, 32, 64])
    radices = factors(rng, n, 16)
    if cpu and rng.random() < 0.2:
        n, radices = 7, [2, 8]
    last, two = len(radices) - 1, len(radices) > 1 and n != 7 and rng.random() < 0.5
    places = ("slab", "pair") if cpu else ("memory", "shared")
    groups = f"<0 to 0 in {places[0]}>, <1 to {last} in {places[1]}>"
    if not two:
        groups = f"<0 to {last} in {'slab' if cpu else 'shared'}>"
    passes = f"radices = {radices}, groups = [{groups}]"
    plan = f"#bfly.cpu_transform<channels = 4, {passes}>"
    if not cpu:
        plan = f"{BLOCK.format(32)}, #bfly.gpu_transform<columns = {rng.choice([1, 2, 4])}, {passes}>"
    return FILTER.format(number=number, n=n, h=n // 2 + 1, plan=plan)


def run(*arguments, text):
    result = subprocess.run(["bfly-opt", *arguments], input=text, capture_output=True, text=True)
    if result.returncode:
        raise SystemExit(result.stderr + text)
    return result.stdout


ALIAS = re.compile(r"^(#\w+) = affine_map<\((.*?)\)(?:\[(.*?)\])? -> \((.*)\)>$")
LOOP = re.compile(r'"affine\.(for|parallel)"\((.*?)\).*?upperBounds?Map = (#\w+)')
SCOPE = re.compile(r'"bfly\.(?:grid|threads)"\(.*?static_sizes = array<i64: (.*?)>')
ACCESS = re.compile(r'(?:(%\w+) = )?"affine\.(?:load|store|apply)"\((.*?)\).*?map = (#\w+)')


def parse_aliases(text):
    """Names of maps: their operands' names and their results."""
    aliases = {}
    for line in text.splitlines():
        if match := ALIAS.match(line):
            operands = [name for part in match.group(2, 3) if part for name in part.split(", ")]
            aliases[match[1]] = operands, split_results(match[4])
    return aliases


def split_results(text):
    results, depth, start = [], 0, 0
    for at, letter in enumerate(text + ","):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and not depth:
            results.append(text[start:at].strip())
            start = at + 1
    return [result for result in results if result]


def evaluate(expression, values):
    names = dict(values)
    return eval(re.sub(r"\bfloordiv\b", "//", re.sub(r"\bmod\b", "%", expression)), {}, names)


def cases(text):
    """(expression, its operands, the loop of each: kind and count) of every access of a module, each once."""
    aliases, loops, pending, found = parse_aliases(text), {}, None, set()
    defined = {}
    for line in text.splitlines():
        if "func.func" in line:
            loops, defined = {}, {}
        if match := LOOP.search(line):
            pending = match[1], aliases[match[3]][1]
        elif match := SCOPE.search(line):
            pending = "scope", match[1].split(", ")
        elif pending and (block := re.search(r"\^bb\d+\((.*?)\)", line)):
            kind, counts = pending
            names = [argument.split(":")[0] for argument in block[1].split(", ")]
            # Bounds that are no constant are for other loops to test.
            if len(counts) >= len(names) or kind == "for":
                for name, count in zip(names, counts):
                    loops[name] = (kind, int(count)) if count.isdigit() else None
            pending = None
        elif match := ACCESS.search(line):
            names, results = aliases[match[3]]
            given = match[2].split(", ")[-len(names) :] if names else []
            if match[1] and '"affine.apply"' in line:
                defined[match[1]] = True
            ranges = tuple(loops.get(name) for name in given)
            if names and all(ranges):
                for result in results:
                    if "mod" in result or "floordiv" in result:
                        found.add((result, tuple(names), ranges))
    return sorted(found)


def check(found):
    """Canonicalises an apply of each in loops of its own."""
    text = ""
    for expression, names, ranges in found:
        heads = {"for": "affine.for %{} = 0 to {} {{\n", "parallel": "affine.parallel (%{}) = (0) to ({}) {{\n"}
        loops = [heads[kind].format(name, count) for name, (kind, count) in zip(names, ranges) if kind in heads]
        # The numbers of scopes are symbols, where they are those of one around the loops, too.
        scope = [(name, count) for name, (kind, count) in zip(names, ranges) if kind not in heads]
        if scope:
            numbers, sizes = ", ".join(f"%{name}" for name, _ in scope), ", ".join(str(count) for _, count in scope)
            loops.insert(0, f"bfly.grid ({numbers}) in ({sizes}) sync(none) {{\n")
        dims = [name for name in names if name.startswith("d")]
        symbols = [name for name in names if name.startswith("s")]
        assert symbols == [name for name, _ in scope]
        text += (
            f"func.func @f() {{\n{''.join(loops)}"
            f"%r = affine.apply affine_map<({', '.join(dims)})[{', '.join(symbols)}] -> ({expression})>"
            f"({', '.join('%' + name for name in dims)})[{', '.join('%' + name for name in symbols)}]\n"
            f'"test.use"(%r, {", ".join("%" + name for name in names)}) : '
            f"({', '.join(['index'] * (1 + len(names)))}) -> ()\n{'}' * len(loops)}\nreturn\n}}\n// -----\n"
        )
    out = run("-split-input-file", "-canonicalize", "-mlir-print-op-generic", "-allow-unregistered-dialect", text=text)
    for (expression, names, ranges), part in zip(found, out.split("// -----"), strict=False):
        aliases = parse_aliases(part)
        constants = {m[1]: m[2] for m in re.finditer(r'(%\w+) = "arith.constant"\(\) <\{value = (-?\d+) : index', part)}
        applied = {m[1]: (m[2].split(", "), m[3]) for m in ACCESS.finditer(part)}
        result, *operands = re.search(r'"test.use"\((.*?)\)', part)[1].split(", ")
        place = dict(zip(operands, names))
        points = list(itertools.product(*(range(count) for _, count in ranges)))
        for point in random.Random(0).sample(points, min(len(points), 200)):
            values = dict(zip(names, point))
            wanted = evaluate(expression, values)
            if result in constants:
                got = int(constants[result])
            elif result in place:
                got = values[place[result]]
            else:
                given, alias = applied[result]
                own, results = aliases[alias]
                got = evaluate(
                    results[0],
                    {a: int(constants[b]) if b in constants else values[place[b]] for a, b in zip(own, given)},
                )
            if got != wanted:
                raise SystemExit(f"{expression} of {values} in {ranges} is {wanted}, canonicalised {got}\n{part}")


def main():
    # That it would find one.
    wrong = [("((-d0) mod 4) floordiv 2", ("d0",), (("for", 3),))]
    try:
        check(wrong)
    except SystemExit:
        pass
    else:
        print("upstream folds remainders of negative numbers rightly now")
    seed = int(sys.argv[1])
    rng = random.Random(seed)
    found = set()
    for target, count in (("cpu", 42), ("sm_90a", 18)):
        text = "".join(draw(rng, number, target == "cpu") for number in range(count))
        flags = (f"-bfly-set-target=target={target}", "-bfly-convert-schedule-to-affine", "-mlir-print-op-generic")
        found.update(cases(run(*flags, text=text)))
    found = sorted(found)
    if len(found) < 100:
        raise SystemExit(f"only {len(found)} expressions")
    check(found)


main()
