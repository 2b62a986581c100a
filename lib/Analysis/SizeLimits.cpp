// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Sizes in compiled code are numbers of 64 bits, which wrap: what a program
// allocates is a check of the call where it might not be such a number.

#include "bfly/Analysis/Sizes.h"

#include "bfly/IR/Bfly.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::bfly;

/// An upper bound of an expression of symbols, which are sizes, from theirs.
static uint64_t getMost(AffineExpr expr, ArrayRef<uint64_t> limits) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return std::max<int64_t>(constant.getValue(), 0);
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expr))
    return limits[symbol.getPosition()];
  auto binary = cast<AffineBinaryOpExpr>(expr);
  uint64_t left = getMost(binary.getLHS(), limits);
  if (expr.getKind() == AffineExprKind::Add)
    return llvm::SaturatingAdd(left, getMost(binary.getRHS(), limits));
  // Quotients and remainders are no larger than what is divided.
  if (expr.getKind() != AffineExprKind::Mul)
    return left;
  return llvm::SaturatingMultiply(left, getMost(binary.getRHS(), limits));
}

static uint64_t getElementBytes(Type type) {
  if (auto complex = dyn_cast<ComplexType>(type))
    return 2 * getElementBytes(complex.getElementType());
  return type.isIntOrFloat() ? llvm::divideCeil(type.getIntOrFloatBitWidth(), 8)
                             : 8;
}

/// The most that each symbol can be: an argument is in an address space of 47
/// bits, unless another of its sizes may be 0.
static SmallVector<uint64_t>
getLimits(ArrayRef<std::pair<BlockArgument, int64_t>> symbols) {
  return llvm::map_to_vector(symbols, [](auto symbol) -> uint64_t {
    auto type = cast<ShapedType>(symbol.first.getType());
    uint64_t bytes = getElementBytes(type.getElementType());
    for (auto [dim, size] : llvm::enumerate(type.getShape())) {
      if (static_cast<int64_t>(dim) == symbol.second)
        continue;
      if (ShapedType::isDynamic(size) || size == 0)
        return UINT64_MAX;
      bytes = llvm::SaturatingMultiply<uint64_t>(bytes, size);
    }
    return (uint64_t(1) << 47) / bytes;
  });
}

/// The bytes of what `op` makes are a number of 64 bits, with room for kernels
/// whose temporaries are some times as large. Sizes in compiled code wrap.
void SizeInference::requireMemory(Operation *op) {
  static constexpr uint64_t kMost = uint64_t(1) << 58;
  // Of the same size as an operand, or a part of one.
  if (isa<tensor::CastOp, tensor::CollapseShapeOp, tensor::ExpandShapeOp,
          tensor::ExtractSliceOp, tensor::ReshapeOp, KernelOp, scf::ForOp,
          scf::IfOp, scf::WhileOp, DestinationStyleOpInterface>(op) ||
      OpTrait::hasElementwiseMappableTraits(op))
    return;
  for (Value result : op->getResults()) {
    auto type = dyn_cast<RankedTensorType>(result.getType());
    if (!type || type.hasStaticShape())
      continue;
    AffineExpr bytes = constant(getElementBytes(type.getElementType()));
    for (int64_t dim = 0; bytes && dim < type.getRank(); ++dim) {
      AffineExpr size = find(result, dim);
      bytes = size ? bytes * size : size;
    }
    if (bytes && getMost(bytes, getLimits(symbols)) > kMost)
      require(SizeCheck::Kind::AtMost, bytes, constant(kMost), op);
  }
}
