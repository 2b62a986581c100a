// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Verifiers of the gpu level.

#include "bfly/IR/Bfly.h"

#include "VerifyUtils.h"

using namespace mlir;
using namespace mlir::bfly;

/// Arrivals and bytes that one phase of a barrier can count.
static constexpr int64_t kMbarrierLimit = 1 << 20;

LogicalResult SharedMemoryOp::verify() {
  MemRefType type = getResult().getType();
  if (!isInWorkgroupMemory(type) || !type.isDynamicDim(0))
    return emitOpError("(C1) must be of dynamic size in workgroup memory, got ")
           << type;
  return success();
}

static LogicalResult verifyMbarriers(Operation *op, Value barriers) {
  if (!isInWorkgroupMemory(barriers.getType()))
    return op->emitOpError("(C1) barriers must be in workgroup memory, got ")
           << barriers.getType();
  return success();
}

LogicalResult MbarrierInitOp::verify() {
  if (static_cast<int32_t>(getCount()) < 1 || getCount() >= kMbarrierLimit)
    return emitOpError("(C2) the count must be between 1 and 2^20 - 1, got ")
           << static_cast<int32_t>(getCount());
  return verifyMbarriers(*this, getBarriers());
}

LogicalResult MbarrierArriveOp::verify() {
  if (std::optional<uint32_t> bytes = getBytes())
    if (static_cast<int32_t>(*bytes) < 1 || *bytes >= kMbarrierLimit)
      return emitOpError("(C2) the bytes must be between 1 and 2^20 - 1, got ")
             << static_cast<int32_t>(*bytes);
  return verifyMbarriers(*this, getBarriers());
}

LogicalResult MbarrierWaitOp::verify() {
  return verifyMbarriers(*this, getBarriers());
}

LogicalResult BulkCopyOp::verify() {
  auto source = cast<MemRefType>(getSource().getType());
  auto target = cast<MemRefType>(getTarget().getType());
  auto getBytes = [](MemRefType type) {
    return type.getNumElements() * type.getElementTypeBitWidth() / 8;
  };
  for (MemRefType type : {source, target})
    if (!isStaticAndFull(type) || !type.getElementType().isIntOrFloat() ||
        type.getNumContiguousTrailingDims() < type.getRank())
      return emitOpError("(C1) needs contiguous memory of static size, got ")
             << type;
  if (getBytes(source) != getBytes(target) || getBytes(source) % 16)
    return emitOpError("(C1) ")
           << source << " has " << getBytes(source) << " bytes, " << target
           << ' ' << getBytes(target)
           << "; they must be the same multiple of 16";
  if (isInWorkgroupMemory(source) || !isInWorkgroupMemory(target) ||
      !isInWorkgroupMemory(getBarriers().getType()))
    return emitOpError("(C2) copies from global memory to workgroup memory, "
                       "with barriers in workgroup memory");
  return success();
}

LogicalResult WgmmaOp::verify() {
  auto a = cast<MemRefType>(getA().getType());
  auto b = cast<MemRefType>(getB().getType());
  auto c = cast<MemRefType>(getC().getType());
  const int64_t core[] = {8, 8};
  if (!isStaticAndFull(a) || !isStaticAndFull(b) || !isStaticAndFull(c) ||
      a.getDimSize(0) != 8 || a.getDimSize(1) != b.getDimSize(1) ||
      a.getShape().take_back(2) != ArrayRef(core) ||
      b.getShape().take_back(2) != ArrayRef(core) ||
      a.getNumContiguousTrailingDims() < 2 ||
      b.getNumContiguousTrailingDims() < 2 || b.getDimSize(0) > 32 ||
      c.getDimSize(0) != 4 * b.getDimSize(0))
    return emitOpError("(C1) ")
           << a << " and " << b << " have no product in a fragment " << c;
  if (a.getDimSize(1) % 2)
    return emitOpError("(C2) the depth must be a multiple of 16, got ")
           << 8 * a.getDimSize(1);
  if (a.getElementType() != b.getElementType() || !isInWorkgroupMemory(a) ||
      !isInWorkgroupMemory(b))
    return emitOpError("(C3) A and B must have one element type and be in "
                       "workgroup memory");
  return success();
}
