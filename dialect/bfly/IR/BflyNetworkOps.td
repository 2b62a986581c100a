// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Network level: transforms, spectra and attention stages, on tensors.

#ifndef BFLY_IR_BFLYNETWORKOPS_TD
#define BFLY_IR_BFLYNETWORKOPS_TD

include "bfly/IR/BflyMixerOps.td"

let opDocGroup = Bfly_NetworkLevel in {

def Bfly_FftOp : Bfly_NetworkLevelOp<"fft", [Pure, Bfly_HasDerivative]> {
  let summary = "Discrete Fourier transform along the tokens";
  let description = [{
        F[b,k,c] = sum_n x[b,n,c] e^(-2 pi i n k / N)

    A real input may ask for half the spectrum, bins 0 … floor(N/2); the other
    half is its conjugate mirror image. Of a real input the bins that are their
    own mirror, 0 and for an even N also N/2, are exactly real: their imaginary
    part is +0. Any N from 1.

    Lifespan: made by `-bfly-convert-mixer-to-network` or written by people;
    removed by `-bfly-convert-schedule-to-affine`.

    Constraints:
    - (C1) batch and channels of input and result agree; N and D are static and
      at least 1
    - (C2) the result has N bins, or for a real input floor(N/2) + 1
    - (C3) the result is complex of the input's compute type
    - (C4) the number of elements fits in 63 bits

    Example:
    ```mlir
    %f = bfly.fft %x : tensor<?x1024x256xf32> -> tensor<?x513x256xcomplex<f32>>
    ```
  }];
  let arguments = (ins Bfly_AnySequence:$input);
  let results = (outs Bfly_Spectrum:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    int64_t getTokens() { return getInput().getType().getDimSize(1); }
    /// Whether the result holds bins 0 … floor(N/2) alone.
    bool isHalf() {
      return getResult().getType().getDimSize(1) != getTokens();
    }
  }];
}

def Bfly_IfftOp : Bfly_NetworkLevelOp<"ifft", [Pure, Bfly_HasDerivative]> {
  let summary = "Inverse discrete Fourier transform along the tokens";
  let description = [{
        y[b,n,c] = 1/N sum_k A[b,k,c] e^(2 pi i n k / N)

    A real result is the real part of y. Half a spectrum, bins 0 … floor(N/2),
    stands for the whole Hermitian one and gives a real result; as irfft does,
    it ignores the imaginary parts of the bins that are their own mirror, 0 and
    for an even N also N/2, be they no number.

    Lifespan: made by `-bfly-convert-mixer-to-network` or written by people;
    removed by `-bfly-convert-schedule-to-affine`.

    Constraints:
    - (C1) batch and channels of input and result agree; N and D are static and
      at least 1
    - (C2) the input has N bins, or for a real result floor(N/2) + 1
    - (C3) the input is complex of the result's compute type
    - (C4) the number of elements fits in 63 bits

    Example:
    ```mlir
    %y = bfly.ifft %a : tensor<?x513x256xcomplex<f32>> -> tensor<?x1024x256xf32>
    ```
  }];
  let arguments = (ins Bfly_Spectrum:$input);
  let results = (outs Bfly_AnySequence:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    int64_t getTokens() { return getResult().getType().getDimSize(1); }
    /// Whether the input holds bins 0 … floor(N/2) alone.
    bool isHalf() {
      return getInput().getType().getDimSize(1) != getTokens();
    }
  }];
}

