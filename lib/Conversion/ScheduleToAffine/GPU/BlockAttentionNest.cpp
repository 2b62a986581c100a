// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// A unit loads its rows, runs its stages, of which the last writes rows. A
// stage multiplies both tokens of every pair with the head's query and key
// weights at once, a tile of pairs at a time, and then mixes all of them.

#include "GPU/BlockAttentionNest.h"

#include "AttentionStage.h"
#include "bfly/Schedule/Plan.h"

using namespace mlir;
using namespace mlir::bfly;

/// Rows of a core matrix, and where the next one is.
static constexpr int64_t kMatrixRows = 8, kMatrixPitch = 9;

BlockAttentionNest::BlockAttentionNest(NestBuilder &nest, AttentionStageOp like,
                                       int64_t firstStage, int64_t count,
                                       int64_t rows, Value input, Value query,
                                       Value key, Value output,
                                       FloatType elementType)
    : ChannelAccess(nest), firstStage(firstStage), count(count), rows(rows),
      scale(like.getScale().convertToDouble()), input(input), query(query),
      key(key), output(output), elementType(elementType),
      units(nest, input, like.getState().getType().getDimSize(1), rows) {
  RankedTensorType type = like.getState().getType();
  tokens = type.getDimSize(1);
  channels = type.getDimSize(2);
  heads = like.getHeads();
  headChannels = channels / heads;
  inputTokens = cast<MemRefType>(input.getType()).getDimSize(1);
  outputTokens = cast<MemRefType>(output.getType()).getDimSize(1);
  sharedByStages = cast<MemRefType>(query.getType()).getDimSize(0) == 1;
  warpgroups = nest.blockThreads / kWarpgroup;
  tilePairs = 64 * warpgroups;
  setTokens = int64_t(1) << count;
  LocalAttention local = getLocalAttention(headChannels);
  depth = local.depth;
  chunks = local.chunks;
  columns = local.columns;
}

SmallVector<AffineExpr> BlockAttentionNest::stateIndices(AffineExpr buffer,
                                                         AffineExpr part,
                                                         AffineExpr pair,
                                                         AffineExpr channel) {
  return {buffer,
          part,
          pair.floorDiv(tilePairs),
          (pair % tilePairs).floorDiv(64),
          (pair % 64).floorDiv(8),
          channel.floorDiv(8),
          pair % 8,
          channel % 8};
}

SmallVector<AffineExpr> BlockAttentionNest::rowIndices(AffineExpr set,
                                                       AffineExpr t,
                                                       AffineExpr channel) {
  // Sets of all sequences in order: of a sequence first those that start at its
  // first 2^s0 tokens.
  int64_t stride = int64_t(1) << firstStage, sets = tokens / setTokens;
  AffineExpr first = getFirstOfSet(set % sets, stride, setTokens);
  return {set.floorDiv(sets), first + t * stride,
          head * headChannels + channel};
}

void BlockAttentionNest::addSetExists(SmallVectorImpl<AffineExpr> &constraints,
                                      AffineExpr set) {
  if (!units.full)
    constraints.push_back(units.batches * (tokens / setTokens) - 1 - set);
}

// Loading --------------------------------------------------------------------

void BlockAttentionNest::loadRows() {
  int64_t width = getWidth({input, state}, {headChannels, channels});
  int64_t pieces = depth / width;
  auto getSet = [&](AffineExpr row) {
    return unit * (rows / setTokens) + row.floorDiv(setTokens);
  };
  auto getSource = [&](AffineExpr i) {
    AffineExpr row = i.floorDiv(pieces);
    return rowIndices(getSet(row), row % setTokens, i % pieces * width);
  };
  auto write = [&](AffineExpr i, int64_t buffer, Value value) {
    AffineExpr row = i.floorDiv(pieces);
    store(value, state,
          stateIndices(nest.constantExpr(buffer), row % 2, row.floorDiv(2),
                       i % pieces * width));
  };
  if (units.full && depth == headChannels && inputTokens == tokens)
    return copyInBatches(
        rows * pieces,
        [&](AffineExpr i) {
          return SmallVector<Value>{load(input, getSource(i), width)};
        },
        [&](AffineExpr i, ArrayRef<Value> values) { write(i, 0, values[0]); });
  nest.threads(rows * pieces, [&](AffineExpr i) {
    AffineExpr channel = i % pieces * width;
    AffineExpr set = getSet(i.floorDiv(pieces));
    SmallVector<AffineExpr> from = getSource(i);
    Value none = splat(nest.constant(0), width);
    auto put = [&](int64_t buffer, Value value) { write(i, buffer, value); };
    SmallVector<AffineExpr> exists, inside;
    addSetExists(exists, set);
    if (depth != headChannels)
      exists.push_back(-channel + headChannels - 1);
    if (inputTokens < tokens)
      inside.push_back(-from[1] + inputTokens - 1);
    // Stages keep the zeros of what does not exist, in either buffer.
    guard(
        exists,
        [&] {
          guard(
              inside, [&] { put(0, load(input, from, width)); },
              [&] { put(0, none); });
        },
        [&] {
          put(0, none);
          put(1, none);
        });
  });
}

