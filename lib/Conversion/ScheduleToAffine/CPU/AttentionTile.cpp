// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// One stage of butterfly attention for one tile of pairs: differences, their
// projections, scores, and the mix of both tokens.

#include "CPU/AttentionNest.h"

using namespace mlir;
using namespace mlir::bfly;

void AttentionNest::score(AttentionStageOp stage, AffineExpr head) {
  AffineExpr first = nest.constantExpr(0), second = nest.constantExpr(1);
  AffineExpr column = head * headChannels;
  auto dots =
      [&](int64_t count, AffineExpr origin,
          function_ref<std::pair<Value, Value>(AffineExpr, AffineExpr)> terms) {
        nest.loop(tile, [&](AffineExpr m) {
          SmallVector<Value> totals =
              nest.sums(count, 2, /*lanes=*/true, [&](AffineExpr c) {
                auto [a, b] = terms(m, origin + c);
                return SmallVector<Value>{a, b};
              });
          nest.store(totals[0], scores, {first, m});
          nest.store(totals[1], scores, {second, m});
        });
      };
  auto atFirst = [&](AffineExpr m, AffineExpr c) {
    return loadState(state, rowOfFirst(pair0 + m), c);
  };
  auto atPartner = [&](AffineExpr m, AffineExpr c) {
    return loadState(state, rowOfPartner(pair0 + m), c);
  };
  // `projected` is r of the pair, over the channels that meet the state.
  auto withState = [&](int64_t count, AffineExpr origin) {
    dots(count, origin, [&](AffineExpr m, AffineExpr c) {
      Value r = nest.load(projected, {m, c});
      return std::pair(nest.mul(atFirst(m, c), r),
                       nest.mul(atPartner(m, c), r));
    });
  };
  switch (stage.getScoring()) {
  case Scoring::Definition:
  case Scoring::PairDifference:
    // kappa = K_p - K_j: by the definition's two scores, or at once.
    return dots(headChannels, column, [&](AffineExpr m, AffineExpr c) {
      Value k = nest.load(kappa, {m, c});
      return std::pair(nest.mul(nest.load(queryFirst, {m, c}), k),
                       nest.mul(nest.load(queryPartner, {m, c}), k));
    });
  case Scoring::Chained: {
    const Panels &query = panels[{stage.getWeights()[0], false}];
    if (query.perHead)
      return withState(headChannels, column);
    return withState(channels, nest.constantExpr(0));
  }
  case Scoring::Folded:
  case Scoring::Carried:
    return withState(headChannels, column);
  }
}

void AttentionNest::mix(AffineExpr head) {
  AffineExpr first = nest.constantExpr(0), second = nest.constantExpr(1);
  nest.loop(tile, [&](AffineExpr m) {
    AffineExpr pair = pair0 + m;
    Value weightFirst = nest.load(scores, {first, m});
    Value weightPartner = nest.load(scores, {second, m});
    auto apply = [&](Value buffer) {
      nest.lanes(headChannels, [&](AffineExpr lane) {
        AffineExpr c = head * headChannels + lane;
        Value a = loadState(buffer, rowOfFirst(pair), c);
        Value b = loadState(buffer, rowOfPartner(pair), c);
        auto mixed = mixPair(nest, a, b, [&](int64_t which) {
          return which == 0 ? weightFirst : weightPartner;
        });
        nest.store(mixed.first, buffer, {to, writtenRowOfFirst(pair), c});
        nest.store(mixed.second, buffer, {to, writtenRowOfPartner(pair), c});
      });
    };
    apply(state);
    if (image)
      apply(image);
  });
}

