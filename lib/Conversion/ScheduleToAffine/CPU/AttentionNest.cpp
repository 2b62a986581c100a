// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Butterfly attention's nest: for every sequence all stages, its state on chip.
//
// A whole network runs in constant geometry, where one loop serves all stages.
// A part of a network keeps the natural order and addresses partners by their
// stride.

#include "CPU/AttentionNest.h"

#include "bfly/Schedule/Plan.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::bfly;

static int64_t getTokens(const AttentionChain &chain) {
  AttentionStageOp first = chain.stages.front();
  return first.getState().getType().getDimSize(1);
}

AttentionNest::AttentionNest(KernelEmitter &emitter, NestBuilder &nest,
                             AttentionChain chain)
    : HeadProducts(emitter, nest,
                   std::min(getTokens(chain) / 2,
                            emitter.getPlan<CpuAttentionAttr>().getPairs()),
                   chain.stages.front().getState().getType().getDimSize(2),
                   chain.stages.front().getHeads()),
      chain(chain), input(emitter.getBuffer(chain.source)),
      output(emitter.getBuffer(chain.result)), tokens(getTokens(chain)),
      inputTokens(cast<MemRefType>(input.getType()).getDimSize(1)),
      outputTokens(cast<MemRefType>(output.getType()).getDimSize(1)),
      constantGeometry(chain.isWhole()) {}

void AttentionNest::emitStage(AttentionStageOp stage, AffineExpr number,
                              AffineExpr source, AffineExpr target,
                              bool parallelTiles) {
  from = source;
  to = target;
  stride = int64_t(1) << stage.getStage();
  int64_t tiles = tokens / 2 / tile;
  if (parallelTiles)
    nest.parallel({nest.builder.getIndexAttr(tiles)},
                  [&](ArrayRef<AffineExpr> ivs) {
                    emitTile(stage, number, ivs[0] * tile);
                  });
  else
    nest.loop(tiles, [&](AffineExpr t) { emitTile(stage, number, t * tile); });
}

void AttentionNest::loadState(AffineExpr batch, bool parallel) {
  auto copy = [&](Value source, Value target) {
    auto row = [&](AffineExpr n) {
      nest.lanes(channels, [&](AffineExpr c) {
        nest.store(nest.load(source, {batch, n, c}), target,
                   {nest.constantExpr(0), n, c});
      });
    };
    if (parallel)
      nest.parallel({nest.builder.getIndexAttr(inputTokens)},
                    [&](ArrayRef<AffineExpr> ivs) { row(ivs[0]); });
    else
      nest.loop(inputTokens, row);
    if (inputTokens < tokens)
      nest.loop(tokens - inputTokens, [&](AffineExpr n) {
        nest.lanes(channels, [&](AffineExpr c) {
          nest.store(nest.constant(0), target,
                     {nest.constantExpr(0), n + inputTokens, c});
        });
      });
  };
  copy(input, state);
  if (!image)
    return;
  auto project = chain.image.getDefiningOp<ProjectOp>();
  if (!project || emitter.findBuffer(chain.image))
    return copy(emitter.getBuffer(chain.image), image);
  // The image of what was just loaded: a tile of its rows at a time.
  AffineExpr zero = nest.constantExpr(0);
  nest.loop(tokens / tile, [&](AffineExpr t) {
    auto rows = [&](Value buffer) {
      return nest.window(buffer, {zero, t * tile, zero}, {1, tile, channels},
                         2);
    };
    this->project(rows(state), panels[{project.getMatrix(), 1u}], zero,
                  rows(image));
  });
}

void AttentionNest::storeState(AffineExpr batch, AffineExpr buffer,
                               bool parallel) {
  auto copy = [&](Value source, Value target) {
    auto row = [&](AffineExpr n) {
      nest.lanes(channels, [&](AffineExpr c) {
        nest.store(nest.load(source, {buffer, n, c}), target, {batch, n, c});
      });
    };
    if (parallel)
      nest.parallel({nest.builder.getIndexAttr(outputTokens)},
                    [&](ArrayRef<AffineExpr> ivs) { row(ivs[0]); });
    else
      nest.loop(outputTokens, row);
  };
  copy(state, output);
  Value imageResult = chain.stages.back().getImageResult();
  if (image && imageResult)
    if (Value target = emitter.findBuffer(imageResult))
      copy(image, target);
}

void AttentionNest::emitSequence(AffineExpr batch, bool parallelTiles) {
  state = nest.allocate({2, tokens, channels});
  image = chain.image ? nest.allocate({2, tokens, channels}) : Value();
  loadState(batch, parallelTiles);
  int64_t stages = chain.stages.size();
  if (constantGeometry) {
    nest.loop(stages, [&](AffineExpr i) {
      emitStage(chain.stages.front(), i, i % 2, -(i % 2) + 1, parallelTiles);
    });
  } else {
    for (auto [index, stage] : llvm::enumerate(chain.stages))
      emitStage(stage, nest.constantExpr(stage.getStage()),
                nest.constantExpr(index % 2),
                nest.constantExpr((index + 1) % 2), parallelTiles);
  }
  storeState(batch, nest.constantExpr(stages % 2), parallelTiles);
  nest.free(state);
  if (image)
    nest.free(image);
}

void AttentionNest::emit() {
  std::optional<int64_t> only;
  if (chain.stages.size() == 1)
    only = chain.stages.front().getStage();
  for (AttentionStageOp stage : chain.stages) {
    for (auto [index, weight] : llvm::enumerate(stage.getWeights())) {
      // Everything multiplies by W^T, but the second link of a chain.
      bool transpose = !(stage.getScoring() == Scoring::Chained && index == 0);
      auto [it, isNew] = panels.insert({{weight, transpose}, Panels()});
      if (isNew)
        it->second = pack(weight, transpose, only);
    }
  }
  if (chain.image && !emitter.findBuffer(chain.image))
    if (auto project = chain.image.getDefiningOp<ProjectOp>())
      panels[{project.getMatrix(), 1u}] =
          pack(project.getMatrix(), /*transpose=*/true);
  OpFoldResult batches = nest.size(input, 0);
  if (emitter.getPlan<CpuAttentionAttr>().getParallel() == "batch")
    nest.parallel({batches}, [&](ArrayRef<AffineExpr> ivs) {
      emitSequence(ivs[0], /*parallelTiles=*/false);
    });
  else
    nest.serial({batches}, [&](ArrayRef<AffineExpr> ivs) {
      emitSequence(ivs[0], /*parallelTiles=*/true);
    });
  for (auto &entry : panels)
    nest.free(entry.second.packed);
}

void mlir::bfly::emitAttentionOnCPU(KernelEmitter &emitter, NestBuilder &nest,
                                    AttentionChain chain) {
  AttentionNest(emitter, nest, std::move(chain)).emit();
}
