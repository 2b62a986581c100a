// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What the lowerings of bfly's gpu level share.

#ifndef BFLY_LIB_CONVERSION_GPUTONVVM_LOWERING_H
#define BFLY_LIB_CONVERSION_GPUTONVVM_LOWERING_H

#include "bfly/IR/Bfly.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/PatternMatch.h"

namespace mlir::bfly {

/// NVVM's address spaces.
constexpr unsigned kGlobal = 1, kShared = 3;

inline LLVM::LLVMPointerType getPointerType(OpBuilder &builder,
                                            unsigned space) {
  return LLVM::LLVMPointerType::get(builder.getContext(), space);
}

inline Value getI32(ImplicitLocOpBuilder &builder, int64_t value) {
  return arith::ConstantIntOp::create(builder, value, 32);
}

/// Of an operation without results, to what `lower` builds in its place.
template <typename OpType> struct Lowering : OpRewritePattern<OpType> {
  using OpRewritePattern<OpType>::OpRewritePattern;

  LogicalResult matchAndRewrite(OpType op,
                                PatternRewriter &rewriter) const final {
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    lower(op, builder);
    rewriter.eraseOp(op);
    return success();
  }

  virtual void lower(OpType op, ImplicitLocOpBuilder &builder) const = 0;
};

// The lowerings of a part of the level each.

void populateGridBarrierLowering(RewritePatternSet &patterns);
/// Barriers in shared memory, bulk copies and products.
void populateMatrixUnitLowerings(RewritePatternSet &patterns);

} // namespace mlir::bfly

#endif // BFLY_LIB_CONVERSION_GPUTONVVM_LOWERING_H
