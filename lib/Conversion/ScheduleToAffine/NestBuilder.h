// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Builds affine nests: loops, loads that widen to the compute type, stores that
// narrow to the storage type, and the arithmetic between.

#ifndef BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_NESTBUILDER_H
#define BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_NESTBUILDER_H

#include "bfly/IR/Bfly.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/IR/AffineExpr.h"
#include "mlir/IR/Builders.h"

namespace mlir::bfly {

/// A complex number in two scalars.
struct ComplexPair {
  Value re, im;
};

/// N-k of bin k, or 0 of bin 0. There is no remainder of what may be negative
/// in it, nor may one be made of it: upstream's canonicalisation takes those
/// for the wrong constants, ((-i) mod 4) floordiv 2 for one.
inline AffineExpr mirrorBin(AffineExpr k, int64_t tokens) {
  return (k + (tokens - 1)).floorDiv(tokens) * tokens - k;
}

/// A builder of affine nests. Index expressions are affine expressions over the
/// induction variables that `dim` has registered.
class NestBuilder {
public:
  NestBuilder(OpBuilder &builder, Location loc, FloatType compute,
              int64_t blockThreads)
      : builder(builder), loc(loc), compute(compute),
        blockThreads(blockThreads) {}

  OpBuilder &builder;
  Location loc;
  /// What the nest computes in: f32 or f64.
  FloatType compute;
  /// Threads of a block on a GPU; 0 on a CPU.
  int64_t blockThreads;

  // Indices ------------------------------------------------------------------

  /// The expression that stands for an induction variable or other valid dim.
  AffineExpr dim(Value value);
  AffineExpr constantExpr(int64_t value);
  /// The value of an expression.
  Value apply(AffineExpr expr);

  // Loops --------------------------------------------------------------------

  /// for i in [0, count): body(i).
  void loop(int64_t count, function_ref<void(AffineExpr)> body);
  /// for i in [0, least of bounds): body(i).
  void loopTo(ArrayRef<AffineExpr> bounds, function_ref<void(AffineExpr)> body);
  /// for c in [0, count): body(c), a loop over lanes.
  void lanes(int64_t count, function_ref<void(AffineExpr)> body);
  /// A sum over [0, count), of terms in the compute type; over lanes if asked.
  Value sum(int64_t count, bool lanes, function_ref<Value(AffineExpr)> term);
  /// Several sums at once, over lanes.
  SmallVector<Value> sums(int64_t count, unsigned number, bool lanes,
                          function_ref<SmallVector<Value>(AffineExpr)> terms);
  /// The same over [0, least of bounds).
  SmallVector<Value> sumsTo(ArrayRef<AffineExpr> bounds, unsigned number,
                            function_ref<SmallVector<Value>(AffineExpr)> terms);
  /// parallel for over [0, counts): body(ivs); a count is a number or an
  /// (index) value.
  void parallel(ArrayRef<OpFoldResult> counts,
                function_ref<void(ArrayRef<AffineExpr>)> body);
  /// The same nest, serial.
  void serial(ArrayRef<OpFoldResult> counts,
              function_ref<void(ArrayRef<AffineExpr>)> body);

  // On a GPU -----------------------------------------------------------------
  //
  // A kernel is phases, each a `bfly.grid` of units of work that blocks take;
  // all blocks wait for each other between phases. In a unit, `bfly.threads`
  // follow one another; all threads of the block wait for each other at the end
  // of each. What stands between them is done by every thread alike.

