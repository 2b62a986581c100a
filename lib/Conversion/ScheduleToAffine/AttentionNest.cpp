// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Butterfly attention's nest: for every sequence all stages, its state on chip.
//
// A whole network (stages 0 … L-1) runs in constant geometry: the token index
// is rotated by one bit at each write-back, so partners are always rows 2p and
// 2p+1, results always go to rows p and p+N/2, and one loop serves all stages.
// After L rotations the tokens are back in order. A part of a network keeps
// the natural order and addresses partners by their stride.

#include "KernelEmitter.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::bfly;

namespace {

/// pad → widen → stages → narrow → cut; all but the stages may be missing.
struct Chain {
  Value source, image, result;
  SmallVector<AttentionStageOp> stages;
};

/// Weights in panels, and how a stage finds its own.
struct Panels {
  Value packed;
  bool perHead = false, sharedByStages = false, sharedByHeads = false;
  /// Rows of a matrix (its depth) and columns.
  int64_t depth = 0, columns = 0;
};

class AttentionNest {
public:
  AttentionNest(KernelEmitter &emitter, NestBuilder &nest, Chain chain);
  void emit();

private:
  Panels pack(Value weights, bool transpose);
  void emitSequence(AffineExpr batch, bool parallelTiles);
  void loadState(AffineExpr batch, bool parallel);
  void storeState(AffineExpr batch, AffineExpr buffer, bool parallel);
  void emitStage(AttentionStageOp stage, AffineExpr number, AffineExpr from,
                 AffineExpr to, bool parallelTiles);
  void emitTile(AttentionStageOp stage, AffineExpr number,
                AffineExpr firstPair);

  /// a (tile, depth) times the stage's matrix, or each head's.
  void project(Value a, const Panels &weights, AffineExpr number, Value result);
  void multiply(Value a, AffineExpr column, int64_t depth,
                const Panels &weights, AffineExpr number, AffineExpr head,
                AffineExpr firstRow, Value result, AffineExpr resultColumn,
                int64_t resultColumns);
  /// scores[0] = s_j and scores[1] = s_p of one head, over the tile.
  void score(AttentionStageOp stage, AffineExpr head);
  void mix(AffineExpr head);

