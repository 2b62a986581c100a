// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The derivative of a stage of butterfly attention on a CPU, for a tile of
// pairs at a time: the stage's projections and scores again, the gradients of
// queries and keys, and these times the weights.

#include "AttentionStage.h"
#include "CPU/HeadProducts.h"
#include "NestTable.h"

#include "bfly/Schedule/Plan.h"

using namespace mlir;
using namespace mlir::bfly;

namespace {

class AttentionBackwardNest : HeadProducts {
public:
  AttentionBackwardNest(KernelEmitter &emitter, NestBuilder &nest,
                        AttentionStageBackwardOp op, int64_t tile)
      : HeadProducts(emitter, nest, tile, op.getState().getType().getDimSize(2),
                     op.getHeads()),
        op(op), stride(int64_t(1) << op.getStage()),
        tokens(op.getState().getType().getDimSize(1)),
        scale(op.getScale().convertToDouble()),
        input(emitter.getBuffer(op.getState())),
        gradient(emitter.getBuffer(op.getGradient())),
        stateGradient(emitter.getBuffer(op.getStateGradient())),
        queryGradient(emitter.getBuffer(op.getQueryGradient())),
        keyGradient(emitter.getBuffer(op.getKeyGradient())) {}
  void emit();

private:
  /// Where a channel of a token of the tile's pair m is in (B, N, D) arrays.
  SmallVector<AffineExpr> at(AffineExpr m, int64_t which,
                             AffineExpr channel) const {
    AffineExpr token = getFirstOfSet(pair0 + m, stride) + which * stride;
    return {batch, token, channel};
  }
  void forEach(function_ref<void(AffineExpr m, AffineExpr c)> body) {
    nest.loop(tile, [&](AffineExpr m) {
      nest.lanes(channels, [&](AffineExpr c) { body(m, c); });
    });
  }
  void emitTile();
  /// Gates and slopes of a head, and with them the gradients of its queries
  /// and keys, over the projections, and what comes past the scores.
  void emitHead(AffineExpr head);

  AttentionStageBackwardOp op;
  int64_t stride, tokens;
  double scale;
  Value input, gradient, stateGradient, queryGradient, keyGradient;
  /// Of products with the transposed weights, and with the weights.
  Panels query, key, queryBack, keyBack;

  // Of the tile being emitted.
  AffineExpr batch, pair0;
  /// (tile, channels): the pair's difference and its key; queries, by token.
  Value delta, kappa, queries[2];
  /// (2, tile): the gates, and the derivatives of the scores.
  Value gates, slopes;
};

} // namespace

void AttentionBackwardNest::emitHead(AffineExpr head) {
  AffineExpr column = head * headChannels;
  AffineExpr whichs[] = {nest.constantExpr(0), nest.constantExpr(1)};
  nest.loop(tile, [&](AffineExpr m) {
    SmallVector<Value> totals =
        nest.sums(headChannels, 4, /*lanes=*/true, [&](AffineExpr lane) {
          AffineExpr c = column + lane;
          Value k = nest.load(kappa, {m, c}), d = nest.load(delta, {m, c});
          SmallVector<Value> terms;
          for (Value q : queries)
            terms.push_back(nest.mul(nest.load(q, {m, c}), k));
          for (int64_t which = 0; which < 2; ++which)
            terms.push_back(nest.mul(nest.load(gradient, at(m, which, c)), d));
          return terms;
        });
    for (int64_t which = 0; which < 2; ++which) {
      nest.store(totals[which], gates, {whichs[which], m});
      nest.store(totals[2 + which], slopes, {whichs[which], m});
    }
  });
  nest.lanes(tile, [&](AffineExpr m) {
    for (int64_t which = 0; which < 2; ++which) {
      SmallVector<AffineExpr> place{whichs[which], m};
      Value score = nest.load(gates, place);
      Value gate = makeGate(nest, score, scale, /*ofPartner=*/which);
      // Not a difference from 1, which has no digits where the gate is near it.
      Value rest = makeGate(nest, score, scale, /*ofPartner=*/!which);
      Value factor = nest.constant(which ? -scale : scale);
      Value slope = nest.mul(nest.mul(factor, nest.mul(gate, rest)),
                             nest.load(slopes, place));
      nest.store(gate, gates, place);
      nest.store(slope, slopes, place);
    }
  });
  nest.loop(tile, [&](AffineExpr m) {
    Value gate[2], slope[2];
    for (int64_t which = 0; which < 2; ++which) {
      gate[which] = nest.load(gates, {whichs[which], m});
      slope[which] = nest.load(slopes, {whichs[which], m});
    }
    nest.lanes(headChannels, [&](AffineExpr lane) {
      AffineExpr c = column + lane;
      Value k = nest.load(kappa, {m, c});
      Value q[2] = {nest.load(queries[0], {m, c}),
                    nest.load(queries[1], {m, c})};
      Value ofKey =
          nest.sub(nest.mul(slope[0], q[0]), nest.mul(slope[1], q[1]));
      Value zero = nest.constant(0);
      Value ofQuery[2] = {nest.mul(slope[0], k),
                          nest.sub(zero, nest.mul(slope[1], k))};
      Value ofKeys[2] = {nest.sub(zero, ofKey), ofKey};
      Value past =
          nest.sub(nest.mul(gate[0], nest.load(gradient, at(m, 0, c))),
                   nest.mul(gate[1], nest.load(gradient, at(m, 1, c))));
      // The projections are not read again, nor is the difference.
      nest.store(ofKey, kappa, {m, c});
      nest.store(past, delta, {m, c});
      for (int64_t which = 0; which < 2; ++which) {
        nest.store(ofQuery[which], queries[which], {m, c});
        nest.store(ofQuery[which], queryGradient, at(m, which, c));
        nest.store(ofKeys[which], keyGradient, at(m, which, c));
      }
    });
  });
}

