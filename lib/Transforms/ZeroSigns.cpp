// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ZeroSigns.h"

#include "bfly/IR/Bfly.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "llvm/ADT/DenseSet.h"

using namespace mlir;
using namespace mlir::bfly;

/// What forgets the sign of a zero.
static bool forgets(Operation *op) {
  // Transforms in registers add up what they get.
  return isa<complex::AbsOp, math::AbsFOp, arith::CmpFOp, DftOp, RotateOp>(op);
}

/// What hands it on.
static bool handsOn(Operation *op) {
  return isa<complex::CreateOp, complex::ReOp, complex::ImOp, complex::AddOp,
             complex::SubOp, complex::MulOp, complex::NegOp, complex::ConjOp,
             arith::AddFOp, arith::SubFOp, arith::MulFOp, arith::NegFOp,
             arith::SelectOp, arith::ExtFOp, arith::TruncFOp>(op);
}

bool mlir::bfly::signOfZeroMatters(Value value) {
  // Each value with whether it is a sum of real numbers by now. Such a one in
  // memory is part of a transform's state, whose zeros are of any sign.
  SmallVector<std::pair<Value, unsigned>> stack{{value, false}};
  DenseSet<std::pair<Value, unsigned>> seen;
  while (!stack.empty()) {
    auto [current, isSum] = stack.pop_back_val();
    if (!seen.insert({current, isSum}).second)
      continue;
    for (Operation *user : current.getUsers()) {
      bool isStore = isa<memref::StoreOp, affine::AffineStoreOp>(user);
      if (forgets(user) ||
          (isStore && isSum && !isa<ComplexType>(current.getType())))
        continue;
      if (!handsOn(user))
        return true;
      stack.push_back({user->getResult(0),
                       isSum || isa<arith::AddFOp, arith::SubFOp>(user)});
    }
  }
  return false;
}
