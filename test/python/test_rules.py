# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The derivative of every operation of a region: each rule against differences of its operation's value, and at points
without a derivative; and reverse mode, which applies one after the other."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest
from derivatives import check, normal, same
from hypothesis import given, settings
from hypothesis import strategies as st
from test_reference import seeds

from bfly import reference
from bfly.reference import RULES

sys.path.insert(0, str(Path(__file__).parents[1] / "Execution"))
import operations  # noqa: E402

# Operations of arith, math and complex that have no derivative: integers' and tests'.
WITHOUT = {
    "arith.addi", "arith.addui_extended", "arith.andi", "arith.bitcast", "arith.ceildivsi", "arith.ceildivui", "arith.cmpf",
    "arith.cmpi", "arith.constant", "arith.divsi", "arith.divui", "arith.extsi", "arith.extui", "arith.floordivsi", "arith.fptosi", "arith.fptoui",
    "arith.maxsi", "arith.maxui", "arith.minsi", "arith.minui", "arith.muli",
    "arith.mulsi_extended", "arith.mului_extended", "arith.ori", "arith.remsi", "arith.remui", "arith.shli", "arith.shrsi",
    "arith.shrui", "arith.sitofp", "arith.subi", "arith.trunci", "arith.uitofp", "arith.xori", "complex.bitcast",
    "complex.constant", "complex.eq", "complex.neq", "math.absi", "math.ctlz", "math.ctpop", "math.cttz", "math.ipowi",
    "math.isfinite", "math.isinf", "math.isnan", "math.isnormal",
}  # fmt: skip
# Those of others by name: sine and cosine, one each; conversions between types of real numbers hand g on.
BY_OTHERS = {"math.sincos", "arith.extf", "arith.truncf"}


def test_every_operation_has_a_rule_or_none():
    kinds = (operations.real_operations, operations.complex_operations, operations.arith_operations)
    names = {operation.name for kind in kinds for operation in kind()}
    ours = {name.removesuffix(" of a constant") for name in RULES}
    assert names - ours == WITHOUT | BY_OTHERS


# Where to draw operands: (low, high) of each real one; of complex ones, about 1, off the branch cuts.
DOMAINS = {
    "acos": (-0.9, 0.9), "asin": (-0.9, 0.9), "atanh": (-0.8, 0.8), "acosh": (1.2, 4.0), "log": (0.3, 3.0), "log2": (0.3, 3.0),
    "log10": (0.3, 3.0), "log1p": (-0.7, 3.0), "sqrt": (0.3, 3.0), "rsqrt": (0.3, 3.0), "powf": (0.3, 3.0), "cbrt": (0.3, 3.0),
    "tan": (-1.2, 1.2),
}  # fmt: skip
INTEGERS = ("math.fpowi", "complex.powi")


def operands_of(name, rng):
    """Random operands, away from each other, from 0 and from kinks; by names a, b, c."""
    dialect, _, op = name.partition(".")
    count = RULES[name].vjp.__code__.co_argcount - 2
    if dialect == "complex" and op != "create":
        values = [rng.uniform(0.6, 1.4, 3) * np.exp(1j * rng.uniform(-2.6, 2.6, 3)) for _ in range(count)]
        if op in ("atan2", "sqrt", "rsqrt", "log1p"):
            values = [value / 4 + 1 for value in values]
        if op in ("tan", "tanh"):
            values = [value / 2 for value in values]
    elif op in DOMAINS:
        values = [rng.uniform(*DOMAINS[op], 3) for _ in range(count)]
    elif op == "clampf":
        # Within, below and above.
        values = [np.array([0.3, -2.0, 3.0]), np.full(3, -1.0), np.full(3, 1.0)]
    else:
        # Of different sizes, in any order; none an integer or a half.
        sizes = [2 * i + rng.integers(1, 3, 3) + rng.uniform(0.1, 0.4, 3) for i in rng.permutation(count)]
        values = [size * rng.choice([-1, 1], 3) for size in sizes]
        if op == "remf" and np.abs(values[0] / values[1] - np.rint(values[0] / values[1])).min() < 0.02:
            return operands_of(name, rng)
    if name == "arith.select":
        values[0] = rng.random(3) < 0.5
    if name in INTEGERS:
        values[1] = rng.choice([-2, 0, 1, 2, 3], 3)
    return dict(zip("abc", values))


@pytest.mark.parametrize("name", RULES)
@settings(deadline=None, database=None, max_examples=10)
@given(seed=seeds)
def test_rule(name, seed):
    rng = np.random.default_rng(seed)
    operands = operands_of(name, rng)
    value = lambda **values: np.asarray(RULES[name].value(*values.values()))  # noqa: E731
    y = value(**operands)
    g = normal(rng, 3, np.iscomplexobj(y))
    gradients = RULES[name].vjp(g, y, *operands.values())
    assert len(gradients) == len(operands)
    named = {key: gradient for key, gradient in zip(operands, gradients) if gradient is not None}
    check(value, named, operands, g, rng, step=1e-3, tolerance=1e-7)


