// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Mixers to transforms, spectra and attention stages.
//
// Before: any of the mixer level, in functions on tensors.
// After: no bfly.spectral_filter and no bfly.butterfly_attention. A filter is
// a transform to the whole spectrum, a map and an inverse; attention is its
// definition, one stage after the other in the compute type, on a power of two
// of tokens. Nothing is optimised here: -bfly-rewrite-spectra and
// -bfly-rewrite-attention do that.

#include "bfly/Conversion/Passes.h"

#include "bfly/IR/Bfly.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Transforms/DialectConversion.h"
#include <cmath>

namespace mlir::bfly {
#define GEN_PASS_DEF_CONVERTMIXERTONETWORKPASS
#include "bfly/Conversion/Passes.h.inc"
} // namespace mlir::bfly

using namespace mlir;
using namespace mlir::bfly;

namespace {

/// y = IDFT(region(DFT(x))).
struct ConvertSpectralFilter : OpConversionPattern<SpectralFilterOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult
  matchAndRewrite(SpectralFilterOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    RankedTensorType input = op.getInput().getType();
    auto spectrum = RankedTensorType::get(
        input.getShape(), ComplexType::get(getComputeType(input)));
    Value bins =
        FftOp::create(rewriter, op.getLoc(), spectrum, adaptor.getInput());
    auto map = SpectrumMapOp::create(rewriter, op.getLoc(), spectrum, bins,
                                     adaptor.getParams(), op.getParamDims(),
                                     op.getTokens(), /*hermitian=*/false);
    rewriter.inlineRegionBefore(op.getBody(), map.getBody(),
                                map.getBody().begin());
    rewriter.replaceOpWithNewOp<IfftOp>(op, op.getResult().getType(),
                                        map.getResult());
    return success();
  }
};

/// ceil(log2 N) stages, each its definition.
struct ConvertButterflyAttention : OpConversionPattern<ButterflyAttentionOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult
  matchAndRewrite(ButterflyAttentionOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    RankedTensorType input = op.getInput().getType();
    int64_t stages = getNumStages(input.getDimSize(1));
    if (stages == 0) {
      rewriter.replaceOp(op, adaptor.getInput());
      return success();
    }
    int64_t heads = op.getHeads();
    double headChannels = input.getDimSize(2) / heads;
    APFloat scale =
        op.getScale().value_or(APFloat(1 / std::sqrt(headChannels)));

    Value state =
        padTokens(rewriter, loc, adaptor.getInput(), int64_t(1) << stages);
    auto stored = cast<RankedTensorType>(state.getType());
    FloatType compute = getComputeType(stored);
    bool narrow = compute != stored.getElementType();
    RankedTensorType type = stored.clone(compute);
    if (narrow)
      state = arith::ExtFOp::create(rewriter, loc, type, state);
    for (int64_t stage = 0; stage < stages; ++stage)
      state = AttentionStageOp::create(
                  rewriter, loc, type, /*image_result=*/Type(), state,
                  /*image=*/Value(),
                  ValueRange{adaptor.getQuery(), adaptor.getKey()}, stage,
                  heads, scale, Scoring::Definition)
                  .getResult();
    if (narrow)
      state = arith::TruncFOp::create(rewriter, loc, stored, state);
    rewriter.replaceOp(op, cutTokens(rewriter, loc, state, adaptor.getInput()));
    return success();
  }
};

struct ConvertMixerToNetworkPass
    : public bfly::impl::ConvertMixerToNetworkPassBase<
          ConvertMixerToNetworkPass> {
  using ConvertMixerToNetworkPassBase::ConvertMixerToNetworkPassBase;

  void runOnOperation() override {
    ConversionTarget target(getContext());
    target.addIllegalOp<SpectralFilterOp, ButterflyAttentionOp>();
    target.markUnknownOpDynamicallyLegal([](Operation *) { return true; });
    RewritePatternSet patterns(&getContext());
    patterns.add<ConvertSpectralFilter, ConvertButterflyAttention>(
        &getContext());
    if (failed(applyPartialConversion(getOperation(), target,
                                      std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