  Value loadState(Value buffer, AffineExpr row, AffineExpr channel) {
    return nest.load(buffer, {from, row, channel});
  }
  AffineExpr rowOfFirst(AffineExpr pair) {
    return constantGeometry
               ? pair * 2
               : pair.floorDiv(stride) * (2 * stride) + pair % stride;
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

  KernelEmitter &emitter;
  NestBuilder &nest;
  Chain chain;
  Value input, output;
  int64_t tokens, channels, heads, headChannels, inputTokens, outputTokens;
  int64_t tile;
  bool constantGeometry;
  /// Panels of the stages' weights, by weight tensor and role.
  llvm::MapVector<std::pair<Value, unsigned>, Panels> panels;

  // Of the sequence, stage and tile being emitted.
  Value state, image;
  AffineExpr from, to, pair0;
  int64_t stride = 1;
  Value delta, kappa, projected, queryFirst, queryPartner, scores;
};

} // namespace

AttentionNest::AttentionNest(KernelEmitter &emitter, NestBuilder &nest,
                             Chain chain)
    : emitter(emitter), nest(nest), chain(chain) {
  AttentionStageOp first = chain.stages.front();
  RankedTensorType type = first.getState().getType();
  tokens = type.getDimSize(1);
  channels = type.getDimSize(2);
  heads = first.getHeads();
  headChannels = channels / heads;
  input = emitter.getBuffer(chain.source);
  output = emitter.getBuffer(chain.result);
  inputTokens = cast<MemRefType>(input.getType()).getDimSize(1);
  outputTokens = cast<MemRefType>(output.getType()).getDimSize(1);
  tile = std::min<int64_t>(
      tokens / 2, llvm::bit_floor<uint64_t>(emitter.getPlan().getTile()));
  constantGeometry =
      static_cast<int64_t>(chain.stages.size()) == getNumStages(tokens);
  for (auto [index, stage] : llvm::enumerate(chain.stages)) {
    constantGeometry &= static_cast<size_t>(stage.getStage()) == index &&
                        stage.getScoring() == first.getScoring() &&
                        stage.getWeights() == first.getWeights() &&
                        stage.getHeads() == first.getHeads() &&
                        stage.getScale() == first.getScale();
  }
}

Panels AttentionNest::pack(Value weights, bool transpose) {
  auto type = cast<RankedTensorType>(weights.getType());
  ArrayRef<int64_t> shape = type.getShape();
  Panels result;
  // With one head the forms coincide; dense is the simpler reading.
  result.perHead = shape.back() != channels;
  result.sharedByStages = shape.front() == 1;
  result.sharedByHeads = result.perHead && shape.size() == 3;
  if (shape.size() == 4 && shape[1] == 1)
    result.perHead = true;
  result.depth = result.columns = shape.back();
  result.packed = packPanels(nest, emitter.getBuffer(weights), transpose,
                             getPanelWidth(emitter.getPlan()));
  return result;
}

void AttentionNest::multiply(Value a, AffineExpr column, int64_t depth,
                             const Panels &weights, AffineExpr number,
                             AffineExpr head, AffineExpr firstRow, Value result,
                             AffineExpr resultColumn, int64_t resultColumns) {
  AffineExpr zero = nest.constantExpr(0);
  auto type = cast<MemRefType>(weights.packed.getType());
  int64_t rank = type.getRank();
  SmallVector<AffineExpr> offsets;
  SmallVector<int64_t> sizes;
  offsets.push_back(weights.sharedByStages ? zero : number);
  sizes.push_back(1);
  if (rank == 5) {
    offsets.push_back(head);
    sizes.push_back(1);
  }
  offsets.append({zero, firstRow, zero});
  sizes.append({type.getDimSize(rank - 3), depth, type.getDimSize(rank - 1)});
  Value b = nest.window(weights.packed, offsets, sizes, 3);
  Value left = nest.window(a, {zero, column}, {tile, depth}, 2);
  Value right =
      nest.window(result, {zero, resultColumn}, {tile, resultColumns}, 2);
  TileProductOp::create(nest.builder, nest.loc, left, b, right, false);
}

void AttentionNest::project(Value a, const Panels &weights, AffineExpr number,
                            Value result) {
  AffineExpr zero = nest.constantExpr(0);
  if (!weights.perHead)
    return multiply(a, zero, channels, weights, number, zero, zero, result,
                    zero, channels);
  nest.loop(heads, [&](AffineExpr head) {
    AffineExpr column = head * headChannels;
    multiply(a, column, headChannels, weights, number, head, zero, result,
             column, headChannels);
  });
}

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
        Value difference = nest.sub(b, a);
        nest.store(nest.add(a, nest.mul(weightFirst, difference)), buffer,
                   {to, writtenRowOfFirst(pair), c});
        nest.store(nest.sub(b, nest.mul(weightPartner, difference)), buffer,
                   {to, writtenRowOfPartner(pair), c});
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
    Value scale = nest.constant(stage.getScale().convertToDouble());
    nest.lanes(tile, [&](AffineExpr m) {
      AffineExpr first = nest.constantExpr(0), second = nest.constantExpr(1);
      Value s = nest.mul(scale, nest.load(scores, {first, m}));
      Value t = nest.mul(scale, nest.load(scores, {second, m}));
      nest.store(nest.sigmoid(s), scores, {first, m});
      nest.store(nest.sigmoid(nest.sub(nest.constant(0), t)), scores,
                 {second, m});
    });
    mix(head);
  });
  for (Value buffer : scratch)
    nest.free(buffer);
}

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
  for (AttentionStageOp stage : chain.stages) {
    for (auto [index, weight] : llvm::enumerate(stage.getWeights())) {
      // Everything multiplies by W^T, but the second link of a chain.
      bool transpose = !(stage.getScoring() == Scoring::Chained && index == 0);
      auto [it, isNew] = panels.insert({{weight, transpose}, Panels()});
      if (isNew)
        it->second = pack(weight, transpose);
    }
  }
  if (chain.image && !emitter.findBuffer(chain.image))
    if (auto project = chain.image.getDefiningOp<ProjectOp>())
      panels[{project.getMatrix(), 1u}] =
          pack(project.getMatrix(), /*transpose=*/true);
  OpFoldResult batches = nest.size(input, 0);
  if (emitter.parallelOverBatch())
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

