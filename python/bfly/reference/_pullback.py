# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Reverse mode by the rules: the derivative of any element-wise function that is written in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ._rules import RULES

# NumPy's name of an operation: the rule for real operands, and for complex ones. None: there is none.
_NAMES = {
    np.add: ("arith.addf", "complex.add"),
    np.subtract: ("arith.subf", "complex.sub"),
    np.multiply: ("arith.mulf", "complex.mul"),
    np.divide: ("arith.divf", "complex.div"),
    np.negative: ("arith.negf", "complex.neg"),
    np.power: ("math.powf", "complex.pow"),
    np.absolute: ("math.absf", "complex.abs"),
    np.fmod: ("arith.remf", None),
    np.maximum: ("arith.maximumf", None),
    np.minimum: ("arith.minimumf", None),
    np.fmax: ("arith.maxnumf", None),
    np.fmin: ("arith.minnumf", None),
    np.copysign: ("math.copysign", None),
    np.arctan2: ("math.atan2", None),
    np.rint: ("math.roundeven", None),
    np.conjugate: (None, "complex.conj"),
    np.sign: (None, "complex.sign"),
    np.real: (None, "complex.re"),
    np.imag: (None, "complex.im"),
    np.angle: (None, "complex.angle"),
    np.where: ("arith.select", "arith.select"),
}
# Those that both call the same, but for NumPy's arc….
for _function in ("cbrt", "ceil", "cosh", "exp2", "floor", "log10", "log2", "sinh", "trunc"):
    _NAMES[getattr(np, _function)] = (f"math.{_function}", None)
for _function in ("acos", "acosh", "asin", "asinh", "atan", "atanh"):
    _NAMES[getattr(np, "arc" + _function[1:])] = (f"math.{_function}", None)
for _function in ("cos", "exp", "expm1", "log", "log1p", "sin", "sqrt", "tan", "tanh"):
    _NAMES[getattr(np, _function)] = (f"math.{_function}", f"complex.{_function}")

# What has no derivative, and so is no part of the record.
_TESTS = {
    np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal, np.isnan, np.isinf, np.isfinite, np.signbit,
}  # fmt: skip


class _Traced(np.lib.mixins.NDArrayOperatorsMixin):
    """An array of whose making each step is recorded, in order."""

    def __init__(self, steps, value):
        self.steps = steps
        self.value = value

    shape = property(lambda self: self.value.shape)
    ndim = property(lambda self: self.value.ndim)
    dtype = property(lambda self: self.value.dtype)
    real = property(lambda self: self._apply(np.real, self) if np.iscomplexobj(self.value) else self)
    imag = property(lambda self: self._apply(np.imag, self))

    def conj(self):
        return self._apply(np.conjugate, self)

    def __array_ufunc__(self, function, method, *operands, **options):
        if method != "__call__" or options:
            raise TypeError(f"np.{function.__name__}: only plain calls have a derivative here")
        if function in _TESTS:
            return function(*map(_plain, operands))
        return self._apply(function, *operands)

    def __array_function__(self, function, _types, operands, options):
        if options:
            raise TypeError(f"np.{function.__name__}: only plain calls have a derivative here")
        return self._apply(function, *operands)

    def _apply(self, function, *operands):
        values = [_plain(operand) for operand in operands]
        is_complex = any(map(np.iscomplexobj, values))
        if function in (np.conjugate, np.real) and not is_complex:
            return self
        name = _NAMES.get(function, (None, None))[is_complex]
        if function is np.power and np.issubdtype(values[1].dtype, np.integer):
            name = "complex.powi" if is_complex else "math.fpowi"
        if name and function in (np.maximum, np.minimum) and not all(isinstance(one, _Traced) for one in operands):
            name += " of a constant"
        if name is None:
            of = "complex" if is_complex else "real"
            raise TypeError(f"np.{function.__name__} of {of} numbers: no operation of a region, so it has no rule")
        result = _Traced(self.steps, np.asarray(RULES[name].value(*values)))
        self.steps.append((RULES[name], result, operands, values))
        return result


def _plain(operand):
    return operand.value if isinstance(operand, _Traced) else np.asarray(operand)


def fitted(gradient: np.ndarray, like: np.ndarray) -> np.ndarray:
    """`gradient` as one of `like`: summed over what `like` was broadcast over, and its real part if that is real."""
    gradient = np.broadcast_to(gradient, np.broadcast_shapes(np.shape(gradient), like.shape))
    gradient = gradient.sum(axis=tuple(range(gradient.ndim - like.ndim)))
    widened = tuple(i for i, size in enumerate(like.shape) if size == 1 != gradient.shape[i])
    gradient = gradient.sum(axis=widened, keepdims=True)
    return gradient if np.iscomplexobj(like) else gradient.real


def pullback(
    f: Callable[..., Any], *inputs: ArrayLike
) -> tuple[np.ndarray, Callable[[ArrayLike], tuple[np.ndarray, ...]]]:
    """y = f(*inputs), and a function that takes g, y's gradient, and gives the gradients of the inputs.

    f is element-wise and written in NumPy: its operators, functions and np.where. Inputs are float64 or complex128 of
    any shapes that broadcast; a gradient has its input's shape, and is real where that is. Every step's derivative is
    its rule in `RULES`, applied from the last to the first. TypeError for a function that no region has.
    """
    steps = []
    inputs = [np.asarray(value) for value in inputs]
    inputs = [value.astype(np.complex128 if np.iscomplexobj(value) else np.float64) for value in inputs]
    traced = [_Traced(steps, value) for value in inputs]
    result = f(*traced)
    value = _plain(result)

    def back(g):
        sums = {}

        def add(to, part):
            part = fitted(part, to.value)
            sums[id(to)] = sums[id(to)] + part if id(to) in sums else part

        if isinstance(result, _Traced):
            add(result, np.asarray(g))
        for rule, made, operands, values in reversed(steps):
            if id(made) not in sums:
                continue
            for operand, part in zip(operands, rule.vjp(sums[id(made)], made.value, *values)):
                if isinstance(operand, _Traced):
                    add(operand, part)
        return tuple(sums.get(id(one), np.zeros_like(one.value)) for one in traced)

    return value, back
