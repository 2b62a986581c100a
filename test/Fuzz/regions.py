# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Random regions of spectral filters and maps: text, and a NumPy function of (bin, index, parameters)."""

import numpy as np


class Region:
    """`params`: (name, is complex) of each."""

    def __init__(self, rng, real, params, size=None):
        self.rng, self.real, self.lines, self.count = rng, real, [], 0
        self.complex = [("%bin", lambda env: env["%bin"])]
        self.reals = []
        for name, of_complex in params:
            (self.complex if of_complex else self.reals).append((name, lambda env, name=name: env[name]))
        self.params = params
        for _ in range(size or rng.randrange(1, 6)):
            rng.choice(self.steps())()
        self.finish()

    def op(self, text, function, is_complex):
        self.count += 1
        name = f"%in{self.count}"
        self.lines.append(f"    {name} = {text}")

        def cached(env):
            if name not in env:
                env[name] = function(env)
            return env[name]

        (self.complex if is_complex else self.reals).append((name, cached))
        return name, cached

    def constant(self, value):
        value = float(np.float32(value))
        return self.op(f"arith.constant {value:.17e} : {self.real}", lambda env: value, False)

    def a_complex(self):
        # The bin and what was made of it last are taken most.
        return self.rng.choice([self.complex[0], self.complex[-1], self.rng.choice(self.complex)])

    def a_real(self):
        if not self.reals or self.rng.random() < 0.2:
            return self.constant(self.rng.choice([0.0, 0.5, 1.0, -1.0, round(self.rng.uniform(-2, 2), 3)]))
        return self.rng.choice(self.reals)

    def steps(self):
        return [
            self.arithmetic, self.arithmetic, self.create, self.parts, self.size, self.modrelu, self.by_index,
            self.real_arithmetic, self.real_function, self.conjugate, self.divide, self.smooth, self.select,
            self.with_parameter, self.with_parameter,
        ]  # fmt: skip

    def with_parameter(self):
        """A product with a parameter, so that those are used."""
        if not self.params:
            return self.arithmetic()
        name, of_complex = self.rng.choice(self.params)
        x, f = self.a_complex()
        if of_complex:
            return self.op(f"complex.mul {x}, {name} : complex<{self.real}>", lambda env: f(env) * env[name], True)
        zero, _ = self.constant(0.0)
        z, g = self.op(f"complex.create {name}, {zero} : complex<{self.real}>", lambda env: env[name] + 0j, True)
        return self.op(f"complex.mul {x}, {z} : complex<{self.real}>", lambda env: f(env) * g(env), True)

    def arithmetic(self):
        (a, f), (b, g) = self.a_complex(), self.a_complex()
        name = self.rng.choice(["add", "sub", "mul"])
        apply = {"add": np.add, "sub": np.subtract, "mul": np.multiply}[name]
        return self.op(f"complex.{name} {a}, {b} : complex<{self.real}>", lambda env: apply(f(env), g(env)), True)

    def create(self):
        (a, f), (b, g) = self.a_real(), self.a_real()
        return self.op(f"complex.create {a}, {b} : complex<{self.real}>", lambda env: f(env) + 1j * g(env), True)

    def parts(self):
        a, f = self.a_complex()
        part = self.rng.choice(["re", "im"])
        take = np.real if part == "re" else np.imag
        return self.op(f"complex.{part} {a} : complex<{self.real}>", lambda env: take(f(env)), False)

    def size(self):
        a, f = self.a_complex()
        return self.op(f"complex.abs {a} : complex<{self.real}>", lambda env: np.abs(f(env)), False)

    def conjugate(self):
        a, f = self.a_complex()
        name = self.rng.choice(["conj", "neg"])
        apply = np.conj if name == "conj" else np.negative
        return self.op(f"complex.{name} {a} : complex<{self.real}>", lambda env: apply(f(env)), True)

    def real_arithmetic(self):
        (a, f), (b, g) = self.a_real(), self.a_real()
        name = self.rng.choice(["addf", "subf", "mulf", "maximumf", "minimumf"])
        apply = {
            "addf": np.add, "subf": np.subtract, "mulf": np.multiply, "maximumf": np.maximum, "minimumf": np.minimum,
        }[name]  # fmt: skip
        return self.op(f"arith.{name} {a}, {b} : {self.real}", lambda env: apply(f(env), g(env)), False)

    def real_function(self):
        a, f = self.a_real()
        name = self.rng.choice(["tanh", "sin", "cos", "absf", "atan"])
        apply = {"tanh": np.tanh, "sin": np.sin, "cos": np.cos, "absf": np.abs, "atan": np.arctan}[name]
        return self.op(f"math.{name} {a} : {self.real}", lambda env: apply(f(env)), False)

    def modrelu(self):
        bin_, f = self.a_complex()
        bias, b = self.a_real()
        r, z = self.real, f"complex<{self.real}>"
        absolute, size = self.op(f"complex.abs {bin_} : {z}", lambda env: np.abs(f(env)), False)
        total, s = self.op(f"arith.addf {absolute}, {bias} : {r}", lambda env: size(env) + b(env), False)
        zero, _ = self.constant(0.0)
        kept, k = self.op(f"arith.maximumf {total}, {zero} : {r}", lambda env: np.maximum(s(env), 0), False)
        tiny, _ = self.constant(0.25)
        below, d = self.op(f"arith.addf {absolute}, {tiny} : {r}", lambda env: size(env) + 0.25, False)
        gain, g = self.op(f"arith.divf {kept}, {below} : {r}", lambda env: k(env) / d(env), False)
        factor, c = self.op(f"complex.create {gain}, {zero} : {z}", lambda env: g(env) + 0j, True)
        return self.op(f"complex.mul {bin_}, {factor} : {z}", lambda env: f(env) * c(env), True)

    def by_index(self):
        """The index as a number."""
        integer, i = self.op("arith.index_cast %k : index to i32", lambda env: env["%k"], False)
        self.reals.pop()
        name, number = self.op(f"arith.sitofp {integer} : i32 to {self.real}", lambda env: 1.0 * i(env), False)
        tenth, _ = self.constant(0.125)
        return self.op(f"arith.mulf {name}, {tenth} : {self.real}", lambda env: number(env) * 0.125, False)

    def select(self):
        """A choice by the index, or by a parameter's sign."""
        (a, f), (b, g) = self.a_complex(), self.a_complex()
        if self.reals and self.rng.random() < 0.5:
            c, h = self.a_real()
            zero, _ = self.constant(0.0)
            test, t = self.op(f"arith.cmpf ogt, {c}, {zero} : {self.real}", lambda env: np.asarray(h(env)) > 0, False)
        else:
            limit = self.rng.randrange(0, 9)
            self.count += 1
            name = f"%in{self.count}"
            self.lines.append(f"    {name} = arith.constant {limit} : index")
            test, t = self.op(f"arith.cmpi ult, %k, {name} : index", lambda env: env["%k"] < limit, False)
        self.reals.pop()
        text = f"arith.select {test}, {a}, {b} : complex<{self.real}>"
        return self.op(text, lambda env: np.where(t(env), f(env), g(env)), True)

    def divide(self):
        """By what is never near zero."""
        (a, f), (b, g) = self.a_complex(), self.a_complex()
        r, z = self.real, f"complex<{self.real}>"
        size, s = self.op(f"complex.abs {b} : {z}", lambda env: np.abs(g(env)), False)
        one, _ = self.constant(1.0)
        plus, p = self.op(f"arith.addf {size}, {one} : {r}", lambda env: s(env) + 1, False)
        below, d = self.op(f"complex.create {plus}, {size} : {z}", lambda env: p(env) + 1j * s(env), True)
        return self.op(f"complex.div {a}, {below} : {z}", lambda env: f(env) / d(env), True)

    def smooth(self):
        """exp, sqrt, log, tanh … of what is bounded, and right of every cut."""
        a, f = self.a_complex()
        r, z = self.real, f"complex<{self.real}>"
        size, s = self.op(f"complex.abs {a} : {z}", lambda env: np.abs(f(env)), False)
        one, _ = self.constant(1.0)
        plus, p = self.op(f"arith.addf {size}, {one} : {r}", lambda env: s(env) + 1, False)
        ratio, q = self.op(f"arith.divf {size}, {plus} : {r}", lambda env: s(env) / p(env), False)
        imaginary, i = self.op(f"complex.im {a} : {z}", lambda env: np.imag(f(env)), False)
        bounded, b = self.op(f"arith.divf {imaginary}, {plus} : {r}", lambda env: i(env) / p(env), False)
        shifted, h = self.op(f"arith.addf {ratio}, {one} : {r}", lambda env: q(env) + 1, False)
        base, w = self.op(f"complex.create {shifted}, {bounded} : {z}", lambda env: h(env) + 1j * b(env), True)
        name = self.rng.choice(["exp", "sqrt", "log", "sin", "cos", "tanh", "rsqrt", "sign"])
        apply = {
            "exp": np.exp, "sqrt": np.sqrt, "log": np.log, "sin": np.sin, "cos": np.cos, "tanh": np.tanh,
            "rsqrt": lambda x: 1 / np.sqrt(x), "sign": lambda x: x / np.abs(x),
        }[name]  # fmt: skip
        return self.op(f"complex.{name} {base} : {z}", lambda env: apply(w(env)), True)

    def finish(self):
        self.result, self.function = self.complex[-1]

    def yield_real(self):
        """Ends with a real number instead."""
        value, function = self.complex[-1]
        self.result, self.function = self.op(
            f"complex.re {value} : complex<{self.real}>", lambda env: np.real(function(env)), False
        )

    def text(self, params):
        scalars = "".join(f", {name}: {f'complex<{self.real}>' if c else self.real}" for name, c in params)
        body = "\n".join(self.lines)
        of = self.real if any(self.result == name for name, _ in self.reals) else f"complex<{self.real}>"
        return (
            f"{{\n  ^bb0(%bin: complex<{self.real}>, %k: index{scalars}):\n{body}\n"
            f"    bfly.yield {self.result} : {of}\n  }}"
        )

    def evaluate(self, spectrum, index, params):
        env = {"%bin": spectrum, "%k": index} | params
        return np.broadcast_to(self.function(env), spectrum.shape)