def Bfly_SpectrumMapOp : Bfly_NetworkLevelOp<"spectrum_map", [
    Pure, SingleBlockImplicitTerminator<"YieldOp">, IsolatedFromAbove,
    Bfly_HasDerivative]> {
  let summary = "An element-wise function of a spectrum";
  let description = [{
        A[b,k,c] = region(F[b,k,c], k, params...)

    As the region of `bfly.spectral_filter`, for every bin that the input has,
    by its own index and parameters. With `tokens` N and a spectrum of
    floor(N/2) + 1 bins these are the bins 0 … floor(N/2): the region says
    nothing of the others, which `bfly.ifft` takes for the conjugates of these.
    So the region of a map of half a spectrum need not commute with
    conjugation: it may read the index, or multiply by a complex number.
    Nothing is dropped between two maps: one may make bin 0 complex, the next
    sees it so, and `bfly.ifft` ignores its imaginary part.

    With `hermitian` the result is the Hermitian part of what the region says
    of all bins, which is what a real result of the inverse transform sees:

        A[k] = (region(F[k], k, p[k]) + conj(region(conj F[k], k', p[k']))) / 2
        k' = (N - k) mod N

    where zero is not signed: Im F is Im F + 0 and that of conj F is 0 - Im F,
    so that a real bin stays on its side of a branch cut. A parameter with a
    `bin` dimension has a value for each bin of the input, or for each of all N,
    of which the input's bins are the first; a hermitian map needs all N.

    With `sums` the region yields one more number, t, for each, and there is a
    further result for each, the mean of these over all N bins:

        s[b,c] = 1/N sum_k t[b,k,c]

    where each of half a spectrum's bins counts twice but those that are their
    own mirror, 0 and for an even N also N/2. So the gradients of parameters
    are made where the bins are: of A = w F with the gradient Y of A, the map
    of Y and of the parameter F has conj(w) Y for its bins and Re(conj(F) Y)
    for the terms of the gradient of w[b,c].

    A parameter that is a whole spectrum, of `batch`, `bin` and `channel`, may
    be made by a `bfly.fft`: a kernel transforms both together.

    Lifespan: made by `-bfly-convert-mixer-to-network`, by `-bfly-differentiate`,
    or written by people; removed by `-bfly-convert-schedule-to-affine`.

    Constraints:
    - (C1) input and result have the same shape; D is static and at least 1
    - (C2) to (C5), (C7): as `bfly.spectral_filter`'s; the `bin` dimension of a
      parameter may have `tokens` values, and must where the map is hermitian;
      the region may also yield a real number of the compute type, for a real
      result, unless the map is hermitian
    - (C6) the number of elements fits in 63 bits
    - (C8) the input has `tokens` bins or floor(tokens/2) + 1
    - (C9) the region yields a number for each sum, which is (B, D), of the
      compute type or complex of it; a hermitian map has no sums

    Example:
    ```mlir
    %a = bfly.spectrum_map %f tokens(1024)
        : tensor<?x513x256xcomplex<f32>> -> tensor<?x513x256xcomplex<f32>> {
    ^bb0(%bin: complex<f32>, %k: index):
      %c = complex.neg %bin : complex<f32>
      bfly.yield %c : complex<f32>
    }
    %p, %power = bfly.spectrum_map %f tokens(1024)
        : tensor<?x513x256xcomplex<f32>> -> tensor<?x513x256xcomplex<f32>>
        sums(tensor<?x256xf32>) {
    ^bb0(%bin: complex<f32>, %k: index):
      %r = complex.abs %bin : complex<f32>
      %t = arith.mulf %r, %r : f32
      bfly.yield %bin, %t : complex<f32>, f32
    }
    ```
  }];
  let arguments = (ins Bfly_Spectrum:$input,
                       Variadic<RankedTensorOf<[Bfly_RealOrComplex]>>:$params,
                       ArrayAttr:$param_dims, I64Attr:$tokens,
                       UnitAttr:$hermitian);
  let results = (outs Bfly_AnySequence:$result,
                      Variadic<AnyRankedTensor>:$sums);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    $input `` custom<BroadcastParams>($params, type($params), $param_dims)
    `tokens` `(` $tokens `)` (`hermitian` $hermitian^)? attr-dict
    `:` type($input) `->` type($result) (`sums` `(` type($sums)^ `)`)? $body
  }];
  let hasVerifier = 1;
  let builders = [OpBuilder<(ins "::mlir::Type":$result, "::mlir::Value":$input,
      "::mlir::ValueRange":$params, "::mlir::ArrayAttr":$param_dims,
      "uint64_t":$tokens, "bool":$hermitian), [{
    build($_builder, $_state, result, ::mlir::TypeRange(), input, params,
          param_dims, tokens, hermitian);
  }]>];
  let extraClassDeclaration = [{
    /// Whether the input holds bins 0 … floor(tokens/2) alone.
    bool isHalf() {
      return static_cast<uint64_t>(getInput().getType().getDimSize(1)) !=
             static_cast<uint64_t>(getTokens());
    }
    /// The transforms that make parameters which are whole spectra, where one
    /// makes the map's own bins too.
    ::llvm::SmallVector<::mlir::bfly::FftOp> getSecondSpectra();
    /// Real numbers of the terms of all sums.
    int64_t getNumTerms() {
      int64_t terms = 0;
      for (::mlir::Value term : getBody().front().getTerminator()->getOperands().drop_front())
        terms += ::mlir::isa<::mlir::ComplexType>(term.getType()) ? 2 : 1;
      return terms;
    }
    ::llvm::LogicalResult verifySums();
  }];
}

