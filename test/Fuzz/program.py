# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A program that carries its own evaluation: every operation that is added to the text is recorded as a NumPy function
of float64 as well. `evaluate` may disturb every result a little, as rounding does; how far that moves the results says
how much a right answer may be off."""

import numpy as np
from batches import equal

EPSILON = {"f64": 2.0**-53, "f32": 2.0**-24, "f16": 2.0**-11, "bf16": 2.0**-8}


def is_complex(of):
    return of.startswith("complex")


def compute_type(of):
    return "f64" if "f64" in of else "f32"


def type_text(shape, of):
    return f"tensor<{''.join('?x' if size is None else f'{size}x' for size in shape)}{of}>"


class Value:
    """`shape` has None for dynamic sizes, `sizes` what they are in this run."""

    def __init__(self, name, shape, sizes, of, function, arguments):
        self.name, self.shape, self.sizes, self.of = name, tuple(shape), tuple(sizes), of
        self.function, self.arguments = function, arguments
        self.used = False
        # The batch in those of the inputs, None where the type says it; and what has to be true of those (batches.py).
        self.batch, self.needs = None, []

    @property
    def type(self):
        return type_text(self.shape, self.of)

    @property
    def rank(self):
        return len(self.shape)


class Program:
    """`of`: the storage type of everything that is real."""

    def __init__(self, rng, of):
        self.rng, self.of = rng, of
        self.globals, self.arguments, self.lines = [], [], []
        self.values, self.results = [], []
        self.inputs, self.parameters = [], {}
        # What an external parameter is loaded as.
        self.loads = {}
        self.scalars = {}
        # Why the program has to be refused, and needs of what nothing reads, which may be refused.
        self.wrong, self.asides = None, []
        self.count = 0

    def fresh(self, prefix="v"):
        self.count += 1
        return f"%{prefix}{self.count}"

    def emit(self, line):
        self.lines.append("  " + line)

    def add(self, text, shape, sizes, of, function, *arguments, batch=None):
        """A new value; the text is the right side of its assignment. Its batch is that of all of its arguments, whose
        batches only the run knows, if none is given."""
        name = self.fresh()
        self.emit(f"{name} = {text}")
        for argument in arguments:
            argument.used = True
        value = Value(name, shape, sizes, of, function, arguments)
        value.batch = batch
        if batch is None:
            batches = [argument.batch for argument in arguments if argument.batch is not None]
            value.batch = batches[0] if batches and shape and shape[0] is None else None
            value.needs = [need for other in batches[1:] for need in equal(batches[0], other)]
        self.values.append(value)
        return value

    def stored(self, array, of):
        """As it is after it was stored in a type."""
        if of == "f32":
            return array.astype(np.float32).astype(np.float64)
        if of == "f16":
            return array.astype(np.float16).astype(np.float64)
        if of == "bf16":
            bits = array.astype(np.float32).view(np.uint32).astype(np.uint64)
            rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
            return rounded.astype(np.uint32).view(np.float32).astype(np.float64)
        if of == "complex<f32>":
            return array.astype(np.complex64).astype(np.complex128)
        return array

    def normal(self, sizes, of, scale=1.0):
        draw = np.random.default_rng(self.rng.randrange(2**32))
        values = scale * draw.standard_normal(sizes)
        if is_complex(of):
            values = values + 1j * scale * draw.standard_normal(sizes)
        return self.stored(values, of)

    def input(self, shape, sizes, of=None, scale=1.0):
        of = of or self.of
        data = self.normal(sizes, of, scale)
        name = self.fresh("x")
        value = Value(name, shape, sizes, of, lambda: data, ())
        value.batch = {name: 1} if shape and shape[0] is None else None
        self.arguments.append(f"{name}: {value.type}")
        self.inputs.append((value, data))
        self.values.append(value)
        return value

    def scalar(self):
        """A number that the function takes."""
        data = self.stored(np.asarray(self.rng.uniform(-1.5, 1.5)), compute_type(self.of))
        name = self.fresh("s")
        self.arguments.append(f"{name}: {compute_type(self.of)}")
        value = Value(name, (), (), compute_type(self.of), lambda: data, ())
        self.inputs.append((value, data))
        return value

    def weight(self, sizes, of=None, scale=1.0):
        """Something of a static shape that is no data: it comes from anywhere."""
        of = of or self.of
        kinds = ["argument", "extern", "dense", "splat", "global"]
        # Globals that are not external hold what a dense attribute can: no complex numbers.
        kind = self.rng.choice(kinds if not is_complex(of) else ["argument", "extern"])
        if int(np.prod(sizes)) > 256 and kind in ("dense", "global"):
            kind = "argument"
        if kind == "argument":
            return self.input(sizes, sizes, of, scale)
        if kind == "extern":
            data, symbol = self.normal(sizes, of, scale), f"p{len(self.parameters)}.weight"
            text = type_text(sizes, of)
            self.globals.append(f'ml_program.global private @"{symbol}"(#ml_program.extern<{text}>) : {text}')
            self.parameters[symbol] = (data, of)
            load = self.add(f'ml_program.global_load_const @"{symbol}" : {text}', sizes, sizes, of, lambda: data)
            self.loads[symbol] = load.name
            return load
        text = type_text(sizes, of)
        if kind == "splat":
            data = np.full(sizes, float(self.stored(np.asarray(self.rng.uniform(-1, 1) * scale), of)))
            listed = f"dense<{float(data.flat[0]):.17e}>"
        else:
            data = self.normal(sizes, of, scale)
            listed = f"dense<{self.listed(data)}>"
        if kind == "global":
            symbol = f"c{len(self.globals)}"
            self.globals.append(f'ml_program.global private @"{symbol}"({listed} : {text}) : {text}')
            return self.add(f'ml_program.global_load_const @"{symbol}" : {text}', sizes, sizes, of, lambda: data)
        return self.add(f"arith.constant {listed} : {text}", sizes, sizes, of, lambda: data)

    @staticmethod
    def listed(data):
        if data.ndim == 0:
            return f"{float(data):.17e}"
        return "[" + ", ".join(Program.listed(part) for part in data) + "]"

    def text(self):
        types = ", ".join(value.type for value in self.results)
        names = ", ".join(value.name for value in self.results)
        body = "\n".join(self.lines)
        head = "\n".join(self.globals)
        signature = f"func.func @main({', '.join(self.arguments)}) -> ({types})"
        return f"{head}\n{signature} {{\n{body}\n  return {names} : {types}\n}}\n"

    def needs(self):
        """What the results need of the inputs' batches."""
        found, rest, seen = [], list(self.results), set()
        while rest:
            value = rest.pop()
            if value.name not in seen:
                seen.add(value.name)
                found += value.needs
                rest += value.arguments
        return found

    def evaluate(self, disturbance=0.0, seed=0, inputs=None):
        """The results in float64; with a disturbance, each operation's is off by about so much. `inputs` has other
        arrays for inputs and external parameters, by their names."""
        draw = np.random.default_rng(seed)
        known = {}
        for name, data in (inputs or {}).items():
            known[self.loads.get(name, name)] = data

        def value_of(value):
            if value.name not in known:
                arguments = [value_of(argument) for argument in value.arguments]
                with np.errstate(all="ignore"):
                    result = np.asarray(value.function(*arguments))
                    # Inputs too: a norm of equal numbers is all rounding.
                    if disturbance and result.dtype.kind in "fc":
                        result = result * (1 + disturbance * draw.standard_normal(result.shape))
                        size = np.sqrt(np.mean(np.abs(result) ** 2)) if result.size else 0.0
                        result = result + disturbance * size * draw.standard_normal(result.shape)
                known[value.name] = result
            return known[value.name]

        results = [value_of(value) for value in self.results]
        for value, result in zip(self.results, results):
            assert result.shape == value.sizes, (value.name, result.shape, value.sizes)
        return results
