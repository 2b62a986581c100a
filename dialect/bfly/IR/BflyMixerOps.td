// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Mixer level: whole layers on tensors, what people write and importers make.

#ifndef BFLY_IR_BFLYMIXEROPS_TD
#define BFLY_IR_BFLYMIXEROPS_TD

include "bfly/IR/BflyBase.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

let opDocGroup = Bfly_MixerLevel in {

def Bfly_SpectralFilterOp : Bfly_Op<"spectral_filter", [
    Pure, SingleBlockImplicitTerminator<"YieldOp">, IsolatedFromAbove,
    Bfly_HasDerivative]> {
  let summary = "Filter a sequence in the frequency domain along its tokens";
  let description = [{
    For every batch b and channel c:

        F[k] = sum_n x[b,n,c] e^(-2 pi i n k / N)
        A[k] = region(F[k], k, params...)
        y[b,n,c] = IDFT_n(A),  the IDFT has the factor 1/N

    A real result type takes the real part of y; a complex one keeps it whole.
    The region is any element-wise function of the bin (complex, of the compute
    type), its frequency index k, and parameters broadcast over the dimensions
    that they do not have: `%p[batch, channel]` names those that they do, of
    `batch`, `bin` and `channel`, in that order. Parameters reach the region in
    the compute type. N is any number from 1.

    FFTNet's filter (arXiv 2502.18394) is this operation with a region that
    scales the bin and applies modReLU; GFNet's and AFNO's global filters and
    long convolution are other regions.

    Lifespan: written by people and importers; removed by
    `-bfly-convert-mixer-to-network`.

    Constraints:
    - (C1) input and result have the same shape, N and D static and at least 1
    - (C2) one list of dimensions for each parameter, as long as its rank,
      strictly ascending, each `batch`, `bin` or `channel`
    - (C3) the sizes of a parameter are those of the named dimensions
    - (C4) the region's arguments are the bin (complex of the compute type),
      the index, and one scalar of the compute type for each parameter
    - (C5) the region yields one complex number of the compute type
    - (C6) the number of elements fits in 63 bits
    - (C7) the region's operations are free of side effects and work on scalars

    Example:
    ```mlir
    %y = bfly.spectral_filter %x params(%w[channel] : tensor<256xf32>)
        : tensor<?x1024x256xf32> -> tensor<?x1024x256xf32> {
    ^bb0(%bin: complex<f32>, %k: index, %wc: f32):
      %zero = arith.constant 0.0 : f32
      %g = complex.create %wc, %zero : complex<f32>
      %a = complex.mul %bin, %g : complex<f32>
      bfly.yield %a : complex<f32>
    }
    ```
  }];
  let arguments = (ins Bfly_AnySequence:$input,
                       Variadic<RankedTensorOf<[Bfly_RealOrComplex]>>:$params,
                       ArrayAttr:$param_dims);
  let results = (outs Bfly_AnySequence:$result);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    $input `` custom<BroadcastParams>($params, type($params), $param_dims)
    attr-dict `:` type($input) `->` type($result) $body
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    int64_t getTokens() { return getInput().getType().getDimSize(1); }
    int64_t getChannels() { return getInput().getType().getDimSize(2); }
  }];
}

def Bfly_ButterflyAttentionOp : Bfly_Op<"butterfly_attention", [
    Pure, AllTypesMatch<["input", "result"]>,
    AllTypesMatch<["query", "key"]>, Bfly_HasDerivative]> {
  let summary = "Butterfly attention: log2 N stages of softmax over two tokens";
  let description = [{
    FFT-IA (Tantisukarom 2025). V_0 = input; stage i = 1 … L, L = ceil(log2 N),
    pairs token j with p = j XOR 2^(i-1):

        Q = V_{i-1} Wq_i^T,  K = V_{i-1} Wk_i^T
        (a_jj, a_jp) = softmax(scale [Q_j^h . K_j^h, Q_j^h . K_p^h])
        V_i[j]^h = a_jj V_{i-1}[j]^h + a_jp V_{i-1}[p]^h

    for every head h of dh = D / heads channels; the result is V_L. `scale` is
    1/sqrt(dh) unless given; one that is learnt is a factor of the query's
    weights, with `scale(1.0)`. N that is no power of two is padded with zero
    tokens up to the next one and the result cut back.

    Weights, by their shape: (L, D, D) dense, every head sees all channels;
    (L, H, dh, dh) per head; (L, dh, dh) per head and shared by the heads.
    1 in place of L shares them among the stages.

    Lifespan: written by people and importers; removed by
    `-bfly-convert-mixer-to-network`.

    Constraints:
    - (C1) N and D are static and at least 1
    - (C2) heads is at least 1 and divides D
    - (C3) query and key weights have the same type, of the input's element type
    - (C4) the weights have one of the shapes above
    - (C5) scale, if given, is finite in the type of the arithmetic, f32 or f64
    - (C6) the number of elements fits in 63 bits

    Example:
    ```mlir
    %y = bfly.butterfly_attention %x, %wq, %wk heads(8)
        : tensor<?x1024x256xf32>, tensor<10x256x256xf32>
    ```
  }];
  let arguments = (ins Bfly_Sequence:$input, Bfly_FloatTensor:$query,
                       Bfly_FloatTensor:$key, I64Attr:$heads,
                       OptionalAttr<F64Attr>:$scale);
  let results = (outs Bfly_Sequence:$result);
  let assemblyFormat = [{
    $input `,` $query `,` $key `heads` `(` $heads `)`
    (`scale` `(` $scale^ `)`)? attr-dict
    `:` type($input) `,` type($query)
  }];
  let hasVerifier = 1;
}

