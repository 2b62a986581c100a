# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Random functions on buffers, as people write them by hand, for generate.py: loops, temporaries, views, choices between
buffers, kernels. What a buffer holds is a value of the program, a new one after every write."""

import copy
import random

import numpy as np
from batches import ONE, batch_of, combined, equal, number
from choices import taken
from program import Program, Value, compute_type
from statements import Statements


def memref(shape, of, rest=""):
    return f"memref<{''.join('?x' if size is None else f'{size}x' for size in shape)}{of}{rest}>"


class Buffer:
    """`value` is what it holds, None before it was written; `size` the name of its batch, where that is dynamic."""

    def __init__(self, name, shape, sizes, of, batch, writable):
        self.name, self.shape, self.sizes, self.of = name, tuple(shape), tuple(sizes), of
        self.batch, self.writable, self.value, self.size = batch, writable, None, None
        self.type = memref(shape, of)


class View:
    """A buffer, or what stands for one of several: `owners` are (buffer, condition, whether it is taken if that holds),
    of one buffer with no condition."""

    def __init__(self, name, type, buffer, owners):
        self.name, self.type, self.buffer, self.owners = name, type, buffer, owners
        self.needs = []

    @property
    def buffers(self):
        return {buffer.name for buffer, _, _ in self.owners}


class BufferProgram(Program):
    def text(self):
        symbols = [value.name for value, _ in self.inputs if value.batch]
        arguments = list(self.arguments)
        for buffer in self.outputs:
            sizes = ""
            if buffer.batch is not None:
                terms = [f"s{symbols.index(k)} * {n}" if k != ONE else str(n) for k, n in buffer.batch.items()]
                listed = ", ".join(f"s{i}" for i in range(len(symbols)))
                sizes = f", bfly.sizes = affine_map<()[{listed}] -> ({' + '.join(terms)})>"
            arguments.append(f"{buffer.name}: {buffer.type} {{bufferize.result{sizes}}}")
        body = "\n".join(self.lines)
        head = "".join(line + "\n" for line in self.globals)
        return f"{head}func.func @main({', '.join(arguments)}) {{\n{body}\n  return\n}}\n"


class BufferGenerator(Statements):
    def __init__(self, seed):
        self.rng = rng = random.Random(f"buffers {seed}")
        self.of = rng.choice(["f64", "f32", "f32", "f32", "bf16", "f16"])
        self.p = BufferProgram(rng, self.of)
        self.dynamic, self.in_kernel = rng.random() < 0.5, False
        self.buffers, self.written = [], 0

    def generate(self):
        rng = self.rng
        shape = self.new_shape()
        for _ in range(rng.choice([1, 2, 2, 3])):
            self.new_input(shape if rng.random() < 0.7 else self.new_shape())
        if rng.random() < 0.4:
            self.new_constant(shape[1])
        inputs = list(self.buffers)
        self.p.outputs = [self.new_output(i) for i in range(rng.choice([1, 1, 2]))]
        for _ in range(rng.choice([1, 2, 3, 4, 6])):
            self.statement()
        for output in self.p.outputs:
            if output.value is None:
                self.fill(output)
            self.pointwise(output)
        for buffer in self.buffers:
            if buffer.name.startswith("%m") and rng.random() < 0.4:
                self.p.emit(f"memref.dealloc {buffer.name} : {buffer.type}")
        if rng.random() < 0.08:
            self.do_wrong(rng.choice(inputs))
        self.p.results = [output.value for output in self.p.outputs]
        assert all(buffer.value.arguments == () for buffer in inputs)
        return self.p

    def new_shape(self):
        sizes = [self.rng.choice([1, 2, 3, 5, 8]) for _ in range(self.rng.choice([2, 2, 3]))]
        return (None if self.dynamic else sizes[0], *sizes[1:]), tuple(sizes)

    def new_input(self, shape):
        value = self.p.input(*shape)
        value_type, buffer_type = value.type, memref(value.shape, value.of)
        self.p.arguments[-1] = self.p.arguments[-1].replace(value_type, buffer_type)
        buffer = Buffer(value.name, *shape, value.of, value.batch, False)
        buffer.value = value
        self.own(buffer)

    def new_constant(self, sizes):
        of, name, symbol = memref(sizes, self.of), self.p.fresh("g"), f"constant{len(self.p.globals)}"
        data = self.p.normal(sizes, self.of)
        listed = f"dense<{self.p.listed(data)}>"
        self.p.globals.append(f'memref.global "private" constant @{symbol} : {of} = {listed}')
        self.p.emit(f"{name} = memref.get_global @{symbol} : {of}")
        buffer = Buffer(name, sizes, sizes, self.of, None, False)
        buffer.value = Value(name, sizes, sizes, self.of, lambda: data, ())
        self.own(buffer)

    def do_wrong(self, fixed):
        """What has to be refused: a write to an input or a constant, or stack that piles up."""
        name, other, number = self.p.fresh("w"), self.p.fresh("w"), self.number(1.0)
        self.p.wrong = kind = self.rng.choice(["write", "cast", "select", "kernel", "call", "stack"])
        zeros = [self.index(0) for _ in fixed.sizes]
        if kind == "stack":
            self.p.emit(f"affine.for {name} = 0 to 2 {{\n  {other} = memref.alloca() : memref<8x{self.of}>")
            self.p.emit(f"memref.store {number}, {other}[{zeros[0]}] : memref<8x{self.of}>\n  }}")
            return
        loose, written = memref((None,) * len(fixed.sizes), self.of), fixed.name
        self.p.emit(f"{name} = memref.cast {fixed.name} : {fixed.type} to {loose}")
        if kind == "select":
            self.p.emit(f"{other} = memref.alloc({fixed.size or ''}) : {fixed.type}")
            fits = [b for b in self.p.outputs if b.type == fixed.type]
            output = self.rng.choice(fits).name if fits and self.rng.random() < 0.7 else other
            pair = [fixed.name, output]
            self.rng.shuffle(pair)
            written, c = self.p.fresh("w"), self.condition()
            self.p.emit(f"{written} = arith.select {c.name}, {pair[0]}, {pair[1]} : {fixed.type}")
        elif kind == "cast":
            fixed, written = copy.copy(fixed), name
            fixed.type = loose
        store = f"memref.store %value, %to[{', '.join(f'%z{i}' for i in range(len(zeros)))}] : {fixed.type}"
        inside = [f"%value = arith.constant 1.0 : {self.of}"]
        inside += [f"%z{i} = arith.constant 0 : index" for i in range(len(zeros))]
        inside = "".join(f"  {line}\n" for line in [*inside, store])
        if kind == "kernel":
            self.p.emit(f'bfly.kernel "k" (%to = {written}) : ({fixed.type}) {{\n{inside}  }}')
        elif kind == "call":
            self.p.globals.append(f"func.func private @wrong(%to: {fixed.type}) {{\n{inside}  return\n}}")
            self.p.emit(f"func.call @wrong({written}) : ({fixed.type}) -> ()")
        else:
            self.p.emit(f"memref.store {number}, {written}[{', '.join(zeros)}] : {fixed.type}")

    def new_output(self, index):
        like = self.rng.choice(self.buffers)
        shape, sizes, batch = like.shape, like.sizes, like.batch
        if batch is not None and self.rng.random() < 0.2:
            shape, batch = sizes, None
        elif batch is not None and self.rng.random() < 0.3:
            sizes, batch = (2 * sizes[0], *sizes[1:]), combined((2, batch))
        elif batch is None and self.rng.random() < 0.1:
            shape, batch = (None, *sizes[1:]), number(sizes[0])
        buffer = Buffer(f"%out{index}", shape, sizes, self.of, batch, True)
        self.own(buffer)
        return buffer

    def own(self, buffer):
        """Adds a buffer to those of the function, or of the kernel."""
        if buffer.shape[0] is None:
            buffer.size = self.dimension(buffer.name, buffer.type)
        self.buffers.append(buffer)

    def dimension(self, name, type, dim=0):
        index, size = self.index(dim), self.p.fresh("d")
        self.p.emit(f"{size} = memref.dim {name}, {index} : {type}")
        return size

    def index(self, count):
        name = self.p.fresh("c")
        self.p.emit(f"{name} = arith.constant {count} : index")
        return name

    def temporary(self, like=None):
        """Memory of the stack, or of the heap."""
        like = like or self.rng.choice(self.buffers)
        stack = like.shape[0] is not None and self.rng.random() < 0.5
        name = self.p.fresh("a" if stack or self.in_kernel else "m")
        of = memref(like.shape, self.of)
        sizes = "" if like.size is None else like.size
        self.p.emit(f"{name} = memref.{'alloca' if stack else 'alloc'}({sizes}) : {of}")
        buffer = Buffer(name, like.shape, like.sizes, self.of, like.batch, True)
        self.own(buffer)
        return buffer

    # Values

    def write(self, target, function, *sources, needs=(), keeps=False):
        """`function` of what the sources hold is what the target then does; after what it held itself, if it keeps some."""
        self.written += 1
        values = [source.buffer.value if isinstance(source, View) else source for source in sources]
        name, first = self.p.fresh("version"), target.buffer
        # What is written is one value, and what the buffers hold then may be a choice between that and what they held.
        held = [first.value] if keeps else []
        made = self.version(name, first, function, [*held, *values], needs)
        for buffer, condition, if_true in target.owners:
            if condition is None:
                buffer.value = made
            elif if_true:
                buffer.value = self.version(self.p.fresh("version"), buffer, taken, [condition, made, buffer.value], ())
            else:
                swapped = [condition, buffer.value, made]
                buffer.value = self.version(self.p.fresh("version"), buffer, taken, swapped, ())
            buffer.value.needs = [*buffer.value.needs, *target.needs]

    def version(self, name, buffer, function, arguments, needs):
        value = Value(name, buffer.shape, buffer.sizes, self.of, function, arguments)
        value.batch, value.needs = buffer.batch, list(needs)
        self.p.values.append(value)
        return value

    # Choosing

    def readable(self, *accept):
        found = [b for b in self.buffers if b.value is not None and all(test(b) for test in accept)]
        made = [b for b in found if b.writable]
        return self.rng.choice(made if made and self.rng.random() < 0.5 else found) if found else None

    def writable(self, *accept):
        found = [b for b in self.buffers if b.writable and all(test(b) for test in accept)]
        return self.rng.choice(found) if found else self.temporary()

    def condition(self):
        """A bit, and the value that says what it is."""
        kinds = ["constant", "size", "contents"] + ["number"] * (not self.in_kernel) * 3
        kind, name = self.rng.choice(kinds), self.p.fresh("q")
        inputs = [b for b in self.buffers if not b.writable and b.shape[0] is not None]
        if kind == "size":
            buffer, most = self.rng.choice(self.buffers), self.rng.randrange(4)
            size = self.dimension(buffer.name, buffer.type)
            self.p.emit(f"{name} = arith.cmpi ugt, {size}, {self.index(most)} : index")
            return Value(name, (), (), "i1", lambda: np.asarray(1.0 * (buffer.sizes[0] > most)), ())
        if kind == "constant" or kind == "contents" and not inputs:
            answer = self.rng.random() < 0.5
            self.p.emit(f"{name} = arith.constant {'true' if answer else 'false'}")
            return Value(name, (), (), "i1", lambda: np.asarray(1.0 * answer), ())
        zero = self.p.fresh("c")
        if kind == "number":
            value, of = self.p.scalar(), compute_type(self.of)
            element, at = value.name, ()
        else:
            buffer = self.rng.choice(inputs)
            value, of, element = buffer.value, self.of, self.p.fresh("q")
            at = tuple(self.rng.randrange(size) for size in buffer.sizes)
            names = [self.index(i) for i in at]
            self.p.emit(f"{element} = memref.load {buffer.name}[{', '.join(names)}] : {buffer.type}")
        self.p.emit(f"{zero} = arith.constant 0.0 : {of}")
        self.p.emit(f"{name} = arith.cmpf ogt, {element}, {zero} : {of}")
        return Value(name, (), (), "i1", lambda x: np.asarray(1.0 * (x[at] > 0)), (value,))

    def plain(self, buffer):
        return View(buffer.name, buffer.type, buffer, [(buffer, None, True)])

    def source(self, like, avoid=()):
        """Something to read of the sizes of a buffer, through a view at times; None if there is nothing."""
        fits = lambda b: b.sizes == like.sizes and b.name not in avoid  # noqa: E731
        first = self.readable(fits)
        if first is None:
            return None
        kind = self.rng.random()
        if kind < 0.25:
            other = self.readable(fits, lambda b: b.shape == first.shape)
            c = self.condition()
            name = self.p.fresh("w")
            self.p.emit(f"{name} = arith.select {c.name}, {first.name}, {other.name} : {first.type}")
            chosen = copy.copy(first)
            chosen.value = self.version(
                self.p.fresh("version"), first, taken, [c, first.value, other.value], ()
            )  # fmt: skip
            return View(name, first.type, chosen, [(first, c, True), (other, c, False)])
        return self.cast(first) if kind < 0.4 else self.plain(first)

    def cast(self, buffer):
        """The same memory, its type with less, or with more."""
        name = self.p.fresh("w")
        if buffer.shape[0] is None and self.rng.random() < 0.3:
            shape = buffer.sizes
        else:
            shape = tuple(None if self.rng.random() < 0.6 else size for size in buffer.shape)
        of = memref(shape, self.of)
        self.p.emit(f"{name} = memref.cast {buffer.name} : {buffer.type} to {of}")
        view = View(name, of, buffer, [(buffer, None, True)])
        if shape[0] is not None and buffer.shape[0] is None:
            seen = copy.copy(buffer)
            needs = equal(batch_of(buffer), number(buffer.sizes[0]))
            seen.value = buffer.value and self.version(
                self.p.fresh("version"), buffer, lambda x: x, [buffer.value], needs
            )
            view.buffer, view.needs = seen, needs
            self.p.asides += needs
        return view

    def target(self, buffer):
        """A buffer to write to, through a view at times."""
        kind = self.rng.random()
        if kind < 0.25 and buffer.value is not None:
            others = [
                b for b in self.buffers
                if b.writable and b.value is not None and b is not buffer
                and (b.shape, b.sizes, b.batch) == (buffer.shape, buffer.sizes, buffer.batch)
            ]  # fmt: skip
            if others:
                other, c, name = self.rng.choice(others), self.condition(), self.p.fresh("w")
                self.p.emit(f"{name} = arith.select {c.name}, {buffer.name}, {other.name} : {buffer.type}")
                held = copy.copy(buffer)
                held.value = self.version(
                    self.p.fresh("version"), buffer, taken, [c, buffer.value, other.value], ()
                )  # fmt: skip
                return View(name, buffer.type, held, [(buffer, c, True), (other, c, False)])
        return self.cast(buffer) if kind < 0.35 else self.plain(buffer)
