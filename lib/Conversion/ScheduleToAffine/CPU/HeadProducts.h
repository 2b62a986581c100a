// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Products of a tile of rows with a stage's weights on a CPU: one matrix for
// all channels, or one for each head's.

#ifndef BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_CPU_HEADPRODUCTS_H
#define BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_CPU_HEADPRODUCTS_H

#include "KernelEmitter.h"

namespace mlir::bfly {

/// Weights in panels.
struct Panels {
  Value packed;
  bool perHead = false;
};

class HeadProducts {
public:
  /// Of tiles of `tile` rows of so many channels.
  HeadProducts(KernelEmitter &emitter, NestBuilder &nest, int64_t tile,
               int64_t channels, int64_t heads)
      : emitter(emitter), nest(nest), tile(tile), channels(channels),
        heads(heads), headChannels(channels / heads) {}

  /// For products with W^T, or with W; of one stage alone where it is given.
  Panels pack(Value weights, bool transpose,
              std::optional<int64_t> stage = std::nullopt);
  /// a (tile, depth) times the stage's matrix, or each head's.
  void project(Value a, const Panels &weights, AffineExpr number, Value result);
  void multiply(Value a, AffineExpr column, int64_t depth,
                const Panels &weights, AffineExpr number, AffineExpr head,
                AffineExpr firstRow, Value result, AffineExpr resultColumn,
                int64_t resultColumns);

protected:
  KernelEmitter &emitter;
  NestBuilder &nest;
  int64_t tile, channels, heads, headChannels;
};

} // namespace mlir::bfly

#endif // BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_CPU_HEADPRODUCTS_H
