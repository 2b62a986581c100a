# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The operators of libbfly_torch (lib/Torch), and what torch has to know of them besides: shapes and gradients.

The operators are C++ on torch's stable ABI, which has neither. torch.ops.bfly.X is what graphs hold; `apply` is how Python
calls it."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn import Parameter

from .._library import library, library_path
from . import _lengths

MINIMUM = (2, 10)  # torch's version


def _load():
    version = tuple(int(part) for part in torch.__version__.split(".")[:2])
    if version < MINIMUM:
        raise ImportError(f"bfly.torch needs torch {MINIMUM[0]}.{MINIMUM[1]} or later, and this is {torch.__version__}")
    library()  # checks its version, and stops its threads at exit
    path = Path(library_path()).with_name("libbfly_torch.so")
    if not path.exists():
        raise ImportError(f"{path} is not there: bfly was built where torch was not (docs/torch.md)")
    torch.ops.load_library(os.fspath(path))


_load()

_FLOATS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)


class Operator:
    """One of torch.ops.bfly's with its derivative.

    names    of its tensors, of which x is the first, and of the numbers behind them
    """

    def __init__(self, name, names, numbers=()):
        self.name, self.names, self.numbers = name, names, numbers
        self.count = len(names)
        self.forward = getattr(torch.ops.bfly, name).default
        self.backward = getattr(torch.ops.bfly, name + "_backward").default
        self.function, self.transformed = _function(self), _transformed(self)
        torch.library.register_fake(f"bfly::{name}", self._fake)
        torch.library.register_fake(f"bfly::{name}_backward", self._fake_backward)
        torch.library.register_autograd(f"bfly::{name}", self._backward, setup_context=self._save)
        torch.library.register_autograd(f"bfly::{name}_backward", self._no_second_derivative)

    def check_tensors(self, *tensors):
        """That they are tensors, and x one of sequences."""
        for tensor in tensors:
            # isinstance takes twice as long, at every call.
            kind = type(tensor)
            if not (kind is Tensor or kind is Parameter or isinstance(tensor, Tensor)):
                index = next(index for index, value in enumerate(tensors) if value is tensor)
                raise RuntimeError(f"bfly.{self.name}: {self.names[index]}: {kind.__name__}, expected a tensor")
        if tensors[0].dim() < 2:
            raise RuntimeError(f"bfly.{self.name}: x: shape {tuple(tensors[0].shape)}, expected (…, N, D)")

    def check(self, tensors):
        """What shows without sizes; the rest is checked where the sizes are numbers."""
        x = tensors[0]
        if x.dtype not in _FLOATS or x.dim() != 3:
            raise RuntimeError(
                f"bfly.{self.name}: x: {x.dtype} {tuple(x.shape)}, expected (B, N, D) of floating-point numbers"
            )
        for name, tensor in zip(self.names[1:], tensors[1:]):
            if tensor.device != x.device:
                raise RuntimeError(f"bfly.{self.name}: {name}: on {tensor.device}, but x is on {x.device}")
            if tensor.dtype != x.dtype:
                raise RuntimeError(f"bfly.{self.name}: {name}: {tensor.dtype}, but x has {x.dtype}")

    def _fake(self, *arguments):
        self.check(arguments[: self.count])
        return arguments[0].new_empty(arguments[0].shape)

    def _fake_backward(self, gradient, *arguments):
        *arguments, wanted = arguments
        tensors = arguments[: self.count]
        return tuple(
            tensor.new_empty(tensor.shape if wanted >> index & 1 else (0,)) for index, tensor in enumerate(tensors)
        )

    def _save(self, ctx, inputs, output):
        ctx.save_for_backward(*inputs[: self.count])
        ctx.rest = inputs[self.count :]

    def gradients(self, ctx, gradient, backward=None):
        """One for each tensor, None where none is needed, and None for each number."""
        needed = ctx.needs_input_grad[: self.count]
        wanted = sum(1 << index for index, need in enumerate(needed) if need)
        made = (backward or self.backward)(gradient, *ctx.saved_tensors, *ctx.rest, wanted)
        return (*(value if need else None for value, need in zip(made, needed)), *(None for _ in ctx.rest))

    def _backward(self, ctx, gradient):
        return self.gradients(ctx, gradient)

    def _no_second_derivative(self, ctx, *gradients):
        raise RuntimeError(f"bfly.{self.name}: there is no second derivative")

    def _no_forward_mode(self, *_):
        raise RuntimeError(f"bfly.{self.name}: there is no derivative in forward mode")

    def _check_no_tangents(self, arguments):
        """PyTorch would drop them, and the result would have a derivative of 0."""
        for tensor in arguments[: self.count]:
            if forward_ad.unpack_dual(tensor).tangent is not None:
                self._no_forward_mode()

    def __call__(self, *arguments):
        """The operator with gradients, the shortest way. In a graph of torch.compile or torch.export it is the operator
        itself, whose own gradients are slower outside of one."""
        if torch.compiler.is_compiling():
            if forward_ad._current_level >= 0:
                self._no_forward_mode()
            return self.forward(*arguments)
        if torch._C._are_functorch_transforms_active():
            return self.transformed.apply(*arguments)
        if forward_ad._current_level >= 0:
            self._check_no_tangents(arguments)
        if torch.is_grad_enabled():
            for tensor in arguments[: self.count]:
                if tensor.requires_grad:
                    return self.function.apply(*arguments)
        if _lengths.is_active():
            y = _lengths.call(self, arguments)
            if y is not None:
                return y
        with _below_autograd():
            return self.forward(*arguments)


_below_autograd = torch._C._AutoDispatchBelowAutograd


def _function(operator):
    """The operator as a Function of autograd, outside of it: a third cheaper than the gradients of the operator itself."""
    count, forward_of = operator.count, operator.forward

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *arguments):
            ctx.save_for_backward(*arguments[:count])
            ctx.rest = arguments[count:]
            with _below_autograd():
                return forward_of(*arguments)

        @staticmethod
        def backward(ctx, gradient):
            if torch.is_grad_enabled():  # create_graph: the operator refuses what asks for a second derivative
                return operator.gradients(ctx, gradient)
            with _below_autograd():
                return operator.gradients(ctx, gradient)

    Function.__name__ = Function.__qualname__ = f"bfly_{operator.name}"
    return Function


def _transformed(operator):
    """The same for torch.func, whose transforms ask for more: what is a batch, or wants a gradient, does not show in a tensor
    then."""

    class Backward(torch.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(*arguments):
            return operator.backward(*arguments)

        @staticmethod
        def setup_context(ctx, inputs, output):
            pass

        @staticmethod
        def backward(ctx, *gradients):
            operator._no_second_derivative(ctx, *gradients)

        jvp = staticmethod(operator._no_second_derivative)

    class Function(torch.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(*arguments):
            return operator.forward(*arguments)

        setup_context = staticmethod(operator._save)

        @staticmethod
        def backward(ctx, gradient):
            return operator.gradients(ctx, gradient, Backward.apply)

        jvp = staticmethod(operator._no_forward_mode)

    Function.__name__ = Function.__qualname__ = f"bfly_{operator.name}"
    return Function


FILTER = Operator("spectral_filter", ("x", "w_base", "w1", "b1", "w2", "b2", "bias"))
MODRELU = Operator("modrelu_filter", ("x", "w", "bias"))
ATTENTION = Operator("butterfly_attention", ("x", "wq", "wk"), ("heads", "scale"))
