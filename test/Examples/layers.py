# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Which layers the tests train, and how to break their gradients."""

import importlib
import importlib.util

import torch

# Where the program finds the mixers' functions, by the name of the layers.
MODULES = {"torch": "bfly.examples.plain", "bfly": "bfly.torch._modules"}
MODELS = [name for name in MODULES if name == "torch" or importlib.util.find_spec("bfly.torch")]

FILTER_WEIGHTS = (1, 2, 3, 4, 5)  # W_base, and the MLP's; x is 0
ATTENTION_WEIGHTS = (1, 2)


class Scaled(torch.autograd.Function):
    """The identity, with a gradient that is wrong by a factor."""

    @staticmethod
    def forward(ctx, x, factor):
        ctx.factor = factor
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return ctx.factor * gradient, None


def break_gradient(monkeypatch, model, function, arguments, factor):
    """Makes the gradients of these arguments of a mixer wrong by a factor."""
    module = importlib.import_module(MODULES[model])
    real = getattr(module, function)

    def broken(*values, **more):
        values = [Scaled.apply(value, factor) if index in arguments else value for index, value in enumerate(values)]
        return real(*values, **more)

    monkeypatch.setattr(module, function, broken)
