# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""As much of pytest as bfly's tests use, for test/standalone/run.py: parametrize, fixtures, raises, approx, skip."""

import builtins
import contextlib
import importlib
import math
import numbers
import os
import re
import sys
from collections import namedtuple


class Skipped(Exception):
    """A test that cannot run here; what it lacks."""


def skip(reason="", allow_module_level=False):
    raise Skipped(reason)


def fail(reason="", pytrace=True):
    raise AssertionError(reason)


def importorskip(name, minversion=None, reason=None, exc_type=ImportError):
    try:
        return importlib.import_module(name)
    except ImportError:
        raise Skipped(reason or f"needs {name}") from None


class raises(contextlib.AbstractContextManager):
    """Asserts that the block raises `expected`, with a message that the pattern `match` is found in."""

    def __init__(self, expected, match=None):
        self.expected, self.match, self.value = expected, match, None

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        assert kind is not None, f"nothing was raised, expected {self.expected}"
        if not issubclass(kind, self.expected):
            return False
        self.value, self.type = value, kind
        if self.match is not None:
            assert re.search(self.match, str(value)), f"{self.match!r} is not found in {str(value)!r}"
        return True


class approx:
    """Equal within rel · |expected| or abs, element by element: numbers, sequences, NumPy arrays."""

    __array_ufunc__ = None
    __array_priority__ = 100

    def __init__(self, expected, rel=None, abs=None, nan_ok=False):
        self.expected, self.abs, self.nan_ok = expected, 1e-12 if abs is None else abs, nan_ok
        self.rel = rel if rel is not None else (1e-6 if abs is None else 0.0)

    def __repr__(self):
        return f"approx({self.expected!r})"

    def _near(self, actual, expected):
        if isinstance(expected, str | bytes | None | bool) or not isinstance(expected, numbers.Complex):
            return actual == expected
        if actual == expected:
            return True
        if math.isinf(builtins.abs(expected)) or math.isinf(builtins.abs(actual)):
            return False
        if expected != expected or actual != actual:
            return self.nan_ok and expected != expected and actual != actual
        return builtins.abs(actual - expected) <= max(self.abs, self.rel * builtins.abs(expected))

    def __eq__(self, actual):
        expected = self.expected
        if hasattr(expected, "shape") or hasattr(actual, "shape"):
            import numpy as np

            actual, expected = np.broadcast_arrays(np.asarray(actual), np.asarray(expected))
            return all(self._near(a, e) for a, e in zip(actual.ravel().tolist(), expected.ravel().tolist()))
        if isinstance(expected, dict):
            return expected.keys() == actual.keys() and all(self._near(actual[key], expected[key]) for key in expected)
        if isinstance(expected, list | tuple):
            return len(actual) == len(expected) and all(map(self._near, actual, expected))
        return self._near(actual, expected)

    def __ne__(self, actual):
        return not self == actual


Param = namedtuple("Param", "values id marks")


def param(*values, id=None, marks=()):
    return Param(values, id, tuple(marks) if isinstance(marks, list | tuple) else (marks,))


class Mark:
    """A decorator that notes itself in `function.marks`, outermost last."""

    def __init__(self, name, *args, **kwargs):
        self.name, self.args, self.kwargs = name, args, kwargs

    def __call__(self, *args, **kwargs):
        if len(args) == 1 and not kwargs and callable(args[0]):
            args[0].marks = [*getattr(args[0], "marks", []), self]
            return args[0]
        return Mark(self.name, *args, **kwargs)


class _Marks:
    def __getattr__(self, name):
        return Mark(name)


mark = _Marks()

Fixture = namedtuple("Fixture", "function scope params ids autouse")


def fixture(function=None, *, scope="function", params=None, ids=None, autouse=False):
    """Marks a function, or a generator function that cleans up after its yield, as a fixture."""
    if function is None:
        return lambda function: fixture(function, scope=scope, params=params, ids=ids, autouse=autouse)
    return Fixture(function, scope, params, ids, autouse)


class MonkeyPatch:
    """Changes that are undone after the test."""

    def __init__(self):
        self._undo = contextlib.ExitStack()

    def _change(self, get, put, remove, name, value, delete=False):
        missing = object()
        old = get(name, missing)
        self._undo.callback(lambda: remove(name) if old is missing else put(name, old))
        remove(name) if delete else put(name, value)

    def setattr(self, target, name, value, raising=True):
        if raising:
            getattr(target, name)
        self._change(
            lambda name, default: vars(target).get(name, default),
            lambda name, value: setattr(target, name, value),
            lambda name: delattr(target, name),
            name,
            value,
        )

    def setitem(self, mapping, name, value):
        self._change(mapping.get, mapping.__setitem__, mapping.__delitem__, name, value)

    def delitem(self, mapping, name, raising=True):
        if raising or name in mapping:
            self._change(mapping.get, mapping.__setitem__, mapping.__delitem__, name, None, delete=True)

    def setenv(self, name, value):
        self.setitem(os.environ, name, str(value))

    def delenv(self, name, raising=True):
        self.delitem(os.environ, name, raising)

    def syspath_prepend(self, path):
        self._undo.callback(setattr, sys, "path", list(sys.path))
        sys.path.insert(0, str(path))

    def chdir(self, path):
        self._undo.callback(os.chdir, os.getcwd())
        os.chdir(path)

    def undo(self):
        self._undo.close()
