# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Choices between tensors, for generate.py: of inputs, constants and what is computed, also where the result is written
to in place."""

import numpy as np
from program import Value, compute_type


def taken(condition, one, other):
    return np.where(condition > 0.5, one, other)


class Choices:
    def constant_condition(self):
        answer = self.rng.random() < 0.5
        name = self.p.fresh("q")
        self.p.emit(f"{name} = arith.constant {'true' if answer else 'false'}")
        return Value(name, (), (), "i1", lambda: np.asarray(float(answer)), ())

    def number_condition(self):
        """The sign of a number that the function takes."""
        s, real = self.p.scalar(), compute_type(self.of)
        zero, name = self.p.fresh("c"), self.p.fresh("q")
        self.p.emit(f"{zero} = arith.constant 0.0 : {real}")
        self.p.emit(f"{name} = arith.cmpf ogt, {s.name}, {zero} : {real}")
        return Value(name, (), (), "i1", lambda s: np.asarray(1.0 * (s > 0)), (s,))

    def size_condition(self, x):
        """Whether a batch is larger than something."""
        zero, size, limit, name = (self.p.fresh("c") for _ in range(4))
        most = self.rng.randrange(4)
        self.p.emit(f"{zero} = arith.constant 0 : index")
        self.p.emit(f"{size} = tensor.dim {x.name}, {zero} : {x.type}")
        self.p.emit(f"{limit} = arith.constant {most} : index")
        self.p.emit(f"{name} = arith.cmpi ugt, {size}, {limit} : index")
        return Value(name, (), (), "i1", lambda x: np.asarray(1.0 * (len(x) > most)), (x,))

    def contents_condition(self):
        """The sign of an element of an input, which rounding does not move."""
        inputs = [value for value, _ in self.p.inputs if value.rank and value.of == self.of and None not in value.shape]
        if not inputs:
            return self.constant_condition()
        x = self.rng.choice(inputs)
        at = tuple(self.rng.randrange(size) for size in x.sizes)
        names, element, zero, name = [], self.p.fresh("q"), self.p.fresh("c"), self.p.fresh("q")
        for index in at:
            names.append(self.p.fresh("c"))
            self.p.emit(f"{names[-1]} = arith.constant {index} : index")
        self.p.emit(f"{element} = tensor.extract {x.name}[{', '.join(names)}] : {x.type}")
        self.p.emit(f"{zero} = arith.constant 0.0 : {x.of}")
        self.p.emit(f"{name} = arith.cmpf ogt, {element}, {zero} : {x.of}")
        return Value(name, (), (), "i1", lambda x: np.asarray(1.0 * (x[at] > 0)), (x,))

    def condition(self, x):
        kind = self.rng.choice(["constant", "number", "number", "size", "contents"])
        return self.size_condition(x) if kind == "size" else getattr(self, f"{kind}_condition")()

    def two(self):
        """Two tensors of one type, one of them a constant at times."""
        x = self.pick(lambda v: v.rank in (1, 2, 3) and v.of == self.of)
        if x is None:
            return None, None
        if None not in x.shape and self.rng.random() < 0.4:
            pair = [x, self.p.weight(x.sizes)]
            self.rng.shuffle(pair)
            return pair
        return x, self.pick(lambda v: v.shape == x.shape and v.sizes == x.sizes and v.of == x.of)

    def select(self):
        x, y = self.two()
        if x is None:
            return None
        c = self.condition(x)
        text = f"arith.select {c.name}, {x.name}, {y.name} : {x.type}"
        chosen = self.p.add(text, x.shape, x.sizes, x.of, taken, c, x, y)
        if self.rng.random() < 0.5:
            return self.accumulate(chosen)
        return chosen

    def branch(self):
        """A choice by control flow: one branch computes, the other takes what there is."""
        x, y = self.two()
        if x is None:
            return None
        c = self.condition(x)
        text = f"""scf.if {c.name} -> ({x.type}) {{
    %b = math.tanh {x.name} : {x.type}
    scf.yield %b : {x.type}
  }} else {{
    scf.yield {y.name} : {x.type}
  }}"""
        function = lambda c, x, y: taken(c, np.tanh(x), y)  # noqa: E731
        chosen = self.p.add(text, x.shape, x.sizes, x.of, function, c, x, y)
        if self.rng.random() < 0.5:
            return self.accumulate(chosen)
        return chosen

    def elementwise_select(self):
        """A choice for each element, by inputs that rounding does not move."""
        inputs = [value for value, _ in self.p.inputs if value.rank and value.of == self.of]
        a = self.rng.choice(inputs)
        fits = [v for v in self.p.values if v.shape == a.shape and v.sizes == a.sizes and v.of == a.of]
        b = self.rng.choice([value for value in fits if value in inputs])
        x, y = self.rng.choice(fits), self.rng.choice(fits)
        mask = self.p.fresh("q")
        bits = a.type.replace(f"{a.of}>", "i1>")
        self.p.emit(f"{mask} = arith.cmpf ogt, {a.name}, {b.name} : {a.type}")
        text = f"arith.select {mask}, {x.name}, {y.name} : {bits}, {x.type}"
        return self.p.add(
            text, x.shape, x.sizes, x.of, lambda a, b, x, y: np.where(a > b, x, y), a, b, x, y
        )  # fmt: skip

    def accumulate(self, into=None):
        """A tensor plus another, in place as far as the operation says."""
        into = into or self.pick(lambda v: v.rank in (1, 2, 3) and v.of == self.of)
        x = into and self.pick(lambda v: v.shape == into.shape and v.sizes == into.sizes and v.of == into.of)
        if not x:
            return None
        dims = ", ".join(f"d{i}" for i in range(x.rank))
        here = f"affine_map<({dims}) -> ({dims})>"
        kinds = ", ".join(['"parallel"'] * x.rank)
        text = f"""linalg.generic {{indexing_maps = [{here}, {here}], iterator_types = [{kinds}]}}
      ins({x.name} : {x.type}) outs({into.name} : {into.type}) {{
    ^bb0(%g0: {x.of}, %g1: {x.of}):
      %g2 = arith.addf %g0, %g1 : {x.of}
      linalg.yield %g2 : {x.of}
    }} -> {x.type}"""
        return self.p.add(text, x.shape, x.sizes, x.of, np.add, x, into)
