// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Sums of products over rows on a GPU, where no library does them: a thread for
// each element of the result and each sequence, then their sum.

#include "GPU/GridLoops.h"
#include "NestTable.h"

#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using namespace mlir::bfly;

void mlir::bfly::emitRowProductOnGPU(KernelEmitter &emitter, RowProductOp op) {
  NestBuilder nest = emitter.makeNest(op);
  Value a = emitter.getBuffer(op.getA()), b = emitter.getBuffer(op.getB());
  Value result = emitter.getBuffer(op.getResult());
  auto type = cast<MemRefType>(a.getType());
  int64_t heads = op.getHeads();
  int64_t out = type.getShape().back() / heads;
  int64_t in = cast<MemRefType>(b.getType()).getShape().back() / heads;
  // Rows that are known, of each sequence where that number is not.
  ArrayRef<int64_t> inner = type.getShape().drop_back();
  OpFoldResult sequences = nest.builder.getIndexAttr(1);
  AffineExpr bound = nest.constantExpr(1);
  bool isDynamic = type.isDynamicDim(0);
  if (isDynamic) {
    inner = inner.drop_front();
    sequences = nest.size(a, 0);
    bound = nest.dim(cast<Value>(sequences));
  }
  int64_t rows = 1;
  for (int64_t size : inner)
    rows *= size;
  auto getTerm = [&](AffineExpr sequence, AffineExpr row, AffineExpr head,
                     AffineExpr o, AffineExpr i) {
    SmallVector<AffineExpr> left;
    if (isDynamic)
      left.push_back(sequence);
    int64_t rest = rows;
    for (auto [dim, size] : llvm::enumerate(inner)) {
      rest /= size;
      AffineExpr index = row.floorDiv(rest);
      left.push_back(dim ? index % size : index);
    }
    SmallVector<AffineExpr> right(left);
    left.push_back(head * out + o);
    right.push_back(head * in + i);
    return nest.mul(nest.load(a, left), nest.load(b, right));
  };
  auto put = [&](Value sum, ArrayRef<AffineExpr> at) {
    nest.store(sum, result, at.drop_front(heads > 1 ? 0 : 1));
  };
  auto sumTo = [&](ArrayRef<AffineExpr> bounds,
                   function_ref<Value(AffineExpr)> term) {
    auto terms = [&](AffineExpr i) { return SmallVector<Value>{term(i)}; };
    return nest.sumsTo(bounds, 1, terms).front();
  };
  SmallVector<OpFoldResult> sizes{nest.builder.getIndexAttr(heads),
                                  nest.builder.getIndexAttr(out),
                                  nest.builder.getIndexAttr(in)};
  // Rows of which no number is known.
  if (inner.empty())
    return forEachElement(nest, sizes, [&](ArrayRef<AffineExpr> at) {
      put(sumTo({bound},
                [&](AffineExpr k) {
                  return getTerm(k, nest.constantExpr(0), at[0], at[1], at[2]);
                }),
          at);
    });
  int64_t some = std::min(rows, emitter.getPlan<GpuRowsAttr>().getRows());
  int64_t chunks = llvm::divideCeilSigned(rows, some);
  auto sumChunk = [&](AffineExpr sequence, AffineExpr chunk,
                      ArrayRef<AffineExpr> at) {
    SmallVector<AffineExpr> bounds{nest.constantExpr(some)};
    if (rows % some)
      bounds.push_back(-(chunk * some) + rows);
    return sumTo(bounds, [&](AffineExpr row) {
      return getTerm(sequence, chunk * some + row, at[0], at[1], at[2]);
    });
  };
  if (!isDynamic && chunks == 1)
    return forEachElement(nest, sizes, [&](ArrayRef<AffineExpr> at) {
      put(sumChunk(nest.constantExpr(0), nest.constantExpr(0), at), at);
    });
  Value partial =
      emitter.allocateScratch(nest, sequences, {chunks, heads, out, in});
  SmallVector<OpFoldResult> all{sequences, nest.builder.getIndexAttr(chunks)};
  all.append(sizes);
  forEachElement(nest, all, [&](ArrayRef<AffineExpr> at) {
    nest.store(sumChunk(at[0], at[1], at.drop_front(2)), partial, at);
  });
  forEachElement(nest, sizes, [&](ArrayRef<AffineExpr> at) {
    put(sumTo({bound},
              [&](AffineExpr k) {
                return nest.sum(chunks, /*lanes=*/false, [&](AffineExpr chunk) {
                  return nest.load(partial, {k, chunk, at[0], at[1], at[2]});
                });
              }),
        at);
  });
}
