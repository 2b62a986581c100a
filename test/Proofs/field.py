# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Exact arithmetic in which roots of unity are numbers: integers modulo a prime p = 1 (mod ORDER).

An identity of polynomials in the inputs and in e^(2 pi i / ORDER), with rational coefficients, holds modulo p if it
holds at all. One of degree d that does not hold is found at a random point with probability 1 - d / p, p being near
2^89: a value that is equal here is equal. What is no polynomial (sqrt, maximum) is a function of which nothing is
known but what its users may rely on, so that a proof cannot use more."""

import math
import random
from fractions import Fraction

ORDER = 2**8 * 9 * 5 * 7 * 11 * 13 * 17 * 19


def _is_prime(n):
    odd, twos = n - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for base in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41):
        x = pow(base, odd, n)
        if x in (1, n - 1):
            continue
        for _ in range(twos - 1):
            x = x * x % n
            if x == n - 1:
                break
        else:
            return False
    return True


def _find():
    factor = 2**89 // ORDER
    while not _is_prime(factor * ORDER + 1):
        factor += 1
    p = factor * ORDER + 1
    for base in range(2, 1000):
        root = pow(base, factor, p)
        if all(pow(root, ORDER // prime, p) != 1 for prime in (2, 3, 5, 7, 11, 13, 17, 19)):
            return p, root
    raise AssertionError("no root of this order")


P, ZETA = _find()
I = pow(ZETA, ORDER // 4, P)  # noqa: E741, the imaginary unit
HALF = pow(2, -1, P)


def fraction(value):
    value = Fraction(value)
    return value.numerator * pow(value.denominator, -1, P) % P


def divide(a, b):
    return a * pow(b, -1, P) % P


def root(k, n):
    """e^(-2 pi i k / n) as (real, imaginary) part."""
    assert ORDER % n == 0, f"no root of order {n} here"
    z = pow(ZETA, -k * (ORDER // n) % ORDER, P)
    w = pow(z, -1, P)
    return (z + w) * HALF % P, divide((z - w) % P, 2 * I % P)


def constant(value, orders=(), of="f64"):
    """The exact number that a constant of type `of` was rounded from: a fraction of a small denominator, or the cosine
    of a fraction of a turn over one of `orders`."""
    denominators, digits = (1 << 14, 2**-52) if of == "f64" else (1 << 8, 2**-23)
    guess = Fraction(value).limit_denominator(denominators)
    if abs(float(guess) - value) <= digits * abs(value):
        return fraction(guess)
    for order in orders:
        for k in range(order):
            if abs(math.cos(2 * math.pi * k / order) - value) <= 2 * digits:
                return root(k, order)[0]
    raise ValueError(f"{value!r} is no number that is known")


def unknown(name, *values):
    """A function of which nothing is known."""
    return random.Random(f"{name} {values}").randrange(P)


def maximum(a, b):
    """One of the two, the same in either order."""
    return random.Random(f"maximum {sorted((a, b))}").choice(sorted((a, b)))


def exponential(x):
    """A function with exp(-x) = 1 / exp(x), and nothing else in common with the exponential."""
    return divide((2 + x) % P, (2 - x) % P)


def draw(rng, *shape):
    """An array of random numbers."""
    import numpy as np

    values = np.empty(shape, dtype=object)
    for index in np.ndindex(*shape):
        values[index] = rng.randrange(P)
    return values
