# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The strategies in use: each draws from a random.Random."""

import math


class Strategy:
    def __init__(self, draw):
        self.draw = draw

    def map(self, function):
        return Strategy(lambda source: function(self.draw(source)))

    def flatmap(self, function):
        return Strategy(lambda source: function(self.draw(source)).draw(source))

    def filter(self, predicate):
        def draw(source):
            from . import UnsatisfiedAssumption

            for _ in range(100):
                value = self.draw(source)
                if predicate(value):
                    return value
            raise UnsatisfiedAssumption

        return Strategy(draw)

    def __or__(self, other):
        return one_of(self, other)


def just(value):
    return Strategy(lambda source: value)


def none():
    return just(None)


def booleans():
    return Strategy(lambda source: source.random() < 0.5)


def integers(min_value=-(2**63), max_value=2**63 - 1):
    def draw(source):
        if source.random() < 0.1:
            return source.choice((min_value, max_value))
        # Small ones more often than a uniform draw from a long range would give them.
        if source.random() < 0.3:
            return min(max_value, min_value + source.getrandbits(source.randrange(1, 6)))
        return source.randint(min_value, max_value)

    return Strategy(draw)


def floats(min_value=None, max_value=None, allow_nan=None, allow_infinity=None, width=64, **others):
    low = -1e300 if min_value is None else min_value
    high = 1e300 if max_value is None else max_value
    special = [low, high] + [0.0] * (low <= 0 <= high)
    if min_value is None and max_value is None:
        special += [math.nan] * (allow_nan is not False) + [math.inf, -math.inf] * (allow_infinity is not False)
    return Strategy(lambda source: source.choice(special) if source.random() < 0.1 else source.uniform(low, high))


def sampled_from(elements):
    elements = list(elements)
    return Strategy(lambda source: source.choice(elements))


def one_of(*strategies):
    if len(strategies) == 1 and not isinstance(strategies[0], Strategy):
        strategies = tuple(strategies[0])
    return Strategy(lambda source: source.choice(strategies).draw(source))


def tuples(*strategies):
    return Strategy(lambda source: tuple(strategy.draw(source) for strategy in strategies))


def lists(elements, min_size=0, max_size=None):
    longest = min_size + 10 if max_size is None else max_size
    return Strategy(lambda source: [elements.draw(source) for _ in range(source.randint(min_size, longest))])


def builds(function, *positional, **named):
    return Strategy(
        lambda source: function(
            *(strategy.draw(source) for strategy in positional),
            **{name: strategy.draw(source) for name, strategy in named.items()},
        )
    )


def composite(function):
    return lambda *args, **kwargs: Strategy(lambda source: function(lambda one: one.draw(source), *args, **kwargs))


def data():
    class Data:
        def __init__(self, source):
            self.draw = lambda strategy, label=None: strategy.draw(source)

    return Strategy(Data)
