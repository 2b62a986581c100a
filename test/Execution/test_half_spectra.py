# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Half of a real signal's spectrum, as people write it: rfft, maps of bins 0 … N/2 by their own index and parameters,
irfft. One result for every fusion, plan, length and choice of what is returned: NumPy's."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from programs import compile, normal, on_every_plan, on_plans, run, tensor

import bfly
from bfly import reference

SIZES = {"batch": 0, "bin": 1, "channel": 2}


class Map:
    """A map: `body` computes %a of %z (complex), %k (index) and %p (the parameter), `function` the same of arrays."""

    def __init__(self, body, function, parameter=None):
        self.body, self.function, self.parameter = body, function, parameter


MAPS = {
    "lowpass": Map(
        """
    %cut = arith.constant 3 : index
    %in = arith.cmpi ult, %k, %cut : index
    %none = complex.constant [0.0 : REAL, 0.0 : REAL] : COMPLEX
    %a = arith.select %in, %z, %none : COMPLEX""",
        lambda f, k: np.where(k < 3, f, 0),
    ),
    "by_index": Map(
        """
    %i = arith.index_cast %k : index to i64
    %f = arith.sitofp %i : i64 to REAL
    %one = arith.constant 1.0 : REAL
    %d = arith.addf %f, %one : REAL
    %c = arith.divf %one, %d : REAL
    %w = complex.create %c, %d : COMPLEX
    %q = complex.mul %z, %w : COMPLEX
    %dz = complex.create %d, %one : COMPLEX
    %a = complex.div %q, %dz : COMPLEX""",
        lambda f, k: f * (1 / (k + 1) + 1j * (k + 1)) / (k + 1 + 1j),
    ),
    "turn": Map(
        """
    %w = complex.constant [0.6 : REAL, 0.7 : REAL] : COMPLEX
    %a = complex.mul %z, %w : COMPLEX""",
        lambda f, k: f * (0.6 + 0.7j),
    ),
    "swap": Map(
        """
    %re = complex.re %z : COMPLEX
    %im = complex.im %z : COMPLEX
    %a = complex.create %im, %re : COMPLEX""",
        lambda f, k: f.imag + 1j * f.real,
    ),
    "gain": Map("\n    %a = complex.mul %z, %p : COMPLEX", lambda f, k, p: f * p, "complex<REAL>"),
    "conjugate_gain": Map(
        """
    %c = complex.conj %z : COMPLEX
    %a = complex.mul %c, %p : COMPLEX""",
        lambda f, k, p: f.conj() * p,
        "complex<REAL>",
    ),
    "modrelu": Map(
        """
    %zero = arith.constant 0.0 : REAL
    %tiny = arith.constant 1.0e-6 : REAL
    %m = complex.abs %z : COMPLEX
    %s = arith.addf %m, %p : REAL
    %r = arith.maximumf %s, %zero : REAL
    %t = arith.addf %m, %tiny : REAL
    %q = arith.divf %r, %t : REAL
    %qz = complex.create %q, %zero : COMPLEX
    %a = complex.mul %z, %qz : COMPLEX""",
        lambda f, k, p: f * np.maximum(abs(f) + p, 0) / (abs(f) + 1e-6),
        "REAL",
    ),
    # Of what is no number it makes 0: channels are not packed around it.
    "shrink": Map(
        """
    %zero = arith.constant 0.0 : REAL
    %one = arith.constant 1.0 : REAL
    %none = complex.constant [0.0 : REAL, 0.0 : REAL] : COMPLEX
    %t = math.absf %p : REAL
    %m = complex.abs %z : COMPLEX
    %kept = arith.cmpf ogt, %m, %t : REAL
    %part = arith.divf %t, %m : REAL
    %g = arith.subf %one, %part : REAL
    %gz = complex.create %g, %zero : COMPLEX
    %less = complex.mul %z, %gz : COMPLEX
    %a = arith.select %kept, %less, %none : COMPLEX""",
        lambda f, k, p: np.where(abs(f) > abs(p), f * (1 - abs(p) / np.where(abs(f) > abs(p), abs(f), 1)), 0),
        "REAL",
    ),
}