@settings(deadline=None, database=None, max_examples=40)
@given(seed=seeds)
def test_rules_of_real_functions_by_complex_steps(seed):
    """To rounding, where NumPy has the function of complex numbers."""
    rng = np.random.default_rng(seed)
    for op in ("cos", "cosh", "exp", "expm1", "log", "log10", "log1p", "log2", "sin", "sinh", "sqrt", "tan", "tanh", "atan", "asinh"):  # fmt: skip
        rule = RULES[f"math.{op}"]
        a = operands_of(f"math.{op}", rng)["a"] if op in DOMAINS else rng.uniform(-1.4, 1.4, 3)
        slope = rule.value(a + 1e-40j).imag / 1e-40
        same(rule.vjp(np.ones(3), rule.value(a), a)[0], slope, 1e-13)


# --------------------------------------------------------------------------------------------------------------------
# Points without a derivative: as PyTorch

nan, inf = math.nan, math.inf
KINKS = [
    # operation, operands, gradients for g = 1
    ("math.absf", (0.0,), (0.0,)),
    ("complex.abs", (0j,), (0j,)),
    ("complex.angle", (0j,), (0j,)),
    ("complex.sign", (0j,), (0j,)),
    ("math.atan2", (0.0, 0.0), (0.0, 0.0)),
    ("math.copysign", (0.0, -1.0), (0.0, 0.0)),
    ("math.copysign", (2.0, -1.0), (-1.0, 0.0)),
    ("arith.maximumf", (2.0, 2.0), (0.5, 0.5)),
    ("arith.minimumf", (2.0, 2.0), (0.5, 0.5)),
    ("arith.maximumf", (nan, 2.0), (1.0, 1.0)),
    ("arith.maximumf of a constant", (0.0, 0.0), (0.0, 0.0)),
    ("arith.maximumf of a constant", (1.0, 0.0), (1.0, 0.0)),
    ("arith.maximumf of a constant", (0.0, 1.0), (0.0, 1.0)),
    ("arith.minimumf of a constant", (0.0, 0.0), (0.0, 0.0)),
    ("arith.minimumf of a constant", (1.0, 0.0), (0.0, 1.0)),
    ("arith.maxnumf", (2.0, 2.0), (1.0, 0.0)),
    ("arith.minnumf", (2.0, 2.0), (1.0, 0.0)),
    ("arith.maxnumf", (nan, 2.0), (0.0, 1.0)),
    ("arith.minnumf", (2.0, nan), (1.0, 0.0)),
    ("math.clampf", (-1.0, -1.0, 1.0), (0.0, 1.0, 0.0)),
    ("math.clampf", (1.0, -1.0, 1.0), (0.0, 0.0, 1.0)),
    ("math.clampf", (0.0, 2.0, 1.0), (0.0, 0.0, 1.0)),
    ("math.floor", (2.0,), (0.0,)),
    ("math.roundeven", (2.5,), (0.0,)),
    ("math.powf", (0.0, 0.0), (0.0, 0.0)),
    ("math.powf", (0.0, 1.0), (1.0, 0.0)),
    ("math.powf", (0.0, 2.0), (0.0, 0.0)),
    ("math.powf", (-2.0, 0.0), (0.0, nan)),
    ("complex.pow", (0j, 2 + 0j), (0j, 0j)),
    ("math.fpowi", (0.0, 0), (0.0, None)),
    ("math.fpowi", (0.0, 1), (1.0, None)),
    ("complex.powi", (0j, 2), (0j, None)),
    # A derivative that is infinite stays so.
    ("math.sqrt", (0.0,), (inf,)),
    ("math.log", (0.0,), (inf,)),
    ("math.cbrt", (0.0,), (inf,)),
    ("math.powf", (0.0, -1.0), (-inf, -inf)),
]


@pytest.mark.parametrize("name, operands, wanted", KINKS, ids=[f"{name}{operands}" for name, operands, _ in KINKS])
def test_without_a_derivative(name, operands, wanted):
    with np.errstate(all="ignore"):
        operands = [np.array([value]) for value in operands]
        y = RULES[name].value(*operands)
        gradients = RULES[name].vjp(np.ones(1), y, *operands)
    for gradient, value in zip(gradients, wanted, strict=True):
        assert gradient is value is None or np.array_equal(gradient, [value], equal_nan=True)


