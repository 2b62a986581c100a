// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Affine level: what the nests hold beside upstream's loops and loads.

#ifndef BFLY_IR_BFLYAFFINEOPS_TD
#define BFLY_IR_BFLYAFFINEOPS_TD

include "bfly/IR/BflyScheduleOps.td"
include "mlir/Interfaces/InferTypeOpInterface.td"

def Bfly_RegisterFloat : AnyTypeOf<[F32, F64, VectorOfRankAndType<[1], [F32, F64]>],
                              "f32, f64 or a vector of them">;

def Bfly_MatrixElement : AnyTypeOf<[BF16, F16, F32], "bf16, f16 or f32">;

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

def Bfly_LibraryTransformOp : Bfly_Op<"library_transform",
    [DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "A Fourier transform of any length, by the machine's library";
  let description = [{
        T[b,k,c] = sum_n S[b,n,c] e^(-2 pi i n k / N)

    or with `inverse` the other way, e^(2 pi i n k / N), without a factor. A real
    side has N tokens, and the other side half the spectrum then, bins 0 …
    floor(N/2); the inverse ignores the imaginary parts of the bins that are
    their own mirror. An inverse with a real target may overwrite its source.

    It stands between kernels: the host calls the library. What the library has
    no types or factors for, kernels do before and after.

    Lifespan: made by `-bfly-convert-schedule-to-affine` for a GPU; becomes a call
    of `bflyCudaFft` by `-bfly-convert-affine-to-gpu`, where the GPU is emulated
    loops by `-bfly-expand-library-calls`.

    Constraints:
    - (C1) source and target have static tokens and channels, at least 1, the
      same channels and batch, and are whole buffers in the default memory
    - (C2) not both are real; a real source is transformed forward, a real target
      is an inverse's
    - (C3) both sides have N tokens or bins, a complex side beside a real one has
      floor(N/2) + 1
    - (C4) both are of one float type

    Example:
    ```mlir
    bfly.library_transform %x to %f : memref<?x1000x32xf32> to memref<?x501x32xcomplex<f32>>
    bfly.library_transform inverse %f to %y : memref<?x501x32xcomplex<f32>> to memref<?x1000x32xf32>
    ```
  }];
  let arguments = (ins
      Arg<MemRefRankOf<[Bfly_ComputeFloat, Bfly_Complex], [3]>, "S">:$source,
      Arg<MemRefRankOf<[Bfly_ComputeFloat, Bfly_Complex], [3]>, "T">:$target,
      UnitAttr:$inverse);
  let results = (outs);
  let assemblyFormat = [{
    (`inverse` $inverse^)? $source `to` $target attr-dict
    `:` type($source) `to` type($target)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    bool isRealSource();
    bool isRealTarget();
    int64_t getTokens();
  }];
}

def Bfly_LibraryProductOp : Bfly_Op<"library_product"> {
  let summary = "y = x W^T + b, by the machine's library";
  let description = [{
        Y[.., o] = B[o] + sum_i X[.., i] W[o, i]

    with sums in f32. It stands between kernels: the host calls the library,
    which knows nothing of what a mixer does around a product, but is as fast as
    its machine is where that does not matter.

    Lifespan: made by `-bfly-convert-schedule-to-affine` for a GPU; becomes a call
    of `bflyCudaLinear` by `-bfly-convert-affine-to-gpu`, where the GPU is emulated
    loops by `-bfly-expand-library-calls`.

    Constraints:
    - (C1) all are whole buffers in the default memory; but for the first
      dimension of X and Y all are static and at least 1
    - (C2) X is (.., in), W (out, in), B (out), Y (.., out)
    - (C3) all are of one element type

    Example:
    ```mlir
    bfly.library_product %x, %w bias(%b : memref<512xbf16>) to %y
        : memref<?x1024x256xbf16>, memref<512x256xbf16> to memref<?x1024x512xbf16>
    ```
  }];
  let arguments = (ins Arg<MemRefOf<[Bfly_MatrixElement]>, "X", [MemRead]>:$x,
                       Arg<MemRefRankOf<[Bfly_MatrixElement], [2]>, "W", [MemRead]>:$weight,
                       Arg<Optional<MemRefRankOf<[Bfly_MatrixElement], [1]>>, "B", [MemRead]>:$bias,
                       Arg<MemRefOf<[Bfly_MatrixElement]>, "Y", [MemWrite]>:$y);
  let results = (outs);
  let assemblyFormat = [{
    $x `,` $weight (`bias` `(` $bias^ `:` type($bias) `)`)? `to` $y attr-dict
    `:` type($x) `,` type($weight) `to` type($y)
  }];
  let hasVerifier = 1;
}

