// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Before: a module that every conversion has seen.
// After: the same; an operation that none of them knew was an error.

#include "bfly/Transforms/Passes.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/OpenMP/OpenMPDialect.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/IR/TypeUtilities.h"

namespace mlir::bfly {
#define GEN_PASS_DEF_CHECKLOWEREDPASS
#include "bfly/Transforms/Passes.h.inc"
} // namespace mlir::bfly

using namespace mlir;
using namespace mlir::bfly;

namespace {

struct CheckLoweredPass
    : public bfly::impl::CheckLoweredPassBase<CheckLoweredPass> {
  using CheckLoweredPassBase::CheckLoweredPassBase;

  /// Whether LLVM's IR can be written for `op`.
  static bool isLowered(Operation *op) {
    // A cast is of a value that something else makes or takes, and says less
    // than that does.
    return isa<ModuleOp, gpu::GPUModuleOp, UnrealizedConversionCastOp>(op) ||
           isa_and_nonnull<LLVM::LLVMDialect, NVVM::NVVMDialect,
                           omp::OpenMPDialect>(op->getDialect());
  }

  /// The first operation in or below `root` that is not lowered.
  static Operation *findForeign(Operation *root) {
    Operation *found = nullptr;
    root->walk<WalkOrder::PreOrder>([&](Operation *op) {
      if (isLowered(op))
        return WalkResult::advance();
      found = op;
      return WalkResult::interrupt();
    });
    return found;
  }

  /// Numbers that no target's instructions or library compute.
  static LogicalResult checkTypes(Operation *root) {
    WalkResult walk = root->walk([](Operation *op) {
      for (Type type : op->getResultTypes()) {
        auto element = dyn_cast<FloatType>(getElementTypeOrSelf(type));
        if (!element ||
            isa<Float16Type, BFloat16Type, Float32Type, Float64Type>(element))
          continue;
        op->emitOpError("is of type ")
            << type << ", which nothing computes: use "
            << (element.getWidth() > 64 ? "f64" : "f16, bf16 or f32");
        return WalkResult::interrupt();
      }
      return WalkResult::advance();
    });
    return failure(walk.wasInterrupted());
  }

  LogicalResult check(Operation *root, StringRef where) {
    if (failed(checkTypes(root)))
      return failure();
    Operation *foreign = findForeign(root);
    if (!foreign)
      return success();
    if (isa<ub::PoisonOp>(foreign))
      return foreign->emitError("a value here is of an operation that has no "
                                "result, as a quotient by zero");
    if (isa<memref::AllocOp, memref::AllocaOp>(foreign)) {
      auto type = cast<MemRefType>(foreign->getResult(0).getType());
      if (!type.getLayout().isIdentity())
        return foreign->emitOpError("has a layout, ")
               << type.getLayout()
               << ", which only views have: allocate all of the memory, and "
                  "take a view of it";
    }
    return foreign->emitOpError("has no form ")
           << where
           << ": write it with operations of arith, math, linalg and bfly that "
              "docs/definitions.md lists";
  }

  void runOnOperation() override {
    LogicalResult result = success();
    if (!kernels) {
      result = check(getOperation(), "in compiled code");
      getOperation()->removeAttr(TargetAttr::attributeName);
    } else {
      for (auto module : getOperation().getOps<gpu::GPUModuleOp>())
        if (failed(result = check(module, "in a GPU's kernel")))
          break;
    }
    if (failed(result))
      signalPassFailure();
  }
};

} // namespace
