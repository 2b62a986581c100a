// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Neighbours along the channels as one access, in the compute type: a vector,
// or a scalar where the width is 1.

#ifndef BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_GPU_CHANNELACCESS_H
#define BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_GPU_CHANNELACCESS_H

#include "NestBuilder.h"

namespace mlir::bfly {

class ChannelAccess {
public:
  ChannelAccess(NestBuilder &nest) : nest(nest) {}

  Value load(Value buffer, ArrayRef<AffineExpr> indices, int64_t width);
  void store(Value value, Value buffer, ArrayRef<AffineExpr> indices);
  Value splat(Value scalar, int64_t width);
  /// The widest access in 16 bytes of each buffer that divides every count.
  static int64_t getWidth(ArrayRef<Value> buffers, ArrayRef<int64_t> counts);

  /// if (all constraints >= 0) body() else otherwise(); no test if there is no
  /// constraint.
  void guard(ArrayRef<AffineExpr> constraints, function_ref<void()> body,
             function_ref<void()> otherwise = nullptr);

  /// for i in [0, count) over the threads: write(i, read(i)). A thread reads
  /// for several of its iterations before it writes for the first of them, so
  /// that more loads are under way.
  void copyInBatches(int64_t count,
                     function_ref<SmallVector<Value>(AffineExpr)> read,
                     function_ref<void(AffineExpr, ArrayRef<Value>)> write);

protected:
  NestBuilder &nest;
};

} // namespace mlir::bfly

#endif // BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_GPU_CHANNELACCESS_H
