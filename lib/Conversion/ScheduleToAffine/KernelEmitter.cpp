// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "KernelEmitter.h"

#include "GPU/GridLoops.h"
#include "NestTable.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Interfaces/ViewLikeInterface.h"

using namespace mlir;
using namespace mlir::bfly;

KernelEmitter::KernelEmitter(OpBuilder &builder, KernelOp source,
                             ValueRange arguments)
    : builder(builder), source(source), machine(bfly::getMachine(source)),
      inference(source.getBody().front()),
      results(arguments.drop_front(source.getNumOperands())) {
  Block &body = source.getBody().front();
  unsigned inputs = body.getNumArguments();
  buffers.map(body.getArguments(), arguments.take_front(inputs));
  // A result has the buffer that the caller gave; a value that is yielded twice
  // gets copied at the end.
  for (auto [value, buffer] : llvm::zip_equal(
           body.getTerminator()->getOperands(), arguments.drop_front(inputs)))
    if (!buffers.contains(value))
      buffers.map(value, buffer);
}

NestBuilder KernelEmitter::makeNest(Operation *op) {
  Type type = op->getResultTypes().front();
  return NestBuilder(builder, op->getLoc(), getComputeType(type),
                     getBlockThreads());
}

Value KernelEmitter::getBuffer(Value tensor) {
  if (Value buffer = buffers.lookupOrNull(tensor))
    return buffer;
  auto type = cast<RankedTensorType>(tensor.getType());
  // The sizes were inferred before: a result's, or by the check of the kernel.
  FailureOr<SmallVector<Value>> dynamicSizes =
      makeDynamicSizes(builder, tensor, inference, [&](BlockArgument argument) {
        return buffers.lookup(argument);
      });
  assert(succeeded(dynamicSizes) && "a size that emit() has not checked");
  // Between operations of a kernel nothing is rounded to a storage type.
  Type elementType = type.getElementType();
  if (isa<FloatType>(elementType))
    elementType = getComputeType(type);
  Value buffer = memref::AllocOp::create(
      builder, tensor.getLoc(), MemRefType::get(type.getShape(), elementType),
      *dynamicSizes, builder.getI64IntegerAttr(64));
  temporaries.push_back(buffer);
  buffers.map(tensor, buffer);
  return buffer;
}

Value KernelEmitter::allocateScratch(NestBuilder &nest, OpFoldResult first,
                                     ArrayRef<int64_t> rest) {
  std::optional<int64_t> known = getConstantIntValue(first);
  SmallVector<int64_t> shape{known.value_or(ShapedType::kDynamic)};
  llvm::append_range(shape, rest);
  Value buffer = memref::AllocOp::create(
      builder, nest.loc, MemRefType::get(shape, nest.compute),
      known ? ValueRange() : ValueRange(cast<Value>(first)),
      builder.getI64IntegerAttr(64));
  temporaries.push_back(buffer);
  return buffer;
}

LogicalResult KernelEmitter::emit(Operation *op) {
  if (const Nest *nest = findNest(op))
    return (onGPU() ? nest->onGPU : nest->onCPU)(*this, op);
  if (isa<tensor::DimOp>(op) || op->hasTrait<OpTrait::ConstantLike>())
    return success();
  if (!isMemoryEffectFree(op))
    return op->emitOpError("cannot be part of a kernel");
  return emitElementwise(*this, op);
}

void KernelEmitter::copyOnGPU(Value buffer, Value target) {
  auto type = cast<MemRefType>(target.getType());
  NestBuilder nest(builder, source.getLoc(),
                   getComputeType(type.getElementType()), getBlockThreads());
  SmallVector<OpFoldResult> sizes;
  for (int64_t dim = 0; dim < type.getRank(); ++dim)
    sizes.push_back(nest.size(target, dim));
  forEachElement(nest, sizes, [&](ArrayRef<AffineExpr> at) {
    nest.storeComplex(nest.loadComplex(buffer, at), target, at);
  });
}

/// Whether something in `buffer`'s uses may write to it, or to a view of it.
static bool isWritten(Value buffer) {
  return llvm::any_of(buffer.getUsers(), [&](Operation *user) {
    if (isa<ViewLikeOpInterface>(user))
      return llvm::any_of(user->getResults(), isWritten);
    if (isa<memref::DeallocOp, memref::DimOp>(user))
      return false;
    auto effects = dyn_cast<MemoryEffectOpInterface>(user);
    return !effects || effects.getEffectOnValue<MemoryEffects::Write>(buffer);
  });
}

/// A value that no nest makes would be read from memory that nobody wrote: a
/// kernel by hand may have its operations in an order that nests do not know.
LogicalResult KernelEmitter::verifyTemporaries() {
  LogicalResult result = success();
  source.getBody().walk([&](Operation *op) {
    for (Value value : op->getResults()) {
      Value buffer = findBuffer(value);
      if (succeeded(result) && buffer && !isWritten(buffer))
        result = op->emitOpError("is used in a way that no nest of this kernel "
                                 "computes; put it into a kernel of its own");
    }
  });
  return result;
}

LogicalResult KernelEmitter::emit() {
  Block &body = source.getBody().front();
  SmallVector<SizeCheck> checks;
  if (failed(inference.findChecks(checks)))
    return failure();
  for (Operation &op : body.without_terminator())
    if (failed(emit(&op)))
      return failure();
  // A value that is yielded twice, or that is an operand, has its buffer
  // elsewhere.
  for (auto [value, target] :
       llvm::zip_equal(body.getTerminator()->getOperands(), results)) {
    Value buffer = getBuffer(value);
    if (buffer == target)
      continue;
    if (onGPU())
      copyOnGPU(buffer, target);
    else
      memref::CopyOp::create(builder, source.getLoc(), buffer, target);
  }
  if (failed(verifyTemporaries()))
    return failure();
  for (Value buffer : temporaries)
    memref::DeallocOp::create(builder, source.getLoc(), buffer);
  return success();
}
