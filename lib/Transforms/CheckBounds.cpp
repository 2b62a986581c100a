// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// -bfly-check-bounds: no access leaves its array.
//
// Before: functions whose indices, slices and allocations may be anything.
// After: what is not proven to be within its array is checked by a `cf.assert`
// before it (-bfly-lower-checks makes it an error of the call), and memory
// that is used after its end, freed twice or not to be written is refused.
// Slices and sizes of tensors are -bfly-infer-sizes' business.

#include "bfly/Transforms/Passes.h"

#include "BoundsChecker.h"
#include "CheckLives.h"
#include "bfly/IR/Bfly.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

namespace mlir::bfly {
#define GEN_PASS_DEF_CHECKBOUNDSPASS
#include "bfly/Transforms/Passes.h.inc"
} // namespace mlir::bfly

using namespace mlir;
using namespace mlir::bfly;
using namespace mlir::affine;

static AffineMap identity(Operation *op, unsigned rank) {
  return AffineMap::getMultiDimIdentityMap(rank, op->getContext());
}

/// Takes back what an operation promises of its operands, such as that a sum
/// does not overflow: a result without a value would be one of any value, for a
/// check another than for the access behind it.
static void dropPromises(Operation *op) {
  MLIRContext *context = op->getContext();
  if (auto wraps = dyn_cast<arith::ArithIntegerOverflowFlagsInterface>(op))
    op->setAttr(wraps.getIntegerOverflowAttrName(),
                arith::IntegerOverflowFlagsAttr::get(
                    context, arith::IntegerOverflowFlags::none));
  if (isa<arith::DivSIOp, arith::DivUIOp, arith::ShRSIOp, arith::ShRUIOp>(op))
    op->removeAttr("isExact");
  if (auto fast = dyn_cast<arith::ArithFastMathInterface>(op))
    if (arith::FastMathFlagsAttr flags = fast.getFastMathFlagsAttr())
      op->setAttr(
          fast.getFastMathAttrName(),
          arith::FastMathFlagsAttr::get(
              context, flags.getValue() & ~(arith::FastMathFlags::nnan |
                                            arith::FastMathFlags::ninf)));
}

LogicalResult BoundsChecker::checkSteps(Operation *op, ValueRange steps) {
  for (Value step : steps) {
    if (getConstantIntValue(step))
      continue;
    auto isPositive = [&](OpBuilder &builder) -> Value {
      Value zero = arith::ConstantOp::create(
          builder, op->getLoc(), builder.getIntegerAttr(step.getType(), 0));
      return arith::CmpIOp::create(builder, op->getLoc(),
                                   arith::CmpIPredicate::sgt, step, zero);
    };
    if (failed(require(op, isPositive, kPositiveSteps)))
      return failure();
  }
  return success();
}

LogicalResult BoundsChecker::checkScope(Operation *op, ValueRange sizes) {
  for (Value size : sizes) {
    auto known = bounds.get(size);
    if (known && known->low >= 0)
      continue;
    auto isSize = [&](OpBuilder &builder) -> Value {
      Value zero = arith::ConstantIndexOp::create(builder, op->getLoc(), 0);
      return arith::CmpIOp::create(builder, op->getLoc(),
                                   arith::CmpIPredicate::sge, size, zero);
    };
    if (failed(require(op, isSize, kSizes)))
      return failure();
  }
  return success();
}

