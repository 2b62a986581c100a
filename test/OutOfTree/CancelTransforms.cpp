// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// A pass of this project's own on operations of bfly's.

#include "Passes.h"
#include "bfly/IR/Bfly.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

// In a namespace of one's own: mlir has an `impl` too.
namespace mixer {
#define GEN_PASS_DEF_CANCELTRANSFORMSPASS
#include "Passes.h.inc"
} // namespace mixer

namespace {
#include "Patterns.inc"

struct CancelTransformsPass
    : public mixer::impl::CancelTransformsPassBase<CancelTransformsPass> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    populateWithGenerated(patterns);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};
} // namespace
