# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The derivative of butterfly attention, a stage, a group or all of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ._arguments import as_float64, as_gradient, as_tokens
from ._attention import Attention, module_weights
from ._attention_stage import STAGE_RULES, carried_vjp, fold_weights, fold_weights_vjp, project, project_vjp
from ._dense import linear, linear_vjp
from ._errors import rounding, storage_type


def attention_group(
    v: ArrayLike,
    wq: ArrayLike,
    wk: ArrayLike,
    first: int,
    last: int,
    heads: int,
    weights: str = "dense",
    scale: float | None = None,
) -> np.ndarray:
    """Stages first … last − 1, counted from 0, of `butterfly_attention`: the state after them from v, that before.

    v (B, N, D), N a power of two, padding included; the other arguments are `butterfly_attention`'s for those N.
    """
    attention, v = _group_of(v, wq, wk, first, last, heads, weights, scale)
    return attention.states(v, first, last)[-1]


def attention_group_vjp(
    g: ArrayLike,
    v: ArrayLike,
    wq: ArrayLike,
    wk: ArrayLike,
    first: int,
    last: int,
    heads: int,
    weights: str = "dense",
    scale: float | None = None,
    scoring: str = "definition",
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.float64]:
    """The gradients of v, of all of wq and wk, and of scale from g, that of `attention_group`'s result.

    The states inside the group are made again from v, and the stages gone through from the last to the first, each by
    the rule of its `scoring`: "definition", "pair_difference", "chained", or "folded" (one head, or weights per head).
    All are the same numbers but for rounding. Saved: v alone.
    """
    attention, v = _group_of(v, wq, wk, first, last, heads, weights, scale)
    return _group_vjp(attention, as_gradient(g, v.shape), v, first, last, scoring)


def butterfly_attention_vjp(
    g: ArrayLike,
    x: ArrayLike,
    wq: ArrayLike,
    wk: ArrayLike,
    heads: int,
    weights: str = "dense",
    scale: float | None = None,
    scoring: str = "definition",
    groups: Sequence[tuple[int, int]] | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.float64]:
    """The gradients of x, wq, wk and scale from g (B, N, D), that of `butterfly_attention`'s result.

    groups   (first, last) of the stages of each `attention_group`, one after another from 0 to L; None: one of all.
             Saved: the input of each group.
    scoring  as of `attention_group_vjp`, or "carried", where all stages share the weights and these can be folded.

    The padding's tokens are ordinary ones, and count in the weights' gradients; g is 0 on them, and gx is cut. What
    stages or heads share has the sum of their gradients. The scale has one whether it is given or not.
    """
    x = as_tokens(x)
    attention = Attention(x.shape, wq, wk, heads, weights, scale)
    g, v = attention.padded(as_gradient(g, x.shape)), attention.padded(x)
    if scoring == "carried":
        g, *gradients = _carried_vjp(attention, g, v)
        return g[:, : attention.n], *gradients
    groups = [(0, attention.count)] if groups is None else list(groups)
    if [stage for group in groups for stage in range(*group)] != list(range(attention.count)):
        raise ValueError(f"groups: {groups}, expected (first, last) one after another from 0 to {attention.count}")
    saved = [v]
    for group in groups[:-1]:
        saved.append(attention.states(saved[-1], *group)[-1])
    totals = attention.zeros()
    for group, v in reversed(list(zip(groups, saved))):
        g, *gradients = _group_vjp(attention, g, v, *group, scoring)
        totals = [total + gradient for total, gradient in zip(totals, gradients)]
    return g[:, : attention.n], *totals


def butterfly_attention_vjp_rounded(
    g: ArrayLike,
    x: ArrayLike,
    wq: ArrayLike,
    wk: ArrayLike,
    heads: int,
    dtype: str,
    weights: str = "dense",
    scale: float | None = None,
    unit: float = 1.0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.float64]:
    """`butterfly_attention_vjp` as a framework evaluates it eagerly in a type: `butterfly_attention_rounded`'s forward,
    and each operation of its automatic differentiation rounded to `dtype` as those are; sums of gradients too.

    Its error is what `bound` multiplies by 1.25. g, x, wq and wk are rounded to `dtype` first.

    unit     16 bits only: the same of g in another unit, times this number (which is not rounded), and the gradients over
             it: other roundings of the same function.
    """
    narrow = dtype in ("f16", "bf16")
    rounded = rounding(dtype)
    x, g = as_tokens(rounded(x)), unit * as_float64(rounded(g), "g")
    options = {"rounded": rounded} if narrow else {"number": storage_type(dtype).type}
    attention = Attention(x.shape, rounded(wq), rounded(wk), heads, weights, scale, eager=True, **options)
    g, v = attention.padded(as_gradient(g, x.shape)), attention.padded(x)
    gv, *gradients = _group_vjp(attention, g, v, 0, attention.count, "definition")
    gradients = [np.asarray(gradient, np.float64) for gradient in gradients]
    gv = gv[:, : attention.n].astype(np.float64)
    return gv / unit, gradients[0] / unit, gradients[1] / unit, np.float64(gradients[2]) / unit


