# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The dialect's own operations, for generate.py: each method adds one to the program, or gives None."""

import numpy as np
from program import compute_type, is_complex, type_text
from regions import Region

from bfly import reference

DIMS = ("batch", "bin", "channel")
CHANNELS = (1, 2, 3, 4, 5, 6, 8, 12, 17)


class Mixers:
    def attention(self):
        x = self.sequence()
        _, n, d = x.sizes
        stages = (n - 1).bit_length()
        if n > 32 or d > 12:
            return None
        heads = self.rng.choice([h for h in range(1, d + 1) if d % h == 0])
        dh, lead = d // heads, self.rng.choice([1, max(stages, 1)])
        form = self.rng.choice(["dense", "per_head", "one_head"])
        shape = {"dense": (lead, d, d), "per_head": (lead, heads, dh, dh), "one_head": (lead, dh, dh)}[form]
        scale = self.rng.choice([None, 0.25, 1.0])
        q, k = (self.p.weight(shape, scale=shape[-1] ** -0.5) for _ in range(2))
        form = "dense" if form == "dense" or len(shape) == 3 and dh == d else "per_head"
        given = "" if scale is None else f"scale({scale})"
        return self.p.add(
            f"bfly.butterfly_attention {x.name}, {q.name}, {k.name} heads({heads}) {given} : {x.type}, {q.type}",
            x.shape, x.sizes, x.of,
            lambda x, q, k: reference.butterfly_attention(x, q, k, heads, form, scale), x, q, k,
        )  # fmt: skip

    def stages(self):
        """Butterfly attention of a power of two of tokens, its stages written by hand in some scoring."""
        x = self.pick(lambda v: v.rank == 3 and v.of == self.of and v.sizes[1] in (2, 4, 8, 16) and v.sizes[2] <= 8)
        if self.of in ("bf16", "f16"):
            return None
        if x is None:
            n, d = self.rng.choice([2, 4, 8]), self.rng.choice([2, 4, 6])
            x = self.p.input((None if self.dynamic else self.batch, n, d), (self.batch, n, d))
        d, count = x.sizes[2], x.sizes[1].bit_length() - 1
        heads = self.rng.choice([h for h in range(1, d + 1) if d % h == 0])
        dh, lead = d // heads, self.rng.choice([1, count])
        shape = self.rng.choice([(lead, d, d), (lead, heads, dh, dh), (lead, dh, dh)])
        dense = len(shape) == 3 and shape[-1] == d
        scorings = ["definition", "pair_difference", "chained"]
        if heads == 1 or not dense:
            scorings += ["folded"] + ["carried", "carried"] * (lead == 1)
        scoring = self.rng.choice(scorings)
        q, k = (self.p.weight(shape, scale=shape[-1] ** -0.5) for _ in range(2))
        weights = f"weights({q.name}, {k.name} : {q.type}, {k.type})"
        image = None
        if scoring in ("folded", "carried"):
            folded = self.p.fresh("m")
            self.p.emit(f"{folded} = bfly.fold_weights {q.name}, {k.name} : {q.type} -> {q.type}")
            weights = f"weights({folded} : {q.type})" if scoring == "folded" else ""
            if scoring == "carried":
                image = self.p.fresh("r")
                self.p.emit(f"{image} = bfly.project {x.name}, {folded} heads({heads}) : {x.type}, {q.type}")
        state = x.name
        for stage in range(count):
            told = f"stage({stage}) heads({heads}) scale(0.5) {scoring} : {x.type}"
            if stage == count - 1 and not image:
                text = f"bfly.attention_stage {state} {weights} {told}"
                break
            following = self.p.fresh("t")
            if image:
                after = self.p.fresh("r")
                given = f"image({image} : {x.type} -> {x.type})"
                self.p.emit(f"{following}, {after} = bfly.attention_stage {state} {given} {told}")
                image = after
            else:
                self.p.emit(f"{following} = bfly.attention_stage {state} {weights} {told}")
            state = following
        if image:
            text = f"tensor.cast {state} : {x.type} to {x.type}"
        form = "dense" if dense else "per_head"
        return self.p.add(
            text, x.shape, x.sizes, x.of,
            lambda x, q, k: reference.butterfly_attention(x, q, k, heads, form, 0.5), x, q, k,
        )  # fmt: skip

    def parameters_of(self, x, bins):
        """Parameters of a region: values, dims, and (name, is complex)."""
        values, dims, names, sizes = [], [], [], x.sizes
        for i in range(self.rng.choice([0, 0, 1, 1, 2, 3])):
            named = tuple(j for j in range(3) if self.rng.random() < 0.5)
            of = self.rng.choice([self.of, self.of, f"complex<{compute_type(self.of)}>"])
            shape = tuple((sizes[0], bins, sizes[2])[j] for j in named)
            context = self.pick(
                lambda v: v.rank == 2 and v.of == self.of
                and (v.shape, v.sizes) == ((x.shape[0], x.shape[2]), (sizes[0], sizes[2]))
            )  # fmt: skip
            if context is not None and self.rng.random() < 0.7:
                named, value = (0, 2), context
            elif 0 in named:
                dynamic = tuple((x.shape[0], bins, sizes[2])[j] for j in named)
                value = self.p.input(dynamic, shape, of, 0.7)
            else:
                value = self.p.weight(shape, of, 0.7)
            values.append(value)
            dims.append(named)
            names.append((f"%p{i}", is_complex(value.of)))
        return values, dims, names

    @staticmethod
    def spread(array, dims, bins):
        """A parameter as it broadcasts over (B, bins, D); of all N bins the first are taken."""
        shape, cut = [1, 1, 1], array
        for axis, dim in enumerate(dims):
            if dim == 1:
                cut = np.take(cut, range(bins), axis=axis)
            shape[dim] = cut.shape[axis]
        return cut.reshape(shape)

    def listed(self, values, dims):
        if not values:
            return ""
        parts = (f"{v.name}[{', '.join(DIMS[d] for d in named)}] : {v.type}" for v, named in zip(values, dims))
        return f"params({', '.join(parts)}) "

    def spectral_filter(self):
        x = self.sequence()
        if self.rng.random() < 0.15:
            x = self.new_sequence(f"complex<{compute_type(self.of)}>")
        n, real = x.sizes[1], compute_type(self.of)
        values, dims, names = self.parameters_of(x, n)
        region = Region(self.rng, real, names)
        of = f"complex<{real}>" if self.rng.random() < 0.15 else self.of
        result = type_text(x.shape, of)

        def function(x, *params):
            index = np.arange(n).reshape(1, n, 1)
            spread = {name: self.spread(p, d, n) for (name, _), p, d in zip(names, params, dims)}
            y = np.fft.ifft(region.evaluate(np.fft.fft(x, axis=1), index, spread), axis=1)
            return y if is_complex(of) else y.real

        text = f"bfly.spectral_filter {x.name} {self.listed(values, dims)}: {x.type} -> {result} {region.text(names)}"
        return self.p.add(text, x.shape, x.sizes, of, function, x, *values)

    def transforms(self):
        """The network level by hand: a transform, maps, bins, the inverse."""
        x = self.sequence()
        n, real = x.sizes[1], compute_type(self.of)
        half = self.rng.random() < 0.5
        bins = n // 2 + 1 if half else n
        z = f"complex<{real}>"
        f = self.p.add(
            f"bfly.fft {x.name} : {x.type} -> {type_text((x.shape[0], bins, x.shape[2]), z)}",
            (x.shape[0], bins, x.shape[2]), (x.sizes[0], bins, x.sizes[2]), z,
            lambda x: np.fft.fft(x, axis=1)[:, :bins], x,
        )  # fmt: skip
        for _ in range(self.rng.choice([0, 1, 1, 2])):
            f = self.map(f, n, bins, real)
        if self.rng.random() < 0.25:
            index = self.rng.randrange(bins)
            m = self.p.add(
                f"bfly.bin {f.name}[{index}] factor(0.5) : {f.type} -> {type_text((f.shape[0], f.shape[2]), self.of)}",
                (f.shape[0], f.shape[2]), (f.sizes[0], f.sizes[2]), self.of,
                lambda f: 0.5 * f[:, index].real, f,
            )  # fmt: skip
            if self.rng.random() < 0.3:
                return m
        if self.rng.random() < 0.2:
            return f  # read as it is
        of = self.of if half or self.rng.random() < 0.7 else z
        shape, sizes = (f.shape[0], n, f.shape[2]), (f.sizes[0], n, f.sizes[2])

        def inverse(f):
            if half:
                return np.fft.irfft(f, n, axis=1) if n > 1 else f.real
            y = np.fft.ifft(f, axis=1)
            return y if is_complex(of) else y.real

        return self.p.add(f"bfly.ifft {f.name} : {f.type} -> {type_text(shape, of)}", shape, sizes, of, inverse, f)

    def map(self, f, n, bins, real):
        half = bins != n
        hermitian = half and self.rng.random() < 0.4
        of_bins = n if hermitian or self.rng.random() < 0.5 else bins
        values, dims, names = self.parameters_of(f, of_bins)
        region = Region(self.rng, real, names)

        def function(f, *params):
            index = np.arange(bins).reshape(1, bins, 1)
            spread = {name: self.spread(p, d, bins) for (name, _), p, d in zip(names, params, dims)}
            if not hermitian:
                return region.evaluate(f, index, spread)
            f = f.real + 1j * (f.imag + 0.0)
            here = region.evaluate(f, index, spread)
            mirror = (n - index) % n
            order = mirror.ravel()
            # Parameters of the mirror bin, where they have one.
            there = {}
            for (name, _), p, d in zip(names, params, dims):
                there[name] = self.spread(np.take(p, order, axis=d.index(1)) if 1 in d else p, d, bins)
            return (here + np.conj(region.evaluate(f.real + 1j * (0.0 - f.imag), mirror, there))) / 2

        text = (
            f"bfly.spectrum_map {f.name} {self.listed(values, dims)}tokens({n}) {'hermitian ' if hermitian else ''}"
            f": {f.type} -> {f.type} {region.text(names)}"
        )
        return self.p.add(text, f.shape, f.sizes, f.of, function, f, *values)

    def layer_norm(self):
        x = self.pick(lambda v: v.rank in (2, 3) and v.of == self.of and v.sizes[-1] > 1)
        if x is None:
            return None
        d = x.sizes[-1]
        w, b = (self.p.weight((d,)) if self.rng.random() < 0.6 else None for _ in range(2))
        epsilon = self.rng.choice([1e-5, 0.5])
        given = (f"weight({w.name} : {w.type}) " if w else "") + (f"bias({b.name} : {b.type}) " if b else "")

        def function(x, *rest):
            rest = list(rest)
            return reference.layer_norm(x, rest.pop(0) if w else None, rest.pop(0) if b else None, epsilon)

        text = f"bfly.layer_norm {x.name} {given}epsilon({epsilon:e}) : {x.type}"
        return self.p.add(text, x.shape, x.sizes, x.of, function, x, *(v for v in (w, b) if v))

    def linear(self):
        x = self.pick(lambda v: v.rank in (2, 3) and v.of == self.of and None not in v.shape[1:])
        if x is None:
            return None
        inner, outer = x.sizes[-1], self.rng.choice(CHANNELS)
        w = self.p.weight((outer, inner), scale=inner**-0.5)
        b = self.p.weight((outer,)) if self.rng.random() < 0.5 else None
        relu = self.rng.random() < 0.3
        shape, sizes = (*x.shape[:-1], outer), (*x.sizes[:-1], outer)
        text = (
            f"bfly.linear {x.name}, {w.name} {f'bias({b.name} : {b.type}) ' if b else ''}{'relu ' if relu else ''}"
            f": {x.type}, {w.type} -> {type_text(shape, x.of)}"
        )
        return self.p.add(
            text, shape, sizes, x.of, lambda x, w, b=None: reference.linear(x, w, b, relu), x, w, *([b] if b else [])
        )

    def hadamard(self):
        x = self.sequence()
        if x.sizes[1] & (x.sizes[1] - 1):
            return None
        whole = self.rng.random() < 0.5
        text = f"bfly.hadamard {x.name} {'orthonormal ' if whole else ''}: {x.type}"
        return self.p.add(text, x.shape, x.sizes, x.of, lambda x: reference.hadamard(x, whole), x)

    def mean(self):
        x = self.sequence()
        shape, sizes = (x.shape[0], x.shape[2]), (x.sizes[0], x.sizes[2])
        text = f"bfly.mean {x.name} : {x.type} -> {type_text(shape, x.of)}"
        return self.p.add(text, shape, sizes, x.of, lambda x: x.mean(axis=1), x)
