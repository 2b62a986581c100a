// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Affine level: what the nests hold beside upstream's loops and loads.

#ifndef BFLY_IR_BFLYAFFINEOPS_TD
#define BFLY_IR_BFLYAFFINEOPS_TD

include "bfly/IR/BflyScheduleOps.td"
include "mlir/Interfaces/InferTypeOpInterface.td"

def Bfly_RegisterFloat : AnyTypeOf<[F32, F64, VectorOfRankAndType<[1], [F32, F64]>],
                              "f32, f64 or a vector of them">;

let opDocGroup = Bfly_AffineLevel in {

def Bfly_DftOp : Bfly_Op<"dft", [Pure, SameOperandsAndResultType]> {
  let summary = "A discrete Fourier transform of a few values in registers";
  let description = [{
        Y[q] = sum_p X[p] e^(-+2 pi i p q / R),  R = number of values

    The radix-R butterfly of a transform: R complex values, all real parts first,
    then all imaginary parts; the results likewise. `inverse` takes the plus sign
    (and no factor). Registers are a place like any other: this is log2 R stages
    over values that never leave them.

    Lifespan: made by `-bfly-convert-schedule-to-affine`; removed by
    `-bfly-expand-dft`.

    Constraints:
    - (C1) an even number of operands, at least 2, and as many results

    Example:
    ```mlir
    %y:4 = bfly.dft %r0, %r1, %i0, %i1 : f32
    ```
  }];
  let arguments = (ins Variadic<Bfly_RegisterFloat>:$values, UnitAttr:$inverse);
  let results = (outs Variadic<Bfly_RegisterFloat>:$results);
  let hasVerifier = 1;
  let hasCustomAssemblyFormat = 1;
  let extraClassDeclaration = [{
    unsigned getRadix() { return getValues().size() / 2; }
  }];
}

def Bfly_RotateOp : Bfly_Op<"rotate", [
    Pure, AllTypesMatch<["real", "imag", "real_result", "imag_result"]>]> {
  let summary = "Times a root of unity that is known";
  let description = [{
        (real_result, imag_result) = (real, imag) * e^(-2 pi i numerator / denominator)

    Turns by eighths cost additions, negations and at most two multiplications:
    canonicalisation knows them.

    Lifespan: made by `-bfly-expand-dft`; removed by `-bfly-expand-rotate`.

    Constraints:
    - (C1) the denominator is positive

    Example:
    ```mlir
    %r, %i = bfly.rotate %a, %b by 3 of 16 : vector<16xf32>
    ```
  }];
  let arguments = (ins Bfly_RegisterFloat:$real, Bfly_RegisterFloat:$imag,
                       I64Attr:$numerator, I64Attr:$denominator);
  let results = (outs Bfly_RegisterFloat:$real_result,
                      Bfly_RegisterFloat:$imag_result);
  let assemblyFormat = [{
    $real `,` $imag `by` $numerator `of` $denominator attr-dict `:` type($real)
  }];
  let hasVerifier = 1;
  let hasFolder = 1;
  let hasCanonicalizer = 1;
}

def Bfly_TableOp : Bfly_Op<"table", [Pure]> {
  let summary = "A table of complex constants";
  let description = [{
    Row k holds the real and imaginary part of

        roots(N):             e^(-2 pi i k / N)
        chirp(N):             e^(-pi i k^2 / N)
        chirp_spectrum(N):    the DFT of length `rows` of Bluestein's kernel,
                              conj chirp(|n|) wrapped around, over `rows`

    computed in long double and rounded once.

    Lifespan: made by `-bfly-convert-schedule-to-affine`; becomes a constant
    global by `-bfly-expand-tables`.

    Constraints:
    - (C1) N is at least 1, and the result has at least one row and two columns
    - (C2) a chirp spectrum has at least 2 N - 1 rows, a power of two
    - (C3) the other tables have at most N rows

    Example:
    ```mlir
    %w = bfly.table roots(1024) : memref<1024x2xf32>
    ```
  }];
  let arguments = (ins Bfly_TableKindAttr:$kind, I64Attr:$order);
  let results = (outs MemRefRankOf<[F32, F64], [2]>:$result);
  let assemblyFormat = "`` $kind `(` $order `)` attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def Bfly_TileProductOp : Bfly_Op<"tile_product"> {
  let summary = "C = A B for tiles on chip, B in panels";
  let description = [{
        C[m, n] = sum_k A[m, k] B[n floordiv w, k, n mod w]

    A (rows, depth), C (rows, columns) and B (panels, depth, w): w columns wide
    panels, each contiguous, so that a product streams B once, in order. The
    last panel may be wider than the columns that are left; C is written in
    whole panels where it has room and never beyond its columns. `accumulate`
    adds to C.

    Lifespan: made by `-bfly-convert-schedule-to-affine`; removed by
    `-bfly-expand-tile-product` (CPU).

    Constraints:
    - (C1) A and C have the same number of rows, A and B the same depth
    - (C2) B has as many panels as C's columns need
    - (C3) A, B and C have one element type, f32 or f64

    Example:
    ```mlir
    bfly.tile_product %a, %b, %c : memref<64x256xf32>, memref<8x256x32xf32>, memref<64x256xf32>
    ```
  }];
  let arguments = (ins Arg<MemRefRankOf<[F32, F64], [2]>, "A", [MemRead]>:$a,
                       Arg<MemRefRankOf<[F32, F64], [3]>, "B", [MemRead]>:$b,
                       Arg<MemRefRankOf<[F32, F64], [2]>, "C", [MemRead, MemWrite]>:$c,
                       UnitAttr:$accumulate);
  let results = (outs);
  let assemblyFormat = [{
    $a `,` $b `,` $c (`accumulate` $accumulate^)? attr-dict
    `:` type($a) `,` type($b) `,` type($c)
  }];
  let hasVerifier = 1;
}

} // let opDocGroup

#endif // BFLY_IR_BFLYAFFINEOPS_TD
