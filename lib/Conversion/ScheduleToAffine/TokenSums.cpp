// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Sums over the tokens, and bin 0 of a transform, which is one.

#include "DenseLayers.h"
#include "GPU/GridLoops.h"
#include "SpectralMaps.h"

using namespace mlir;
using namespace mlir::bfly;

/// The mean over the tokens of `inputTensor`, times `factor` N; `result` is its
/// tensor.
static void emitTokenSum(KernelEmitter &emitter, Operation *op,
                         Value inputTensor, Value result, double factor) {
  NestBuilder nest = emitter.makeNest(op);
  Value input = emitter.getBuffer(inputTensor);
  Value output = emitter.getBuffer(result);
  auto type = cast<MemRefType>(input.getType());
  int64_t tokens = type.getDimSize(1), channels = type.getDimSize(2);
  if (emitter.onGPU())
    return sumRows(emitter, nest, nest.size(input, 0), tokens, channels, output,
                   factor, [&](AffineExpr b, AffineExpr n, AffineExpr c) {
                     return nest.load(input, {b, n, c});
                   });
  int64_t tile = std::min(channels, emitter.getSlabChannels());
  int64_t slabs = llvm::divideCeilSigned(channels, tile);
  nest.parallel({nest.size(input, 0), nest.builder.getIndexAttr(slabs)},
                [&](ArrayRef<AffineExpr> ivs) {
                  AffineExpr origin =
                      getTileStart(nest, ivs[1], tile, slabs, channels);
                  nest.lanes(tile, [&](AffineExpr lane) {
                    // Sums of short runs, then of those: rounding errors grow
                    // with the run's length and with the number of runs, not
                    // with their product.
                    constexpr int64_t kRun = 64;
                    auto element = [&](AffineExpr n) {
                      return nest.load(input, {ivs[0], n, origin + lane});
                    };
                    int64_t runs = tokens / kRun;
                    Value total;
                    if (runs)
                      total = nest.sum(runs, false, [&](AffineExpr run) {
                        return nest.sum(kRun, false, [&](AffineExpr n) {
                          return element(run * kRun + n);
                        });
                      });
                    if (tokens % kRun) {
                      Value rest =
                          nest.sum(tokens % kRun, false, [&](AffineExpr n) {
                            return element(n + runs * kRun);
                          });
                      total = total ? nest.add(total, rest) : rest;
                    }
                    nest.store(nest.mul(total, nest.constant(factor)), output,
                               {ivs[0], origin + lane});
                  });
                });
}

void mlir::bfly::emitMean(KernelEmitter &emitter, MeanOp op) {
  double tokens = double(op.getInput().getType().getDimSize(1));
  emitTokenSum(emitter, op, op.getInput(), op.getResult(), 1 / tokens);
}

bool mlir::bfly::isTokenSum(SpectrumBinOp bin) {
  auto fft = bin.getInput().getDefiningOp<FftOp>();
  return fft && bin.getIndex() == 0 &&
         !isa<ComplexType>(fft.getInput().getType().getElementType());
}

void mlir::bfly::emitBin(KernelEmitter &emitter, SpectrumBinOp bin) {
  // Bin 0 of a transform in this kernel is the sum over its tokens, which
  // does not have to wait for the transform.
  if (isTokenSum(bin) && !emitter.findBuffer(bin.getInput())) {
    auto fft = bin.getInput().getDefiningOp<FftOp>();
    if (!emitter.onGPU() || !emitBinOfFirstPass(emitter, bin))
      emitTokenSum(emitter, bin, fft.getInput(), bin.getResult(),
                   bin.getFactor().convertToDouble());
    return;
  }
  Value spectrum = emitter.getBuffer(bin.getInput());
  NestBuilder nest = emitter.makeNest(bin);
  Value output = emitter.getBuffer(bin.getResult());
  auto pick = [&](ArrayRef<AffineExpr> ivs) {
    ComplexPair value = nest.loadComplex(
        spectrum, {ivs[0], nest.constantExpr(bin.getIndex()), ivs[1]});
    Value factor = nest.constant(bin.getFactor().convertToDouble());
    nest.store(nest.mul(value.re, factor), output, {ivs[0], ivs[1]});
  };
  SmallVector<OpFoldResult> sizes{nest.size(output, 0), nest.size(output, 1)};
  if (emitter.onGPU())
    forEachElement(nest, sizes, pick);
  else
    nest.parallel(sizes, pick);
}
