// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What the nests of a GPU's kernels share: units of work that cover a batch,
// loops over all elements of a tensor, and sums over a block's threads.

#ifndef BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_GPU_GRIDLOOPS_H
#define BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_GPU_GRIDLOOPS_H

#include "KernelEmitter.h"

namespace mlir::bfly {

/// Two neighbours in memory, as one access of twice their size, which their
/// address must be a multiple of; in the compute type.
ComplexPair loadPair(NestBuilder &nest, Value buffer,
                     ArrayRef<AffineExpr> indices);
void storePair(NestBuilder &nest, ComplexPair value, Value buffer,
               ArrayRef<AffineExpr> indices);

/// Units of work, so many items each, that cover the items of all sequences.
struct BatchUnits {
  BatchUnits(NestBuilder &nest, Value input, int64_t itemsPerSequence,
             int64_t itemsPerUnit);

  /// Sequences.
  AffineExpr batches;
  OpFoldResult count;
  /// Whether every unit is certain to have all its items.
  bool full;
};

/// A phase over every element of a space; a dynamic size comes first. Threads
/// that follow one another take elements that do.
void forEachElement(NestBuilder &nest, ArrayRef<OpFoldResult> sizes,
                    function_ref<void(ArrayRef<AffineExpr>)> body);

/// What a thread adds up: terms at `first`, `first` + `stride`, ... `steps` of
/// them, but none from `limit`. `whole` says that `limit` cuts none off.
struct StridedRange {
  AffineExpr first;
  int64_t stride, steps;
  bool whole;
  AffineExpr limit;
};
SmallVector<Value>
sumStrided(NestBuilder &nest, const StridedRange &range, unsigned number,
           function_ref<SmallVector<Value>(AffineExpr)> terms);

/// Sums over the second dimension of a buffer (items, width) in shared memory,
/// in a tree: (items, 1).
Value sumInTree(NestBuilder &nest, Value partial);

/// A phase, or two, that make output[b, c] = factor * sum over `rows` of
/// element(b, row, c).
void sumRows(KernelEmitter &emitter, NestBuilder &nest, OpFoldResult batch,
             int64_t rows, int64_t channels, Value output, double factor,
             function_ref<Value(AffineExpr, AffineExpr, AffineExpr)> element);

/// A phase, or two, that give `finish`, once for each b and c, `number` sums
/// over `rows` of elements(b, row, c).
void sumRows(
    KernelEmitter &emitter, NestBuilder &nest, OpFoldResult batch, int64_t rows,
    int64_t channels, unsigned number,
    function_ref<SmallVector<Value>(AffineExpr, AffineExpr, AffineExpr)>
        elements,
    function_ref<void(AffineExpr, AffineExpr, ArrayRef<Value>)> finish);

} // namespace mlir::bfly

#endif // BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_GPU_GRIDLOOPS_H