void AttentionBackwardNest::emitTile() {
  SmallVector<Value> scratch;
  auto allocate = [&](ArrayRef<int64_t> shape) {
    scratch.push_back(nest.allocate(shape));
    return scratch.back();
  };
  AffineExpr number = nest.constantExpr(0);
  Value tokensOfPairs[2];
  for (int64_t which = 0; which < 2; ++which) {
    tokensOfPairs[which] = allocate({tile, channels});
    queries[which] = allocate({tile, channels});
  }
  delta = allocate({tile, channels});
  kappa = allocate({tile, channels});
  gates = allocate({2, tile});
  slopes = allocate({2, tile});
  forEach([&](AffineExpr m, AffineExpr c) {
    Value first = nest.load(input, at(m, 0, c));
    Value partner = nest.load(input, at(m, 1, c));
    nest.store(first, tokensOfPairs[0], {m, c});
    nest.store(partner, tokensOfPairs[1], {m, c});
    nest.store(nest.sub(partner, first), delta, {m, c});
  });
  for (int64_t which = 0; which < 2; ++which)
    project(tokensOfPairs[which], query, number, queries[which]);
  project(delta, key, number, kappa);
  nest.loop(heads, [&](AffineExpr head) { emitHead(head); });
  // The tokens' places take what comes through the scores.
  for (int64_t which = 0; which < 2; ++which)
    project(queries[which], queryBack, number, tokensOfPairs[which]);
  project(kappa, keyBack, number, queries[0]);
  forEach([&](AffineExpr m, AffineExpr c) {
    Value change =
        nest.add(nest.load(delta, {m, c}), nest.load(queries[0], {m, c}));
    Value first = nest.sub(nest.load(gradient, at(m, 0, c)), change);
    Value partner = nest.add(nest.load(gradient, at(m, 1, c)), change);
    nest.store(nest.add(first, nest.load(tokensOfPairs[0], {m, c})),
               stateGradient, at(m, 0, c));
    nest.store(nest.add(partner, nest.load(tokensOfPairs[1], {m, c})),
               stateGradient, at(m, 1, c));
  });
  for (Value buffer : scratch)
    nest.free(buffer);
}

void AttentionBackwardNest::emit() {
  int64_t stage = op.getStage();
  query = pack(op.getQuery(), /*transpose=*/true, stage);
  key = pack(op.getKey(), /*transpose=*/true, stage);
  queryBack = pack(op.getQuery(), /*transpose=*/false, stage);
  keyBack = pack(op.getKey(), /*transpose=*/false, stage);
  int64_t tiles = tokens / 2 / tile;
  OpFoldResult batches = nest.size(input, 0);
  auto emitOne = [&](AffineExpr sequence, AffineExpr number) {
    batch = sequence;
    pair0 = number * tile;
    emitTile();
  };
  if (emitter.getPlan<CpuAttentionAttr>().getParallel() == "batch")
    nest.parallel({batches}, [&](ArrayRef<AffineExpr> ivs) {
      nest.loop(tiles, [&](AffineExpr number) { emitOne(ivs[0], number); });
    });
  else
    nest.parallel({batches, nest.builder.getIndexAttr(tiles)},
                  [&](ArrayRef<AffineExpr> ivs) { emitOne(ivs[0], ivs[1]); });
  for (const Panels &panels : {query, key, queryBack, keyBack})
    nest.free(panels.packed);
}

void mlir::bfly::emitAttentionBackwardOnCPU(KernelEmitter &emitter,
                                            AttentionStageBackwardOp op) {
  NestBuilder nest = emitter.makeNest(op);
  int64_t pairs = op.getState().getType().getDimSize(1) / 2;
  int64_t tile =
      std::min(pairs, emitter.getPlan<CpuAttentionAttr>().getPairs());
  AttentionBackwardNest(emitter, nest, op, tile).emit();
}
