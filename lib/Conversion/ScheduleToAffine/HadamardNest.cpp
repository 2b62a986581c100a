// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The Walsh-Hadamard transform, on a CPU and on a GPU: groups of stages, each
// from memory to memory through slabs on chip; in a slab passes, each on a few
// values in registers.

#include "NestTable.h"

#include "llvm/Support/MathExtras.h"

#include <cmath>

using namespace mlir;
using namespace mlir::bfly;

namespace {
/// Stages `first` ... of the network, and factors of what is read and written.
struct Group {
  int64_t first, stages;
  double before, after;
};
} // namespace

static void addAndSubtract(NestBuilder &nest, MutableArrayRef<Value> values) {
  for (size_t half = 1; half < values.size(); half *= 2)
    for (size_t q = 0; q < values.size(); ++q)
      if (!(q & half)) {
        Value a = values[q], b = values[q + half];
        values[q] = nest.add(a, b);
        values[q + half] = nest.sub(a, b);
      }
}

static void emitGroup(NestBuilder &nest, HadamardAttr plan, Group group,
                      Value from, Value to) {
  auto type = cast<MemRefType>(from.getType());
  int64_t rows = int64_t(1) << group.stages, apart = int64_t(1) << group.first;
  int64_t channels = type.getDimSize(2), radix = plan.getRadix();
  int64_t width = std::min(channels, plan.getChannels());
  int64_t slabs = llvm::divideCeilSigned(channels, width);
  bool onGPU = nest.blockThreads != 0;

  auto emitSlab = [&](ArrayRef<AffineExpr> unit) {
    AffineExpr origin = getTileStart(nest, unit[1], width, slabs, channels);
    AffineExpr token =
        unit[2].floorDiv(apart) * (apart * rows) + unit[2] % apart;
    auto inMemory = [&](AffineExpr row, AffineExpr lane) {
      return SmallVector<AffineExpr>{unit[0], token + row * apart,
                                     origin + lane};
    };
    auto inSlab = [&](AffineExpr row, AffineExpr lane) {
      return SmallVector<AffineExpr>{row + row.floorDiv(radix), lane};
    };
    // A row is skipped after so many, for the banks and sets of what holds it.
    SmallVector<int64_t> shape{rows + rows / radix, width};
    Value slab;
    if (rows > radix)
      slab = onGPU ? nest.allocateShared(shape, nest.compute)
                   : nest.allocate(shape);
    for (int64_t stride = 1; stride == 1 || stride < rows; stride *= radix) {
      int64_t count = std::min(radix, rows / stride), block = count * stride;
      bool isFirst = stride == 1, isLast = block == rows;
      auto butterfly = [&](AffineExpr first, AffineExpr lane) {
        SmallVector<Value> values;
        for (int64_t q = 0; q < count; ++q) {
          AffineExpr row = first + q * stride;
          values.push_back(isFirst ? nest.load(from, inMemory(row, lane))
                                   : nest.load(slab, inSlab(row, lane)));
          if (isFirst && group.before != 1)
            values[q] = nest.mul(values[q], nest.constant(group.before));
        }
        addAndSubtract(nest, values);
        for (int64_t q = 0; q < count; ++q) {
          AffineExpr row = first + q * stride;
          if (isLast && group.after != 1)
            values[q] = nest.mul(values[q], nest.constant(group.after));
          nest.store(values[q], isLast ? to : slab,
                     isLast ? inMemory(row, lane) : inSlab(row, lane));
        }
      };
      if (onGPU)
        nest.threads(rows / count * width, [&](AffineExpr i) {
          AffineExpr j = i.floorDiv(width);
          butterfly(j.floorDiv(stride) * block + j % stride, i % width);
        });
      else
        nest.serial({nest.builder.getIndexAttr(rows / block),
                     nest.builder.getIndexAttr(stride)},
                    [&](ArrayRef<AffineExpr> at) {
                      nest.lanes(width, [&](AffineExpr lane) {
                        butterfly(at[0] * block + at[1], lane);
                      });
                    });
    }
    if (slab && !onGPU)
      nest.free(slab);
  };
  SmallVector<OpFoldResult> units{
      nest.size(from, 0), nest.builder.getIndexAttr(slabs),
      nest.builder.getIndexAttr(type.getDimSize(1) / rows)};
  if (onGPU)
    nest.grid(units, emitSlab);
  else
    nest.parallel(units, emitSlab);
}

void mlir::bfly::emitHadamard(KernelEmitter &emitter, HadamardOp op) {
  NestBuilder nest = emitter.makeNest(op);
  auto plan = emitter.getPlan<HadamardAttr>();
  RankedTensorType type = op.getInput().getType();
  int64_t tokens = type.getDimSize(1), stages = getNumStages(tokens);
  int64_t most = llvm::Log2_64(plan.getRows());
  Value from = emitter.getBuffer(op.getInput());
  // One token has a group without stages, which copies it.
  for (int64_t first = 0; first == 0 || first < stages; first += most) {
    bool isLast = first + most >= stages;
    Group group{first, std::min(most, stages - first), 1, 1};
    // A power of two before the first stage and the root of 2 that may be left
    // after the last: what is 0 stays 0, and nothing overflows that the result
    // does not.
    if (op.getOrthonormal() && first == 0)
      group.before = std::ldexp(1, -static_cast<int>((stages + 1) / 2));
    if (op.getOrthonormal() && isLast && stages % 2)
      group.after = std::sqrt(2);
    Value to = isLast ? emitter.getBuffer(op.getResult())
                      : emitter.allocateScratch(nest, nest.size(from, 0),
                                                {tokens, type.getDimSize(2)});
    emitGroup(nest, plan, group, from, to);
    from = to;
  }
}
