# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""One stage of butterfly attention, and its derivative by each of the ways to its scores.

A stage's weights are matrices of that stage alone: weights="dense" (D, D), weights="per_head" (H, dh, dh) or (dh, dh)
shared by the heads. States are (B, N, D), N a power of two. Names: (a, b) a pair of tokens, b = a + 2^stage;
δ = V_b − V_a; α the weight of the partner. All arithmetic is in the type of the arrays.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from ._arguments import as_float64, as_gradient

# --------------------------------------------------------------------------------------------------------------------
# One matrix a head


def _by_head(v, heads):
    return v.reshape(*v.shape[:2], heads, -1)


def _project(v, matrix, heads, weights):
    """(B, N, D) -> (B, N, H, dh): what each head sees."""
    if weights == "dense":
        return _by_head(v @ matrix.T, heads)
    if matrix.ndim == 2:
        return _by_head(v, heads) @ matrix.T
    return np.einsum("bnhc,hoc->bnho", _by_head(v, heads), matrix)


def _project_vjp(g, v, matrix, heads, weights):
    """The gradients of v and the matrix from g (B, N, H, dh)."""
    if weights == "dense":
        rows = g.reshape(-1, len(matrix))
        return (rows @ matrix).reshape(v.shape), rows.T @ v.reshape(rows.shape)
    by_head = _by_head(v, heads)
    if matrix.ndim == 2:
        return (g @ matrix).reshape(v.shape), np.einsum("bnho,bnhc->oc", g, by_head)
    return np.einsum("bnho,hoc->bnhc", g, matrix).reshape(v.shape), np.einsum("bnho,bnhc->hoc", g, by_head)


def project(x: ArrayLike, matrix: ArrayLike, heads: int, weights: str = "dense") -> np.ndarray:
    """y[b, n]^h = M^h x[b, n]^h for every head. x (B, N, D); M as a stage's weights; returns (B, N, D)."""
    x = as_float64(x, "x")
    return _project(x, as_float64(matrix, "matrix"), heads, weights).reshape(x.shape)


def project_vjp(
    g: ArrayLike, x: ArrayLike, matrix: ArrayLike, heads: int, weights: str = "dense"
) -> tuple[np.ndarray, np.ndarray]:
    """The gradients of x and M from g, that of `project`'s result: gx^h = M^hᵀ g^h, gM^h = Σ g^h ⊗ x^h. Saved: x, M."""
    x = as_float64(x, "x")
    g = as_gradient(g, x.shape)
    return _project_vjp(_by_head(g, heads), x, as_float64(matrix, "matrix"), heads, weights)


def fold_weights(wq: ArrayLike, wk: ArrayLike) -> np.ndarray:
    """M = Wqᵀ Wk of the trailing two dimensions. wq, wk (…, out, in); returns (…, in, in)."""
    return np.swapaxes(as_float64(wq, "wq"), -1, -2) @ as_float64(wk, "wk")


