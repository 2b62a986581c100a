// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What a caller has to know of sizes, as attributes.
//
// Before: functions on tensors, at mixer, network or schedule level.
// After: the dynamic sizes of a public function's results, and what the sizes
// of its arguments have to fulfil, are attributes of the function, in terms of
// the sizes of its arguments.

#include "bfly/Transforms/Passes.h"

#include "bfly/Analysis/Sizes.h"
#include "bfly/IR/Bfly.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace mlir::bfly {
#define GEN_PASS_DEF_INFERSIZESPASS
#include "bfly/Transforms/Passes.h.inc"
} // namespace mlir::bfly

using namespace mlir;
using namespace mlir::bfly;

/// "'tensor.concat' at cat.mlir:4:8".
static std::string describe(Operation *op) {
  std::string source = describeSource(op->getLoc());
  return ("'" + op->getName().getStringRef() + "'" +
          (source.empty() ? "" : " at ") + source)
      .str();
}

namespace {

struct InferSizesPass : public bfly::impl::InferSizesPassBase<InferSizesPass> {
  void runOnOperation() override {
    func::FuncOp function = getOperation();
    if (!function.isExternal() && failed(infer(function)))
      signalPassFailure();
  }

private:
  LogicalResult infer(func::FuncOp function);
};

LogicalResult InferSizesPass::infer(func::FuncOp function) {
  Builder builder(&getContext());
  SizeInference inference(function.getBody().front());
  SmallVector<SizeCheck> checks;
  if (failed(inference.findChecks(checks)))
    return failure();
  auto map = [&](ArrayRef<AffineExpr> results) {
    return AffineMapAttr::get(AffineMap::get(0, inference.getSymbols().size(),
                                             results, &getContext()));
  };
  function->removeAttr(kSizeChecksAttr);
  if (!function.isPublic())
    return success();

  SmallVector<Attribute> list;
  for (const SizeCheck &check : checks)
    list.push_back(builder.getDictionaryAttr({
        builder.getNamedAttr(
            "kind", builder.getStringAttr(check.kind == SizeCheck::Kind::Equal
                                              ? "equal"
                                              : "at_most")),
        builder.getNamedAttr("map", map({check.left, check.right})),
        builder.getNamedAttr("what", builder.getStringAttr(describe(check.op))),
    }));
  if (!list.empty())
    function->setAttr(kSizeChecksAttr, builder.getArrayAttr(list));

  // One block that returns, or the sizes of what is returned are unknown.
  for (unsigned i = 0; i < function.getNumResults(); ++i) {
    function.removeResultAttr(i, builder.getStringAttr(kSizesAttr));
    auto type = dyn_cast<RankedTensorType>(function.getResultTypes()[i]);
    if (!type || type.hasStaticShape())
      continue;
    if (!function.getBody().hasOneBlock())
      return function.emitOpError("returns a tensor of dynamic size out of "
                                  "several blocks, which is not supported");
    Value result = function.getBody().front().getTerminator()->getOperand(i);
    SmallVector<AffineExpr> sizes;
    for (int64_t dim = 0; dim < type.getRank(); ++dim) {
      if (!type.isDynamicDim(dim))
        continue;
      FailureOr<AffineExpr> size = inference.getSize(result, dim);
      if (failed(size))
        return failure();
      sizes.push_back(*size);
    }
    function.setResultAttr(i, kSizesAttr, map(sizes));
  }
  return success();
}

} // namespace