void AttentionNest::emitTile(AttentionStageOp stage, AffineExpr number,
                             AffineExpr firstPair) {
  pair0 = firstPair;
  Scoring scoring = stage.getScoring();
  SmallVector<Value> scratch;
  auto allocate = [&](ArrayRef<int64_t> shape) {
    scratch.push_back(nest.allocate(shape));
    return scratch.back();
  };
  auto forEach = [&](function_ref<void(AffineExpr m, AffineExpr c)> body) {
    nest.loop(tile, [&](AffineExpr m) {
      nest.lanes(channels, [&](AffineExpr c) { body(m, c); });
    });
  };
  scores = allocate({2, tile});

  if (scoring == Scoring::Definition || scoring == Scoring::PairDifference) {
    Value first = allocate({tile, channels}),
          partner = allocate({tile, channels});
    queryFirst = allocate({tile, channels});
    queryPartner = allocate({tile, channels});
    kappa = allocate({tile, channels});
    forEach([&](AffineExpr m, AffineExpr c) {
      nest.store(loadState(state, rowOfFirst(pair0 + m), c), first, {m, c});
      nest.store(loadState(state, rowOfPartner(pair0 + m), c), partner, {m, c});
    });
    const Panels &query = panels[{stage.getWeights()[0], true}];
    const Panels &key = panels[{stage.getWeights()[1], true}];
    project(first, query, number, queryFirst);
    project(partner, query, number, queryPartner);
    if (scoring == Scoring::PairDifference) {
      forEach([&](AffineExpr m, AffineExpr c) {
        nest.store(
            nest.sub(nest.load(partner, {m, c}), nest.load(first, {m, c})),
            first, {m, c});
      });
      project(first, key, number, kappa);
    } else {
      Value keyFirst = allocate({tile, channels});
      project(first, key, number, keyFirst);
      project(partner, key, number, kappa);
      forEach([&](AffineExpr m, AffineExpr c) {
        nest.store(
            nest.sub(nest.load(kappa, {m, c}), nest.load(keyFirst, {m, c})),
            kappa, {m, c});
      });
    }
  } else {
    projected = allocate({tile, channels});
    if (scoring == Scoring::Carried) {
      forEach([&](AffineExpr m, AffineExpr c) {
        nest.store(nest.sub(loadState(image, rowOfPartner(pair0 + m), c),
                            loadState(image, rowOfFirst(pair0 + m), c)),
                   projected, {m, c});
      });
    } else {
      delta = allocate({tile, channels});
      forEach([&](AffineExpr m, AffineExpr c) {
        nest.store(nest.sub(loadState(state, rowOfPartner(pair0 + m), c),
                            loadState(state, rowOfFirst(pair0 + m), c)),
                   delta, {m, c});
      });
    }
    if (scoring == Scoring::Folded)
      project(delta, panels[{stage.getWeights()[0], true}], number, projected);
    if (scoring == Scoring::Chained) {
      kappa = allocate({tile, channels});
      project(delta, panels[{stage.getWeights()[1], true}], number, kappa);
      const Panels &query = panels[{stage.getWeights()[0], false}];
      if (query.perHead)
        project(kappa, query, number, projected);
    }
  }

  nest.loop(heads, [&](AffineExpr head) {
    if (scoring == Scoring::Chained) {
      // Dense: r^h = (Wq^h)^T kappa^h has all channels, and is this head's own.
      const Panels &query = panels[{stage.getWeights()[0], false}];
      AffineExpr zero = nest.constantExpr(0);
      if (!query.perHead)
        multiply(kappa, head * headChannels, headChannels, query, number, zero,
                 head * headChannels, projected, zero, channels);
    }
    score(stage, head);
    double scale = stage.getScale().convertToDouble();
    nest.lanes(tile, [&](AffineExpr m) {
      for (int64_t which = 0; which < 2; ++which) {
        SmallVector<AffineExpr> at{nest.constantExpr(which), m};
        nest.store(
            makeGate(nest, nest.load(scores, at), scale, /*ofPartner=*/which),
            scores, at);
      }
    });
    mix(head);
  });
  for (Value buffer : scratch)
    nest.free(buffer);
}
