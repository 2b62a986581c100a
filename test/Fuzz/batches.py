# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Batches that only the run knows: what that of each value is in those of the inputs, and what an operation needs of
them.

A size is a dict: how often it has each input's batch, by the input's name, and under ONE a number. A need is a kind and
a size: "equal", which is to be zero; "some", which is not to be negative; "within", where what is negative is refused
and what is positive may be; "maybe", where only the latter is so: of what is not zero."""

ONE = ""


def combined(*parts):
    """The sum of (factor, size)."""
    total = {}
    for factor, size in parts:
        for name, count in size.items():
            total[name] = total.get(name, 0) + factor * count
    return {name: count for name, count in total.items() if count}


def number(count):
    return {ONE: count} if count else {}


def batch_of(value):
    """Also of a value whose type says it."""
    return number(value.sizes[0]) if value.batch is None else value.batch


def evaluated(size, batches):
    return sum(count * (1 if name == ONE else batches[name]) for name, count in size.items())


def equal(one, other):
    """The needs of two sizes that have to be one."""
    difference = combined((1, one), (-1, other))
    return [("equal", difference)] if difference else []


def is_refused(need, batches):
    kind, size = need
    left = evaluated(size, batches)
    return left != 0 if kind == "equal" else left < 0 and kind != "maybe"


def may_be_refused(need, batches):
    kind, size = need
    left = evaluated(size, batches)
    return left < 0 if kind == "some" else left != 0
