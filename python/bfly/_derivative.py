# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""`differentiate`: the backward function of a function."""

from __future__ import annotations

import os
from collections.abc import Sequence

from . import _library
from ._errors import BflyError
from ._kernel import _encoded, _text
from ._library import library


def differentiate(
    text_or_path: str | bytes | os.PathLike[str],
    function: str | None = None,
    of: Sequence[int | str] | None = None,
    *,
    name: str | None = None,
) -> str:
    """The backward function of a module's function, as the text of a module of its own, for `compile` (docs/derivatives.md).

    text_or_path  as `compile` takes it.
    function      which public function; None: the only one.
    of            what gradients are wanted of: numbers of inputs, then names of parameters, both in their order; None: of all.
    name          what errors call a text; None: "<text>".

    The function takes the inputs and parameters of the one that it belongs to, then a gradient for each floating-point
    result, and is called NAME_backward. BflyError says where in the text there is no derivative, or which argument is wrong.
    """
    is_name = isinstance(text_or_path, str) and not any(mark in text_or_path for mark in "\n{")
    if is_name or isinstance(text_or_path, os.PathLike):
        name = os.fspath(text_or_path) if name is None else name
        try:
            with open(text_or_path, "rb") as file:
                text = file.read()
        except (OSError, ValueError) as error:
            raise BflyError(f"text_or_path: {error}") from None
    elif isinstance(text_or_path, (str, bytes)):
        text = _encoded(text_or_path, "text_or_path") if isinstance(text_or_path, str) else text_or_path
    else:
        raise BflyError(f"text_or_path: text or a path is expected, got {type(text_or_path).__name__}")
    wanted = None
    if of is not None:
        if not isinstance(of, Sequence):
            raise BflyError(f"of: {of!r}, expected numbers of inputs and names of parameters")
        wanted = [_one(value) for value in of]
        if isinstance(of, str) or not wanted:
            raise BflyError(f"of: {of!r}, expected numbers of inputs and names of parameters")
        wanted = ",".join(wanted)
    return _library.take_text(
        library().bfly_differentiate(
            text, len(text), _text(name, "name"), _text(function, "function"), _text(wanted, "of")
        )
    )


def _one(value):
    """A number or a name, in which there is no comma: it would be two."""
    is_number = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if not is_number and not (isinstance(value, str) and value and "," not in value):
        raise BflyError(f"of: {value!r}, expected the number of an input or the name of a parameter")
    return str(value)
