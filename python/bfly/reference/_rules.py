# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The derivative of every operation that a region, or an element-wise function between layers, may have.

A rule takes g, the gradient of the operation's result y, and gives the gradients of its operands. Gradients of complex
numbers are PyTorch's, ∂L/∂Re + i ∂L/∂Im: of a function that is holomorphic the rule is g · conj(f'(z)). At points
without a derivative the rules are PyTorch's too: 0 for |z|, z/|z|, angle and atan2 at 0, half to each of two equal
operands of a maximum or minimum, none to a number that equals a constant there (relu, clamp), none to one that is
rounded. Sources: docs/derivatives.md; PyTorch's
derivatives.yaml.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = ["RULES", "Rule"]


@dataclass(frozen=True)
class Rule:
    """y = value(*operands), and vjp(g, y, *operands): a tuple, a gradient for each operand, None for an integer one.

    All operands have one shape. Where an operand is real and the operation complex, only the real part counts.
    """

    value: Callable[..., np.ndarray]
    vjp: Callable[..., tuple]


def _scaled(value, derivative):
    """The rule of f(z) with f'(z) = derivative(y, z), real or holomorphic."""
    return Rule(value, lambda g, y, z: (g * np.conj(derivative(y, z)),))


def _flat(value):
    """The rule of a step function: its derivative is 0 where it has one."""
    return Rule(value, lambda g, y, a: (np.zeros_like(g),))


def _over(numerator, denominator):
    """numerator / denominator, 0 where the denominator is."""
    zero = denominator == 0
    return np.where(zero, 0.0, numerator / np.where(zero, 1.0, denominator))


def _phase(z):
    """u = z / |z|, 0 at 0."""
    return _over(z, np.abs(z))


# --------------------------------------------------------------------------------------------------------------------
# Two operands and more


def _div(g, y, a, b):
    return g / np.conj(b), -g * np.conj(y / b)


def _larger(g, y, a, b):
    share = np.where(a == b, 0.5, 1.0)
    return np.where(a < b, 0.0, g * share), np.where(b < a, 0.0, g * share)


def _smaller(g, y, a, b):
    share = np.where(a == b, 0.5, 1.0)
    return np.where(a > b, 0.0, g * share), np.where(b > a, 0.0, g * share)


def _beyond(least):
    """Of a maximum (`least`) or minimum with a constant, which relu and clamp are: a number that is equal gets nothing."""

    def vjp(g, y, a, b):
        below = a <= b if least else a >= b
        above = b <= a if least else b >= a
        return np.where(below, 0.0, g), np.where(above, 0.0, g)

    return vjp


def _first_of_equals(taken):
    """Of maxnumf and minnumf, as PyTorch's fmax and fmin: equal operands are the first, and a NaN is never taken."""

    def vjp(g, y, a, b):
        first = taken(a, b) | np.isnan(b)
        return np.where(first, g, 0.0), np.where(first, 0.0, g)

    return vjp


def _clamp(g, y, x, low, high):
    """A number on a bound counts as beyond it."""
    beyond = np.maximum(x, low) >= high
    return (
        np.where(~beyond & (x > low), g, 0.0),
        np.where(~beyond & (x <= low), g, 0.0),
        np.where(beyond, g, 0.0),
    )


def _atan2(g, y, a, b):
    size = a * a + b * b
    return g * np.conj(_over(b, size)), -g * np.conj(_over(a, size))


def _pow(g, y, a, b):
    """a^0 is 1 everywhere; 0^b is 0 for every b > 0 and does not change with it."""
    with np.errstate(all="ignore"):
        base = np.where(b == 0, 0.0, g * np.conj(b * np.power(a, b - 1)))
        still = (a == 0) & (np.imag(b) == 0) & (np.real(b) >= 0)
        return base, np.where(still, 0.0, g * np.conj(y * np.log(a)))


def _powi(g, y, a, n):
    """n is an integer, without a gradient."""
    return np.where(n == 0, 0.0, g * np.conj(n * np.power(a, np.where(n == 0, 1, n) - 1.0))), None


def _sign(g, y, z):
    """The part of g that turns z, over |z|: the part along z changes nothing."""
    return (_over(g - np.real(np.conj(y) * g) * y, np.abs(z)),)


def _complex_atan2(z, w):
    return -1j * np.log((w + 1j * z) / np.sqrt(w * w + z * z))


_erf, _erfc = (np.vectorize(f, otypes=[np.float64]) for f in (math.erf, math.erfc))
_BELL = 2 / math.sqrt(math.pi)

