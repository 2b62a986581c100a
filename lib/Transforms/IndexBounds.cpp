// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "IndexBounds.h"

#include "bfly/IR/Bfly.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::bfly;
using namespace mlir::affine;

std::optional<Linear> IndexBounds::get(int64_t constant) {
  Linear result;
  result.constant = result.low = result.high = constant;
  return result;
}

std::optional<Linear> IndexBounds::add(const Linear &a, const Linear &b) {
  Linear result = a;
  if (llvm::AddOverflow(a.constant, b.constant, result.constant) ||
      llvm::AddOverflow(a.low, b.low, result.low) ||
      llvm::AddOverflow(a.high, b.high, result.high))
    return std::nullopt;
  for (auto [id, factor] : b.terms)
    if (llvm::AddOverflow(result.terms[id], factor, result.terms[id]))
      return std::nullopt;
  return result;
}

std::optional<Linear> IndexBounds::scale(const Linear &a, int64_t factor) {
  Linear result = a;
  if (llvm::MulOverflow(a.constant, factor, result.constant) ||
      llvm::MulOverflow(factor < 0 ? a.high : a.low, factor, result.low) ||
      llvm::MulOverflow(factor < 0 ? a.low : a.high, factor, result.high))
    return std::nullopt;
  for (auto &[id, coefficient] : result.terms)
    if (llvm::MulOverflow(coefficient, factor, coefficient))
      return std::nullopt;
  return result;
}

unsigned IndexBounds::newVariable() {
  factsOf.emplace_back();
  return factsOf.size() - 1;
}

Linear IndexBounds::variable(unsigned id, int64_t low, int64_t high) {
  Linear result;
  result.terms[id] = 1;
  result.low = low;
  result.high = high;
  // As facts, too, but for those that say nothing.
  Linear bare = result;
  if (low > -kMaxBound)
    if (auto fact = add(bare, *get(-low)))
      factsOf[id].push_back(*fact);
  if (high < kMaxBound)
    if (auto negative = scale(bare, -1))
      if (auto fact = add(*negative, *get(high)))
        factsOf[id].push_back(*fact);
  return result;
}

std::optional<Linear> IndexBounds::get(AffineExpr expr, unsigned numDims,
                                       ValueRange operands) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return get(constant.getValue());
  if (auto dim = dyn_cast<AffineDimExpr>(expr))
    return get(operands[dim.getPosition()]);
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expr))
    return get(operands[numDims + symbol.getPosition()]);
  auto binary = cast<AffineBinaryOpExpr>(expr);
  auto left = get(binary.getLHS(), numDims, operands);
  auto right = get(binary.getRHS(), numDims, operands);
  if (!left || !right)
    return std::nullopt;
  if (expr.getKind() == AffineExprKind::Add)
    return add(*left, *right);
  if (expr.getKind() == AffineExprKind::Mul) {
    if (!right->terms.empty())
      std::swap(left, right);
    if (!right->terms.empty())
      return std::nullopt;
    return scale(*left, right->constant);
  }
  // left = divisor * quotient + remainder, 0 <= remainder < divisor.
  int64_t divisor = right->constant;
  if (!right->terms.empty() || divisor < 1 || divisor > kMaxBound)
    return std::nullopt;
  if (expr.getKind() == AffineExprKind::CeilDiv) {
    left = add(*left, *get(divisor - 1));
    if (!left)
      return std::nullopt;
  }
  unsigned id = newVariable();
  Linear quotient = variable(id, llvm::divideFloorSigned(left->low, divisor),
                             llvm::divideFloorSigned(left->high, divisor));
  Linear bare;
  bare.terms[id] = 1;
  auto multiple = scale(bare, -divisor);
  auto remainder = multiple ? add(*left, *multiple) : std::nullopt;
  if (!remainder)
    return std::nullopt;
  factsOf[id].push_back(*remainder);
  auto rest = scale(*remainder, -1);
  auto upper = rest ? add(*rest, *get(divisor - 1)) : std::nullopt;
  if (!upper)
    return std::nullopt;
  factsOf[id].push_back(*upper);
  if (expr.getKind() != AffineExprKind::Mod)
    return quotient;
  remainder->low = 0;
  remainder->high = divisor - 1;
  return remainder;
}

std::optional<Linear> IndexBounds::get(Value value) {
  auto known = values.find(value);
  if (known != values.end())
    return known->second;
  std::optional<Linear> result = compute(value);
  values[value] = result;
  return result;
}

/// All results of a map.
static SmallVector<std::optional<Linear>>
getAll(IndexBounds &bounds, AffineMap map, ValueRange operands) {
  SmallVector<std::optional<Linear>> results;
  for (AffineExpr expr : map.getResults())
    results.push_back(bounds.get(expr, map.getNumDims(), operands));
  return results;
}