class Chain:
    """fft → maps → ifft of a real signal of N tokens, which returns y, or what the maps make, and any of the spectra on
    the way."""

    def __init__(self, shape, dtype, steps, returned, with_inverse=True):
        """`steps`: (name, dims of the parameter, whether it has N bins, whether the map is hermitian); `returned`: the
        numbers of the spectra to return, 0 that of the transform."""
        self.shape, self.dtype, self.steps, self.returned = shape, dtype, steps, returned
        self.with_inverse = with_inverse
        self.real = "f64" if dtype == "f64" else "f32"

    def parameter_shape(self, step):
        _, dims, whole, hermitian = step
        batch, n, d = self.shape
        sizes = {"batch": batch, "bin": n if whole or hermitian else n // 2 + 1, "channel": d}
        return [sizes[dim] for dim in dims]

    def text(self, dynamic=True):
        batch, n, d = self.shape
        size = None if dynamic else batch
        x, f = tensor(size, n, d, of=self.dtype), tensor(size, n // 2 + 1, d, of=f"complex<{self.real}>")
        lines = [f"  %f0 = bfly.fft %x : {x} -> {f}"]
        arguments = [f"%x: {x}"]
        for number, step in enumerate(self.steps, 1):
            name, dims, _, hermitian = step
            kind = MAPS[name].parameter
            params, scalar = "", ""
            if kind:
                sizes = [None if dynamic and dim == "batch" else s for dim, s in zip(dims, self.parameter_shape(step))]
                of = f"tensor<{kind}>" if not sizes else tensor(*sizes, of=kind)
                arguments.append(f"%p{number}: {of}")
                params, scalar = f"params(%p{number}[{', '.join(dims)}] : {of})", f", %p: {kind}"
            lines += [
                f"  %f{number} = bfly.spectrum_map %f{number - 1} {params} tokens({n})"
                f"{' hermitian' if hermitian else ''} : {f} -> {f} {{",
                f"  ^bb0(%z: COMPLEX, %k: index{scalar}):{MAPS[name].body}",
                "    bfly.yield %a : COMPLEX",
                "  }",
            ]
        results = [(f"%f{number}", f) for number in self.returned]
        if self.with_inverse:
            lines.append(f"  %y = bfly.ifft %f{len(self.steps)} : {f} -> {x}")
            results.insert(0, ("%y", x))
        names, types = ", ".join(name for name, _ in results), ", ".join(of for _, of in results)
        text = f"func.func @chain({', '.join(arguments)}) -> ({types}) {{\n" + "\n".join(lines)
        text += f"\n  return {names} : {types}\n}}\n"
        return text.replace("COMPLEX", "complex<REAL>").replace("REAL", self.real)

    def arrays(self, rng):
        x = normal(rng, self.dtype, *self.shape)
        kinds = [(step, MAPS[step[0]].parameter) for step in self.steps]
        return x, *(
            normal(rng, kind.replace("REAL", self.real), *self.parameter_shape(step)) for step, kind in kinds if kind
        )

    def oracle(self, x, *parameters):
        """The results, and the norm of the largest spectrum on the way."""
        n = self.shape[1]
        index = np.arange(n // 2 + 1)
        spectra = [np.fft.rfft(reference.load(x), axis=1)]
        left = iter(parameters)
        for name, dims, _, hermitian in self.steps:
            spread = []
            if MAPS[name].parameter:
                p = reference.load(next(left))
                shape = [1, 1, 1]
                for size, dim in zip(p.shape, dims):
                    shape[SIZES[dim]] = size
                spread = [p.reshape(shape)]

            def apply(f, k):
                at = [p[:, k] if p.shape[1] > 1 else p for p in spread]
                return MAPS[name].function(f, k.reshape(1, -1, 1), *at)

            f = spectra[-1]
            a = apply(f, index)
            if hermitian:
                a = (a + apply(f.conj(), (n - index) % n).conj()) / 2
            spectra.append(np.broadcast_to(a, f.shape))
        size = max(np.linalg.norm(f) for f in spectra)
        results = [spectra[number] for number in self.returned]
        if self.with_inverse:
            results.insert(0, np.fft.irfft(spectra[-1], n=n, axis=1))
        return results, size

    def check(self, rng, fuse, plan):
        arrays = self.arrays(rng)
        got = run(compile(self.text(), fuse, plan), *arrays)
        wanted, size = self.oracle(*arrays)
        n = self.shape[1]
        # A map may magnify an error, and what it leaves may be small beside what it was made of.
        limit = 4 * reference.bound("spectral_filter", self.dtype, n)
        for one, other in zip(got if isinstance(got, tuple) else (got,), wanted):
            floor = size if np.iscomplexobj(other) else size / n**0.5
            pair = lambda z: np.stack([np.real(z), np.imag(z)])  # noqa: E731
            wrong = reference.error(pair(reference.load(one)), pair(other), floor)
            assert wrong <= limit, f"error {wrong:.3g} above {limit:.3g}"


LENGTHS = [1, 2, 3, 4, 5, 6, 8, 12, 15, 16, 30, 32, 37, 64, 96, 128, 139]


@pytest.mark.parametrize("fuse", [True, False])
@on_plans([6, 32])
@pytest.mark.parametrize("name", MAPS)
def test_one_map(rng, name, plan, n, fuse):
    dims = ("bin", "channel") if MAPS[name].parameter else ()
    Chain((2, n, 3), "f32", [(name, dims, False, False)], []).check(rng, fuse, plan)


@pytest.mark.parametrize("fuse", [True, False])
@on_plans([8, 37])
def test_a_spectrum_that_is_returned_too(rng, plan, n, fuse):
    """A complex gain makes bins 0 and N/2 complex, and what follows sees them so, fused or not."""
    steps = [("gain", ("channel",), False, False), ("modrelu", ("channel",), False, False)]
    for returned in ([], [1], [0, 2]):
        Chain((2, n, 5), "f32", steps, returned).check(rng, fuse, plan)


@pytest.mark.parametrize("n", [2048, 8192])
@on_every_plan
def test_long(rng, plan, n):
    steps = [("lowpass", (), False, False), ("gain", ("bin",), False, False), ("by_index", (), False, False)]
    Chain((1, n, 3), "f32", steps, []).check(rng, True, plan)
    Chain((1, n, 2), "f32", [("shrink", ("bin",), True, False), ("swap", (), False, False)], []).check(rng, True, plan)


@pytest.mark.parametrize("fuse", [True, False])
@on_plans([15, 128])
@pytest.mark.parametrize("name", ["lowpass", "modrelu", "shrink"])
def test_what_is_no_number(rng, name, plan, n, fuse):
    """It is seen where the definition has it, in its own channel alone: a map may make a number of it."""
    dims = ("channel",) if MAPS[name].parameter else ()
    for with_inverse in (True, False):
        returned = [] if with_inverse else [1]
        chain = Chain((2, n, 5), "f32", [(name, dims, False, False)], returned, with_inverse)
        arrays = chain.arrays(rng)
        kernel = compile(chain.text(), fuse, plan)
        clean = run(kernel, *arrays)
        arrays[0][1, 3, 2] = np.nan
        dirty = run(kernel, *arrays)
        (wanted,), _ = chain.oracle(*arrays)
        assert np.array_equal(np.isnan(dirty), np.isnan(wanted))
        others = np.ones(clean.shape, bool)
        others[1, :, 2] = False
        assert np.allclose(clean[others], dirty[others], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("fuse", [True, False])
@on_plans([2, 8, 15])
@pytest.mark.parametrize("maps", [False, True])
def test_a_spectrum_from_memory(rng, maps, plan, n, fuse):
    """The inverse ignores the imaginary parts of bins 0 and N/2, and what is no number there; so it does a bin that a
    map removes."""
    f, y = tensor(None, n // 2 + 1, 3, of="complex<f32>"), tensor(None, n, 3, of="f32")
    step = f"bfly.spectrum_map %f tokens({n}) : {f} -> {f} {{\n  ^bb0(%z: COMPLEX, %k: index):"
    step += f"{MAPS['lowpass'].body}\n    bfly.yield %a : COMPLEX\n  }}"
    text = f"""func.func @inverse(%f: {f}) -> {y} {{
  {"%g = " + step if maps else ""}
  %y = bfly.ifft {"%g" if maps else "%f"} : {f} -> {y}
  return %y : {y}
}}
"""
    kernel = compile(text.replace("COMPLEX", "complex<REAL>").replace("REAL", "f32"), fuse, plan)
    spectrum = normal(rng, "complex<f32>", 2, n // 2 + 1, 3)
    seen = spectrum.astype(complex)
    own = [0, n // 2] if n % 2 == 0 else [0]
    seen[:, own] = seen[:, own].real
    spectrum.imag[0, own, 1] = np.nan
    if maps:
        seen[:, 3:] = 0
        spectrum[1, 3:, 2] = np.nan
    wanted = np.fft.irfft(seen, n=n, axis=1)
    assert reference.error(run(kernel, spectrum), wanted) <= reference.bound("spectral_filter", "f32", n)


@pytest.mark.parametrize("fuse", [True, False])
@on_plans([1, 6, 22, 37, 64])
def test_real_bins_are_exactly_real(rng, plan, n, fuse):
    """Bins 0 and N/2 of a real signal, of all bins and of half of them, on their side of a branch cut."""
    x, root = tensor(None, n, 3, of="f32"), "    %a = complex.sqrt %z : COMPLEX"
    for bins in (n, n // 2 + 1):
        f = tensor(None, bins, 3, of="complex<f32>")
        text = f"""func.func @root(%x: {x}) -> ({f}, {f}) {{
  %f = bfly.fft %x : {x} -> {f}
  %g = bfly.fft %x : {x} -> {f}
  %s = bfly.spectrum_map %g tokens({n}) : {f} -> {f} {{
  ^bb0(%z: complex<f32>, %k: index):
{root.replace("COMPLEX", "complex<f32>")}
    bfly.yield %a : complex<f32>
  }}
  return %f, %s : {f}, {f}
}}
"""
        signal = normal(rng, "f32", 5, n, 3)
        spectrum, roots = run(compile(text, fuse, plan), signal)
        exact = np.fft.fft(reference.load(signal), axis=1)[:, :bins]
        for k in {0, n // 2} if n % 2 == 0 else {0}:
            assert not spectrum[:, k].imag.any() and not np.signbit(spectrum[:, k].imag).any()
            wanted = np.sqrt(exact[:, k].real + 0j)
            assert np.allclose(roots[:, k], wanted, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("fuse", [True, False])
@on_every_plan
def test_bins_that_are_read_as_those_of_other_tokens(rng, plan, fuse):
    """Five bins are half of eight tokens' and of nine tokens'."""
    text = """func.func @resample(%x: tensor<?x8x3xf32>) -> tensor<?x9x3xf32> {
  %f = bfly.fft %x : tensor<?x8x3xf32> -> tensor<?x5x3xcomplex<f32>>
  %g = bfly.spectrum_map %f tokens(9) hermitian : tensor<?x5x3xcomplex<f32>> -> tensor<?x5x3xcomplex<f32>> {
  ^bb0(%z: complex<f32>, %k: index):
    %w = complex.constant [2.0 : f32, 1.0 : f32] : complex<f32>
    %a = complex.mul %z, %w : complex<f32>
    bfly.yield %a : complex<f32>
  }
  %y = bfly.ifft %g : tensor<?x5x3xcomplex<f32>> -> tensor<?x9x3xf32>
  return %y : tensor<?x9x3xf32>
}
"""
    x = normal(rng, "f32", 2, 8, 3)
    wanted = np.fft.irfft(2 * np.fft.rfft(reference.load(x), axis=1), n=9, axis=1)
    assert reference.error(run(compile(text, fuse, plan), x), wanted) <= reference.bound("spectral_filter", "f32", 9)


@on_plans([8, 12])
def test_a_kernel_by_hand(rng, plan, n):
    """A map's result that is another map's parameter, and bins of a map and of a transform, in one kernel."""
    h = n // 2 + 1
    f, x, m = tensor(2, h, 3, of="complex<f32>"), tensor(2, n, 3, of="f32"), tensor(2, 3, of="f32")
    region = "^bb0(%z: complex<f32>, %k: index"
    text = f"""func.func @by_hand(%x: {x}) -> ({f}, {m}, {m}) {{
  %r:3 = bfly.kernel "by_hand" (%a = %x) : ({x}) -> ({f}, {m}, {m}) {{
    %f = bfly.fft %a : {x} -> {f}
    %g = bfly.spectrum_map %f tokens({n}) : {f} -> {f} {{
    {region}):
      %c = complex.mul %z, %z : complex<f32>
      bfly.yield %c : complex<f32>
    }}
    %h = bfly.spectrum_map %f params(%g[batch, bin, channel] : {f}) tokens({n}) : {f} -> {f} {{
    {region}, %p: complex<f32>):
      %c = complex.add %z, %p : complex<f32>
      bfly.yield %c : complex<f32>
    }}
    %m = bfly.bin %g[2] factor(1.0) : {f} -> {m}
    %t = bfly.bin %f[1] factor(2.0) : {f} -> {m}
    bfly.yield %h, %m, %t : {f}, {m}, {m}
  }}
  return %r#0, %r#1, %r#2 : {f}, {m}, {m}
}}
"""
    if plan == "sm_90a" and n == 12:
        with pytest.raises(bfly.BflyError, match="must be a kernel of its own"):
            compile(text, True, plan)
        return
    x = normal(rng, "f32", 2, n, 3)
    exact = np.fft.rfft(reference.load(x), axis=1)
    for one, other in zip(
        run(compile(text, True, plan), x), (exact + exact**2, (exact**2)[:, 2].real, 2 * exact[:, 1].real)
    ):
        assert np.allclose(one, other, rtol=1e-5, atol=1e-4)


@st.composite
def chains(draw):
    def step():
        name = draw(st.sampled_from(sorted(MAPS)))
        dims = ()
        if MAPS[name].parameter:
            dims = tuple(dim for dim in SIZES if draw(st.booleans()))
        return name, dims, draw(st.booleans()), draw(st.integers(0, 4)) == 0

    shape = draw(st.integers(1, 3)), draw(st.sampled_from(LENGTHS)), draw(st.integers(1, 6))
    steps = [step() for _ in range(draw(st.integers(0, 3)))]
    with_inverse = draw(st.booleans())
    returned = [number for number in range(len(steps) + 1) if draw(st.integers(0, 3)) == 0]
    if not with_inverse and not returned:
        returned = [len(steps)]
    return Chain(shape, draw(st.sampled_from(["f32", "f32", "f64", "bf16"])), steps, returned, with_inverse)


@hypothesis.settings(max_examples=60)
@hypothesis.given(
    chain=chains(), fuse=st.booleans(), plan=st.sampled_from(["cpu", "sm_90a"]), seed=st.integers(0, 2**32 - 1)
)
def test_random_chains(chain, fuse, plan, seed):
    chain.check(np.random.default_rng(seed), fuse, plan)
