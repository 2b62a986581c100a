// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bfly/Engine/SizeRules.h"

#include "bfly/Analysis/Sizes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::bfly;

/// Expressions that are written by hand may be of any depth.
static constexpr size_t kMaxSteps = 10000;

bool SizeExpression::append(AffineExpr expr, unsigned symbols,
                            std::vector<Step> &steps) {
  if (steps.size() > kMaxSteps)
    return false;
  if (auto constant = dyn_cast<AffineConstantExpr>(expr)) {
    steps.push_back({Code::Constant, constant.getValue()});
    return true;
  }
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expr)) {
    steps.push_back({Code::Symbol, symbol.getPosition()});
    return symbol.getPosition() < symbols;
  }
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary || !append(binary.getLHS(), symbols, steps) ||
      !append(binary.getRHS(), symbols, steps))
    return false;
  auto code = [&] {
    switch (expr.getKind()) {
    case AffineExprKind::Add:
      return Code::Add;
    case AffineExprKind::Mul:
      return Code::Mul;
    case AffineExprKind::Mod:
      return Code::Mod;
    case AffineExprKind::FloorDiv:
      return Code::Floor;
    default:
      return Code::Ceil;
    }
  };
  steps.push_back({code(), 0});
  return true;
}

std::optional<SizeExpression> SizeExpression::create(AffineExpr expr,
                                                     unsigned symbols) {
  SizeExpression result;
  if (!append(expr, symbols, result.steps))
    return std::nullopt;
  return result;
}

std::optional<SizeExpression> SizeExpression::fromSteps(std::vector<Step> steps,
                                                        unsigned symbols) {
  size_t depth = 0;
  for (const Step &step : steps) {
    if (step.code > Code::Ceil)
      return std::nullopt;
    if (step.code == Code::Symbol &&
        (step.value < 0 || step.value >= static_cast<int64_t>(symbols)))
      return std::nullopt;
    bool isLeaf = step.code == Code::Constant || step.code == Code::Symbol;
    if (!isLeaf && depth < 2)
      return std::nullopt;
    depth = isLeaf ? depth + 1 : depth - 1;
  }
  if (depth != 1 || steps.size() > kMaxSteps)
    return std::nullopt;
  SizeExpression result;
  result.steps = std::move(steps);
  return result;
}

std::optional<int64_t>
SizeExpression::evaluate(llvm::ArrayRef<int64_t> symbols) const {
  SmallVector<int64_t, 16> stack;
  for (const Step &step : steps) {
    if (step.code == Code::Constant || step.code == Code::Symbol) {
      stack.push_back(step.code == Code::Constant ? step.value
                                                  : symbols[step.value]);
      continue;
    }
    int64_t right = stack.pop_back_val();
    int64_t &left = stack.back();
    switch (step.code) {
    case Code::Add:
      if (llvm::AddOverflow(left, right, left))
        return std::nullopt;
      break;
    case Code::Mul:
      if (llvm::MulOverflow(left, right, left))
        return std::nullopt;
      break;
    default:
      if (right <= 0)
        return std::nullopt;
      left = step.code == Code::Mod
                 ? left - llvm::divideFloorSigned(left, right) * right
             : step.code == Code::Floor ? llvm::divideFloorSigned(left, right)
                                        : llvm::divideCeilSigned(left, right);
    }
  }
  return stack.back();
}

std::optional<unsigned> SizeExpression::getSymbol() const {
  if (steps.size() != 1 || steps.front().code != Code::Symbol)
    return std::nullopt;
  return steps.front().value;
}

/// The expressions of a map of symbols to `count` results; empty if it is no
/// such map.
static std::vector<SizeExpression> readMap(Attribute attribute,
                                           unsigned symbols, unsigned count) {
  std::vector<SizeExpression> expressions;
  auto map = dyn_cast_or_null<AffineMapAttr>(attribute);
  if (!map || map.getValue().getNumResults() != count)
    return expressions;
  for (AffineExpr result : map.getValue().getResults()) {
    auto expression = SizeExpression::create(result, symbols);
    if (!expression)
      return {};
    expressions.push_back(std::move(*expression));
  }
  return expressions;
}

std::optional<SizeRules>
mlir::bfly::readSizeRules(func::FuncOp function, unsigned symbols,
                          llvm::ArrayRef<unsigned> dynamicSizes,
                          std::string &problem) {
  SizeRules rules;
  SmallVector<Attribute> sizes;
  if (function.getNumResults()) {
    for (unsigned i = 0; i < function.getNumResults(); ++i)
      sizes.push_back(function.getResultAttr(i, kSizesAttr));
  } else {
    unsigned first = function.getNumArguments() - dynamicSizes.size();
    for (unsigned i = 0; i < dynamicSizes.size(); ++i)
      sizes.push_back(function.getArgAttr(first + i, kSizesAttr));
  }
  for (auto [i, count] : llvm::enumerate(dynamicSizes)) {
    rules.results.push_back(readMap(sizes[i], symbols, count));
    if (rules.results.back().size() == count)
      continue;
    std::string name = "result " + std::to_string(i);
    problem = sizes[i]
                  ? name + " has an attribute '" + kSizesAttr.str() +
                        "' that is no map from the " + std::to_string(symbols) +
                        " dynamic sizes of the arguments to its " +
                        std::to_string(count)
                  : name + " has a dynamic size, but no attribute '" +
                        kSizesAttr.str() + "' says what it is";
    return std::nullopt;
  }
  Attribute attribute = function->getAttr(kSizeChecksAttr);
  auto list = dyn_cast_or_null<ArrayAttr>(attribute);
  bool isGood = !attribute || list;
  for (Attribute entry : list ? list.getValue() : ArrayRef<Attribute>()) {
    auto check = dyn_cast<DictionaryAttr>(entry);
    auto kind = check ? check.getAs<StringAttr>("kind") : StringAttr();
    auto what = check ? check.getAs<StringAttr>("what") : StringAttr();
    auto sides = check ? readMap(check.get("map"), symbols, 2)
                       : std::vector<SizeExpression>();
    // What messages say of it, in one line.
    isGood &= kind && what && sides.size() == 2 &&
              llvm::none_of(what.getValue(),
                            [](unsigned char c) { return c < ' '; }) &&
              (kind.getValue() == "equal" || kind.getValue() == "at_most");
    if (!isGood)
      break;
    rules.checks.push_back(
        {kind.getValue() == "equal", sides[0], sides[1], what.str()});
  }
  if (isGood)
    return rules;
  problem = "its attribute '" + kSizeChecksAttr.str() +
            "' is no list of checks as -bfly-infer-sizes makes them";
  return std::nullopt;
}
