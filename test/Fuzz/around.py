# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What is around mixers in a module, of upstream's dialects, for generate.py: each method adds one operation to the
program, or gives None."""

import numpy as np
from batches import batch_of, combined, equal, number
from program import type_text
from scipy import special

from bfly import reference


class Around:
    def elementwise(self):
        x = self.pick(lambda v: v.rank in (2, 3) and v.of == self.of)
        if x is None:
            return None
        if self.rng.random() < 0.5:
            name, apply = self.rng.choice(
                [("math.tanh", np.tanh), ("math.sin", np.sin), ("arith.negf", np.negative), ("math.absf", np.abs),
                 ("math.cos", np.cos), ("math.atan", np.arctan)]
            )  # fmt: skip
            return self.p.add(f"{name} {x.name} : {x.type}", x.shape, x.sizes, x.of, apply, x)
        y = self.pick(lambda v: v.shape == x.shape and v.sizes == x.sizes and v.of == x.of)
        name, apply = self.rng.choice(
            [("arith.addf", np.add), ("arith.subf", np.subtract), ("arith.mulf", np.multiply),
             ("arith.maximumf", np.maximum), ("arith.minimumf", np.minimum)]
        )  # fmt: skip
        return self.p.add(f"{name} {x.name}, {y.name} : {x.type}", x.shape, x.sizes, x.of, apply, x, y)

    def with_constant(self):
        """Plus or times a constant tensor, or a number that the function takes."""
        x = self.pick(lambda v: v.rank in (2, 3) and v.of == self.of and None not in v.shape)
        if x is None:
            return None
        if self.rng.random() < 0.5 or self.of in ("bf16", "f16"):
            y = self.p.weight(x.sizes)
        else:
            s = self.p.scalar()
            y = self.p.add(
                f"tensor.splat {s.name} : {x.type}", x.shape, x.sizes, x.of, lambda s: np.full(x.sizes, float(s)), s
            )
        name, apply = self.rng.choice([("addf", np.add), ("mulf", np.multiply)])
        return self.p.add(f"arith.{name} {x.name}, {y.name} : {x.type}", x.shape, x.sizes, x.of, apply, x, y)

    def concat(self):
        x = self.pick(lambda v: v.rank in (2, 3) and v.of == self.of)
        if x is None:
            return None
        dim = self.rng.randrange(x.rank)
        fits = [
            v for v in self.p.values
            if v.rank == x.rank and v.of == x.of
            and all(i == dim or (v.shape[i], v.sizes[i]) == (x.shape[i], x.sizes[i]) for i in range(x.rank))
        ]  # fmt: skip
        parts = [x] + [self.rng.choice(fits) for _ in range(self.rng.choice([1, 1, 2]))]
        dynamic = any(v.shape[dim] is None for v in parts)
        total = sum(v.sizes[dim] for v in parts)
        sizes = (*x.sizes[:dim], total, *x.sizes[dim + 1 :])
        # The type of the result may say what those of the parts do not.
        told = dynamic and self.rng.random() < 0.25
        shape = (*x.shape[:dim], None if dynamic and not told else total, *x.shape[dim + 1 :])
        names, types = ", ".join(v.name for v in parts), ", ".join(v.type for v in parts)
        text = f"tensor.concat dim({dim}) {names} : ({types}) -> {type_text(shape, x.of)}"
        batch = combined(*((1, batch_of(v)) for v in parts)) if dim == 0 and dynamic else None
        value = self.p.add(text, shape, sizes, x.of, lambda *a: np.concatenate(a, axis=dim), *parts, batch=batch)
        if told:
            value.batch, value.needs = None, equal(batch, number(total))
        return value

    def slice(self):
        x = self.pick(lambda v: v.rank in (2, 3) and v.of == self.of and None not in v.shape[1:])
        if x is None:
            return None
        first, count = [], []
        for i, size in enumerate(x.sizes):
            whole = x.shape[i] is None or self.rng.random() < 0.4
            count.append(size if whole else self.rng.randrange(1, size + 1))
            first.append(0 if whole else self.rng.randrange(size - count[-1] + 1))
        texts = [str(c) for c in count]
        batch = x.batch
        if x.shape[0] is None:
            zero, dim = self.p.fresh("c"), self.p.fresh("d")
            self.p.emit(f"{zero} = arith.constant 0 : index")
            self.p.emit(f"{dim} = tensor.dim {x.name}, {zero} : {x.type}")
            texts[0] = dim
            # A part of the batch, whose size only the run knows.
            if self.rng.random() < 0.3 and x.sizes[0] > 1:
                one, less = self.p.fresh("c"), self.p.fresh("d")
                self.p.emit(f"{one} = arith.constant 1 : index")
                self.p.emit(f"{less} = arith.subi {dim}, {one} : index")
                texts[0], count[0], batch = less, count[0] - 1, combined((1, batch), (-1, number(1)))
        shape = (x.shape[0] if x.shape[0] is None else count[0], *count[1:])
        text = (
            f"tensor.extract_slice {x.name}[{', '.join(map(str, first))}] [{', '.join(texts)}] "
            f"[{', '.join('1' for _ in count)}] : {x.type} to {type_text(shape, x.of)}"
        )
        part = tuple(slice(f, f + c) for f, c in zip(first, count))
        value = self.p.add(text, shape, tuple(count), x.of, lambda x: x[part], x, batch=batch)
        value.needs += [("some", batch)] if batch is not None else []
        return value

    def pad(self):
        x = self.pick(lambda v: v.rank in (2, 3) and v.of == self.of and None not in v.shape[1:])
        if x is None:
            return None
        low = [0] + [self.rng.randrange(3) for _ in x.sizes[1:]]
        high = [0] + [self.rng.randrange(3) for _ in x.sizes[1:]]
        value = self.p.fresh("c")
        self.p.emit(f"{value} = arith.constant 0.5 : {x.of}")
        sizes = tuple(a + b + c for a, b, c in zip(x.sizes, low, high))
        shape = (x.shape[0], *sizes[1:])
        names = ", ".join(f"%i{i}: index" for i in range(x.rank))
        text = (
            f"tensor.pad {x.name} low[{', '.join(map(str, low))}] high[{', '.join(map(str, high))}] {{\n"
            f"  ^bb0({names}):\n    tensor.yield {value} : {x.of}\n  }} : {x.type} to {type_text(shape, x.of)}"
        )
        widths = list(zip(low, high))
        return self.p.add(text, shape, sizes, x.of, lambda x: np.pad(x, widths, constant_values=0.5), x)

    def windows(self):
        """(B, N, D) as (B w, N / w, D): each window a sequence of its own; heads likewise."""
        x = self.sequence()
        b, n, d = x.sizes
        parts = [w for w in (2, 3, 4) if n % w == 0]
        if not parts:
            return None
        w = self.rng.choice(parts)
        four, four_sizes = (x.shape[0], w, n // w, d), (b, w, n // w, d)
        if x.shape[0] is None:
            zero, dim = self.p.fresh("c"), self.p.fresh("d")
            self.p.emit(f"{zero} = arith.constant 0 : index")
            self.p.emit(f"{dim} = tensor.dim {x.name}, {zero} : {x.type}")
            output = f"[{dim}, {w}, {n // w}, {d}]"
        else:
            output = f"[{b}, {w}, {n // w}, {d}]"
        text = (
            f"tensor.expand_shape {x.name} [[0], [1, 2], [3]] output_shape {output} "
            f": {x.type} into {type_text(four, x.of)}"
        )
        e = self.p.add(text, four, four_sizes, x.of, lambda x: x.reshape(four_sizes), x)
        shape = (None if x.shape[0] is None else b * w, n // w, d)
        text = f"tensor.collapse_shape {e.name} [[0, 1], [2], [3]] : {e.type} into {type_text(shape, x.of)}"
        batch = x.batch and combined((w, x.batch))
        return self.p.add(text, shape, (b * w, n // w, d), x.of, lambda e: e.reshape(b * w, n // w, d), e, batch=batch)

    def transpose(self):
        x = self.pick(lambda v: v.rank == 3 and v.of == self.of and None not in v.shape)
        if x is None or x.sizes[1] > 32:
            return None
        shape = (x.sizes[0], x.sizes[2], x.sizes[1])
        empty = self.p.fresh("e")
        self.p.emit(f"{empty} = tensor.empty() : {type_text(shape, x.of)}")
        out = type_text(shape, x.of)
        text = f"linalg.transpose ins({x.name} : {x.type}) outs({empty} : {out}) permutation = [0, 2, 1]"
        return self.p.add(text, shape, shape, x.of, lambda x: np.swapaxes(x, 1, 2), x)

    def generic(self):
        """x y + y over a tensor and a vector of its channels."""
        x = self.pick(lambda v: v.rank == 3 and v.of == self.of and None not in v.shape)
        if x is None:
            return None
        y = self.p.weight((x.sizes[2],))
        empty = self.p.fresh("e")
        self.p.emit(f"{empty} = tensor.empty() : {x.type}")
        text = f"""linalg.generic {{indexing_maps = [affine_map<(b, n, c) -> (b, n, c)>, affine_map<(b, n, c) -> (c)>,
      affine_map<(b, n, c) -> (b, n, c)>], iterator_types = ["parallel", "parallel", "parallel"]}}
      ins({x.name}, {y.name} : {x.type}, {y.type}) outs({empty} : {x.type}) {{
    ^bb0(%g0: {x.of}, %g1: {x.of}, %g2: {x.of}):
      %g3 = arith.mulf %g0, %g1 : {x.of}
      %g4 = arith.addf %g3, %g1 : {x.of}
      linalg.yield %g4 : {x.of}
    }} -> {x.type}"""
        return self.p.add(text, x.shape, x.sizes, x.of, lambda x, y: x * y + y, x, y)

    def reduction(self):
        """The sum over the tokens, onto zero."""
        x = self.pick(lambda v: v.rank == 3 and v.of == self.of and None not in v.shape)
        if x is None or self.of in ("bf16", "f16"):
            return None
        dim = self.rng.choice([1, 2])
        shape = tuple(size for i, size in enumerate(x.sizes) if i != dim)
        out = type_text(shape, x.of)
        zero, empty, filled = self.p.fresh("c"), self.p.fresh("e"), self.p.fresh("e")
        self.p.emit(f"{zero} = arith.constant 0.0 : {x.of}")
        self.p.emit(f"{empty} = tensor.empty() : {out}")
        self.p.emit(f"{filled} = linalg.fill ins({zero} : {x.of}) outs({empty} : {out}) -> {out}")
        text = f"linalg.reduce {{ arith.addf }} ins({x.name} : {x.type}) outs({filled} : {out}) dimensions = [{dim}]"
        return self.p.add(text, shape, shape, x.of, lambda x: x.sum(axis=dim), x)

    def insert(self):
        x = self.pick(lambda v: v.rank == 3 and v.of == self.of and None not in v.shape)
        y = x and self.pick(
            lambda v: v.rank == 3 and v.of == self.of and None not in v.shape
            and all(a <= b for a, b in zip(v.sizes, x.sizes))
        )  # fmt: skip
        if not y:
            return None
        first = [self.rng.randrange(a - b + 1) for a, b in zip(x.sizes, y.sizes)]
        text = f"tensor.insert_slice {y.name} into {x.name}{first} {list(y.sizes)} [1, 1, 1] : {y.type} into {x.type}"

        def function(x, y):
            result = x.copy()
            result[tuple(slice(f, f + size) for f, size in zip(first, y.shape))] = y
            return result

        return self.p.add(text, x.shape, x.sizes, x.of, function, x, y)

    def call(self):
        """A function of the module, called twice."""
        x = self.pick(lambda v: v.rank in (2, 3) and v.of == self.of)
        if x is None:
            return None
        name = f"h{len(self.p.globals)}"
        self.p.globals.append(
            f"func.func private @{name}(%a: {x.type}) -> {x.type} {{\n  %b = math.tanh %a : {x.type}\n"
            f"  %c = arith.addf %b, %a : {x.type}\n  return %c : {x.type}\n}}"
        )
        once = self.p.add(f"func.call @{name}({x.name}) : ({x.type}) -> {x.type}", x.shape, x.sizes, x.of,
                          lambda x: np.tanh(x) + x, x)  # fmt: skip
        return self.p.add(f"func.call @{name}({once.name}) : ({x.type}) -> {x.type}", x.shape, x.sizes, x.of,
                          lambda x: np.tanh(x) + x, once)  # fmt: skip

    def gelu(self):
        """The exact one, half by its parts."""
        x = self.pick(lambda v: v.rank in (2, 3) and v.of == self.of and None not in v.shape)
        if x is None:
            return None
        names = [self.p.fresh("g") for _ in range(2)]
        self.p.emit(f"{names[0]} = math.erf {x.name} : {x.type}")
        text = f"arith.mulf {names[0]}, {x.name} : {x.type}"
        return self.p.add(text, x.shape, x.sizes, x.of, lambda x: special.erf(x) * x, x)

    def softmax(self):
        x = self.pick(lambda v: v.rank == 3 and v.of == self.of and None not in v.shape)
        if x is None:
            return None
        empty = self.p.fresh("e")
        self.p.emit(f"{empty} = tensor.empty() : {x.type}")
        text = f"linalg.softmax dimension(2) ins({x.name} : {x.type}) outs({empty} : {x.type}) -> {x.type}"
        return self.p.add(text, x.shape, x.sizes, x.of, lambda x: special.softmax(x, axis=2), x)

    def loop(self):
        """A layer three times."""
        x = self.pick(lambda v: v.rank == 3 and v.of == self.of and None not in v.shape and v.sizes[2] > 1)
        if x is None:
            return None
        zero, three, one = (self.p.fresh("c") for _ in range(3))
        for name, count in ((zero, 0), (three, 3), (one, 1)):
            self.p.emit(f"{name} = arith.constant {count} : index")
        text = f"""scf.for %i = {zero} to {three} step {one} iter_args(%a = {x.name}) -> ({x.type}) {{
    %n = bfly.layer_norm %a epsilon(5.0e-01) : {x.type}
    %b = arith.addf %n, %a : {x.type}
    scf.yield %b : {x.type}
  }}"""

        def function(x):
            for _ in range(3):
                x = reference.layer_norm(x, eps=0.5) + x
            return x

        return self.p.add(text, x.shape, x.sizes, x.of, function, x)
