# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The statements of functions on buffers, for buffers.py: each method adds one."""

import copy

import numpy as np
from batches import batch_of, combined

BINARY = {
    "arith.addf": np.add, "arith.subf": np.subtract, "arith.mulf": np.multiply, "arith.maximumf": np.maximum,
    "arith.minimumf": np.minimum,
}  # fmt: skip
UNARY = {"math.tanh": np.tanh, "arith.negf": np.negative, "math.absf": np.abs}


def within(target, source, kind="within"):
    """The needs of a loop over a buffer's batch that reads what a view shows: of one that is chosen, no more than is
    read."""
    batches = [batch_of(source.buffer), *(batch_of(buffer) for buffer, _, _ in source.owners[1:])]
    differences = [combined((1, batch), (-1, batch_of(target))) for batch in batches]
    if any(batch != batches[0] for batch in batches):
        kind = "maybe"
    return [(kind, difference) for difference in differences if difference]


class Statements:
    KINDS = (
        "pointwise", "pointwise", "pointwise", "reversed", "row", "running", "row_of_a_loop", "copy", "part", "flat",
        "branch", "kernel", "kernel",
    )  # fmt: skip

    def statement(self):
        """One that writes something, if one of a few does."""
        if self.rng.random() < 0.3:
            self.temporary()
        before = self.written
        for _ in range(4):
            getattr(self, self.rng.choice(self.KINDS))()
            if self.written > before:
                return

    # Loops and accesses

    def nest(self, bounds, body, sequential=False):
        """Loops from and to so many, which are numbers or names of sizes; `body` adds what is in them."""
        rng, kinds = self.rng, ["affine.for", "scf.for"] + ["affine.parallel", "scf.parallel"] * (not sequential)
        kind = rng.choice(kinds)
        self.affine = kind.startswith("affine")
        indices = [self.p.fresh("i") for _ in bounds]
        if kind.endswith("parallel"):
            lower, upper = ([b[side] for b in bounds] for side in (0, 1))
            if self.affine:
                upper = [f"symbol({u})" if isinstance(u, str) else str(u) for u in upper]
                head = f"({', '.join(indices)}) = ({', '.join(map(str, lower))}) to ({', '.join(upper)})"
            else:
                names = [[u if isinstance(u, str) else self.index(u) for u in side] for side in (lower, upper)]
                steps = ", ".join(self.index(1) for _ in bounds)
                head = f"({', '.join(indices)}) = ({', '.join(names[0])}) to ({', '.join(names[1])}) step ({steps})"
            self.p.emit(f"{kind} {head} {{")
            body(indices)
            return self.p.emit("}")
        for index, (lower, upper) in zip(indices, bounds):
            if self.affine:
                self.p.emit(f"affine.for {index} = {lower} to {upper} {{")
            else:
                lower, upper = (u if isinstance(u, str) else self.index(u) for u in (lower, upper))
                self.p.emit(f"scf.for {index} = {lower} to {upper} step {self.index(1)} {{")
        body(indices)
        for _ in bounds:
            self.p.emit("}")
        return None

    def access(self, what, view, indices, stored=None, type=None):
        affine = self.affine and self.rng.random() < 0.8
        if not affine:
            indices = [i if i.startswith("%") and " " not in i else self.computed(i) for i in indices]
        word, at = "affine" if affine else "memref", f"{view}[{', '.join(indices)}] : {type}"
        if what == "store":
            return self.p.emit(f"{word}.store {stored}, {at}")
        name = self.p.fresh("v")
        self.p.emit(f"{name} = {word}.load {at}")
        return name

    def computed(self, index):
        """An expression of the affine dialect, `a - b` at most three of them, by operations."""
        terms = [term if term.startswith("%") else self.index(int(term)) for term in index.split(" - ")]
        total = terms[0]
        for term in terms[1:]:
            name = self.p.fresh("c")
            self.p.emit(f"{name} = arith.subi {total}, {term} : index")
            total = name
        return total

    def load(self, view, indices):
        return self.access("load", view.name, indices, type=view.type)

    def store(self, value, view, indices):
        self.access("store", view.name, indices, value, view.type)

    def bounds(self, buffer):
        return [(0, buffer.size or buffer.sizes[0]), *((0, size) for size in buffer.sizes[1:])]

    def apply(self, *names):
        """An operation on loaded elements, and its function."""
        table = BINARY if len(names) == 2 else UNARY
        text = self.rng.choice(list(table))
        name = self.p.fresh("v")
        self.p.emit(f"{name} = {text} {', '.join(names)} : {self.of}")
        return name, table[text]

    def number(self, value):
        name = self.p.fresh("c")
        self.p.emit(f"{name} = arith.constant {value:.9e} : {self.of}")
        return name

    # Statements

    def fill(self, buffer):
        """A number everywhere, and what there is of an input at the front."""
        target, value = self.plain(buffer), self.rng.choice([0.0, 0.5, -1.25])
        number = self.number(value)
        self.nest(self.bounds(buffer), lambda at: self.store(number, target, at))
        self.write(target, lambda: np.full(buffer.sizes, value))

    def filled(self):
        buffer = self.writable()
        if buffer.value is None:
            self.fill(buffer)
        return buffer

    def pointwise(self, buffer=None):
        buffer = buffer or self.writable()
        target = self.target(buffer)
        others = self.source(buffer, target.buffers) if self.rng.random() < 0.7 else None
        sources = [others or self.source(buffer), *(self.source(buffer) for _ in range(self.rng.choice([0, 1, 1])))]
        sources = [source for source in sources if source] or [None]
        if sources == [None]:
            return self.fill(buffer)
        functions = []

        def body(at):
            result, function = self.apply(*(self.load(source, at) for source in sources))
            functions.append(function)
            self.store(result, target, at)

        self.nest(self.bounds(buffer), body)
        needs = [need for source in sources for need in within(buffer, source)]
        return self.write(target, lambda *a: functions[0](*a), *sources, needs=needs)

    def reversed(self):
        """From another buffer, in another order, or one place for all."""
        buffer = self.writable()
        target = self.target(buffer)
        source = self.source(buffer, target.buffers)
        if source is None or source.buffers & target.buffers:
            return None
        dim, fixed = self.rng.randrange(len(buffer.sizes)), self.rng.random() < 0.4
        at = self.rng.randrange(buffer.sizes[dim])
        if fixed and dim == 0 and buffer.size:
            fixed = False
        functions = []

        def body(indices):
            there, size = list(indices), buffer.size if dim == 0 and buffer.size else None
            there[dim] = str(at) if fixed else f"{size} - {there[dim]} - 1" if size else None
            there[dim] = there[dim] or f"{buffer.sizes[dim] - 1} - {indices[dim]}"
            result, function = self.apply(self.load(source, there))
            functions.append(function)
            self.store(result, target, indices)

        self.nest(self.bounds(buffer), body)
        needs = within(buffer, source)

        def function(x):
            x = np.repeat(np.take(x, [at], axis=dim), x.shape[dim], axis=dim) if fixed else np.flip(x, axis=dim)
            return functions[0](x)

        return self.write(target, function, source, needs=needs)

    def row(self):
        """Sums of rows, in an element of the stack's memory, or carried by a loop."""
        buffer = self.writable()
        target = self.plain(buffer)
        source = self.source(buffer, target.buffers)
        if source is None or source.buffers & target.buffers:
            return None
        size, memory = buffer.sizes[-1], self.rng.random() < 0.6
        zero, cell, of = self.number(0.0), self.p.fresh("a"), f"memref<{self.of}>"
        if memory:
            self.p.emit(f"{cell} = memref.{self.rng.choice(['alloca', 'alloca', 'alloc'])}() : {of}")

        def body(at):
            k, total = self.p.fresh("i"), self.p.fresh("v")
            if memory:
                self.p.emit(f"memref.store {zero}, {cell}[] : {of}")
                self.p.emit(f"affine.for {k} = 0 to {size} {{")
                element = self.load(source, [*at, k])
                held = self.p.fresh("v")
                self.p.emit(f"{held} = memref.load {cell}[] : {of}")
                self.p.emit(f"{total} = arith.addf {held}, {element} : {self.of}")
                self.p.emit(f"memref.store {total}, {cell}[] : {of}")
                self.p.emit("}")
                whole = self.p.fresh("v")
                self.p.emit(f"{whole} = memref.load {cell}[] : {of}")
            else:
                whole, held = self.p.fresh("v"), self.p.fresh("v")
                self.p.emit(f"{whole} = affine.for {k} = 0 to {size} iter_args({held} = {zero}) -> ({self.of}) {{")
                element = self.load(source, [*at, k])
                self.p.emit(f"{total} = arith.addf {held}, {element} : {self.of}")
                self.p.emit(f"affine.yield {total} : {self.of}\n  }}")
            self.p.emit(f"affine.for {k} = 0 to {size} {{")
            self.store(whole, target, [*at, k])
            self.p.emit("}")

        self.nest(self.bounds(buffer)[:-1], body, sequential=memory)
        return self.write(
            target, lambda x: np.repeat(x.sum(axis=-1, keepdims=True), size, axis=-1), source,
            needs=within(buffer, source),
        )  # fmt: skip

    def row_of_a_loop(self):
        """A row of memory that an iteration allocates, for a reversal in place."""
        buffer = self.filled()
        target, size = self.plain(buffer), buffer.sizes[-1]

        def body(at):
            name, of = self.p.fresh("r"), f"memref<{size}x{self.of}>"
            self.p.emit(f"{name} = memref.alloc() : {of}")
            for put in (False, True):
                k = self.p.fresh("i")
                self.p.emit(f"affine.for {k} = 0 to {size} {{")
                value = self.p.fresh("v")
                if put:
                    self.p.emit(f"{value} = affine.load {name}[{size - 1} - {k}] : {of}")
                    self.store(value, target, [*at, k])
                else:
                    self.p.emit(f"affine.store {self.load(target, [*at, k])}, {name}[{k}] : {of}")
                self.p.emit("}")
            if self.rng.random() < 0.5:
                self.p.emit(f"memref.dealloc {name} : {of}")

        self.nest(self.bounds(buffer)[:-1], body)
        self.write(target, lambda x: np.flip(x, axis=-1), keeps=True)

    def running(self):
        """Each token plus what was made of the one before it."""
        buffer = self.filled()
        target, (first, (_, tokens), *rest) = self.plain(buffer), self.bounds(buffer)

        def body(at):
            before = self.load(target, [at[0], f"{at[1]} - 1", *at[2:]])
            here, total = self.load(target, at), self.p.fresh("v")
            self.p.emit(f"{total} = arith.addf {before}, {here} : {self.of}")
            self.store(total, target, at)

        self.nest([first, (1, tokens), *rest], body, sequential=True)
        self.write(target, lambda x: np.cumsum(x, axis=1), keeps=True)

    def copy(self):
        buffer = self.writable()
        target = self.target(buffer)
        source = self.source(buffer, target.buffers)
        if source is None or source.buffers & target.buffers:
            return None
        self.p.emit(f"memref.copy {source.name}, {target.name} : {source.type} to {target.type}")
        return self.write(target, lambda x: x + 0.0, source, needs=within(buffer, source, "equal"))

    def part(self):
        """A part of another buffer's part, by copy of slices or with steps."""
        buffer = self.filled()
        source = self.source(buffer, {buffer.name})
        if source is None or buffer.name in source.buffers or source.type != buffer.type:
            return None
        offsets, other, counts, steps = [0], [0], [buffer.sizes[0]], [1]
        for size in buffer.sizes[1:]:
            counts.append(self.rng.randrange(1, size + 1))
            steps.append(self.rng.choice([s for s in (1, 2, 3) if (counts[-1] - 1) * s < size]))
            room = size - (counts[-1] - 1) * steps[-1]
            offsets.append(self.rng.randrange(room))
            other.append(self.rng.randrange(room))
        texts, views = [buffer.size or str(counts[0]), *map(str, counts[1:])], []
        strides = [int(np.prod(buffer.sizes[i + 1 :])) for i in range(len(buffer.sizes))]
        for name, at in ((source.name, other), (buffer.name, offsets)):
            view = self.p.fresh("w")
            layout = [stride * step for stride, step in zip(strides, steps)]
            offset = sum(stride * first for stride, first in zip(strides, at))
            rest = f", strided<{layout}{f', offset: {offset}' if offset else ''}>"
            shape = [None if buffer.size else counts[0], *counts[1:]]
            of = f"memref<{''.join('?x' if size is None else f'{size}x' for size in shape)}{self.of}{rest}>"
            listed = f"[{', '.join(map(str, at))}] [{', '.join(texts)}] [{', '.join(map(str, steps))}]"
            self.p.emit(f"{view} = memref.subview {name}{listed} : {buffer.type} to {of}")
            views.append((view, of))
        self.p.emit(f"memref.copy {views[0][0]}, {views[1][0]} : {views[0][1]} to {views[1][1]}")
        put, take = (
            tuple(slice(f, f + (c - 1) * s + 1, s) for f, c, s in zip(at, counts, steps)) for at in (offsets, other)
        )

        def function(held, x):
            result = held.copy()
            result[put] = x[take]
            return result

        return self.write(
            self.plain(buffer), function, source, needs=within(buffer, source), keeps=True
        )  # fmt: skip

    def flat(self):
        """All but the batch as one dimension, written from its end."""
        buffer = self.writable()
        source = self.source(buffer, {buffer.name})
        if source is None or buffer.name in source.buffers or source.type != buffer.type:
            return None
        rank, size = len(buffer.sizes), int(np.prod(buffer.sizes[1:]))
        of = f"memref<{'?' if buffer.size else buffer.sizes[0]}x{size}x{self.of}>"
        groups = f"[[0], [{', '.join(map(str, range(1, rank)))}]]"
        views = []
        for name in (source.name, buffer.name):
            view = copy.copy(self.plain(buffer))
            view.name, view.type = self.p.fresh("w"), of
            self.p.emit(f"{view.name} = memref.collapse_shape {name} {groups} : {buffer.type} into {of}")
            views.append(view)

        def body(at):
            self.store(self.load(views[0], [at[0], f"{size - 1} - {at[1]}"]), views[1], at)

        self.nest([self.bounds(buffer)[0], (0, size)], body)
        sizes = buffer.sizes
        return self.write(
            self.plain(buffer), lambda x: np.flip(x.reshape(sizes[0], size), axis=1).reshape(sizes), source,
            needs=within(buffer, source),
        )  # fmt: skip

    def branch(self):
        """A statement if something holds."""
        buffer = self.filled()
        source = self.source(buffer, {buffer.name})
        if source is None or buffer.name in source.buffers:
            return None
        c, target = self.condition(), self.plain(buffer)
        self.p.emit(f"scf.if {c.name} {{")
        self.nest(self.bounds(buffer), lambda at: self.store(self.load(source, at), target, at))
        self.p.emit("}")
        # What is not run need not fit.
        needs = within(buffer, source, "maybe")
        return self.write(
            target, lambda held, x, c: np.where(c > 0.5, x, held), source, c, needs=needs, keeps=True
        )  # fmt: skip

    def kernel(self):
        """Statements in a kernel or a function of the module, which see their operands alone."""
        if self.in_kernel:
            return self.pointwise()
        outer = self.buffers
        self.filled()
        found = self.buffers if self.rng.random() < 0.5 else [b for b in self.buffers if b.writable]
        operands = self.rng.sample(found, min(len(found), self.rng.choice([2, 3, 4])))
        if not any(b.writable for b in operands):
            operands.append(self.filled())
        operands = list({b.name: b for b in operands}.values())
        inner = []
        for operand in operands:
            argument = copy.copy(operand)
            argument.name, argument.size = self.p.fresh("k"), None
            inner.append(argument)
        types = ", ".join(operand.type for operand in operands)
        lines, self.p.lines = self.p.lines, []
        self.buffers, self.in_kernel = [], True
        for argument in inner:
            self.own(argument)
        for _ in range(self.rng.choice([1, 1, 2, 3])):
            self.statement()
        body, self.p.lines = "\n".join(self.p.lines), lines
        self.buffers, self.in_kernel = outer, False
        for argument, operand in zip(inner, operands):
            operand.value = argument.value
        # A call may write to all that it is given, as far as the compiler knows.
        if self.rng.random() < 0.3 or not all(operand.writable for operand in operands):
            given = ", ".join(f"{i.name} = {o.name}" for i, o in zip(inner, operands))
            return self.p.emit(f'bfly.kernel "k" ({given}) : ({types}) {{\n{body}\n  }}')
        name, names = f"f{len(self.p.globals)}", ", ".join(operand.name for operand in operands)
        taken = ", ".join(f"{argument.name}: {argument.type}" for argument in inner)
        self.p.globals.append(f"func.func private @{name}({taken}) {{\n{body}\n  return\n}}")
        return self.p.emit(f"func.call @{name}({names}) : ({types}) -> ()")