def fft_inspired_attention_vjp(
    g: ArrayLike, x: ArrayLike, wv: ArrayLike, wq: ArrayLike, wk: ArrayLike, heads: int, scale: float | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.float64]:
    """The gradients of x, wv, wq, wk and scale from g, that of `fft_inspired_attention`'s result. The stages of wq and
    wk that N tokens do not use have gradient 0."""
    x = as_tokens(x)
    v = linear(x, wv)
    used = module_weights(v, wq, wk)
    gv, *by_stage, gscale = butterfly_attention_vjp(g, v, *used, heads, "dense", scale)
    gx, gwv, _ = linear_vjp(gv, x, wv)
    gradients = []
    for w, gradient in zip((wq, wk), by_stage):
        gradients.append(np.zeros(np.shape(w)))
        gradients[-1][: len(gradient)] = gradient
    return gx, gwv, *gradients, gscale


def _group_of(v, wq, wk, first, last, heads, weights, scale):
    v = as_tokens(v)
    attention = Attention(v.shape, wq, wk, heads, weights, scale)
    if v.shape[1] != 1 << attention.count:
        raise ValueError(f"v: {v.shape[1]} tokens, expected a power of two")
    if not 0 <= first <= last <= attention.count:
        raise ValueError(f"first, last: {first}, {last}, expected 0 <= first <= last <= {attention.count}")
    return attention, v


def _group_vjp(attention, g, v, first, last, scoring):
    """The gradients of a group's input v, of all of wq and wk, and of scale, from that of its output."""
    if scoring not in ("definition", *STAGE_RULES):
        raise ValueError(f"scoring: {scoring!r}, expected one of definition, {', '.join(STAGE_RULES)}, carried")
    if scoring == "folded":
        attention.check_folding()
    rounded = attention.rounded
    totals = attention.zeros()
    for stage, before in reversed(list(zip(range(first, last), attention.states(v, first, last)))):
        at = [attention.at(w, stage) for w in (attention.wq, attention.wk)]
        matrices = attention.wq[at[0]], attention.wk[at[1]]
        form = stage, attention.heads, attention.weights, attention.scale
        if scoring == "definition":
            g, gradients, gscale = attention.stage(before, stage).vjp(g)
        elif scoring == "folded":
            g, (gm,), gscale = STAGE_RULES[scoring](g, before, (fold_weights(*matrices),), *form)
            gradients = fold_weights_vjp(gm, *matrices)
        else:
            g, gradients, gscale = STAGE_RULES[scoring](g, before, matrices, *form)
        for total, index, gradient in zip(totals, at, gradients):
            total[index] = rounded(total[index] + gradient)
        totals[2] = rounded(totals[2] + gscale)
    return g, *totals


def _carried_vjp(attention, g, v):
    """All stages with carried scores: the image M V of the input, mixed as V is, and its gradient, mixed back."""
    attention.check_folding()
    if attention.count and not len(attention.wq) == len(attention.wk) == 1:
        raise ValueError("wq, wk: a matrix a stage, expected one that all share for carried scores")
    totals = attention.zeros()
    if not attention.count:
        return g, *totals
    heads, weights = attention.heads, attention.weights
    m = fold_weights(attention.wq[0], attention.wk[0])
    g_image = np.zeros_like(g)
    for stage, before in reversed(list(enumerate(attention.states(v, 0, attention.count)[:-1]))):
        # Mixing is linear, so that the image is M V at any stage.
        image = project(before, m, heads, weights)
        g, g_image, gscale = carried_vjp(g, g_image, before, image, stage, heads, attention.scale)
        totals[2] += gscale
    through_image, gm = project_vjp(g_image, v, m, heads, weights)
    for total, gradient in zip(totals, fold_weights_vjp(gm, attention.wq[0], attention.wk[0])):
        total[0] = gradient
    return g + through_image, *totals
