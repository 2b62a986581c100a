// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What follows from the facts of IndexBounds.

#include "IndexBounds.h"

#include "mlir/Analysis/Presburger/Simplex.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/IR/IntegerSet.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::bfly;
using namespace mlir::affine;

IndexBounds::Facts IndexBounds::conditionsAt(Operation *at) {
  Facts facts;
  for (Operation *op = at; op != function; op = op->getParentOp()) {
    auto parent = dyn_cast_or_null<AffineIfOp>(op->getParentOp());
    if (!parent)
      continue;
    IntegerSet set = parent.getIntegerSet();
    bool isElse = op->getParentRegion() == &parent.getElseRegion();
    if (isElse && (set.getNumConstraints() != 1 || set.isEq(0)))
      continue;
    for (auto [i, expr] : llvm::enumerate(set.getConstraints())) {
      auto value = get(expr, set.getNumDims(), parent.getOperands());
      auto negative = value ? scale(*value, -1) : std::nullopt;
      if (!negative)
        continue;
      if (!isElse)
        facts.push_back(*value);
      if (!isElse && set.isEq(i))
        facts.push_back(*negative);
      if (isElse)
        if (auto below = add(*negative, *get(-1)))
          facts.push_back(*below);
    }
  }
  return facts;
}

/// Whether no integers, nor even fractions, are as these facts and those of
/// their variables say.
bool IndexBounds::isImpossible(Facts facts) {
  DenseMap<unsigned, unsigned> columns;
  for (size_t i = 0; i < facts.size(); ++i)
    for (auto [id, factor] : Linear(facts[i]).terms)
      if (columns.try_emplace(id, columns.size()).second)
        llvm::append_range(facts, factsOf[id]);
  presburger::IntegerPolyhedron all(
      presburger::PresburgerSpace::getSetSpace(columns.size()));
  for (const Linear &fact : facts) {
    SmallVector<int64_t> row(columns.size() + 1);
    for (auto [id, factor] : fact.terms)
      row[columns.lookup(id)] = factor;
    row.back() = fact.constant;
    all.addInequality(row);
  }
  return presburger::Simplex(all).isEmpty();
}

bool IndexBounds::isNever(Operation *at,
                          ArrayRef<std::optional<Linear>> facts) {
  Facts all = conditionsAt(at);
  for (const std::optional<Linear> &fact : facts) {
    if (!fact)
      return false;
    all.push_back(*fact);
  }
  return isImpossible(std::move(all));
}

bool IndexBounds::isInside(Operation *at, const Linear &index,
                           const Linear &size) {
  auto negative = scale(index, -1), end = scale(size, -1);
  if (!negative || !end)
    return false;
  return isNever(at, add(*negative, *get(-1))) && isNever(at, add(index, *end));
}

/// The value of an expression, if none on the way leaves 64 bits.
static std::optional<int64_t> evaluate(AffineExpr expr, unsigned numDims,
                                       ArrayRef<int64_t> values) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return constant.getValue();
  if (auto dim = dyn_cast<AffineDimExpr>(expr))
    return values[dim.getPosition()];
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expr))
    return values[numDims + symbol.getPosition()];
  auto binary = cast<AffineBinaryOpExpr>(expr);
  auto left = evaluate(binary.getLHS(), numDims, values);
  auto right = evaluate(binary.getRHS(), numDims, values);
  int64_t result;
  if (!left || !right)
    return std::nullopt;
  if (expr.getKind() == AffineExprKind::Add)
    return llvm::AddOverflow(*left, *right, result) ? std::nullopt
                                                    : std::optional(result);
  if (expr.getKind() == AffineExprKind::Mul)
    return llvm::MulOverflow(*left, *right, result) ? std::nullopt
                                                    : std::optional(result);
  // Far from where rounding up could overflow.
  constexpr int64_t kLimit = int64_t(1) << 62;
  if (*right < 1 || *right > kLimit || *left > kLimit || *left < -kLimit)
    return std::nullopt;
  if (expr.getKind() == AffineExprKind::CeilDiv)
    return llvm::divideCeilSigned(*left, *right);
  int64_t quotient = llvm::divideFloorSigned(*left, *right);
  return expr.getKind() == AffineExprKind::FloorDiv ? quotient
                                                    : *left - quotient * *right;
}

bool IndexBounds::isInsideByTrial(AffineExpr expr, unsigned numDims,
                                  ValueRange operands, int64_t size) {
  constexpr int64_t kMaxTrials = 4096;
  SmallVector<int64_t> values(operands.size()), lows, highs;
  SmallVector<unsigned> places;
  int64_t trials = 1;
  for (unsigned i = 0; i < operands.size(); ++i) {
    if (i < numDims ? !expr.isFunctionOfDim(i)
                    : !expr.isFunctionOfSymbol(i - numDims))
      continue;
    auto known = get(operands[i]);
    int64_t count;
    if (!known || llvm::SubOverflow(known->high, known->low, count) ||
        count < 0 || count >= kMaxTrials)
      return false;
    trials *= count + 1;
    if (trials > kMaxTrials)
      return false;
    values[i] = known->low;
    places.push_back(i);
    lows.push_back(known->low);
    highs.push_back(known->high);
  }
  for (;;) {
    auto index = evaluate(expr, numDims, values);
    if (!index || *index < 0 || *index >= size)
      return false;
    // The next values, as an odometer's.
    size_t wheel = 0;
    while (wheel < places.size() && values[places[wheel]] == highs[wheel]) {
      values[places[wheel]] = lows[wheel];
      ++wheel;
    }
    if (wheel == places.size())
      return true;
    ++values[places[wheel]];
  }
}

bool IndexBounds::isEqual(const Linear &a, const Linear &b) {
  auto negative = scale(b, -1);
  auto difference = negative ? add(a, *negative) : std::nullopt;
  return difference && difference->constant == 0 &&
         llvm::all_of(difference->terms,
                      [](auto &term) { return term.second == 0; });
}

std::optional<std::pair<IndexBounds::ArgumentSize, IndexBounds::ArgumentSize>>
IndexBounds::whatMakesInside(Operation *at, const Linear &index,
                             const Linear &size) {
  if (size.terms.size() != 1 || size.constant != 0 ||
      size.terms.begin()->second != 1 ||
      !argumentSizes.contains(size.terms.begin()->first))
    return std::nullopt;
  unsigned wanted = size.terms.begin()->first;
  for (auto &[id, place] : argumentSizes) {
    Linear other;
    other.terms[id] = 1;
    other.high = kMaxSize;
    if (id != wanted && isInside(at, index, other))
      return std::pair(place, argumentSizes[wanted]);
  }
  return std::nullopt;
}