LogicalResult mlir::bfly::emitAttentionChain(KernelEmitter &emitter,
                                             Value sink) {
  Chain chain;
  chain.result = sink;
  Value value = sink;
  auto step = [&](auto type) {
    using OpType = decltype(type);
    auto op = value.getDefiningOp<OpType>();
    // A value that is in memory already is where the chain begins.
    if (!op || (value != sink && emitter.findBuffer(value)))
      return false;
    value = op->getOperand(0);
    return true;
  };
  step(tensor::ExtractSliceOp());
  step(arith::TruncFOp());
  while (auto stage = value.getDefiningOp<AttentionStageOp>()) {
    if (value != sink && emitter.findBuffer(value))
      break;
    if (value != stage.getResult())
      return success(); // The image is stored with the state.
    chain.stages.insert(chain.stages.begin(), stage);
    value = stage.getState();
    chain.image = stage.getImage();
  }
  step(arith::ExtFOp());
  step(tensor::PadOp());
  step(arith::ExtFOp());
  chain.source = value;
  Operation *op = sink.getDefiningOp();
  if (chain.stages.empty())
    return op->emitOpError(
        "cannot be part of a kernel without attention stages");
  for (AttentionStageOp stage : chain.stages)
    if (bool(stage.getImage()) != bool(chain.image))
      return stage.emitOpError("carries an image, but its neighbour does not");
  NestBuilder nest = emitter.makeNest(chain.stages.front());
  AttentionNest(emitter, nest, chain).emit();
  return success();
}

void mlir::bfly::emitProject(KernelEmitter &emitter, ProjectOp op) {
  NestBuilder nest = emitter.makeNest(op);
  Value input = emitter.getBuffer(op.getInput());
  Value matrix = emitter.getBuffer(op.getMatrix());
  Value output = emitter.getBuffer(op.getResult());
  int64_t tokens = cast<MemRefType>(input.getType()).getDimSize(1);
  int64_t channels = cast<MemRefType>(input.getType()).getDimSize(2);
  ArrayRef<int64_t> shape = cast<MemRefType>(matrix.getType()).getShape();
  int64_t size = shape.back(), heads = channels / size;
  nest.parallel(
      {nest.size(input, 0), nest.builder.getIndexAttr(tokens),
       nest.builder.getIndexAttr(heads)},
      [&](ArrayRef<AffineExpr> ivs) {
        nest.loop(size, [&](AffineExpr o) {
          AffineExpr origin = ivs[2] * size;
          Value total = nest.sum(size, /*lanes=*/true, [&](AffineExpr i) {
            SmallVector<AffineExpr> row{nest.constantExpr(0)};
            if (shape.size() == 4)
              row.push_back(shape[1] == 1 ? nest.constantExpr(0) : ivs[2]);
            row.append({o, i});
            return nest.mul(nest.load(matrix, row),
                            nest.load(input, {ivs[0], ivs[1], origin + i}));
          });
          nest.store(total, output, {ivs[0], ivs[1], origin + o});
        });
      });
}

void mlir::bfly::emitFoldWeights(KernelEmitter &emitter, FoldWeightsOp op) {
  NestBuilder nest = emitter.makeNest(op);
  Value query = emitter.getBuffer(op.getQuery());
  Value key = emitter.getBuffer(op.getKey());
  Value output = emitter.getBuffer(op.getResult());
  auto type = cast<MemRefType>(output.getType());
  ArrayRef<int64_t> shape = type.getShape();
  int64_t size = shape.back(), width = getPanelWidth(emitter.getPlan());
  Value packed = packPanels(nest, key, /*transpose=*/false, width);
  SmallVector<OpFoldResult> matrices;
  for (int64_t count : shape.drop_back(2))
    matrices.push_back(nest.builder.getIndexAttr(count));
  nest.parallel(matrices, [&](ArrayRef<AffineExpr> ivs) {
    // M = Wq^T Wk.
    Value transposed = nest.allocate({size, size});
    nest.loop(size, [&](AffineExpr i) {
      nest.lanes(size, [&](AffineExpr o) {
        SmallVector<AffineExpr> from(ivs);
        from.append({o, i});
        nest.store(nest.load(query, from), transposed, {i, o});
      });
    });
    SmallVector<AffineExpr> offsets(ivs);
    offsets.append(3, nest.constantExpr(0));
    SmallVector<int64_t> sizes(ivs.size(), 1);
    sizes.append({llvm::divideCeilSigned(size, width), size, width});
    Value b = nest.window(packed, offsets, sizes, 3);
    SmallVector<AffineExpr> target(ivs);
    target.append(2, nest.constantExpr(0));
    SmallVector<int64_t> targetSizes(ivs.size(), 1);
    targetSizes.append({size, size});
    TileProductOp::create(nest.builder, nest.loc, transposed, b,
                          nest.window(output, target, targetSizes, 2), false);
    nest.free(transposed);
  });
  nest.free(packed);
}
