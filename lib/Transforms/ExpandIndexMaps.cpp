// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// -bfly-expand-index-maps: the address arithmetic of a GPU's threads.
//
// Before: affine level, a GPU's plan. After: no affine.apply, affine.load or
// affine.store is left in a kernel; loops and conditions stay affine.

#include "bfly/Transforms/Passes.h"

#include "bfly/IR/Bfly.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Affine/Utils.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/Support/MathExtras.h"

namespace mlir::bfly {
#define GEN_PASS_DEF_EXPANDINDEXMAPSPASS
#include "bfly/Transforms/Passes.h.inc"
} // namespace mlir::bfly

using namespace mlir;
using namespace mlir::bfly;
using namespace mlir::affine;

namespace {

/// Expands the expressions of one map.
class Expander {
public:
  Expander(ImplicitLocOpBuilder &builder, AffineMap map, ValueRange operands)
      : builder(builder), map(map), operands(operands) {}

  SmallVector<Value> expand() {
    SmallVector<Value> results;
    for (AffineExpr expr : map.getResults())
      results.push_back(expand(expr));
    return results;
  }

private:
  Value expand(AffineExpr expr);
  Value index(int64_t value) {
    return arith::ConstantIndexOp::create(builder, value);
  }

  ImplicitLocOpBuilder &builder;
  AffineMap map;
  ValueRange operands;
};

Value Expander::expand(AffineExpr expr) {
  if (auto dim = dyn_cast<AffineDimExpr>(expr))
    return operands[dim.getPosition()];
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expr))
    return operands[map.getNumDims() + symbol.getPosition()];
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return index(constant.getValue());
  auto binary = cast<AffineBinaryOpExpr>(expr);
  AffineExprKind kind = expr.getKind();
  auto divisor = dyn_cast<AffineConstantExpr>(binary.getRHS());
  if (kind == AffineExprKind::Add || kind == AffineExprKind::Mul) {
    Value left = expand(binary.getLHS()), right = expand(binary.getRHS());
    if (kind == AffineExprKind::Add)
      return arith::AddIOp::create(builder, left, right);
    return arith::MulIOp::create(builder, left, right);
  }
  if (kind != AffineExprKind::CeilDiv && divisor &&
      llvm::isPowerOf2_64(divisor.getValue())) {
    Value left = expand(binary.getLHS());
    if (kind == AffineExprKind::Mod)
      return arith::AndIOp::create(builder, left,
                                   index(divisor.getValue() - 1));
    return arith::ShRSIOp::create(builder, left,
                                  index(llvm::Log2_64(divisor.getValue())));
  }
  // Of any divisor, on the expanded dividend.
  Value left = expand(binary.getLHS()), right = expand(binary.getRHS());
  AffineExpr d0 = builder.getAffineDimExpr(0),
             d1 = builder.getAffineSymbolExpr(0);
  if (divisor)
    d1 = divisor;
  AffineExpr simple = getAffineBinaryOpExpr(kind, d0, d1);
  return expandAffineExpr(builder, builder.getLoc(), simple, left, right);
}

struct ExpandIndexMapsPass
    : public bfly::impl::ExpandIndexMapsPassBase<ExpandIndexMapsPass> {
  void runOnOperation() override {
    getOperation().walk([](KernelOp kernel) {
      kernel.walk([](Operation *op) {
        ImplicitLocOpBuilder builder(op->getLoc(), op);
        if (auto apply = dyn_cast<AffineApplyOp>(op)) {
          apply.replaceAllUsesWith(
              Expander(builder, apply.getAffineMap(), apply.getMapOperands())
                  .expand()
                  .front());
          apply.erase();
        } else if (auto load = dyn_cast<AffineLoadOp>(op)) {
          SmallVector<Value> at =
              Expander(builder, load.getAffineMap(), load.getMapOperands())
                  .expand();
          load.replaceAllUsesWith(
              memref::LoadOp::create(builder, load.getMemRef(), at)
                  .getResult());
          load.erase();
        } else if (auto store = dyn_cast<AffineStoreOp>(op)) {
          SmallVector<Value> at =
              Expander(builder, store.getAffineMap(), store.getMapOperands())
                  .expand();
          memref::StoreOp::create(builder, store.getValue(), store.getMemRef(),
                                  at);
          store.erase();
        }
      });
    });
  }
};

} // namespace