def Bfly_LibraryRowProductOp : Bfly_Op<"library_row_product"> {
  let summary = "y = A^T B over all rows, by the machine's library";
  let description = [{
        Y[h, o, i] = sum_r A[r, h O + o] B[r, h I + i]

    for H = `heads` heads, over rows r, all dimensions but the last, with sums in
    f32, in an order that the sizes alone decide. It stands between kernels: the
    host calls the library.

    Lifespan: made by `-bfly-convert-schedule-to-affine` for a GPU; becomes a call
    of `bflyCudaRowProduct` by `-bfly-convert-affine-to-gpu`, where the GPU is
    emulated loops by `-bfly-expand-library-calls`.

    Constraints:
    - (C1) all are whole buffers in the default memory; but for the first
      dimension of A and B all are static and at least 1
    - (C2) A is (.., H O), B (.., H I), Y (H, O, I), or with one head (O, I)
    - (C3) A and B are of one element type, Y of that or of f32

    Example:
    ```mlir
    bfly.library_row_product %a, %b to %y heads 1
        : memref<?x1024x256xbf16>, memref<?x1024x256xbf16> to memref<256x256xf32>
    ```
  }];
  let arguments = (ins Arg<MemRefOf<[Bfly_MatrixElement]>, "A", [MemRead]>:$a,
                       Arg<MemRefOf<[Bfly_MatrixElement]>, "B", [MemRead]>:$b,
                       Arg<MemRefOf<[Bfly_MatrixElement]>, "Y", [MemWrite]>:$y,
                       I64Attr:$heads);
  let results = (outs);
  let assemblyFormat = [{
    $a `,` $b `to` $y `heads` $heads attr-dict
    `:` type($a) `,` type($b) `to` type($y)
  }];
  let hasVerifier = 1;
}

// Matrix units ---------------------------------------------------------------

def Bfly_MatrixProductOp : Bfly_Op<"matrix_product"> {
  let summary = "C = A B^T in shared memory, by a GPU's matrix units";
  let description = [{
        C(w, m, n) = sum_k A(w, m, k) B(n, k)

    Every warpgroup w of the block (128 threads) multiplies its own 64 rows of A
    with all rows of B. Both lie in *core matrices* of 8 rows and 8 columns, each
    128 contiguous bytes in 16-bit types, which is what the matrix units read:
    A is (warpgroups, 8, K/8, 8, 8) and B (N/8, K/8, 8, 8), the element (r, c) of
    a matrix at [r floordiv 8, c floordiv 8, r mod 8, c mod 8]. The innermost two
    dimensions are contiguous.

    C is in *fragments*, registers of the threads, (threads, N/2): register i of
    thread t of a warpgroup holds the element

        m = 16 (t floordiv 32) + (t mod 32) floordiv 4 + 8 ((i floordiv 2) mod 2)
        n = 8 (i floordiv 4) + 2 (t mod 4) + i mod 2

    which is the layout of wgmma's result (PTX ISA, wgmma.mma_async, matrix
    fragments of D). `accumulate` adds to C. Products are exact, sums in f32.

    Lifespan: made by `-bfly-convert-schedule-to-affine`; wgmma on a GPU for
    16-bit types, else loops by `-bfly-expand-matrix-products`.

    Constraints:
    - (C1) A, B and C have the shapes above, static, N at most 256
    - (C2) K is a multiple of 16
    - (C3) A and B have one element type, in workgroup memory, C is in private
      memory
    - (C4) it is in a `bfly.grid` and in no `bfly.threads`: a whole block does it

    Example:
    ```mlir
    bfly.grid (%u) in (4) sync(none) {
      bfly.matrix_product %a, %b, %c
          : memref<2x8x8x8x8xbf16, #gpu.address_space<workgroup>>,
            memref<8x8x8x8xbf16, #gpu.address_space<workgroup>>,
            memref<256x32xf32, #gpu.address_space<private>>
    }
    ```
  }];
  let arguments = (ins Arg<MemRefRankOf<[Bfly_MatrixElement], [5]>, "A", [MemRead]>:$a,
                       Arg<MemRefRankOf<[Bfly_MatrixElement], [4]>, "B", [MemRead]>:$b,
                       Arg<MemRefRankOf<[F32], [2]>, "C", [MemRead, MemWrite]>:$c,
                       UnitAttr:$accumulate);
  let results = (outs);
  let assemblyFormat = [{
    $a `,` $b `,` $c (`accumulate` $accumulate^)? attr-dict
    `:` type($a) `,` type($b) `,` type($c)
  }];
  let hasVerifier = 1;
}

