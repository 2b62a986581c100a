// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Gpu to nvvm: the named operations of bfly's gpu level, and the functions of
// numbers that upstream would need libdevice for.
//
// Before: a gpu.module of gpu.func with upstream's dialects and bfly's gpu
// level. After: no operation of bfly is left in it; upstream's
// -convert-gpu-to-nvvm, which has to follow, knows all that is.

#include "bfly/Conversion/Passes.h"

#include "Lowering.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Transforms/WalkPatternRewriteDriver.h"

namespace mlir::bfly {
#define GEN_PASS_DEF_CONVERTGPUTONVVMPASS
#include "bfly/Conversion/Passes.h.inc"
} // namespace mlir::bfly

using namespace mlir;
using namespace mlir::bfly;

static constexpr StringLiteral kDynamicShared = "bfly_dynamic_shared_memory";

namespace {

struct LowerSharedMemory : OpRewritePattern<SharedMemoryOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(SharedMemoryOp op,
                                PatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    auto module = op->getParentOfType<gpu::GPUModuleOp>();
    auto global = module.lookupSymbol<LLVM::GlobalOp>(kDynamicShared);
    if (!global) {
      OpBuilder::InsertionGuard guard(rewriter);
      rewriter.setInsertionPointToStart(module.getBody());
      global = LLVM::GlobalOp::create(
          rewriter, op.getLoc(),
          LLVM::LLVMArrayType::get(rewriter.getI8Type(), 0),
          /*isConstant=*/false, LLVM::Linkage::External, kDynamicShared,
          Attribute(), /*alignment=*/1024, kShared);
    }
    // A descriptor by hand: there is no operation for a memref of a pointer.
    Type pointer = getPointerType(builder, kShared), i64 = builder.getI64Type();
    Type sizes = LLVM::LLVMArrayType::get(i64, 1);
    Type type = LLVM::LLVMStructType::getLiteral(
        builder.getContext(), {pointer, pointer, i64, sizes, sizes});
    Value address = LLVM::AddressOfOp::create(builder, global);
    Value zero = LLVM::ConstantOp::create(builder, i64, 0);
    Value one = LLVM::ConstantOp::create(builder, i64, 1);
    // More than any block has; nothing reads it.
    Value bytes = LLVM::ConstantOp::create(builder, i64, 1 << 18);
    Value descriptor = LLVM::PoisonOp::create(builder, type);
    auto insert = [&](Value value, ArrayRef<int64_t> position) {
      descriptor =
          LLVM::InsertValueOp::create(builder, descriptor, value, position);
    };
    insert(address, {0});
    insert(address, {1});
    insert(zero, {2});
    insert(bytes, {3, 0});
    insert(one, {4, 0});
    rewriter.replaceOpWithNewOp<UnrealizedConversionCastOp>(op, op.getType(),
                                                            descriptor);
    return success();
  }
};

/// Functions that are instructions: upstream would call libdevice, which not
/// every machine has.
template <typename OpType> struct LowerMath : OpRewritePattern<OpType> {
  LowerMath(MLIRContext *context, StringRef intrinsic)
      : OpRewritePattern<OpType>(context), intrinsic(intrinsic) {}

  LogicalResult matchAndRewrite(OpType op,
                                PatternRewriter &rewriter) const override {
    if (!op.getType().isF32() && !op.getType().isF64())
      return failure();
    StringRef suffix = op.getType().isF32() ? ".f32" : ".f64";
    auto call = LLVM::CallIntrinsicOp::create(
        rewriter, op.getLoc(), op.getType(),
        rewriter.getStringAttr(intrinsic + suffix), op->getOperands());
    rewriter.replaceOp(op, call);
    return success();
  }

  StringRef intrinsic;
};

struct ConvertGpuToNvvmPass
    : public bfly::impl::ConvertGpuToNvvmPassBase<ConvertGpuToNvvmPass> {
  void runOnOperation() override {
    // Every sigmoid's exponential, as on a CPU; what it becomes is lowered
    // below.
    RewritePatternSet exponentials(&getContext());
    populateMathPolynomialApproximationPatterns(
        exponentials,
        [](StringRef name) { return name == math::ExpOp::getOperationName(); });
    walkAndApplyPatterns(getOperation(), std::move(exponentials));
    RewritePatternSet patterns(&getContext());
    patterns.add<LowerSharedMemory>(&getContext());
    populateGridBarrierLowering(patterns);
    populateMatrixUnitLowerings(patterns);
    patterns.add<LowerMath<math::SqrtOp>>(&getContext(), "llvm.sqrt");
    patterns.add<LowerMath<math::AbsFOp>>(&getContext(), "llvm.fabs");
    patterns.add<LowerMath<math::FloorOp>>(&getContext(), "llvm.floor");
    patterns.add<LowerMath<math::CeilOp>>(&getContext(), "llvm.ceil");
    patterns.add<LowerMath<math::TruncOp>>(&getContext(), "llvm.trunc");
    patterns.add<LowerMath<math::RoundEvenOp>>(&getContext(), "llvm.roundeven");
    patterns.add<LowerMath<math::CopySignOp>>(&getContext(), "llvm.copysign");
    patterns.add<LowerMath<math::FmaOp>>(&getContext(), "llvm.fma");
    walkAndApplyPatterns(getOperation(), std::move(patterns));
  }
};

} // namespace