def Bfly_SpectrumBinOp : Bfly_NetworkLevelOp<"bin", [Pure, Bfly_HasDerivative]> {
  let summary = "The real part of one bin of a spectrum, scaled";
  let description = [{
        m[b,c] = Re F[b,index,c] * factor

    Bin 0 of a transform over N is the mean over the tokens: with factor 1/N
    this is FFTNet's context, read where the transform already has it.

    Lifespan: made by `-bfly-rewrite-spectra` from `bfly.mean`; removed by
    `-bfly-convert-schedule-to-affine`.

    Constraints:
    - (C1) index is a bin of the input
    - (C2) the result is (B, D), of a type whose compute type is the input's
    - (C3) factor is finite

    Example:
    ```mlir
    %m = bfly.bin %f[0] factor(9.765625e-04)
        : tensor<?x513x256xcomplex<f32>> -> tensor<?x256xf32>
    ```
  }];
  let arguments = (ins Bfly_Spectrum:$input, I64Attr:$index, F64Attr:$factor);
  let results = (outs Bfly_Matrix:$result);
  let assemblyFormat = [{
    $input `[` $index `]` `factor` `(` $factor `)` attr-dict
    `:` type($input) `->` type($result)
  }];
  let hasVerifier = 1;
}

def Bfly_FoldWeightsOp : Bfly_NetworkLevelOp<"fold_weights", [
    Pure, AllTypesMatch<["query", "key"]>, Bfly_HasDerivative]> {
  let summary = "M = Wq^T Wk, for every stage and head";
  let description = [{
    With the weights of one head folded ahead of time, a stage's scores are
    V_j . (M delta): one projection instead of two (*folded* in docs/definitions.md).
    The trailing two dimensions are the matrices; the result is of the compute
    type.

    Lifespan: made by `-bfly-rewrite-attention`; removed by
    `-bfly-convert-schedule-to-affine`.

    Constraints:
    - (C1) query and key have the same type, of rank 3 or 4, static, with square
      matrices
    - (C2) the result has their shape, and is of their compute type

    Example:
    ```mlir
    %m = bfly.fold_weights %wq, %wk : tensor<10x8x32x32xf32> -> tensor<10x8x32x32xf32>
    ```
  }];
  let arguments = (ins Bfly_FloatTensor:$query, Bfly_FloatTensor:$key);
  let results = (outs Bfly_FloatTensor:$result);
  let assemblyFormat = [{
    $query `,` $key attr-dict
    `:` type($query) `->` type($result)
  }];
  let hasVerifier = 1;
}