  /// A phase: for every unit below `counts`, a block, then a barrier of the
  /// grid.
  void grid(ArrayRef<OpFoldResult> counts,
            function_ref<void(ArrayRef<AffineExpr>)> body);
  /// for i in [0, count) over the block's threads, then a barrier.
  void threads(int64_t count, function_ref<void(AffineExpr)> body);
  /// Once for each thread of the block, then a barrier: i is its number.
  void everyThread(function_ref<void(AffineExpr)> body) {
    threads(blockThreads, body);
  }
  /// A buffer in memory between phases, until `free`, as the copy engine wants
  /// it; the first dimension may be dynamic.
  Value allocateGlobal(OpFoldResult first, ArrayRef<int64_t> rest,
                       Type elementType);
  /// A buffer in the block's shared memory, until the end of the unit.
  Value allocateShared(ArrayRef<int64_t> shape, Type elementType);
  /// Registers of each thread, (threads, count): a thread may touch its own row
  /// alone, in a loop of `everyThread`, and columns at constant numbers.
  Value allocateRegisters(int64_t count, Type elementType);
  /// `count` neighbours, in the buffer's element type, as one access of their
  /// size, which their address must be a multiple of.
  Value loadVector(Value buffer, ArrayRef<AffineExpr> indices, int64_t count);
  void storeVector(Value vector, Value buffer, ArrayRef<AffineExpr> indices);
  /// if (every constraint >= 0) body(), else otherwise().
  void guard(ArrayRef<AffineExpr> constraints, function_ref<void()> body,
             function_ref<void()> otherwise = nullptr);
  /// The values of body() if every constraint >= 0, else `otherwise`.
  SmallVector<Value> guardValues(ArrayRef<AffineExpr> constraints,
                                 function_ref<SmallVector<Value>()> body,
                                 ValueRange otherwise);

  // Memory -------------------------------------------------------------------

  /// A buffer of the compute type on chip, freed at the end of the current
  /// block by `free`.
  Value allocate(ArrayRef<int64_t> shape);
  void free(Value buffer);
  /// Size of a dimension: an attribute if static, else a value.
  OpFoldResult size(Value buffer, int64_t dim);
  /// A real element in the compute type.
  Value load(Value buffer, ArrayRef<AffineExpr> indices);
  /// A complex or real element as a pair.
  ComplexPair loadComplex(Value buffer, ArrayRef<AffineExpr> indices);
  /// Rounds to the buffer's element type.
  void store(Value value, Value buffer, ArrayRef<AffineExpr> indices);
  void storeComplex(ComplexPair value, Value buffer,
                    ArrayRef<AffineExpr> indices);
  /// A static-size window of a buffer, at affine offsets; drops unit leading
  /// dimensions down to `rank`.
  Value window(Value buffer, ArrayRef<AffineExpr> offsets,
               ArrayRef<int64_t> sizes, unsigned rank);

  // Arithmetic (contractible, never reassociated) -----------------------------

  Value constant(double value);
  Value add(Value a, Value b);
  Value sub(Value a, Value b);
  Value mul(Value a, Value b);
  Value div(Value a, Value b);
  /// a * b, b conjugated if asked.
  ComplexPair mul(ComplexPair a, ComplexPair b, bool conjugate);
  /// 1 / (1 + exp(-x)), neither overflowing to NaN.
  Value sigmoid(Value x);

private:
  template <typename OpTy>
  void scope(ArrayRef<OpFoldResult> counts, Sync sync,
             function_ref<void(ArrayRef<AffineExpr>)> body);
  /// Map and operands of indices, without unused dims.
  std::pair<AffineMap, SmallVector<Value>> access(ArrayRef<AffineExpr> indices);
  affine::AffineIfOp branchOn(ArrayRef<AffineExpr> constraints,
                              TypeRange results, bool withElse);

  SmallVector<Value> dims;
};

/// Takes the barrier from the last phase of a kernel's body: nothing follows.
void dropLastBarrier(Block &body);

/// Where the last of the tiles that cover `total` moves back to end at the last
/// element: the first element of tile `index`.
AffineExpr getTileStart(NestBuilder &nest, AffineExpr index, int64_t tile,
                        int64_t tiles, int64_t total);

} // namespace mlir::bfly

#endif // BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_NESTBUILDER_H
