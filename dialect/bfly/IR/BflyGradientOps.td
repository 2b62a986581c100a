// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Network level: what backward functions are made of beside the forward's
// operations.

#ifndef BFLY_IR_BFLYGRADIENTOPS_TD
#define BFLY_IR_BFLYGRADIENTOPS_TD

include "bfly/IR/BflyNetworkOps.td"

let opDocGroup = Bfly_NetworkLevel in {

def Bfly_AttentionStageBackwardOp : Bfly_NetworkLevelOp<"attention_stage_backward", [
    Pure, AllTypesMatch<["query", "key"]>,
    AllTypesMatch<["state", "query_gradient", "key_gradient"]>],
    ["getMatrixFlops"]> {
  let summary = "The derivative of one stage of butterfly attention";
  let description = [{
    From the state V of a `bfly.attention_stage`, not of its result, and the
    gradient g of its result: the gradient of V, and of the queries Q = Wq V and
    the keys K = Wk V of every token. With p = j XOR 2^stage, delta = V_p - V_j,
    kappa = Wk delta, a_j = sigma(scale s_j) and a_p = sigma(-scale s_p) of the
    scores s = Q . kappa, for each head,

        z_j = scale (g_j . delta) a_j (1 - a_j)      z_p = -scale (g_p . delta) a_p (1 - a_p)
        dQ_j = z_j kappa                             dQ_p = -z_p kappa
        dK_p = z_j Q_j - z_p Q_p                     dK_j = -dK_p
        d = a_j g_j - a_p g_p
        gV_j = g_j - d + Wq^T dQ_j + Wk^T dK_j       gV_p = g_p + d + Wq^T dQ_p + Wk^T dK_p

    The weights' gradients are `bfly.row_product`: gWq = dQ^T V, gWk = dK^T V.
    The state is stored as it is given: dQ and dK are rounded to its type, and
    the products with the weights are of what is rounded where they are in 16
    bits; all else is in the compute type. The gradients are in the types that
    are written: g may be f32 where V is bf16.

    Lifespan: made by `-bfly-differentiate`; removed by
    `-bfly-convert-schedule-to-affine`.

    Constraints:
    - (C1) N is a power of two, D at least 1, both static; state, gradient and
      the state's gradient have one shape and one compute type
    - (C2) heads is at least 1 and divides D
    - (C3) 2^stage < N
    - (C4) the weights are of the state's compute type
    - (C5) the weights are (L, D, D), (L, H, dh, dh) or (L, dh, dh), and have 1
      in place of L or more than `stage` matrices
    - (C6) scale is finite in the type of the arithmetic, f32 or f64

    Example:
    ```mlir
    %gv, %dq, %dk = bfly.attention_stage_backward %v, %g weights(%wq, %wk : tensor<10x256x256xbf16>)
        stage(0) heads(8) scale(0.176776695)
        : tensor<?x1024x256xbf16>, tensor<?x1024x256xf32> -> tensor<?x1024x256xf32>
    ```
  }];
  let arguments = (ins Bfly_Sequence:$state, Bfly_Sequence:$gradient,
                       Bfly_FloatTensor:$query, Bfly_FloatTensor:$key,
                       I64Attr:$stage, I64Attr:$heads, F64Attr:$scale);
  let results = (outs Bfly_Sequence:$state_gradient,
                      Bfly_Sequence:$query_gradient,
                      Bfly_Sequence:$key_gradient);
  let assemblyFormat = [{
    $state `,` $gradient `weights` `(` $query `,` $key `:` type($query) `)`
    `stage` `(` $stage `)` `heads` `(` $heads `)` `scale` `(` $scale `)`
    attr-dict `:` type($state) `,` type($gradient) `->` type($state_gradient)
  }];
  let hasVerifier = 1;
}

def Bfly_RowProductOp : Bfly_NetworkLevelOp<"row_product", [
    Pure], ["isPieceOfMixer"]> {
  let summary = "The sum over all rows of a times b: a gradient of weights";
  let description = [{
        y[o,i] = sum_r a[r,o] b[r,i]

    over rows r, all dimensions but the last: the gradient of W in a = W b. With
    heads H it is one for each head's channels,

        y[h,o,i] = sum_r a[r, h O + o] b[r, h I + i]

    Summed in the compute type and rounded once to the result's.

    Lifespan: made by `-bfly-differentiate`; removed by
    `-bfly-convert-schedule-to-affine`.

    Constraints:
    - (C1) a and b are of one element type and rank, at least 2, and agree in all
      dimensions but the last; all but the first are static and at least 1
    - (C2) heads is at least 1 and divides the last dimensions of both
    - (C3) the result is (O, I) with one head, else (H, O, I), of the inputs'
      compute type or their own
    - (C4) the number of elements fits in 63 bits

    Example:
    ```mlir
    %gw = bfly.row_product %dq, %v heads(8)
        : tensor<?x1024x256xbf16>, tensor<?x1024x256xbf16> -> tensor<8x32x32xf32>
    ```
  }];
  let arguments = (ins RankedTensorOf<[Bfly_Float]>:$a,
                       RankedTensorOf<[Bfly_Float]>:$b,
                       DefaultValuedAttr<I64Attr, "1">:$heads);
  let results = (outs RankedTensorOf<[Bfly_Float]>:$result);
  let assemblyFormat = [{
    $a `,` $b (`heads` `(` $heads^ `)`)? attr-dict
    `:` type($a) `,` type($b) `->` type($result)
  }];
  let hasVerifier = 1;
}

} // let opDocGroup

#endif // BFLY_IR_BFLYGRADIENTOPS_TD
