// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What a NestBuilder makes for a GPU alone: scopes, memory of blocks and
// threads, and wide accesses.

#include "NestBuilder.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace mlir::bfly;

template <typename OpTy>
void NestBuilder::scope(ArrayRef<OpFoldResult> counts, Sync sync,
                        function_ref<void(ArrayRef<AffineExpr>)> body) {
  auto op = OpTy::create(builder, loc, counts, sync);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(&op.getBody().front());
  body(llvm::map_to_vector(op.getNumbers(),
                           [&](Value number) { return dim(number); }));
}

void NestBuilder::grid(ArrayRef<OpFoldResult> counts,
                       function_ref<void(ArrayRef<AffineExpr>)> body) {
  scope<GridOp>(counts, Sync::Grid, body);
}

void NestBuilder::threads(int64_t count, function_ref<void(AffineExpr)> body) {
  scope<ThreadsOp>({builder.getIndexAttr(count)}, Sync::Block,
                   [&](ArrayRef<AffineExpr> numbers) { body(numbers[0]); });
}

void mlir::bfly::dropLastBarrier(Block &body) {
  for (Operation &op : llvm::reverse(body)) {
    if (auto phase = dyn_cast<GridOp>(op))
      return phase.setSync(Sync::None);
    if (op.getNumRegions())
      return;
  }
}

Value NestBuilder::allocateGlobal(OpFoldResult first, ArrayRef<int64_t> rest,
                                  Type elementType) {
  std::optional<int64_t> known = getConstantIntValue(first);
  SmallVector<int64_t> shape{known.value_or(ShapedType::kDynamic)};
  llvm::append_range(shape, rest);
  return memref::AllocOp::create(
      builder, loc, MemRefType::get(shape, elementType),
      known ? ValueRange() : ValueRange(cast<Value>(first)),
      builder.getI64IntegerAttr(128));
}

static Attribute getSpace(OpBuilder &builder, gpu::AddressSpace space) {
  return gpu::AddressSpaceAttr::get(builder.getContext(), space);
}

Value NestBuilder::allocateShared(ArrayRef<int64_t> shape, Type elementType) {
  auto type = MemRefType::get(shape, elementType, MemRefLayoutAttrInterface(),
                              getSpace(builder, gpu::AddressSpace::Workgroup));
  return memref::AllocOp::create(builder, loc, type,
                                 builder.getI64IntegerAttr(128));
}

Value NestBuilder::allocateRegisters(int64_t count, Type elementType) {
  auto type = MemRefType::get({blockThreads, count}, elementType,
                              MemRefLayoutAttrInterface(),
                              getSpace(builder, gpu::AddressSpace::Private));
  return memref::AllocOp::create(builder, loc, type);
}

static int64_t getVectorBytes(Type elementType, int64_t count) {
  return elementType.getIntOrFloatBitWidth() / 8 * count;
}

Value NestBuilder::loadVector(Value buffer, ArrayRef<AffineExpr> indices,
                              int64_t count) {
  Type type = cast<MemRefType>(buffer.getType()).getElementType();
  SmallVector<Value> at;
  for (AffineExpr index : indices)
    at.push_back(apply(index));
  return vector::LoadOp::create(
      builder, loc, VectorType::get(count, type), buffer, at,
      /*nontemporal=*/false, llvm::MaybeAlign(getVectorBytes(type, count)));
}

void NestBuilder::storeVector(Value vector, Value buffer,
                              ArrayRef<AffineExpr> indices) {
  auto type = cast<VectorType>(vector.getType());
  SmallVector<Value> at;
  for (AffineExpr index : indices)
    at.push_back(apply(index));
  vector::StoreOp::create(builder, loc, vector, buffer, at,
                          /*nontemporal=*/false,
                          llvm::MaybeAlign(getVectorBytes(type.getElementType(),
                                                          type.getDimSize(0))));
}