def Bfly_LayerNormOp : Bfly_NetworkLevelOp<"layer_norm", [
    Pure, AllTypesMatch<["input", "result"]>, AttrSizedOperandSegments,
    Bfly_HasDerivative], ["isPieceOfMixer"]> {
  let summary = "Layer normalisation over the channels";
  let description = [{
        y = (x - mean(x)) / sqrt(var(x) + epsilon) * weight + bias

    over the last dimension, with the biased variance, as torch.nn.LayerNorm.
    Weight and bias are optional.

    Lifespan: written by people and importers, kept at network level; removed by
    `-bfly-convert-schedule-to-affine`.

    Constraints:
    - (C1) all but the first dimension are static and at least 1
    - (C2) weight and bias, if given, have shape (D) and the input's element type
    - (C3) epsilon is positive
    - (C4) the number of elements fits in 63 bits

    Example:
    ```mlir
    %u = bfly.layer_norm %x weight(%g : tensor<256xf32>)
        bias(%b : tensor<256xf32>) epsilon(1.0e-5) : tensor<?x1024x256xf32>
    ```
  }];
  let arguments = (ins RankedTensorOf<[Bfly_Float]>:$input,
                       Optional<Bfly_Vector1>:$weight,
                       Optional<Bfly_Vector1>:$bias,
                       DefaultValuedAttr<F64Attr, "1.0e-5">:$epsilon);
  let results = (outs RankedTensorOf<[Bfly_Float]>:$result);
  let assemblyFormat = [{
    $input (`weight` `(` $weight^ `:` type($weight) `)`)?
    (`bias` `(` $bias^ `:` type($bias) `)`)?
    `epsilon` `(` $epsilon `)` attr-dict `:` type($input)
  }];
  let hasVerifier = 1;
}

def Bfly_LinearOp : Bfly_NetworkLevelOp<"linear", [
    Pure, Bfly_HasDerivative], ["isPieceOfMixer"]> {
  let summary = "y = x W^T + b, optionally followed by relu";
  let description = [{
    Over the last dimension: x (..., in), W (out, in), b (out), y (..., out), as
    torch.nn.Linear. Accumulates in the compute type.

    Lifespan: written by people and importers, kept at network level; removed by
    `-bfly-convert-schedule-to-affine`.

    Constraints:
    - (C1) the input's rank is at least 2 and all but its first dimension are
      static and at least 1
    - (C2) weight is (out, in) with the input's last dimension and element type
    - (C3) bias, if given, is (out) of the input's element type
    - (C4) the result's shape is the input's with out for the last dimension
    - (C5) the number of elements fits in 63 bits

    Example:
    ```mlir
    %h = bfly.linear %m, %w1 bias(%b1 : tensor<1024xf32>) relu
        : tensor<?x256xf32>, tensor<1024x256xf32> -> tensor<?x1024xf32>
    ```
  }];
  let arguments = (ins RankedTensorOf<[Bfly_Float]>:$input, Bfly_Matrix:$weight,
                       Optional<Bfly_Vector1>:$bias, UnitAttr:$relu);
  let results = (outs RankedTensorOf<[Bfly_Float]>:$result);
  let assemblyFormat = [{
    $input `,` $weight (`bias` `(` $bias^ `:` type($bias) `)`)? (`relu` $relu^)?
    attr-dict `:` type($input) `,` type($weight) `->` type($result)
  }];
  let hasVerifier = 1;
}

def Bfly_MeanOp : Bfly_NetworkLevelOp<"mean", [Pure, Bfly_HasDerivative]> {
  let summary = "The mean over the tokens: FFTNet's context";
  let description = [{
        m[b,c] = 1/N sum_n x[b,n,c]

    Summed in the compute type. FFTNet (arXiv 2502.18394) makes its filter from
    this mean.

    Lifespan: written by people and importers, kept at network level, where
    `-bfly-rewrite-spectra` may replace it by bin 0 of a transform; removed by
    `-bfly-convert-schedule-to-affine`.

    Constraints:
    - (C1) N and D are static and at least 1
    - (C2) the result is (B, D) of the input's element type
    - (C3) the number of elements fits in 63 bits

    Example:
    ```mlir
    %m = bfly.mean %x : tensor<?x1024x256xf32> -> tensor<?x256xf32>
    ```
  }];
  let arguments = (ins Bfly_Sequence:$input);
  let results = (outs Bfly_Matrix:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
}

def Bfly_YieldOp : Bfly_Op<"yield", [Pure, Terminator, ReturnLike]> {
  let summary = "The result of a region of this dialect";
  let description = [{
    Ends the regions of `bfly.spectral_filter`, `bfly.spectrum_map`,
    `bfly.kernel`, `bfly.grid` and `bfly.threads`.

    Example:
    ```mlir
    %a = bfly.spectrum_map %f params() tokens(8)
        : tensor<2x5x4xcomplex<f32>> -> tensor<2x5x4xcomplex<f32>> {
    ^bb0(%bin: complex<f32>, %k: index):
      bfly.yield %bin : complex<f32>
    }
    ```
  }];
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "attr-dict ($values^ `:` type($values))?";
  let builders = [OpBuilder<(ins), [{ /* no values */ }]>];
}

} // let opDocGroup

#endif // BFLY_IR_BFLYMIXEROPS_TD
