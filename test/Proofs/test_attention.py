# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Attention's scorings, and its stages in constant geometry, are the definition."""

import random

import field
import pytest
import sympy
from generic_ir import optimize
from interpreter import Interpreter

# Formulas, in symbols ------------------------------------------------------------------------------------------------

D = 4


def symbols(name, *shape):
    return sympy.Matrix(*shape, lambda i, j: sympy.Symbol(f"{name}{i}{j}", real=True))


V_J, V_P = symbols("x", D, 1), symbols("y", D, 1)
DELTA = V_P - V_J


def weights(name, heads, per_head):
    """A matrix of all channels; of blocks where each head sees its own alone."""
    matrix, dh = symbols(name, D, D), D // heads
    return (
        matrix.applyfunc(lambda x: x)
        if not per_head
        else sympy.Matrix(D, D, lambda i, j: matrix[i, j] if i // dh == j // dh else 0)
    )


def head(vector, h, heads):
    dh = D // heads
    return vector[h * dh : (h + 1) * dh, :]


def same(a, b):
    return sympy.expand(a - b) == 0


def test_softmax_over_two_is_a_sigmoid():
    own, other = sympy.symbols("own other", real=True)
    softmax = sympy.exp(other) / (sympy.exp(own) + sympy.exp(other))
    sigmoid = 1 / (1 + sympy.exp(-(other - own)))
    assert sympy.simplify(softmax - sigmoid) == 0
    # V_j + a delta is the mix, as the weights sum to 1.
    a, x, y = sympy.symbols("a x y")
    assert same((1 - a) * x + a * y, x + a * (y - x))
    # Over three it is none of the difference of two.
    third = sympy.exp(other) / (sympy.exp(own) + sympy.exp(other) + 1)
    assert sympy.simplify(third - sigmoid) != 0


@pytest.mark.parametrize("heads", [1, 2, 4])
@pytest.mark.parametrize("per_head", [False, True])
def test_scores(heads, per_head):
    wq, wk = weights("q", heads, per_head), weights("k", heads, per_head)
    folded = wq.T * wk
    kappa = wk * DELTA
    for h in range(heads):
        # What the sigmoid of the definition is taken of: the other's score less the own.
        q = head(wq * V_J, h, heads)
        score = (q.T * head(wk * V_P, h, heads) - q.T * head(wk * V_J, h, heads))[0]
        assert same(score, (q.T * head(kappa, h, heads))[0]), "pair_difference"
        # For the partner: its own key is K_p and the other's K_j.
        q_p = head(wq * V_P, h, heads)
        score_p = (q_p.T * head(wk * V_J, h, heads) - q_p.T * head(wk * V_P, h, heads))[0]
        assert same(score_p, -(q_p.T * head(kappa, h, heads))[0]), "pair_difference of the partner"
        r = head(wq, h, heads).T * head(kappa, h, heads)
        assert same(score, (V_J.T * r)[0]), "chained"
        by_fold = (head(V_J, h, heads).T * head(folded * DELTA, h, heads))[0]
        assert same(score, by_fold) == (per_head or heads == 1), "folded, exactly under its condition"


@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("per_head", [False, True])
@pytest.mark.parametrize("shared", [False, True])
def test_images_are_carried(heads, per_head, shared):
    """M V' is the mix of M V_j and M V_p by the weights of the state: where M does not mix what heads weigh apart, and
    the next stage has the same M."""
    a = sympy.symbols(f"a0:{heads}")
    by_channel = sympy.diag(*(a[c * heads // D] for c in range(D)))
    m = weights("m", heads, per_head)
    following = m if shared else weights("n", heads, per_head)
    carried = m * V_J + by_channel * (m * V_P - m * V_J)
    projected = following * (V_J + by_channel * DELTA)
    exact = all(same(x, y) for x, y in zip(carried, projected))
    assert exact == (shared and (per_head or heads == 1))


# What the compiler makes ---------------------------------------------------------------------------------------------

FORMS = {"dense": "{lead}x{d}x{d}", "per_head": "{lead}x{heads}x{dh}x{dh}", "one_head": "{lead}x{dh}x{dh}"}
SCORINGS = ["definition", "pair_difference", "chained", "folded", "carried"]


def program(form, heads, stages, shared, tokens=None, d=4, batch=2, of="f64"):
    tokens = tokens or 1 << stages
    lead = 1 if shared else stages
    w = "tensor<" + FORMS[form].format(lead=lead, d=d, heads=heads, dh=d // heads) + f"x{of}>"
    x = f"tensor<{batch}x{tokens}x{d}x{of}>"
    return f"""func.func @f(%x: {x}, %q: {w}, %k: {w}) -> {x} {{
  %y = bfly.butterfly_attention %x, %q, %k heads({heads}) scale(0.375) : {x}, {w}
  return %y : {x}
}}"""


def arrays(rng, module):
    """Random arguments of the function of a module."""
    from interpreter import shape_of

    function = next(operation for operation in module.walk() if operation.name == "func.func")
    return [field.draw(rng, *shape_of(of)) for of in function.regions[0].types]


def run(module, arguments):
    """The result of @f; at affine level it is the last argument."""
    import numpy as np
    from interpreter import functions, shape_of

    block = functions(module)["f"].regions[0]
    given = [array.copy() for array in arguments]
    outs = [np.full(shape_of(of), None, dtype=object) for of in block.types[len(given) :]]
    results = Interpreter(module).call("f", *given, *outs) or outs
    assert all((a == b).all() for a, b in zip(given, arguments)), "an input was written"
    return results[0]


def scoring_of(module):
    names = set()
    for operation in module.walk():
        if operation.name == "bfly.attention_stage":
            names.add(next(name for name in SCORINGS if name in operation.attributes["scoring"]))
    return names


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("form, heads", [(f, h) for f in FORMS for h in (1, 2, 4)])
def test_each_scoring_is_the_definition(form, heads, shared):
    """Whatever is asked for, what the pass writes is the same function; and the scorings with a condition are
    written exactly where it holds."""
    text = program(form, heads, stages=3, shared=shared)
    before = optimize(text, "-bfly-convert-mixer-to-network")
    arguments = arrays(random.Random(f"{form} {heads} {shared}"), before)
    oracle = run(before, arguments)
    foldable = heads == 1 or form != "dense"
    conditions = {"folded": foldable, "carried": foldable and shared}
    for scoring in SCORINGS:
        after = optimize(text, "-bfly-convert-mixer-to-network", f"-bfly-rewrite-attention=scoring={scoring}")
        assert (scoring_of(after) == {scoring}) == conditions.get(scoring, True), scoring
        assert (run(after, arguments) == oracle).all(), scoring


@pytest.mark.parametrize("heads", [2, 4])
def test_folded_without_its_condition_is_refused_and_wrong(heads):
    stage = """func.func @f(%x: tensor<1x2x4xf64>, %q: tensor<1x4x4xf64>, %k: tensor<1x4x4xf64>) -> tensor<1x2x4xf64> {{
  %m = bfly.fold_weights %q, %k : tensor<1x4x4xf64> -> tensor<1x4x4xf64>
  %y = bfly.attention_stage %x weights({weights}) stage(0) heads({heads}) scale(1.0) {scoring} : tensor<1x2x4xf64>
  return %y : tensor<1x2x4xf64>
}}"""
    folded = stage.format(weights="%m : tensor<1x4x4xf64>", heads=heads, scoring="folded")
    with pytest.raises(ValueError, match="one head"):
        optimize(folded)
    # The verifier put aside, the numbers differ.
    allowed = optimize(folded.replace(f"heads({heads})", "heads(1)"))
    for operation in allowed.walk():
        if operation.name == "bfly.attention_stage":
            operation.attributes["heads"] = f"{heads} : i64"
    two = "%q, %k : tensor<1x4x4xf64>, tensor<1x4x4xf64>"
    definition = optimize(stage.format(weights=two, heads=heads, scoring="definition"))
    arguments = arrays(random.Random(heads), definition)
    assert (run(allowed, arguments) != run(definition, arguments)).any()


LEVELS = {
    "cpu": "to=affine",
    "cpu threads": "to=affine threads=3",
    "gpu": "to=affine target=sm_90a emulate=true",
    "unfused": "to=affine fuse=false",
}


SHAPES = [
    ("dense", 1, 3, False, None),
    ("dense", 2, 3, False, None),
    ("dense", 4, 2, True, None),
    ("per_head", 2, 3, False, None),
    ("one_head", 2, 3, True, None),
    ("one_head", 4, 4, False, 11),
    ("dense", 2, 3, False, 5),
    ("dense", 1, 3, True, 7),
]


# On a GPU dense weights go through layouts of matrix units (bfly.stream_product), which execution tests alone run.
@pytest.mark.parametrize(
    "level, form, heads, stages, shared, tokens",
    [(level, *shape) for level in LEVELS for shape in SHAPES if level != "gpu" or shape[0] != "dense" and not shape[4]],
)
def test_loops_are_the_definition(level, form, heads, stages, shared, tokens):
    """The loops of the affine level: after log2 N rotations of constant geometry the tokens are back in order, and
    padding is inside of the kernel."""
    # A GPU has no attention in f64.
    text = program(form, heads, stages, shared, tokens, of="f32" if level == "gpu" else "f64")
    before, after = optimize(text, "-bfly-convert-mixer-to-network"), optimize(text, f"-bfly-compile={LEVELS[level]}")
    arguments = arrays(random.Random(f"{form} {heads} {stages} {shared} {tokens}"), before)
    assert (run(after, arguments) == run(before, arguments)).all()


@pytest.mark.parametrize("stages", range(1, 7))
def test_constant_geometry(stages):
    """Pair P of a stage reads rows 2P and 2P+1 and writes P and P + N/2: the tokens that meet in stage i are 2^i apart,
    and after as many rotations as stages each is where it was. One fewer and it is not."""
    n = 1 << stages
    rows = list(range(n))
    for stage in range(stages):
        if stage:
            assert stages == 1 or rows != list(range(n)), "in order too early"
        after = [None] * n
        for pair in range(n // 2):
            j, p = rows[2 * pair], rows[2 * pair + 1]
            assert p == j ^ (1 << stage) and j < p
            after[pair], after[pair + n // 2] = j, p
        rows = after
    assert rows == list(range(n))
