# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""As much of hypothesis as bfly's tests use, for test/standalone/run.py: random examples, ends of ranges favoured, and no
shrinking. What the failing example was is printed."""

import inspect
import random
import sys

from . import strategies as strategies


class UnsatisfiedAssumption(Exception):
    """An example that is none."""


def assume(condition):
    if not condition:
        raise UnsatisfiedAssumption
    return True


def note(value):
    print(value, file=sys.stderr)


class HealthCheck:
    def __getattr__(self, name):
        return name


HealthCheck = HealthCheck()


class settings:
    """Decorates a test, above or below `given`, with how many examples there are to be."""

    def __init__(self, parent=None, max_examples=None, **others):
        self.max_examples = max_examples

    def __call__(self, test):
        if self.max_examples is not None:
            test.max_examples = self.max_examples
        return test

    @staticmethod
    def register_profile(name, *args, **settings):
        """Profiles say what this module has no part of: deadlines, databases."""

    load_profile = register_profile


def seed(number):
    def decorate(test):
        test.seed = number
        return test

    return decorate


def example(*args, **kwargs):
    def decorate(test):
        test.examples = [*getattr(test, "examples", []), (args, kwargs)]
        return test

    return decorate


def given(*positional, **named):
    """Positional strategies are for the last arguments, as in hypothesis; the others are fixtures and parameters."""

    def decorate(test):
        names = [name for name in inspect.signature(test).parameters if name not in named]
        drawn = {**dict(zip(names[len(names) - len(positional) :], positional)), **named}

        def run(**fixtures):
            source = random.Random(f"{getattr(run, 'seed', 0)} {test.__module__}.{test.__qualname__}")

            def attempt(values):
                try:
                    test(**fixtures, **values)
                except UnsatisfiedAssumption:
                    return False
                except BaseException:
                    shown = ", ".join(f"{name}={value!r}" for name, value in values.items())
                    print(f"example: {test.__name__}({shown})", file=sys.stderr)
                    raise
                return True

            for args, kwargs in getattr(run, "examples", []):
                attempt({**dict(zip(drawn, args)), **kwargs})
            wanted = getattr(run, "max_examples", 100)
            for _ in range(10 * wanted):
                if wanted == 0:
                    break
                try:
                    values = {name: strategy.draw(source) for name, strategy in drawn.items()}
                except UnsatisfiedAssumption:
                    continue
                wanted -= attempt(values)

        for name in ("max_examples", "marks", "examples"):
            if hasattr(test, name):
                setattr(run, name, getattr(test, name))
        run.__name__, run.__doc__, run.__module__ = test.__name__, test.__doc__, test.__module__
        run.__signature__ = inspect.Signature(
            [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in names if name not in drawn]
        )
        run.hypothesis = True
        return run

    return decorate