def Bfly_ProjectOp : Bfly_NetworkLevelOp<"project", [
    Pure, AllTypesMatch<["input", "result"]>, Bfly_HasDerivative]> {
  let summary = "One matrix a head, applied to every token";
  let description = [{
        y[b,n]^h = M^h x[b,n]^h

    for every head h of dh = D / heads channels. With M from `bfly.fold_weights`
    this is the *image* that `carried` scores mix along with the state; it is
    made once, before the first stage.

    Lifespan: made by `-bfly-rewrite-attention`; removed by
    `-bfly-convert-schedule-to-affine`.

    Constraints:
    - (C1) input and result have one type; N and D are static and at least 1
    - (C2) heads is at least 1 and divides D
    - (C3) the matrix is (1, D, D) with one head, (1, H, dh, dh), or (1, dh, dh)
      shared by the heads, of the input's element type
    - (C4) the number of elements fits in 63 bits

    Example:
    ```mlir
    %r = bfly.project %v, %m heads(8) : tensor<?x1024x256xf32>, tensor<1x8x32x32xf32>
    ```
  }];
  let arguments = (ins Bfly_Sequence:$input, Bfly_FloatTensor:$matrix,
                       I64Attr:$heads);
  let results = (outs Bfly_Sequence:$result);
  let assemblyFormat = [{
    $input `,` $matrix `heads` `(` $heads `)` attr-dict
    `:` type($input) `,` type($matrix)
  }];
  let hasVerifier = 1;
}

def Bfly_AttentionStageOp : Bfly_NetworkLevelOp<"attention_stage", [
    Pure, AttrSizedOperandSegments,
    AllTypesMatch<["state", "result"]>, Bfly_HasDerivative], ["getMatrixFlops", "isPieceOfMixer"]> {
  let summary = "One stage of butterfly attention";
  let description = [{
    Pairs token j with p = j XOR 2^stage and replaces both by their softmax mix
    (see `bfly.butterfly_attention`). With delta = V_p - V_j a softmax over two
    is a sigmoid, so

        V'_j = V_j + sigma( scale s_j) delta,  s_j = Q_j^h . (Wk delta)^h
        V'_p = V_p - sigma(-scale s_p) delta,  s_p = Q_p^h . (Wk delta)^h

    and `scoring` says how s is computed; all are the same function:

    - `definition`: Q and K of every token, softmax of the two scores
    - `pair_difference`: Q of every token, K of delta
    - `chained`: r^h = (Wq^h)^T (Wk delta)^h, s_j = V_j . r^h
    - `folded`: r^h = M^h delta, one matrix, from `bfly.fold_weights`
    - `carried`: r is the difference of the pair's *images* M V, which are
      mixed by the same weights as V itself and passed on; the first comes from
      `bfly.project`

    Lifespan: made by `-bfly-convert-mixer-to-network`; removed by
    `-bfly-convert-schedule-to-affine`.

    Constraints:
    - (C1) N is a power of two, D at least 1, both static; state and result
      have one type
    - (C2) heads is at least 1 and divides D
    - (C3) 2^stage < N
    - (C4) two weights of one type for `definition`, `pair_difference` and
      `chained`, one for `folded`, none for `carried`; of the state's compute type
    - (C5) the weights are (L, D, D), (L, H, dh, dh) or (L, dh, dh), and have 1
      in place of L or more than `stage` matrices
    - (C6) `folded` and `carried` need one head or weights per head
    - (C7) image and its result are there, of the state's type, exactly for
      `carried`
    - (C8) scale is finite in the type of the arithmetic, f32 or f64

    Example:
    ```mlir
    %v1 = bfly.attention_stage %v0 weights(%wq, %wk : tensor<10x256x256xf32>,
        tensor<10x256x256xf32>) stage(0) heads(8) scale(0.176776695) chained
        : tensor<?x1024x256xf32>
    ```
  }];
  let arguments = (ins Bfly_Sequence:$state, Optional<Bfly_Sequence>:$image,
                       Variadic<Bfly_FloatTensor>:$weights,
                       I64Attr:$stage, I64Attr:$heads, F64Attr:$scale,
                       Bfly_ScoringAttr:$scoring);
  let results = (outs Bfly_Sequence:$result,
                      Optional<Bfly_Sequence>:$image_result);
  let assemblyFormat = [{
    $state (`image` `(` $image^ `:` type($image) `->` type($image_result) `)`)?
    (`weights` `(` $weights^ `:` type($weights) `)`)?
    `stage` `(` $stage `)` `heads` `(` $heads `)` `scale` `(` $scale `)`
    `` $scoring attr-dict `:` type($state)
  }];
  let hasVerifier = 1;
}

} // let opDocGroup

#endif // BFLY_IR_BFLYNETWORKOPS_TD