LogicalResult BoundsChecker::check(Operation *op) {
  // Nothing proves an alignment, and a CPU does not need it.
  if (!onGPU &&
      isa<memref::LoadOp, memref::StoreOp, vector::LoadOp, vector::StoreOp>(op))
    op->removeAttr("alignment");
  if (auto read = dyn_cast<AffineReadOpInterface>(op))
    return checkAccess(op, read.getMemRef(), read.getAffineMap(),
                       read.getMapOperands(),
                       isa<AffineVectorLoadOp>(op)
                           ? cast<AffineVectorLoadOp>(op).getVectorType()
                           : VectorType());
  if (auto write = dyn_cast<AffineWriteOpInterface>(op))
    return checkAccess(op, write.getMemRef(), write.getAffineMap(),
                       write.getMapOperands(),
                       isa<AffineVectorStoreOp>(op)
                           ? cast<AffineVectorStoreOp>(op).getVectorType()
                           : VectorType());
  auto plain = [&](Value array, ValueRange indices, VectorType vector = {}) {
    return checkAccess(op, array, identity(op, indices.size()), indices,
                       vector);
  };
  if (auto load = dyn_cast<memref::LoadOp>(op))
    return plain(load.getMemRef(), load.getIndices());
  if (auto store = dyn_cast<memref::StoreOp>(op))
    return plain(store.getMemRef(), store.getIndices());
  if (auto load = dyn_cast<vector::LoadOp>(op))
    return plain(load.getBase(), load.getIndices(), load.getVectorType());
  if (auto store = dyn_cast<vector::StoreOp>(op))
    return plain(store.getBase(), store.getIndices(), store.getVectorType());
  if (auto extract = dyn_cast<tensor::ExtractOp>(op))
    return plain(extract.getTensor(), extract.getIndices());
  if (auto insert = dyn_cast<tensor::InsertOp>(op))
    return plain(insert.getDest(), insert.getIndices());
  if (auto view = dyn_cast<memref::SubViewOp>(op))
    return checkSlice(view, view.getSource());
  if (isa<memref::CastOp>(op))
    return checkCast(op, op->getOperand(0), op->getResult(0));
  if (auto copy = dyn_cast<memref::CopyOp>(op))
    return checkSizes(op, copy.getSource(), copy.getTarget());
  if (auto alloc = dyn_cast<memref::AllocOp>(op))
    return checkAllocation(alloc);
  if (isa<memref::DimOp, tensor::DimOp>(op))
    return checkDimension(op);
  if (auto expand = dyn_cast<memref::ExpandShapeOp>(op))
    return checkExpansion(expand);
  if (auto extract = dyn_cast<vector::ExtractOp>(op))
    return checkPosition(op, extract.getSourceVectorType(),
                         extract.getMixedPosition());
  if (auto insert = dyn_cast<vector::InsertOp>(op))
    return checkPosition(op, insert.getDestVectorType(),
                         insert.getMixedPosition());
  if (auto loop = dyn_cast<scf::ForOp>(op))
    return checkSteps(op, loop.getStep());
  if (auto loop = dyn_cast<scf::ParallelOp>(op))
    return checkSteps(op, loop.getStep());
  if (auto grid = dyn_cast<GridOp>(op))
    return checkScope(op, grid.getSizes());
  if (auto threads = dyn_cast<ThreadsOp>(op))
    return checkScope(op, threads.getSizes());
  if (auto product = dyn_cast<TileProductOp>(op))
    return checkProduct(product);
  if (auto transform = dyn_cast<LibraryTransformOp>(op))
    return checkEqual(op, transform.getSource(), 0, transform.getTarget(), 0);
  if (auto product = dyn_cast<LibraryProductOp>(op))
    return checkEqual(op, product.getX(), 0, product.getY(), 0);
  if (auto product = dyn_cast<LibraryRowProductOp>(op))
    return checkEqual(op, product.getA(), 0, product.getB(), 0);
  return success();
}

namespace {

struct CheckBoundsPass
    : public bfly::impl::CheckBoundsPassBase<CheckBoundsPass> {
  using CheckBoundsPassBase::CheckBoundsPassBase;

  void runOnOperation() override {
    func::FuncOp function = getOperation();
    if (function.isExternal())
      return;
    if (failed(checkLives(function)))
      return signalPassFailure();
    SmallVector<Operation *> all;
    function.walk([&](Operation *op) {
      dropPromises(op);
      all.push_back(op);
    });
    BoundsChecker checker(function, onGPU);
    for (Operation *op : all)
      if (failed(checker.check(op)))
        return signalPassFailure();
  }
};

} // namespace