RULES = {
    # Arithmetic
    "arith.addf": Rule(np.add, lambda g, y, a, b: (g, g)),
    "arith.subf": Rule(np.subtract, lambda g, y, a, b: (g, -g)),
    "arith.mulf": Rule(np.multiply, lambda g, y, a, b: (g * b, g * a)),
    "arith.divf": Rule(np.divide, _div),
    "arith.remf": Rule(np.fmod, lambda g, y, a, b: (g, -g * np.trunc(a / b))),
    "arith.negf": Rule(np.negative, lambda g, y, a: (-g,)),
    "arith.maximumf": Rule(np.maximum, _larger),
    "arith.minimumf": Rule(np.minimum, _smaller),
    "arith.maximumf of a constant": Rule(np.maximum, _beyond(True)),
    "arith.minimumf of a constant": Rule(np.minimum, _beyond(False)),
    "arith.maxnumf": Rule(np.fmax, _first_of_equals(np.greater_equal)),
    "arith.minnumf": Rule(np.fmin, _first_of_equals(np.less_equal)),
    "arith.select": Rule(np.where, lambda g, y, c, a, b: (None, np.where(c, g, 0.0), np.where(c, 0.0, g))),
    "math.fma": Rule(lambda a, b, c: a * b + c, lambda g, y, a, b, c: (g * b, g * a, g)),
    "math.clampf": Rule(lambda x, low, high: np.minimum(np.maximum(x, low), high), _clamp),
    "math.absf": _scaled(np.abs, lambda y, a: np.sign(a)),
    "math.copysign": Rule(np.copysign, lambda g, y, a, b: (g * _over(y, a), np.zeros_like(g))),
    "math.ceil": _flat(np.ceil),
    "math.floor": _flat(np.floor),
    "math.round": _flat(lambda a: np.copysign(np.floor(np.abs(a) + 0.5), a)),
    "math.roundeven": _flat(np.rint),
    "math.trunc": _flat(np.trunc),
    # Functions of real numbers
    "math.acos": _scaled(np.arccos, lambda y, a: -1 / np.sqrt(1 - a * a)),
    "math.acosh": _scaled(np.arccosh, lambda y, a: 1 / np.sqrt(a * a - 1)),
    "math.asin": _scaled(np.arcsin, lambda y, a: 1 / np.sqrt(1 - a * a)),
    "math.asinh": _scaled(np.arcsinh, lambda y, a: 1 / np.sqrt(1 + a * a)),
    "math.atan": _scaled(np.arctan, lambda y, a: 1 / (1 + a * a)),
    "math.atan2": Rule(np.arctan2, _atan2),
    "math.atanh": _scaled(np.arctanh, lambda y, a: 1 / (1 - a * a)),
    "math.cbrt": _scaled(np.cbrt, lambda y, a: 1 / (3 * y * y)),
    "math.cos": _scaled(np.cos, lambda y, a: -np.sin(a)),
    "math.cosh": _scaled(np.cosh, lambda y, a: np.sinh(a)),
    "math.erf": _scaled(_erf, lambda y, a: _BELL * np.exp(-a * a)),
    "math.erfc": _scaled(_erfc, lambda y, a: -_BELL * np.exp(-a * a)),
    "math.exp": _scaled(np.exp, lambda y, a: y),
    "math.exp2": _scaled(np.exp2, lambda y, a: y * math.log(2)),
    "math.expm1": _scaled(np.expm1, lambda y, a: y + 1),
    "math.fpowi": Rule(np.power, _powi),
    "math.log": _scaled(np.log, lambda y, a: 1 / a),
    "math.log10": _scaled(np.log10, lambda y, a: 1 / (a * math.log(10))),
    "math.log1p": _scaled(np.log1p, lambda y, a: 1 / (1 + a)),
    "math.log2": _scaled(np.log2, lambda y, a: 1 / (a * math.log(2))),
    "math.powf": Rule(np.power, _pow),
    "math.rsqrt": _scaled(lambda a: 1 / np.sqrt(a), lambda y, a: -y / (2 * a)),
    "math.sin": _scaled(np.sin, lambda y, a: np.cos(a)),
    "math.sinh": _scaled(np.sinh, lambda y, a: np.cosh(a)),
    "math.sqrt": _scaled(np.sqrt, lambda y, a: 1 / (2 * y)),
    "math.tan": _scaled(np.tan, lambda y, a: 1 + y * y),
    "math.tanh": _scaled(np.tanh, lambda y, a: 1 - y * y),
    # Complex numbers and their parts
    "complex.abs": Rule(np.abs, lambda g, y, z: (np.real(g) * _phase(z),)),
    "complex.angle": Rule(np.angle, lambda g, y, z: (1j * np.real(g) * _over(_phase(z), np.abs(z)),)),
    "complex.re": Rule(np.real, lambda g, y, z: (np.real(g) + 0j,)),
    "complex.im": Rule(np.imag, lambda g, y, z: (1j * np.real(g),)),
    "complex.create": Rule(lambda a, b: a + 1j * b, lambda g, y, a, b: (np.real(g), np.imag(g))),
    "complex.conj": Rule(np.conj, lambda g, y, z: (np.conj(g),)),
    "complex.sign": Rule(_phase, _sign),
    "complex.neg": Rule(np.negative, lambda g, y, z: (-g,)),
    "complex.add": Rule(np.add, lambda g, y, z, w: (g, g)),
    "complex.sub": Rule(np.subtract, lambda g, y, z, w: (g, -g)),
    "complex.mul": Rule(np.multiply, lambda g, y, z, w: (g * np.conj(w), g * np.conj(z))),
    "complex.div": Rule(np.divide, _div),
    # Functions of complex numbers
    "complex.atan2": Rule(_complex_atan2, _atan2),
    "complex.cos": _scaled(np.cos, lambda y, z: -np.sin(z)),
    "complex.exp": _scaled(np.exp, lambda y, z: y),
    "complex.expm1": _scaled(np.expm1, lambda y, z: y + 1),
    "complex.log": _scaled(np.log, lambda y, z: 1 / z),
    "complex.log1p": _scaled(np.log1p, lambda y, z: 1 / (1 + z)),
    "complex.pow": Rule(lambda z, w: np.exp(w * np.log(z)), _pow),
    "complex.powi": Rule(np.power, _powi),
    "complex.rsqrt": _scaled(lambda z: 1 / np.sqrt(z), lambda y, z: -y / (2 * z)),
    "complex.sin": _scaled(np.sin, lambda y, z: np.cos(z)),
    "complex.sqrt": _scaled(np.sqrt, lambda y, z: 1 / (2 * y)),
    "complex.tan": _scaled(np.tan, lambda y, z: 1 + y * y),
    "complex.tanh": _scaled(np.tanh, lambda y, z: 1 - y * y),
}
