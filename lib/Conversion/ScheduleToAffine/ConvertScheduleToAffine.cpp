// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Schedule to affine: every bfly.kernel on tensors, with a plan, becomes one on
// memrefs that holds loops.
//
// Before: kernels hold network operations and have a plan.
// After: kernels have buffers for operands, their results' buffers last, and
// bodies of affine loops. Kernels of a transform that a library does are that
// transform, with kernels around it. Tensors come and go through
// bufferization.to_buffer and to_tensor, which bufferization removes.

#include "GPU/LibraryTransform.h"
#include "KernelEmitter.h"
#include "bfly/Conversion/Passes.h"
#include "bfly/Schedule/Plan.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

namespace mlir::bfly {
#define GEN_PASS_DEF_CONVERTSCHEDULETOAFFINEPASS
#include "bfly/Conversion/Passes.h.inc"
} // namespace mlir::bfly

using namespace mlir;
using namespace mlir::bfly;

/// Allocates the buffer of a result, whose sizes follow from the operands'.
static FailureOr<Value> allocateResult(OpBuilder &builder, KernelOp kernel,
                                       unsigned number,
                                       SizeInference &inference) {
  Value yielded = kernel.getBody().front().getTerminator()->getOperand(number);
  auto type = cast<RankedTensorType>(yielded.getType());
  FailureOr<SmallVector<Value>> sizes = makeDynamicSizes(
      builder, yielded, inference, [&](BlockArgument argument) {
        return kernel.getInputs()[argument.getArgNumber()];
      });
  if (failed(sizes))
    return failure();
  Value buffer = memref::AllocOp::create(
      builder, kernel.getLoc(),
      MemRefType::get(type.getShape(), type.getElementType()), *sizes,
      builder.getI64IntegerAttr(64));
  return buffer;
}

/// Makes constants operands, but for what is read as a number: a kernel's
/// constants have no memory of their own.
static void hoistConstants(KernelOp kernel) {
  Block &body = kernel.getBody().front();
  OpBuilder builder(kernel);
  for (Operation &op : llvm::make_early_inc_range(body)) {
    if (!op.hasTrait<OpTrait::ConstantLike>() ||
        !isa<RankedTensorType>(op.getResultTypes().front()))
      continue;
    Value constant = op.getResult(0);
    auto wantsBuffer = [&](Operation *user) {
      return !readsAsNumber(user, constant);
    };
    if (llvm::none_of(op.getUsers(), wantsBuffer))
      continue;
    Value outside = builder.clone(op)->getResult(0);
    kernel.getInputsMutable().append(outside);
    Value inside = body.addArgument(outside.getType(), op.getLoc());
    constant.replaceUsesWithIf(
        inside, [&](OpOperand &use) { return wantsBuffer(use.getOwner()); });
  }
}

static LogicalResult convertKernel(KernelOp kernel) {
  if (!kernel.getPlan())
    return kernel.emitOpError("has no plan; run -bfly-choose-plan first");
  if (failed(verifyPlan(kernel)))
    return failure();
  hoistConstants(kernel);
  OpBuilder builder(kernel);
  Location loc = kernel.getLoc();
  SmallVector<Value> operands;
  for (Value input : kernel.getInputs()) {
    auto type = dyn_cast<RankedTensorType>(input.getType());
    if (!type)
      return kernel.emitOpError("is at affine level already");
    auto buffer = bufferization::ToBufferOp::create(
        builder, loc, MemRefType::get(type.getShape(), type.getElementType()),
        input, /*read_only=*/true);
    operands.push_back(buffer);
  }
  SmallVector<Value> results;
  SizeInference inference(kernel.getBody().front());
  for (unsigned i = 0; i < kernel.getNumResults(); ++i) {
    FailureOr<Value> buffer = allocateResult(builder, kernel, i, inference);
    if (failed(buffer))
      return failure();
    results.push_back(*buffer);
    operands.push_back(*buffer);
  }
  Operation *byLibrary = getLibraryOp(kernel);
  auto buffer = [&](Value argument) {
    return argument ? operands[cast<BlockArgument>(argument).getArgNumber()]
                    : Value();
  };
  if (isa_and_nonnull<FftOp, IfftOp>(byLibrary)) {
    emitLibraryTransform(builder, kernel, byLibrary, operands.front(),
                         operands.back());
  } else if (auto product = dyn_cast_or_null<RowProductOp>(byLibrary)) {
    LibraryRowProductOp::create(builder, loc, buffer(product.getA()),
                                buffer(product.getB()), operands.back(),
                                product.getHeads());
  } else if (auto linear = dyn_cast_or_null<LinearOp>(byLibrary)) {
    LibraryProductOp::create(builder, loc, buffer(linear.getInput()),
                             buffer(linear.getWeight()),
                             buffer(linear.getBias()), operands.back());
  } else {
    auto lowered = KernelOp::create(builder, loc, TypeRange(), operands,
                                    kernel.getName(), kernel.getPlanAttr());
    Block *body = &lowered.getBody().emplaceBlock();
    for (Value operand : operands)
      body->addArgument(operand.getType(), loc);
    builder.setInsertionPointToStart(body);
    if (failed(KernelEmitter(builder, kernel, body->getArguments()).emit()))
      return failure();
    dropLastBarrier(*body);
    YieldOp::create(builder, loc, ValueRange());
  }

  builder.setInsertionPoint(kernel);
  for (auto [result, buffer] : llvm::zip_equal(kernel.getResults(), results)) {
    Value tensor = bufferization::ToTensorOp::create(
        builder, loc, result.getType(), buffer, /*restrict=*/true,
        /*writable=*/true);
    result.replaceAllUsesWith(tensor);
  }
  kernel.erase();
  return success();
}

/// A result has memory of its own: what is returned once more is a copy.
static void separateResults(func::FuncOp function) {
  function.walk([](func::ReturnOp op) {
    OpBuilder builder(op);
    llvm::SmallDenseSet<Value> returned;
    for (OpOperand &operand : op->getOpOperands()) {
      auto type = dyn_cast<RankedTensorType>(operand.get().getType());
      if (type && !returned.insert(operand.get()).second)
        operand.set(bufferization::AllocTensorOp::create(
            builder, op.getLoc(), type, ValueRange(), operand.get()));
    }
  });
}

namespace {

struct ConvertScheduleToAffinePass
    : public bfly::impl::ConvertScheduleToAffinePassBase<
          ConvertScheduleToAffinePass> {
  void runOnOperation() override {
    func::FuncOp function = getOperation();
    if (function.isExternal())
      return;
    // The caller's arrays are the caller's: bufferization may not update an
    // argument in place.
    for (unsigned i = 0; i < function.getNumArguments(); ++i)
      if (isa<RankedTensorType>(function.getArgument(i).getType()))
        function.setArgAttr(
            i, bufferization::BufferizationDialect::kWritableAttrName,
            BoolAttr::get(&getContext(), false));
    SmallVector<KernelOp> kernels;
    function.walk([&](KernelOp kernel) { kernels.push_back(kernel); });
    for (KernelOp kernel : kernels) {
      bool tensors = kernel.getNumResults() != 0;
      if (tensors && failed(convertKernel(kernel)))
        return signalPassFailure();
    }
    separateResults(function);
  }
};

} // namespace