std::optional<Linear> IndexBounds::compute(Value value) {
  if (!value.getType().isIndex())
    return std::nullopt;
  APInt constant;
  if (matchPattern(value, m_ConstantInt(&constant)))
    return get(constant.getSExtValue());
  if (auto argument = dyn_cast<BlockArgument>(value))
    return getArgument(argument);
  Operation *op = value.getDefiningOp();
  if (auto apply = dyn_cast<AffineApplyOp>(op))
    return get(apply.getAffineMap().getResult(0),
               apply.getAffineMap().getNumDims(), apply.getMapOperands());
  if (isa<AffineMinOp, AffineMaxOp>(op)) {
    bool isMin = isa<AffineMinOp>(op);
    auto map =
        isMin ? cast<AffineMinOp>(op).getMap() : cast<AffineMaxOp>(op).getMap();
    auto all = getAll(*this, map, op->getOperands());
    if (llvm::is_contained(all, std::nullopt))
      return std::nullopt;
    int64_t low = all[0]->low, high = all[0]->high;
    for (auto &each : all) {
      low = isMin ? std::min(low, each->low) : std::max(low, each->low);
      high = isMin ? std::min(high, each->high) : std::max(high, each->high);
    }
    unsigned id = newVariable();
    Linear result = variable(id, low, high);
    for (auto &each : all)
      if (auto negative = scale(isMin ? result : *each, -1))
        if (auto fact = add(isMin ? *each : result, *negative))
          factsOf[id].push_back(*fact);
    return result;
  }
  if (auto index = dyn_cast<linalg::IndexOp>(op)) {
    auto linalg = op->getParentOfType<linalg::LinalgOp>();
    int64_t size = linalg.getStaticLoopRanges()[index.getDim()];
    return variable(newVariable(), 0,
                    ShapedType::isDynamic(size) ? kMaxSize : size - 1);
  }
  auto getDim = [&](Value source,
                    std::optional<int64_t> dim) -> std::optional<Linear> {
    auto type = dyn_cast<ShapedType>(source.getType());
    if (!dim || !type || !type.hasRank() || *dim < 0 || *dim >= type.getRank())
      return fromRange(value);
    return getSize(source, *dim);
  };
  if (auto dim = dyn_cast<memref::DimOp>(op))
    return getDim(dim.getSource(), dim.getConstantIndex());
  if (auto dim = dyn_cast<tensor::DimOp>(op))
    return getDim(dim.getSource(), dim.getConstantIndex());
  return fromRange(value);
}

std::optional<Linear>
IndexBounds::between(Value iv, ArrayRef<std::optional<Linear>> lower,
                     ArrayRef<std::optional<Linear>> upper) {
  int64_t low = INT64_MIN, high = INT64_MAX;
  for (auto &each : lower)
    if (each)
      low = std::max(low, each->low);
  for (auto &each : upper)
    if (each && each->high > INT64_MIN)
      high = std::min(high, each->high - 1);
  // Beyond, a step may overflow and the variable begin once more.
  if (high > kMaxBound)
    return std::nullopt;
  unsigned id = newVariable();
  Linear result = variable(id, low, high);
  for (auto &each : lower)
    if (each)
      if (auto negative = scale(*each, -1))
        if (auto fact = add(result, *negative))
          factsOf[id].push_back(*fact);
  for (auto &each : upper)
    if (auto negative = scale(result, -1); negative && each)
      if (auto sum = add(*each, *negative))
        if (auto fact = add(*sum, *get(-1)))
          factsOf[id].push_back(*fact);
  return result;
}