def fold_weights_vjp(g: ArrayLike, wq: ArrayLike, wk: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """The gradients of Wq and Wk from g, that of M = `fold_weights`(Wq, Wk): Wk gᵀ and Wq g. Saved: the weights."""
    g = as_float64(g, "g")
    return as_float64(wk, "wk") @ np.swapaxes(g, -1, -2), as_float64(wq, "wq") @ g


# --------------------------------------------------------------------------------------------------------------------
# The definition


def softmax(scores):
    """Softmax over the last axis. The largest score is taken off first, so that no exponential overflows."""
    exponential = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return exponential / exponential.sum(axis=-1, keepdims=True)


class Definition:
    """One stage as it is defined, each operation's result `rounded`: its state after, and its gradients.

    Each operation of the forward, and each that a framework's automatic differentiation makes of one, rounds once.
    `eager`: the softmax's derivative as frameworks have it, of any number of scores; of two, it loses what is small
    where one score has all the weight.
    """

    def __init__(self, v, wq, wk, stage, heads, weights, scale, rounded, eager):
        self.eager = eager
        self.v, self.matrices, self.form, self.scale, self.rounded = v, (wq, wk), (heads, weights), scale, rounded
        self.partner = np.arange(v.shape[1]) ^ (1 << stage)
        self.before = _by_head(v, heads)
        self.q = rounded(_project(v, wq, heads, weights))
        self.k = rounded(_project(v, wk, heads, weights))
        own = rounded((self.q * self.k).sum(axis=-1))
        other = rounded((self.q * self.k[:, self.partner]).sum(axis=-1))
        self.scores = np.stack([own, other], axis=-1)
        self.a = rounded(softmax(rounded(scale * self.scores)))

    def after(self):
        own = self.rounded(self.a[..., :1] * self.before)
        other = self.rounded(self.a[..., 1:] * self.before[:, self.partner])
        return self.rounded(own + other).reshape(self.v.shape)

    def vjp(self, g):
        """With g^h by head, a the softmax's result, p the partner:

        ga = [g · V_j, g · V_p]        gs' = a (ga − Σ a ga) = ± a_jj a_jp (ga_jj − ga_jp)
        gs = scale gs'        gscale = Σ gs' s
        gQ_j = gs_jj K_j + gs_jp K_p        gK_j = gs_jj Q_j + gs_pj Q_p
        gV_j = a_jj g_j + a_pj g_p + Wqᵀ gQ + Wkᵀ gK        gWq = Σ gQ ⊗ V        gWk = Σ gK ⊗ V
        """
        rounded, p, a = self.rounded, self.partner, self.a
        g = _by_head(g, self.form[0])
        ga = np.stack([(g * self.before).sum(axis=-1), (g * self.before[:, p]).sum(axis=-1)], axis=-1)
        ga = rounded(ga)
        if self.eager:
            unscaled = rounded(a * (ga - (a * ga).sum(axis=-1, keepdims=True)))
        else:
            unscaled = a.prod(axis=-1, keepdims=True) * (ga - ga[..., ::-1])
        own, other = np.moveaxis(rounded(self.scale * unscaled)[..., None, :], -1, 0)
        gq = rounded(rounded(own * self.k) + rounded(other * self.k[:, p]))
        gk = rounded(rounded(own * self.q) + rounded(other * self.q)[:, p])
        gv = rounded(rounded(a[..., :1] * g) + rounded(a[..., 1:] * g)[:, p]).reshape(self.v.shape)
        gradients = []
        for matrix, projected in zip(self.matrices, (gq, gk)):
            part, gradient = _project_vjp(projected, self.v, matrix, *self.form)
            gv = rounded(gv + rounded(part))
            gradients.append(rounded(gradient))
        return gv, tuple(gradients), rounded((unscaled * self.scores).sum())


def exact(value):
    """The rounding that rounds nothing."""
    return value


# --------------------------------------------------------------------------------------------------------------------
# By pairs


def _pairs(v, stage, heads):
    """(a, b): the first and the second of every pair, (B, N/2, H, dh) each."""
    split = v.reshape(len(v), -1, 2, 1 << stage, v.shape[-1])
    return tuple(split[:, :, i].reshape(len(v), v.shape[1] // 2, heads, -1) for i in (0, 1))


def _tokens(a, b, stage, shape):
    """The inverse of `_pairs`."""
    blocks = (shape[0], -1, 1 << stage, shape[2])
    return np.stack([a.reshape(blocks), b.reshape(blocks)], axis=2).reshape(shape)


def _partner_weight(score):
    """σ(score), without an overflow, and to all digits where it is small."""
    small = np.exp(-np.abs(score))
    return np.where(score >= 0, 1.0, small) / (1 + small)


def mix_vjp(ga, gb, delta, score_a, score_b, scale):
    """What every scoring shares. With s the scores, α = σ(scale s), out_a = V_a + α_a δ and out_b = V_b − α_b δ:

        z'_a = (g_a · δ) α_a (1 − α_a)        z'_b = −(g_b · δ) α_b (1 − α_b)        z = scale z' = ∂L/∂s
        gδ = α_a g_a − α_b g_b        gscale = Σ z' s

    Returns z_a, z_b, gδ without the scores' part, and gscale. 1 − α is σ(−scale s): a difference would lose all digits.
    """
    alpha_a, alpha_b = _partner_weight(scale * score_a)[..., None], _partner_weight(scale * score_b)[..., None]
    za = (ga * delta).sum(axis=-1, keepdims=True) * alpha_a * _partner_weight(-scale * score_a)[..., None]
    zb = -(gb * delta).sum(axis=-1, keepdims=True) * alpha_b * _partner_weight(-scale * score_b)[..., None]
    gscale = (za[..., 0] * score_a + zb[..., 0] * score_b).sum()
    return scale * za, scale * zb, alpha_a * ga - alpha_b * gb, gscale


def _stage(g, v, stage, heads):
    """V_a, V_b, δ, g_a and g_b, by head."""
    va, vb = _pairs(v, stage, heads)
    return va, vb, vb - va, *_pairs(g, stage, heads)


def _flat(t):
    """(B, N, H, dh) -> (B, N, D)."""
    return t.reshape(*t.shape[:2], -1)


def pair_difference_vjp(g, v, matrices, stage, heads, weights, scale):
    """K of δ alone: κ = Wk δ, s_a = Q_a · κ, s_b = −Q_b · κ. z and gδ from `mix_vjp`:

    dQ_a = z_a κ        dQ_b = −z_b κ        dκ = z_a Q_a − z_b Q_b        gδ += Wkᵀ dκ
    gV_a = g_a + Wqᵀ dQ_a − gδ        gV_b = g_b + Wqᵀ dQ_b + gδ        gWq = Σ dQ ⊗ V        gWk = Σ dκ ⊗ δ
    """
    wq, wk = matrices
    va, vb, delta, ga, gb = _stage(g, v, stage, heads)
    qa, qb = (_project(_flat(t), wq, heads, weights) for t in (va, vb))
    kappa = _project(_flat(delta), wk, heads, weights)
    za, zb, gdelta, gscale = mix_vjp(ga, gb, delta, (qa * kappa).sum(axis=-1), -(qb * kappa).sum(axis=-1), scale)
    through_k, gwk = _project_vjp(za * qa - zb * qb, _flat(delta), wk, heads, weights)
    gdelta = _flat(gdelta) + through_k
    from_a, gwq_a = _project_vjp(za * kappa, _flat(va), wq, heads, weights)
    from_b, gwq_b = _project_vjp(-zb * kappa, _flat(vb), wq, heads, weights)
    gv = _tokens(_flat(ga) + from_a - gdelta, _flat(gb) + from_b + gdelta, stage, v.shape)
    return gv, (gwq_a + gwq_b, gwk), gscale


def chained_vjp(g, v, matrices, stage, heads, weights, scale):
    """κ = Wk δ, ρ^h = (Wq^h)ᵀ κ^h, s_a = V_a · ρ, s_b = −V_b · ρ, where a dense head sees all of V. From `mix_vjp`'s z:

    dρ^h = z_a V_a − z_b V_b        dκ^h = Wq^h dρ^h        gWq^h = Σ κ^h ⊗ dρ^h        gWk = Σ dκ ⊗ δ
    gδ += Wkᵀ dκ        gV_a = g_a + Σ_h z_a ρ^h − gδ        gV_b = g_b − Σ_h z_b ρ^h + gδ
    """
    wq, wk = matrices
    va, vb, delta, ga, gb = _stage(g, v, stage, heads)
    if weights == "dense":
        # What a head sees is the same for all, and a sum over the heads takes it back.
        by_head, seen_a, seen_b = wq.reshape(heads, -1, v.shape[2]), _flat(va)[:, :, None], _flat(vb)[:, :, None]
    else:
        by_head, seen_a, seen_b = np.broadcast_to(wq, (heads, *wq.shape[-2:])), va, vb
    kappa = _project(_flat(delta), wk, heads, weights)
    rho = np.einsum("bnho,hoc->bnhc", kappa, by_head)
    za, zb, gdelta, gscale = mix_vjp(ga, gb, delta, (seen_a * rho).sum(axis=-1), -(seen_b * rho).sum(axis=-1), scale)
    grho = za * seen_a - zb * seen_b
    gwq = np.einsum("bnho,bnhc->hoc", kappa, grho)
    gwq = gwq.sum(axis=0) if weights != "dense" and wq.ndim == 2 else gwq.reshape(wq.shape)
    through_k, gwk = _project_vjp(np.einsum("hoc,bnhc->bnho", by_head, grho), _flat(delta), wk, heads, weights)
    gdelta = _flat(gdelta) + through_k
    seen = (lambda t: t.sum(axis=2)) if weights == "dense" else _flat
    gv = _tokens(_flat(ga) + seen(za * rho) - gdelta, _flat(gb) - seen(zb * rho) + gdelta, stage, v.shape)
    return gv, (gwq, gwk), gscale


def folded_vjp(g, v, matrices, stage, heads, weights, scale):
    """ρ = M δ with M = Wqᵀ Wk, of one head or per head; scores as chained ones. `matrices` is (M,):

    dρ = z_a V_a − z_b V_b        gM = Σ dρ ⊗ δ        gδ += Mᵀ dρ        gV_a = g_a + z_a ρ − gδ        gV_b = g_b − z_b ρ + gδ
    """
    (m,) = matrices
    va, vb, delta, ga, gb = _stage(g, v, stage, heads)
    rho = _project(_flat(delta), m, heads, weights)
    za, zb, gdelta, gscale = mix_vjp(ga, gb, delta, (va * rho).sum(axis=-1), -(vb * rho).sum(axis=-1), scale)
    through_m, gm = _project_vjp(za * va - zb * vb, _flat(delta), m, heads, weights)
    gdelta = gdelta + through_m.reshape(delta.shape)
    return _tokens(ga + za * rho - gdelta, gb - zb * rho + gdelta, stage, v.shape), (gm,), gscale


def carried_vjp(g, g_image, v, image, stage, heads, scale):
    """ρ = R_b − R_a of the images R = M V, which α mixes as it does V; scores as chained ones. With G the image's gradient

        z from g · δ + G · ρ in place of g · δ        gδ = α_a g_a − α_b g_b        gρ = α_a G_a − α_b G_b + z_a V_a − z_b V_b
        gV_a = g_a + z_a ρ − gδ        gV_b = g_b − z_b ρ + gδ        gR_a = G_a − gρ        gR_b = G_b + gρ

    Returns gV, gR and gscale.
    """
    va, vb, delta, ga, gb = _stage(g, v, stage, heads)
    _, _, rho, image_ga, image_gb = _stage(g_image, image, stage, heads)
    scores = (va * rho).sum(axis=-1), -(vb * rho).sum(axis=-1)
    # One head's state and image mixed by the same weight are one state of twice the channels.
    both = [np.concatenate(pair, axis=-1) for pair in ((ga, image_ga), (gb, image_gb), (delta, rho))]
    za, zb, gboth, gscale = mix_vjp(*both, *scores, scale)
    gdelta, grho = np.split(gboth, 2, axis=-1)
    grho = grho + za * va - zb * vb
    gv = _tokens(ga + za * rho - gdelta, gb - zb * rho + gdelta, stage, v.shape)
    return gv, _tokens(image_ga - grho, image_gb + grho, stage, image.shape), gscale


# The rule of each scoring but the definition's and the carried ones': the gradients of the state before, of the stage's matrices, and of the scale.
STAGE_RULES: dict[str, Callable[..., tuple]] = {
    "pair_difference": pair_difference_vjp,
    "chained": chained_vjp,
    "folded": folded_vjp,
}
