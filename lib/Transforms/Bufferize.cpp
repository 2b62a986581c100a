// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Tensors to buffers, by upstream's one-shot bufferization.
//
// Before: kernels on buffers, with other operations on tensors between them.
// After: no tensors. Arguments and results of functions are row-major buffers.
// No memref.expand_shape has to divide for a size, which upstream's lowering
// does: it cannot for several dynamic ones of one dimension, nor by 0.

#include "bfly/Transforms/Passes.h"

#include "bfly/Analysis/Sizes.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Bufferization/Transforms/OneShotAnalysis.h"
#include "mlir/Dialect/Bufferization/Transforms/OneShotModuleBufferize.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

namespace mlir::bfly {
#define GEN_PASS_DEF_BUFFERIZEPASS
#include "bfly/Transforms/Passes.h.inc"
} // namespace mlir::bfly

using namespace mlir;
using namespace mlir::bfly;

namespace {

/// Operations whose results may or may not be computed in place.
bool isDecision(Operation *op) {
  return llvm::any_of(op->getResultTypes(), llvm::IsaPred<TensorType>) &&
         !op->hasTrait<OpTrait::ConstantLike>() &&
         !isa<bufferization::ToTensorOp>(op);
}

/// Spells out the sizes and strides of a view.
void spellOut(memref::ExpandShapeOp op) {
  OpBuilder builder(op);
  Location loc = op.getLoc();
  MemRefType type = op.getResultType();
  auto source =
      memref::ExtractStridedMetadataOp::create(builder, loc, op.getSrc());
  SmallVector<OpFoldResult> sizes = op.getMixedOutputShape();
  SmallVector<OpFoldResult> strides(sizes.size());
  SmallVector<OpFoldResult> outer = source.getConstifiedMixedStrides();
  auto [known, offset] = type.getStridesAndOffset();
  for (auto [dim, group] : llvm::enumerate(op.getReassociationIndices())) {
    OpFoldResult stride = outer[dim];
    for (int64_t inner : llvm::reverse(group)) {
      strides[inner] = ShapedType::isDynamic(known[inner])
                           ? stride
                           : OpFoldResult(builder.getIndexAttr(known[inner]));
      AffineExpr a, b;
      bindSymbols(op.getContext(), a, b);
      stride = affine::makeComposedFoldedAffineApply(
          builder, loc, a * b, {strides[inner], sizes[inner]});
    }
  }
  auto view = memref::ReinterpretCastOp::create(
      builder, loc, type, op.getSrc(), source.getConstifiedMixedOffset(), sizes,
      strides);
  op.replaceAllUsesWith(view.getResult());
  op.erase();
}

bool divides(memref::ExpandShapeOp op) {
  MemRefType type = op.getResultType();
  return !type.hasStaticShape() &&
         (llvm::is_contained(type.getShape(), 0) ||
          hasSeveralDynamic(type, op.getReassociationIndices()));
}

struct BufferizePass : public bfly::impl::BufferizePassBase<BufferizePass> {
  using BufferizePassBase::BufferizePassBase;

  void runOnOperation() override {
    bufferization::OneShotBufferizationOptions options;
    options.bufferizeFunctionBoundaries = true;
    options.setFunctionBoundaryTypeConversion(
        bufferization::LayoutMapOption::IdentityLayoutMap);
    int64_t decisions = 0;
    getOperation().walk([&](Operation *op) { decisions += isDecision(op); });
    options.copyBeforeWrite = decisions > maxAnalyzed;
    bufferization::BufferizationState state;
    if (failed(bufferization::runOneShotModuleBufferize(getOperation(), options,
                                                        state)))
      return signalPassFailure();
    SmallVector<memref::ExpandShapeOp> views;
    getOperation().walk([&](memref::ExpandShapeOp op) {
      if (divides(op))
        views.push_back(op);
    });
    llvm::for_each(views, spellOut);
  }
};

} // namespace