std::optional<Linear> IndexBounds::getArgument(BlockArgument argument) {
  Operation *parent = argument.getOwner()->getParentOp();
  unsigned number = argument.getArgNumber();
  auto isStep = [](int64_t step) { return step > 0 && step <= kMaxBound; };
  if (auto loop = dyn_cast<AffineForOp>(parent)) {
    if (number == 0 && isStep(loop.getStepAsInt()))
      return between(
          argument,
          getAll(*this, loop.getLowerBoundMap(), loop.getLowerBoundOperands()),
          getAll(*this, loop.getUpperBoundMap(), loop.getUpperBoundOperands()));
  } else if (auto loop = dyn_cast<AffineParallelOp>(parent)) {
    if (isStep(loop.getSteps()[number]))
      return between(argument,
                     getAll(*this, loop.getLowerBoundMap(number),
                            loop.getLowerBoundsOperands()),
                     getAll(*this, loop.getUpperBoundMap(number),
                            loop.getUpperBoundsOperands()));
  } else if (auto loop = dyn_cast<scf::ForOp>(parent)) {
    std::optional<APInt> step = loop.getConstantStep();
    if (number == 0 && step && isStep(step->getSExtValue()) &&
        !loop.getUnsignedCmp())
      return between(argument, get(loop.getLowerBound()),
                     get(loop.getUpperBound()));
  } else if (isa<GridOp, ThreadsOp>(parent)) {
    OpFoldResult size =
        (*cast<LoopLikeOpInterface>(parent).getLoopUpperBounds())[number];
    std::optional<int64_t> known = getConstantIntValue(size);
    return between(argument, get(0),
                   known ? get(*known) : get(cast<Value>(size)));
  } else if (auto kernel = dyn_cast<KernelOp>(parent)) {
    return get(kernel.getInputs()[number]);
  }
  return fromRange(argument);
}

/// What an integer can be, from the operations that lead to it. Upstream's
/// dataflow analysis of the same crashes on `affine.parallel`.
ConstantIntRanges IndexBounds::rangeOf(Value value, unsigned depth) {
  unsigned width = ConstantIntRanges::getStorageBitwidth(value.getType());
  APInt constant;
  if (matchPattern(value, m_ConstantInt(&constant)))
    return ConstantIntRanges::constant(constant);
  auto known = ranges.find(value);
  if (known != ranges.end())
    return known->second;
  ConstantIntRanges result = ConstantIntRanges::maxRange(width);
  auto infer = value.getDefiningOp<InferIntRangeInterface>();
  constexpr unsigned kMaxDepth = 16;
  if (infer && depth < kMaxDepth) {
    SmallVector<ConstantIntRanges> operands;
    for (Value operand : infer->getOperands()) {
      if (ConstantIntRanges::getStorageBitwidth(operand.getType()) == 0)
        break;
      operands.push_back(rangeOf(operand, depth + 1));
    }
    if (operands.size() == infer->getNumOperands())
      infer.inferResultRanges(operands,
                              [&](Value of, const ConstantIntRanges &range) {
                                if (of == value)
                                  result = range;
                              });
  }
  ranges.try_emplace(value, result);
  return result;
}

Linear IndexBounds::fromRange(Value value) {
  ConstantIntRanges range = rangeOf(value);
  return variable(newVariable(), range.smin().getSExtValue(),
                  range.smax().getSExtValue());
}

std::optional<Linear> IndexBounds::getSize(Value shaped, unsigned dim) {
  auto type = cast<ShapedType>(shaped.getType());
  if (!type.isDynamicDim(dim))
    return get(type.getDimSize(dim));
  Operation *op = shaped.getDefiningOp();
  if (isa_and_nonnull<memref::CastOp, memref::MemorySpaceCastOp,
                      tensor::CastOp>(op)) {
    Value source = op->getOperand(0);
    if (cast<ShapedType>(source.getType()).hasRank())
      return getSize(source, dim);
  }
  auto operand = [&](ValueRange sizes) {
    return get(sizes[type.getDynamicDimIndex(dim)]);
  };
  if (auto alloc = dyn_cast_or_null<memref::AllocOp>(op))
    return operand(alloc.getDynamicSizes());
  if (auto empty = dyn_cast_or_null<tensor::EmptyOp>(op))
    return operand(empty.getDynamicSizes());
  if (auto expand = dyn_cast_or_null<memref::ExpandShapeOp>(op))
    return operand(expand.getOutputShape());
  if (auto view = dyn_cast_or_null<memref::SubViewOp>(op)) {
    llvm::SmallBitVector dropped = view.getDroppedDims();
    for (auto [position, size] : llvm::enumerate(view.getMixedSizes())) {
      if (dropped[position])
        continue;
      if (dim-- == 0) {
        if (auto value = dyn_cast<Value>(size))
          return get(value);
        return get(*getConstantIntValue(size));
      }
    }
  }
  auto argument = dyn_cast<BlockArgument>(shaped);
  Operation *parent = argument ? argument.getOwner()->getParentOp() : nullptr;
  if (auto kernel = dyn_cast_or_null<KernelOp>(parent))
    return getSize(kernel.getInputs()[argument.getArgNumber()], dim);
  auto [place, isNew] = sizes.try_emplace({shaped, dim}, factsOf.size());
  if (isNew) {
    newVariable();
    if (parent == function)
      argumentSizes[place->second] = {argument, dim};
    variable(place->second, 0, kMaxSize);
  }
  Linear result;
  result.terms[place->second] = 1;
  result.high = kMaxSize;
  return result;
}