def test_values_that_numpy_has_no_name_for():
    value = lambda name, *operands: RULES[name].value(*map(np.array, operands))  # noqa: E731
    assert np.array_equal(value("math.round", [0.5, 1.5, -2.5, 0.3]), [1, 2, -3, 0])
    assert value("math.erf", 0.7) == math.erf(0.7) and value("math.erfc", 0.7) == math.erfc(0.7)
    assert value("math.fma", 2.0, 3.0, 4.0) == 10
    assert np.array_equal(value("math.clampf", [-3.0, 0.5, 3.0], -1.0, 1.0), [-1, 0.5, 1])
    assert value("math.rsqrt", 4.0) == value("complex.rsqrt", 4 + 0j) == 0.5
    assert value("complex.create", 1.0, 2.0) == 1 + 2j
    assert abs(value("complex.atan2", 0.3 + 0j, 0.4 + 0j) - math.atan2(0.3, 0.4)) < 1e-15


# --------------------------------------------------------------------------------------------------------------------
# Reverse mode


def test_every_name_of_numpy():
    """Each function of `pullback` is the operation whose rule it takes: the same value, by one step."""
    from bfly.reference._pullback import _NAMES

    rng = np.random.default_rng(0)
    seen = set()
    for function, names in _NAMES.items():
        for name in {name for name in names if name}:
            operands = list(operands_of(name, rng).values())
            traced = operands[1:] if name == "arith.select" else operands
            apply = lambda *t, f=function, o=operands: f(*o[: len(o) - len(t)], *t)  # noqa: E731
            y, back = reference.pullback(apply, *traced)
            same(y, RULES[name].value(*operands), 1e-15)
            wanted = RULES[name].vjp(np.ones(3), y, *operands)[-len(traced) :]
            for got, part in zip(back(np.ones(3)), wanted, strict=True):
                same(got, part, 1e-15)
            seen.add(name)
    # The others have no function of NumPy: they are made of those.
    rest = {
        "arith.maximumf of a constant",
        "arith.minimumf of a constant",
        "math.fpowi",
        "complex.powi",
        "math.erf",
        "math.erfc",
    }
    rest |= {"math.fma", "math.clampf", "math.round", "math.rsqrt", "complex.rsqrt", "complex.create", "complex.atan2"}
    assert RULES.keys() - seen == rest


@settings(deadline=None, database=None, max_examples=25)
@given(seed=seeds, power=st.integers(-2, 3))
def test_a_function_of_many_steps(seed, power):
    """Values that are used twice, constants on either side, real and complex ones mixed, and every kind of broadcast."""
    rng = np.random.default_rng(seed)
    arguments = {
        "z": normal(rng, (2, 3, 4), True),
        "a": normal(rng, (3, 1)),
        "b": normal(rng, 4, True),
        "c": normal(rng, ()),
    }
    arguments["z"] *= 1 + 1 / np.abs(arguments["z"])

    def f(z, a, b, c):
        w = (2 - z * a) / (3 + abs(b)) + c * z.conj() ** 2
        size = np.sqrt(1 + w.real**2 + np.imag(w) ** 2)
        return np.where(size > 0, w / size, 0) * (1j * z) ** power + np.exp(-(a * a)) * b - 0.5 * z / c

    y, back = reference.pullback(f, *arguments.values())
    same(y, f(**arguments), 1e-14)
    g = normal(rng, (2, 3, 4), True)
    size = min(abs(arguments["c"]), np.abs(2 - arguments["z"] * arguments["a"]).min())
    if size > 0.1:
        check(f, dict(zip(arguments, back(g), strict=True)), arguments, g, rng, step=1e-4, tolerance=1e-6)


def test_what_is_not_used_has_gradient_zero():
    y, back = reference.pullback(lambda z, p, q: p * 1.0, np.ones((2, 3), complex), np.ones(3), np.ones((1, 3)))
    assert [np.array_equal(a, b) for a, b in zip(back(np.ones(3)), (np.zeros((2, 3)), np.ones(3), np.zeros((1, 3))))]
    y, back = reference.pullback(lambda z: 5.0, np.ones(2))
    assert y == 5 and np.array_equal(back(1.0)[0], [0, 0])
    _, back = reference.pullback(lambda z: z, np.ones(2))
    assert np.array_equal(back([1.0, 2.0])[0], [1, 2])
    # A test has no derivative, but may choose.
    _, back = reference.pullback(lambda z: np.where(z > 1, z * z, -z), np.array([0.5, 2.0]))
    assert np.array_equal(back(np.ones(2))[0], [-1, 4])


def test_what_no_region_has_is_said():
    for f, name in (
        (lambda z: np.sinc(z), "sinc"),
        (lambda z: np.add.reduce(z), "add"),
        (lambda z: np.hypot(z, z), "hypot"),
        (lambda z: np.floor(z * 1j), "floor of complex"),
        (lambda z: np.maximum(z, 1j), "maximum of complex"),
        (lambda z: np.sign(z), "sign of real"),
        (lambda z: np.sum(z), "sum"),
        (lambda z: np.multiply(z, z, where=[True, False]), "multiply"),
    ):
        with pytest.raises(TypeError, match=f"np.{name}"):
            reference.pullback(f, np.ones(2))
