# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs IR of the network, schedule and affine levels in the exact arithmetic of field.py.

Real numbers are integers modulo P, complex ones pairs of them, tensors and memrefs arrays of either. Memory that nobody
wrote holds None, which no operation takes."""

import re
import struct

import field
import numpy as np
from generic_ir import functions, integers, map_of, set_of

P = field.P


def add(a, b):
    return ((a[0] + b[0]) % P, (a[1] + b[1]) % P)


def sub(a, b):
    return ((a[0] - b[0]) % P, (a[1] - b[1]) % P)


def mul(a, b):
    return ((a[0] * b[0] - a[1] * b[1]) % P, (a[0] * b[1] + a[1] * b[0]) % P)


def conj(a):
    return (a[0], -a[1] % P)


def as_complex(value):
    return value if isinstance(value, tuple) else (value, 0)


def transform(values, inverse=False):
    """The definition; the inverse has no factor."""
    n = len(values)
    result = []
    for k in range(n):
        total = (0, 0)
        for i, value in enumerate(values):
            root = field.root(-i * k if inverse else i * k, n)
            total = add(total, mul(as_complex(value), root))
        result.append(total)
    return result


def chirp(k, n):
    """e^(-pi i k^2 / n)."""
    return field.root(k * k, 2 * n)


def array_of(values, shape):
    result = np.empty(shape, dtype=object)
    for index, value in zip(np.ndindex(*shape), values):
        result[index] = value
    return result


def shape_of(text):
    """The sizes of a tensor's or memref's type."""
    sizes = re.match(r"(?:tensor|memref|vector)<((?:\d+x)*)", text).group(1)
    return tuple(int(size) for size in sizes.split("x") if size)


def spectrum_of(x, bins):
    result = np.empty((x.shape[0], bins, x.shape[2]), dtype=object)
    for b, c in np.ndindex(x.shape[0], x.shape[2]):
        for k, value in enumerate(transform(list(x[b, :, c]))[:bins]):
            result[b, k, c] = value
    return result


def sequence_of(spectrum, tokens, real):
    """The inverse transform, by the definition of bfly.ifft."""
    half = spectrum.shape[1] != tokens
    scale = field.fraction(1) * pow(tokens, -1, P)
    result = np.empty((spectrum.shape[0], tokens, spectrum.shape[2]), dtype=object)
    for b, c in np.ndindex(spectrum.shape[0], spectrum.shape[2]):
        bins = list(spectrum[b, :, c])
        if half:
            own = lambda k: k == (tokens - k) % tokens  # noqa: E731
            bins = [(bin[0], 0) if own(k) else bin for k, bin in enumerate(bins)]
            bins += [conj(bins[tokens - k]) for k in range(len(bins), tokens)]
        for n, value in enumerate(transform(bins, inverse=True)):
            value = mul(value, (scale, 0))
            result[b, n, c] = value[0] if real else value
    return result


def sigmoid(x):
    return field.divide(1, (1 + field.exponential(-x % P)) % P)


class Interpreter:
    """`orders`: those whose cosines are constants of the IR."""

    def __init__(self, module, orders=()):
        self.functions = functions(module)
        self.globals = {
            operation.attributes["sym_name"].strip('"'): operation
            for operation in module.walk()
            if operation.name == "memref.global"
        }
        self.orders = orders

    def call(self, name, *arguments):
        function = self.functions[name]
        return self.run(function.regions[0], arguments, {})

    def run(self, block, arguments, env):
        """What the block's terminator has."""
        env = env | dict(zip(block.arguments, arguments))
        for operation in block.operations:
            values = [env[name] for name in operation.operands]
            if operation.name in ("func.return", "bfly.yield", "linalg.yield", "affine.yield", "tensor.yield"):
                return values
            results = self.execute(operation, values, env)
            env.update(zip(operation.results, results))
        return []

    def execute(self, op, values, env):
        short = op.name.replace(".", "_")
        if hasattr(self, short):
            keywords = {"env": env} if short in NEEDS_ENV else {}
            result = getattr(self, short)(op, *values, **keywords)
            return result if isinstance(result, list) else [] if result is None else [result]
        raise NotImplementedError(op.name)

    # Scalars

    def literal(self, text):
        value, _, of = text.partition(" : ")
        if of == "index" or re.fullmatch(r"i\d+", of):
            return int(value)
        if value in ("true", "false"):
            return int(value == "true")
        number = struct.unpack(">d", bytes.fromhex(value[2:]))[0] if value.startswith("0x") else float(value)
        return field.constant(number, self.orders, of)

    def arith_constant(self, op):
        text = op.attributes["value"]
        if text.startswith("dense<"):
            inner, of = text[6:].split(">", 1)[0], op.result_types[0]
            assert "[" not in inner and '"' not in inner, "only splats"
            element = re.search(r"(\w+)>$", of).group(1)
            value = self.literal(f"{inner} : {element}")
            shape = shape_of(of)
            return array_of([value] * int(np.prod(shape)), shape)
        return self.literal(text)

    def complex_constant(self, op):
        return tuple(self.literal(part) for part in op.attributes["value"].strip("[]").split(", "))

    def binary(name):
        def apply(self, op, a, b):
            if isinstance(a, np.ndarray):
                return array_of([name(x, y) for x, y in zip(a.flat, b.flat)], a.shape)
            return name(a, b)

        return apply

    arith_addf = binary(lambda a, b: (a + b) % P)
    arith_subf = binary(lambda a, b: (a - b) % P)
    arith_mulf = binary(lambda a, b: a * b % P)
    arith_divf = binary(field.divide)
    arith_maximumf = arith_maxnumf = binary(field.maximum)
    arith_addi = binary(lambda a, b: a + b)
    arith_subi = binary(lambda a, b: a - b)
    arith_muli = binary(lambda a, b: a * b)
    arith_andi = binary(lambda a, b: a & b)
    arith_remui = arith_remsi = binary(lambda a, b: a % b)
    arith_divui = arith_divsi = arith_floordivsi = binary(lambda a, b: a // b)
    complex_add = binary(add)
    complex_sub = binary(sub)
    complex_mul = binary(mul)
    complex_create = binary(lambda re, im: (re, im))

    def arith_negf(self, op, a):
        return -a % P

    def math_fma(self, op, a, b, c):
        return (a * b + c) % P

    def math_exp(self, op, a):
        return field.exponential(a)

    def math_sqrt(self, op, a):
        return field.unknown("sqrt", a)

    def math_rsqrt(self, op, a):
        return field.divide(1, field.unknown("sqrt", a))

    def arith_extf(self, op, a):
        return a

    arith_truncf = arith_index_cast = arith_extui = arith_extsi = arith_index_castui = arith_extf

    def arith_sitofp(self, op, a):
        return a % P

    arith_uitofp = arith_sitofp

    def arith_select(self, op, condition, a, b):
        return a if condition else b

    def arith_cmpi(self, op, a, b):
        # In the order of arith::CmpIPredicate.
        predicate = int(op.attributes["predicate"].split(" ")[0])
        return int([a == b, a != b, a < b, a <= b, a > b, a >= b, a < b, a <= b, a > b, a >= b][predicate])

    def arith_cmpf(self, op, a, b):
        predicate = int(op.attributes["predicate"].split(" ")[0])
        assert predicate in (1, 8, 6, 13), "only equality is known of exact numbers"
        return int((a == b) == (predicate in (1, 8)))

    def complex_re(self, op, a):
        return a[0]

    def complex_im(self, op, a):
        return a[1]

    def complex_neg(self, op, a):
        return (-a[0] % P, -a[1] % P)

    def complex_conj(self, op, a):
        return conj(a)

    def complex_abs(self, op, a):
        return field.unknown("sqrt", (a[0] * a[0] + a[1] * a[1]) % P)

    # Network level

    def bfly_fft(self, op, x):
        return spectrum_of(x, shape_of(op.result_types[0])[1])

    def bfly_ifft(self, op, spectrum):
        return sequence_of(spectrum, shape_of(op.result_types[0])[1], "complex" not in op.result_types[0])

    def mapped(self, op, spectrum, params, tokens):
        """The region at every bin."""
        dims = [integers(text) for text in re.findall(r"array<i64[^>]*>", op.attributes["param_dims"])]

        def region(bin, b, k, c):
            scalars = [param[tuple((b, k, c)[dim] for dim in named)] for param, named in zip(params, dims)]
            return as_complex(self.run(op.regions[0], [bin, k, *scalars], {})[0])

        result = np.empty_like(spectrum)
        for b, k, c in np.ndindex(*spectrum.shape):
            value = region(spectrum[b, k, c], b, k, c)
            if "hermitian" in op.attributes:
                mirror = (tokens - k) % tokens
                value = add(value, conj(region(conj(spectrum[b, k, c]), b, mirror, c)))
                value = mul(value, (field.HALF, 0))
            result[b, k, c] = value
        return result

    def bfly_spectrum_map(self, op, spectrum, *params):
        result = self.mapped(op, spectrum, params, int(op.attributes["tokens"].split(" ")[0]))
        if "complex" not in op.result_types[0]:
            result = array_of([value[0] for value in result.flat], result.shape)
        return result

    def bfly_spectral_filter(self, op, x, *params):
        spectrum = self.mapped(op, spectrum_of(x, x.shape[1]), params, x.shape[1])
        return sequence_of(spectrum, x.shape[1], "complex" not in op.result_types[0])

    def bfly_spectrum_bin(self, op, spectrum):
        index = int(op.attributes["index"].split(" ")[0])
        factor = self.literal(op.attributes["factor"])
        bins = spectrum[:, index, :]
        return array_of([value[0] * factor % P for value in bins.flat], bins.shape)

    bfly_bin = bfly_spectrum_bin

    def bfly_mean(self, op, x):
        sums = x.sum(axis=1)
        return array_of([field.divide(value % P, x.shape[1]) for value in sums.flat], sums.shape)

    def bfly_linear(self, op, x, weight, bias=None):
        y = (x @ weight.T) % P
        y = y if bias is None else (y + bias) % P
        if "relu" in op.attributes:
            y = array_of([field.maximum(value, 0) for value in y.flat], y.shape)
        return y

    def bfly_fold_weights(self, op, query, key):
        return (np.swapaxes(query, -1, -2) @ key) % P

    def bfly_project(self, op, x, matrix):
        heads = int(op.attributes["heads"].split(" ")[0])
        return apply_heads(x, matrix[0], heads)

    def bfly_attention_stage(self, op, state, *rest):
        a = op.attributes
        number = lambda name: int(a[name].split(" ")[0])  # noqa: E731
        stage, heads, scale = number("stage"), number("heads"), self.literal(a["scale"])
        scoring = re.search(r"definition|pair_difference|chained|folded|carried|\d+", a["scoring"]).group()
        _, n, d = state.shape
        dh = d // heads
        token = np.arange(n)
        partner, upper = token ^ (1 << stage), (token >> stage) % 2 == 1
        pick = lambda w: w[stage if w.shape[0] > 1 else 0]  # noqa: E731
        by_head = lambda x: x.reshape(*x.shape[:2], heads, dh)  # noqa: E731
        dots = lambda x, y: (by_head(x) * by_head(y)).sum(axis=-1) % P  # noqa: E731
        delta = (state[:, partner] - state) % P  # to the partner, of every token
        image = rest[0] if scoring == "carried" else None
        if scoring == "definition":
            q, k = (apply_heads(state, pick(w), heads) for w in rest)
            own, other = dots(q, k) * scale % P, dots(q, k[:, partner]) * scale % P
            mix = array_of([softmax(x, y)[1] for x, y in zip(own.flat, other.flat)], own.shape)
        else:
            if scoring == "pair_difference":
                q, k = (pick(w) for w in rest)
                score = dots(apply_heads(state, q, heads), apply_heads(delta, k, heads))
            elif scoring == "chained":
                q, k = (pick(w) for w in rest)
                score = dots_of_chained(state, q, apply_heads(delta, k, heads), heads)
            elif scoring == "folded":
                score = dots(state, apply_heads(delta, pick(rest[0]), heads))
            else:
                score = dots(state, (image[:, partner] - image) % P)
            mix = array_of([sigmoid(value * scale % P) for value in score.flat], score.shape)
        assert upper.any()

        def mixed(x):
            return ((by_head(x) + mix[..., None] * by_head((x[:, partner] - x) % P)) % P).reshape(x.shape)

        return [mixed(state), mixed(image)] if image is not None else mixed(state)

    # Schedule and affine level

    def bfly_kernel(self, op, *operands):
        return self.run(op.regions[0], operands, {})

    def bfly_dft(self, op, *values):
        radix = len(values) // 2
        result = transform(list(zip(values[:radix], values[radix:])), "inverse" in op.attributes)
        return [value[0] for value in result] + [value[1] for value in result]

    def bfly_rotate(self, op, re_, im):
        number = lambda name: int(op.attributes[name].split(" ")[0])  # noqa: E731
        return list(mul((re_, im), field.root(number("numerator"), number("denominator"))))

    def bfly_table(self, op):
        rows, _ = shape_of(op.result_types[0])
        order = int(op.attributes["order"].split(" ")[0])
        kind = re.search(r"chirp_spectrum|chirp|roots|\d", op.attributes["kind"]).group()
        if kind in ("roots", "0"):
            table = [field.root(k, order) for k in range(rows)]
        elif kind in ("chirp", "1"):
            table = [chirp(k, order) for k in range(rows)]
        else:
            kernel = [(0, 0)] * rows
            for n in range(order):
                kernel[n] = kernel[(rows - n) % rows] = conj(chirp(n, order))
            scale = (pow(rows, -1, P), 0)
            table = [mul(value, scale) for value in transform(kernel)]
        return array_of([part for value in table for part in value], (rows, 2))

    def bfly_tile_product(self, op, a, b, c):
        rows, depth = a.shape
        width = b.shape[2]
        for m, n in np.ndindex(rows, c.shape[1]):
            total = c[m, n] if "accumulate" in op.attributes else 0
            for k in range(depth):
                total += a[m, k] * b[n // width, k, n % width]
            c[m, n] = total % P

    def bfly_matrix_product(self, op, a, b, c):
        threads, registers = c.shape
        for t, i in np.ndindex(threads, registers):
            w, lane = divmod(t, 128)
            m = 16 * (lane // 32) + lane % 32 // 4 + 8 * (i // 2 % 2)
            n = 8 * (i // 4) + 2 * (t % 4) + i % 2
            left, right = a[w, m // 8, :, m % 8, :], b[n // 8, :, n % 8, :]
            total = c[t, i] if "accumulate" in op.attributes else 0
            c[t, i] = (total + (left * right).sum()) % P

    def memref_alloc(self, op, *sizes):
        assert not sizes
        return np.full(shape_of(op.result_types[0]), None, dtype=object)

    memref_alloca = memref_alloc

    def memref_dealloc(self, op, memory):
        memory[...] = None

    def memref_copy(self, op, source, target):
        target[...] = source

    def memref_cast(self, op, memory):
        return memory

    def memref_subview(self, op, memory, *moving):
        """A view: of static sizes, at offsets that move."""
        moving = list(moving)
        dynamic = lambda size: size == -(2**63)  # noqa: E731
        offsets = [moving.pop(0) if dynamic(size) else size for size in integers(op.attributes["static_offsets"])]
        sizes = integers(op.attributes["static_sizes"])
        assert not moving and set(integers(op.attributes["static_strides"])) == {1}
        view = memory[tuple(slice(first, first + size) for first, size in zip(offsets, sizes))]
        assert list(view.shape) == sizes, "outside of a buffer"
        result = view.reshape(shape_of(op.result_types[0]))
        assert np.shares_memory(result, memory)
        return result

    def memref_load(self, op, memory, *indices):
        return memory[tuple(indices)]

    def memref_store(self, op, value, memory, *indices):
        memory[tuple(indices)] = value

    def vector_load(self, op, memory, *indices):
        (size,) = shape_of(op.result_types[0])
        values = memory[tuple(indices[:-1])][indices[-1] : indices[-1] + size]
        assert len(values) == size, "outside of a buffer"
        assert all(value is not None for value in values), "memory that nobody wrote"
        return values.copy()

    def vector_store(self, op, values, memory, *indices):
        row = memory[tuple(indices[:-1])][indices[-1] : indices[-1] + len(values)]
        row[:] = values

    def vector_extract(self, op, values):
        return values[integers(op.attributes["static_position"])[0]]

    def vector_broadcast(self, op, value):
        shape = shape_of(op.result_types[0])
        return array_of([value] * int(np.prod(shape)), shape)

    vector_splat = vector_broadcast

    def tensor_pad(self, op, source, env):
        low, high = integers(op.attributes["static_low"]), integers(op.attributes["static_high"])
        padding = self.run(op.regions[0], [0] * source.ndim, env)[0]
        result = np.empty(shape_of(op.result_types[0]), dtype=object)
        result[...] = padding
        result[tuple(slice(first, first + size) for first, size in zip(low, source.shape))] = source
        assert all(a + size + b == whole for a, size, b, whole in zip(low, source.shape, high, result.shape))
        return result

    def tensor_extract_slice(self, op, source):
        part = zip(integers(op.attributes["static_offsets"]), integers(op.attributes["static_sizes"]))
        return source[tuple(slice(first, first + size) for first, size in part)]

    def tensor_empty(self, op):
        return np.full(shape_of(op.result_types[0]), None, dtype=object)

    def at(self, op, indices, memory):
        place = map_of(op.attributes["map"])(*indices) if "map" in op.attributes else tuple(indices)
        assert all(0 <= i < size for i, size in zip(place, memory.shape, strict=True)), "outside of a buffer"
        return place

    def affine_load(self, op, memory, *indices):
        value = memory[self.at(op, indices, memory)]
        assert value is not None, "memory that nobody wrote"
        return value

    def affine_store(self, op, value, memory, *indices):
        memory[self.at(op, indices, memory)] = value

    def affine_apply(self, op, *values):
        return map_of(op.attributes["map"])(*values)[0]

    def affine_min(self, op, *values):
        return min(map_of(op.attributes["map"])(*values))

    def affine_for(self, op, *values, env):
        lower, upper, carried = (int(size) for size in integers(op.attributes["operandSegmentSizes"]))
        first = max(map_of(op.attributes["lowerBoundMap"])(*values[:lower]))
        last = min(map_of(op.attributes["upperBoundMap"])(*values[lower : lower + upper]))
        state = list(values[lower + upper :])
        for i in range(first, last, int(op.attributes["step"].split(" ")[0])):
            state = self.run(op.regions[0], [i, *state], env)
        return state

    def affine_parallel(self, op, *values, env):
        assert op.attributes["reductions"] == "[]"
        lower_map = map_of(op.attributes["lowerBoundsMap"])
        upper_map = map_of(op.attributes["upperBoundsMap"])
        inputs = lower_map.__code__.co_argcount
        lows, highs = lower_map(*values[:inputs]), upper_map(*values[inputs:])
        steps = [int(step) for step in op.attributes["steps"].strip("[]").split(", ")]
        ranges = [range(low, high, step) for low, high, step in zip(lows, highs, steps, strict=True)]
        for index in np.ndindex(*(len(r) for r in ranges)):
            self.run(op.regions[0], [r[i] for r, i in zip(ranges, index)], env)
        return []

    def bfly_grid(self, op, *sizes, env):
        dynamic = iter(sizes)
        known = [int(size) for size in integers(op.attributes["static_sizes"])]
        for numbers in np.ndindex(*(size if size >= 0 else next(dynamic) for size in known)):
            self.run(op.regions[0], list(numbers), env)
        return []

    bfly_threads = bfly_grid

    def affine_if(self, op, *values, env):
        taken = set_of(op.attributes["condition"])(*values)
        if not taken and len(op.regions) < 2:
            return []
        return self.run(op.regions[0 if taken else 1], [], env)

    def linalg_generic(self, op, *operands, env):
        texts = re.findall(r"affine_map<\([^>]*\) -> \([^)]*\)>", op.attributes["indexing_maps"])
        maps = [map_of(text) for text in texts]
        output = operands[-1].copy()
        for index in np.ndindex(*output.shape):
            scalars = [operand[map_(*index)] for operand, map_ in zip(operands, maps, strict=True)]
            output[index] = self.run(op.regions[0], scalars, env)[0]
        return output


NEEDS_ENV = ("tensor_pad", "affine_for", "affine_parallel", "affine_if", "bfly_grid", "bfly_threads", "linalg_generic")


def softmax(own, other):
    """Of two scores, the larger taken off first."""
    top = field.maximum(own, other)
    a, b = field.exponential((own - top) % P), field.exponential((other - top) % P)
    return field.divide(a, (a + b) % P), field.divide(b, (a + b) % P)


def apply_heads(x, matrix, heads):
    """y^h = M^h x^h; a matrix of all channels is applied to all."""
    d = x.shape[2]
    if matrix.ndim == 2 and matrix.shape[1] == d:
        return (x @ matrix.T) % P
    dh = d // heads
    parts = []
    for h in range(heads):
        m = matrix[h] if matrix.ndim == 3 else matrix
        parts.append((x[:, :, h * dh : (h + 1) * dh] @ m.T) % P)
    return np.concatenate(parts, axis=2)


def dots_of_chained(state, query, kappa, heads):
    """V . r^h, r^h = (Wq^h)^T kappa^h: with dense weights r^h has all channels."""
    d = state.shape[2]
    dh = d // heads
    scores = []
    for h in range(heads):
        part = slice(h * dh, (h + 1) * dh)
        if query.ndim == 2 and query.shape[1] == d:
            r, v = kappa[:, :, part] @ query[part], state
        else:
            r, v = kappa[:, :, part] @ (query[h] if query.ndim == 3 else query), state[:, :, part]
        scores.append((v * r).sum(axis=-1) % P)
    return np.stack(scores, axis=-1)