void BlockAttentionNest::loadWeights(AffineExpr number, AffineExpr chunk) {
  int64_t width = getWidth({query, weights}, {headChannels});
  int64_t pieces = depth / width;
  auto getRow = [&](AffineExpr i) {
    return chunk * columns + i.floorDiv(pieces);
  };
  auto read = [&](AffineExpr i) {
    SmallVector<AffineExpr> from = getMatrix(nest, query, number, head);
    from.append({getRow(i), i % pieces * width});
    return SmallVector<Value>{load(query, from, width), load(key, from, width)};
  };
  auto write = [&](AffineExpr i, ArrayRef<Value> values) {
    AffineExpr row = i.floorDiv(pieces), k = i % pieces * width;
    for (int64_t which = 0; which < 2; ++which)
      store(values[which], weights,
            {row.floorDiv(8) + which * (columns / 8), k.floorDiv(8), row % 8,
             k % 8});
  };
  if (chunks * columns == headChannels && depth == headChannels)
    return copyInBatches(columns * pieces, read, write);
  nest.threads(columns * pieces, [&](AffineExpr i) {
    SmallVector<AffineExpr> exists;
    if (chunks * columns != headChannels)
      exists.push_back(-getRow(i) + headChannels - 1);
    if (depth != headChannels)
      exists.push_back(-(i % pieces * width) + headChannels - 1);
    guard(
        exists, [&] { write(i, read(i)); },
        [&] {
          Value none = splat(nest.constant(0), width);
          write(i, {none, none});
        });
  });
}

// A stage --------------------------------------------------------------------

void BlockAttentionNest::emitPartialScores(AffineExpr tile) {
  nest.everyThread([&](AffineExpr thread) {
    auto fragment = [&](int64_t part, int64_t i) {
      return nest.load(fragments[part], {thread, nest.constantExpr(i)});
    };
    // Registers of a row: its queries, then its keys.
    auto kappa = [&](int64_t i) {
      int64_t key = columns / 2 + i;
      return nest.sub(fragment(1, key), fragment(0, key));
    };
    // Chunks of a head add up; the first finds zeros.
    partial->store({}, thread, tile * tilePairs, 0, columns, fragment, kappa,
                   /*accumulate=*/chunks > 1);
  });
}

void BlockAttentionNest::emitScores(AffineExpr number, AffineExpr buffer) {
  int64_t pairs = rows / 2;
  if (chunks > 1)
    partial->clear();
  nest.loop(chunks, [&](AffineExpr chunk) {
    if (!sharedByStages || chunks > 1)
      loadWeights(number, chunk);
    nest.loop(pairs / tilePairs, [&](AffineExpr tile) {
      AffineExpr zero = nest.constantExpr(0);
      SmallVector<AffineExpr> origin(4, zero);
      Value b = nest.window(weights, origin,
                            {columns / 4, depth / 8, kMatrixRows, 8}, 4);
      for (int64_t part = 0; part < 2; ++part) {
        SmallVector<AffineExpr> at{buffer, nest.constantExpr(part), tile};
        at.append(5, zero);
        Value a = nest.window(
            state, at, {1, 1, 1, warpgroups, 8, depth / 8, kMatrixRows, 8}, 5);
        MatrixProductOp::create(nest.builder, nest.loc, a, b, fragments[part],
                                /*accumulate=*/false);
      }
      emitPartialScores(tile);
    });
  });
}

void BlockAttentionNest::emitGates() {
  nest.threads(rows, [&](AffineExpr i) {
    AffineExpr pair = i % (rows / 2), part = i.floorDiv(rows / 2);
    Value sum = partial->sum(part, pair);
    auto put = [&](bool ofPartner) {
      nest.store(makeGate(nest, sum, scale, ofPartner), gates, {part, pair});
    };
    nest.guard({-part}, [&] { put(false); }, [&] { put(true); });
  });
}