def Bfly_StreamProductOp : Bfly_Op<"stream_product"> {
  let summary = "C = A B^T, streamed from memory through a ring of buffers";
  let description = [{
        C_x(w, m, n) = sum_s sum_k (A(s, p_x, w, m, k) - A(s, r_x, w, m, k)) B(s, q_x, n, k)

    Several products at once, of which product x multiplies part p_x of A with
    part q_x of B: `products` lists the pairs. `minus` lists r_x, the part that is
    subtracted from that of A, or -1 for none; the difference is not rounded to
    A's type: it is what two exact products add up to, in f32. The depth is cut in steps s; what
    a step needs of A, (parts, warpgroups, 8, K/8, 8, 8), and of B, (parts, N/8,
    K/8, 8, 8), is contiguous in memory, in core matrices as
    `bfly.matrix_product` says. C is in fragments, (threads, products * N/2), one
    product after the other.

    `ring` is (stages, bytes) of shared memory, a row for what one step needs.
    On a GPU the copy engine fills it ahead of the matrix units.

    Lifespan: made by `-bfly-convert-schedule-to-affine`; a ring of bulk copies
    and wgmma on a GPU for 16-bit types, else loops by
    `-bfly-expand-matrix-products`, which leave the ring alone.

    Constraints:
    - (C1) A, B and C have the shapes above, static, N at most 256, with as many
      steps in A as in B
    - (C2) K is a multiple of 16
    - (C3) A and B have one element type and C is in private memory
    - (C4) `products` are pairs of parts that A and B have, `minus` a part of A or
      -1 for each
    - (C5) a row of the ring holds what a step needs of A and B, and there are at
      least two
    - (C6) it is in a `bfly.grid` and in no `bfly.threads`: a whole block does it

    Example:
    ```mlir
    bfly.grid (%u) in (4) sync(none) {
      bfly.stream_product %a, %b, %c through %ring products [0, 0, 1, 0, 1, 1] minus [-1, -1, 0]
          : memref<8x2x2x8x8x8x8xbf16>, memref<8x2x16x8x8x8xbf16>,
            memref<256x192xf32, #gpu.address_space<private>>,
            memref<2x65536xi8, #gpu.address_space<workgroup>>
    }
    ```
  }];
  let arguments = (ins Arg<MemRefRankOf<[Bfly_MatrixElement], [7]>, "A", [MemRead]>:$a,
                       Arg<MemRefRankOf<[Bfly_MatrixElement], [6]>, "B", [MemRead]>:$b,
                       Arg<MemRefRankOf<[F32], [2]>, "C", [MemWrite]>:$c,
                       Arg<MemRefRankOf<[I8], [2]>, "buffers", [MemRead, MemWrite]>:$ring,
                       DenseI64ArrayAttr:$products,
                       OptionalAttr<DenseI64ArrayAttr>:$minus);
  let results = (outs);
  let assemblyFormat = [{
    $a `,` $b `,` $c `through` $ring `products` $products (`minus` $minus^)?
    attr-dict `:` type($a) `,` type($b) `,` type($c) `,` type($ring)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// One product: the parts of A and B, and the part that is subtracted from
    /// that of A, -1 for none.
    struct Product { int64_t a, b, minus; };
    ::llvm::SmallVector<Product> getProductList();
  }];
}

} // let opDocGroup

#endif // BFLY_IR_BFLYAFFINEOPS_TD
