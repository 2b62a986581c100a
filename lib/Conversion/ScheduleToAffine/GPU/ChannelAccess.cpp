// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "GPU/ChannelAccess.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace mlir::bfly;

static int64_t getBytes(Type type) { return type.getIntOrFloatBitWidth() / 8; }

Value ChannelAccess::load(Value buffer, ArrayRef<AffineExpr> indices,
                          int64_t width) {
  if (width == 1)
    return nest.load(buffer, indices);
  Value value = nest.loadVector(buffer, indices, width);
  auto type = cast<VectorType>(value.getType());
  if (type.getElementType() == nest.compute)
    return value;
  return arith::ExtFOp::create(nest.builder, nest.loc, type.clone(nest.compute),
                               value);
}

void ChannelAccess::store(Value value, Value buffer,
                          ArrayRef<AffineExpr> indices) {
  auto type = dyn_cast<VectorType>(value.getType());
  if (!type)
    return nest.store(value, buffer, indices);
  Type stored = cast<MemRefType>(buffer.getType()).getElementType();
  if (stored != type.getElementType())
    value = arith::TruncFOp::create(nest.builder, nest.loc, type.clone(stored),
                                    value);
  nest.storeVector(value, buffer, indices);
}

Value ChannelAccess::splat(Value scalar, int64_t width) {
  if (width == 1)
    return scalar;
  return vector::BroadcastOp::create(
      nest.builder, nest.loc, VectorType::get(width, scalar.getType()), scalar);
}

int64_t ChannelAccess::getWidth(ArrayRef<Value> buffers,
                                ArrayRef<int64_t> counts) {
  int64_t width = 8;
  for (Value buffer : buffers)
    width = std::min(
        width,
        16 / getBytes(cast<MemRefType>(buffer.getType()).getElementType()));
  while (llvm::any_of(counts, [&](int64_t count) { return count % width; }))
    width /= 2;
  return width;
}

void ChannelAccess::guard(ArrayRef<AffineExpr> constraints,
                          function_ref<void()> body,
                          function_ref<void()> otherwise) {
  if (constraints.empty())
    return body();
  nest.guard(constraints, body, otherwise);
}

void ChannelAccess::copyInBatches(
    int64_t count, function_ref<SmallVector<Value>(AffineExpr)> read,
    function_ref<void(AffineExpr, ArrayRef<Value>)> write) {
  int64_t batch = 4;
  while (batch > 1 && count % (batch * nest.blockThreads))
    batch /= 2;
  nest.threads(count / batch, [&](AffineExpr i) {
    SmallVector<SmallVector<Value>> values;
    for (int64_t k = 0; k < batch; ++k)
      values.push_back(read(i + k * (count / batch)));
    for (int64_t k = 0; k < batch; ++k)
      write(i + k * (count / batch), values[k]);
  });
}
