// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The nest of butterfly attention on a CPU, in two parts: a sequence through
// its stages (AttentionNest.cpp), and a stage for one tile of pairs
// (AttentionTile.cpp).

#ifndef BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_CPU_ATTENTIONNEST_H
#define BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_CPU_ATTENTIONNEST_H

#include "AttentionChain.h"
#include "AttentionStage.h"
#include "CPU/HeadProducts.h"
#include "llvm/ADT/MapVector.h"

namespace mlir::bfly {

class AttentionNest : HeadProducts {
public:
  AttentionNest(KernelEmitter &emitter, NestBuilder &nest,
                AttentionChain chain);
  void emit();

private:
  void emitSequence(AffineExpr batch, bool parallelTiles);
  void loadState(AffineExpr batch, bool parallel);
  void storeState(AffineExpr batch, AffineExpr buffer, bool parallel);
  void emitStage(AttentionStageOp stage, AffineExpr number, AffineExpr from,
                 AffineExpr to, bool parallelTiles);
  void emitTile(AttentionStageOp stage, AffineExpr number,
                AffineExpr firstPair);

  /// scores[0] = s_j and scores[1] = s_p of one head, over the tile.
  void score(AttentionStageOp stage, AffineExpr head);
  void mix(AffineExpr head);

  Value loadState(Value buffer, AffineExpr row, AffineExpr channel) {
    return nest.load(buffer, {from, row, channel});
  }
  AffineExpr rowOfFirst(AffineExpr pair) {
    return constantGeometry ? pair * 2 : getFirstOfSet(pair, stride);
  }
  AffineExpr rowOfPartner(AffineExpr pair) {
    return rowOfFirst(pair) + (constantGeometry ? 1 : stride);
  }
  AffineExpr writtenRowOfFirst(AffineExpr pair) {
    return constantGeometry ? pair : rowOfFirst(pair);
  }
  AffineExpr writtenRowOfPartner(AffineExpr pair) {
    return constantGeometry ? pair + tokens / 2 : rowOfPartner(pair);
  }

  AttentionChain chain;
  Value input, output;
  int64_t tokens, inputTokens, outputTokens;
  bool constantGeometry;
  /// Panels of the stages' weights, by weight tensor and role.
  llvm::MapVector<std::pair<Value, unsigned>, Panels> panels;

  // Of the sequence, stage and tile being emitted.
  Value state, image;
  AffineExpr from, to, pair0;
  int64_t stride = 1;
  Value delta, kappa, projected, queryFirst, queryPartner, scores;
};

} // namespace mlir::bfly

#endif // BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_CPU_ATTENTIONNEST_H