std::pair<Value, Value> BlockAttentionNest::mix(AffineExpr buffer,
                                                AffineExpr pair,
                                                AffineExpr channel,
                                                int64_t width) {
  Value first = load(
      state, stateIndices(buffer, nest.constantExpr(0), pair, channel), width);
  Value partner = load(
      state, stateIndices(buffer, nest.constantExpr(1), pair, channel), width);
  return mixPair(nest, first, partner, [&](int64_t part) {
    return splat(nest.load(gates, {nest.constantExpr(part), pair}), width);
  });
}

void BlockAttentionNest::mixToState(AffineExpr buffer) {
  int64_t width = getWidth({state}, {headChannels});
  int64_t pieces = headChannels / width, quarter = setTokens / 4;
  // Two pairs at a time: their first tokens are a pair of the next stage, and
  // so are their partners.
  auto read = [&](AffineExpr i) {
    AffineExpr couple = i.floorDiv(pieces), channel = i % pieces * width;
    auto [first0, partner0] = mix(buffer, couple * 2, channel, width);
    auto [first1, partner1] = mix(buffer, couple * 2 + 1, channel, width);
    return SmallVector<Value>{first0, first1, partner0, partner1};
  };
  auto write = [&](AffineExpr i, ArrayRef<Value> values) {
    AffineExpr couple = i.floorDiv(pieces), channel = i % pieces * width;
    AffineExpr next = getFirstOfSet(couple, quarter);
    for (int64_t which = 0; which < 4; ++which)
      store(values[which], state,
            stateIndices(-buffer + 1, nest.constantExpr(which % 2),
                         next + which / 2 * quarter, channel));
  };
  copyInBatches(rows / 4 * pieces, read, write);
}

void BlockAttentionNest::mixToRows(AffineExpr buffer) {
  int64_t width = getWidth({output, state}, {headChannels, channels});
  int64_t pieces = headChannels / width, half = setTokens / 2;
  auto read = [&](AffineExpr i) {
    auto mixed = mix(buffer, i.floorDiv(pieces), i % pieces * width, width);
    return SmallVector<Value>{mixed.first, mixed.second};
  };
  auto getSet = [&](AffineExpr i) {
    return unit * (rows / setTokens) + i.floorDiv(pieces).floorDiv(half);
  };
  auto write = [&](AffineExpr i, ArrayRef<Value> values) {
    for (int64_t which = 0; which < 2; ++which) {
      SmallVector<AffineExpr> at =
          rowIndices(getSet(i), i.floorDiv(pieces) % half + which * half,
                     i % pieces * width);
      SmallVector<AffineExpr> inside;
      if (outputTokens < tokens)
        inside.push_back(-at[1] + outputTokens - 1);
      guard(inside, [&] { store(values[which], output, at); });
    }
  };
  if (units.full)
    return copyInBatches(rows / 2 * pieces, read, write);
  nest.threads(rows / 2 * pieces, [&](AffineExpr i) {
    SmallVector<AffineExpr> exists;
    addSetExists(exists, getSet(i));
    guard(exists, [&] { write(i, read(i)); });
  });
}

void BlockAttentionNest::emit() {
  nest.grid({units.count, nest.builder.getIndexAttr(heads)},
            [&](ArrayRef<AffineExpr> ivs) {
              unit = ivs[0];
              head = ivs[1];
              state =
                  nest.allocateShared({2, 2, rows / 2 / tilePairs, warpgroups,
                                       8, depth / 8, kMatrixPitch, 8},
                                      elementType);
              weights = nest.allocateShared(
                  {columns / 4, depth / 8, kMatrixPitch, 8}, elementType);
              partial.emplace(nest, ArrayRef<int64_t>{2}, rows / 2);
              gates = nest.allocateShared({2, rows / 2}, nest.compute);
              for (Value &fragment : fragments)
                fragment = nest.allocateRegisters(columns, nest.compute);
              loadRows();
              if (sharedByStages && chunks == 1)
                loadWeights(nest.constantExpr(0), nest.constantExpr(0));
              if (count > 1)
                nest.loop(count - 1, [&](AffineExpr i) {
                  AffineExpr buffer = i % 2;
                  emitScores(i + firstStage, buffer);
                  emitGates();
                  mixToState(buffer);
                });
              AffineExpr buffer = nest.constantExpr((count - 1) % 2);
              emitScores(nest.constantExpr(firstStage + count - 1), buffer);
              emitGates();
              mixToRows(buffer);
            });
}
