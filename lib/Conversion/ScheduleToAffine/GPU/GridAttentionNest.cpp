// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Phases: weights to their image; the input to the state's image; then a stage
// each, whose units are a tile of pairs for a group of heads. A unit streams
// the products of its pairs through the matrix units, makes scores of the
// fragments and weights of the scores, and mixes its heads' channels.

#include "GPU/GridAttentionNest.h"

#include "AttentionStage.h"

using namespace mlir;
using namespace mlir::bfly;

GridAttentionNest::GridAttentionNest(NestBuilder &nest,
                                     GpuGridAttentionAttr plan,
                                     AttentionStageOp first, int64_t count,
                                     Value input, Value query, Value key,
                                     Value output, FloatType elementType)
    : ChannelAccess(nest), firstStage(first.getStage()), count(count),
      slots(plan.getSlots()), scale(first.getScale().convertToDouble()),
      input(input), query(query), key(key), output(output),
      tiling(nest, plan, getForm(first), input, elementType) {}

// Scores ---------------------------------------------------------------------

void GridAttentionNest::emitPartialScores() {
  int64_t columns = tiling.columns, registers = columns / 2;
  int64_t headColumns = tiling.chunks == 1 ? tiling.headColumns : columns;
  nest.everyThread([&](AffineExpr thread) {
    auto fragment = [&](int64_t product, int64_t i) {
      return nest.load(fragments,
                       {thread, nest.constantExpr(product * registers + i)});
    };
    auto kappa = [&](int64_t i) {
      return tiling.pairDifference ? fragment(2, i)
                                   : nest.sub(fragment(3, i), fragment(2, i));
    };
    // Only a head in chunks has more than one part; it began with zeros.
    for (int64_t head = 0; head < columns / headColumns; ++head)
      partial->store(nest.constantExpr(head), thread, nest.constantExpr(0),
                     head * headColumns, headColumns, fragment, kappa,
                     /*accumulate=*/tiling.chunks > 1);
  });
}

void GridAttentionNest::emitGates() {
  int64_t tilePairs = tiling.tilePairs;
  nest.threads(tiling.groupHeads * tilePairs, [&](AffineExpr i) {
    AffineExpr row = i % tilePairs, head = i.floorDiv(tilePairs);
    for (int64_t which = 0; which < 2; ++which) {
      AffineExpr of = nest.constantExpr(which);
      Value sum = partial->sum({head, of}, row);
      nest.store(makeGate(nest, sum, scale, /*ofPartner=*/which), gates,
                 {head, of, row});
    }
  });
}

// Mixing ---------------------------------------------------------------------

std::pair<Value, Value> GridAttentionNest::mix(Value first, Value partner,
                                               AffineExpr head, AffineExpr row,
                                               int64_t width) {
  return mixPair(nest, first, partner, [&](int64_t of) {
    return splat(nest.load(gates, {head, nest.constantExpr(of), row}), width);
  });
}

void GridAttentionNest::mixToImage(AffineExpr tile, AffineExpr group,
                                   AffineExpr buffer) {
  int64_t headChannels = tiling.headChannels, tilePairs = tiling.tilePairs;
  int64_t width = getWidth({state->getMemory()}, {headChannels});
  int64_t pieces = tiling.groupHeads * headChannels / width;
  // Two pairs at a time: their first tokens are a pair of the next stage, and
  // so are their partners.
  struct Place {
    AffineExpr couple, head, position;
  };
  auto getPlace = [&](AffineExpr i) {
    AffineExpr channelInGroup = i.floorDiv(tilePairs / 2) * width;
    return Place{i % (tilePairs / 2), channelInGroup.floorDiv(headChannels),
                 tiling.getPosition(group, channelInGroup)};
  };
  auto read = [&](AffineExpr i) {
    Place place = getPlace(i);
    SmallVector<Value> values;
    for (int64_t which = 0; which < 2; ++which)
      for (int64_t part = 0; part < 2; ++part)
        values.push_back(state->loadPart(tile, buffer, place.couple * 2 + which,
                                         part, place.position, width));
    return values;
  };
  auto write = [&](AffineExpr i, ArrayRef<Value> values) {
    Place place = getPlace(i);
    Value firsts[2], partners[2];
    for (int64_t which = 0; which < 2; ++which)
      std::tie(firsts[which], partners[which]) =
          mix(values[2 * which], values[2 * which + 1], place.head,
              place.couple * 2 + which, width);
    AffineExpr couple = tile * (tilePairs / 2) + place.couple;
    int64_t quarter = tiling.tokens / 4;
    AffineExpr next = getFirstOfSet(couple, quarter);
    auto put = [&](AffineExpr pair, Value first, Value partner) {
      state->storePair(first, partner, pair.floorDiv(tilePairs), -buffer + 1,
                       pair % tilePairs, place.position);
    };
    put(next, firsts[0], firsts[1]);
    put(next + quarter, partners[0], partners[1]);
  };
  int64_t number = tilePairs / 2 * pieces;
  if (tiling.heads % tiling.groupHeads == 0)
    return copyInBatches(number, read, write);
  nest.threads(number, [&](AffineExpr i) {
    SmallVector<AffineExpr> constraints;
    tiling.addHeadExists(constraints,
                         group * tiling.groupHeads + getPlace(i).head);
    guard(constraints, [&] { write(i, read(i)); });
  });
}

void GridAttentionNest::mixToRows(AffineExpr tile, AffineExpr group,
                                  AffineExpr buffer, int64_t stride) {
  int64_t tokens = tiling.tokens, headChannels = tiling.headChannels;
  int64_t outputTokens = cast<MemRefType>(output.getType()).getDimSize(1);
  int64_t width =
      getWidth({state->getMemory(), output}, {headChannels, tiling.channels});
  int64_t groupChannels = tiling.groupHeads * headChannels;
  int64_t pieces = groupChannels / width;
  struct Place {
    AffineExpr row, head, channel, position;
  };
  auto getPlace = [&](AffineExpr i) {
    AffineExpr channelInGroup = i % pieces * width;
    return Place{i.floorDiv(pieces), channelInGroup.floorDiv(headChannels),
                 group * groupChannels + channelInGroup,
                 tiling.getPosition(group, channelInGroup)};
  };
  auto read = [&](AffineExpr i) {
    Place place = getPlace(i);
    SmallVector<Value> values;
    for (int64_t part = 0; part < 2; ++part)
      values.push_back(state->loadPart(tile, buffer, place.row, part,
                                       place.position, width));
    return values;
  };
  auto write = [&](AffineExpr i, ArrayRef<Value> values) {
    Place place = getPlace(i);
    auto mixed = mix(values[0], values[1], place.head, place.row, width);
    AffineExpr pair = tile * tiling.tilePairs + place.row;
    AffineExpr token = getFirstOfSet(pair % (tokens / 2), stride);
    auto put = [&](Value value, AffineExpr n) {
      SmallVector<AffineExpr> inside;
      if (outputTokens < tokens)
        inside.push_back(-n + outputTokens - 1);
      guard(inside, [&] {
        store(value, output, {pair.floorDiv(tokens / 2), n, place.channel});
      });
    };
    put(mixed.first, token);
    put(mixed.second, token + stride);
  };
  int64_t number = tiling.tilePairs * pieces;
  if (tiling.tiles.full && tiling.heads % tiling.groupHeads == 0)
    return copyInBatches(number, read, write);
  nest.threads(number, [&](AffineExpr i) {
    Place place = getPlace(i);
    SmallVector<AffineExpr> constraints;
    tiling.addPairExists(constraints, tile * tiling.tilePairs + place.row);
    tiling.addHeadExists(constraints, group * tiling.groupHeads + place.head);
    guard(constraints, [&] { write(i, read(i)); });
  });
}

// Stages ---------------------------------------------------------------------

void GridAttentionNest::emitStage(AffineExpr number, AffineExpr buffer,
                                  bool last, int64_t stride) {
  auto body = [&](AffineExpr tile, AffineExpr group) {
    int64_t bytes = tiling.getSlotBytes(nest.blockThreads,
                                        tiling.elementType.getWidth() / 8);
    fragments = nest.allocateRegisters(int64_t(tiling.products.size()) / 2 *
                                           (tiling.columns / 2),
                                       nest.compute);
    Value ring =
        nest.allocateShared({slots, bytes}, nest.builder.getIntegerType(8));
    partial.emplace(nest, ArrayRef<int64_t>{tiling.groupHeads, 2},
                    tiling.tilePairs);
    gates = nest.allocateShared({tiling.groupHeads, 2, tiling.tilePairs},
                                nest.compute);
    if (tiling.chunks > 1)
      partial->clear();
    nest.loop(tiling.chunks, [&](AffineExpr chunk) {
      Value a = state->getOperand(tile, buffer, group);
      Value b = weights->getOperand(number, group, chunk);
      StreamProductOp::create(
          nest.builder, nest.loc, a, b, fragments, ring, tiling.products,
          tiling.minus.empty()
              ? DenseI64ArrayAttr()
              : nest.builder.getDenseI64ArrayAttr(tiling.minus));
      emitPartialScores();
    });
    emitGates();
    if (last)
      mixToRows(tile, group, buffer, stride);
    else
      mixToImage(tile, group, buffer);
  };
  nest.grid({tiling.tiles.count, nest.builder.getIndexAttr(tiling.groups)},
            [&](ArrayRef<AffineExpr> unit) { body(unit[0], unit[1]); });
}

void GridAttentionNest::emit() {
  bool whole = count > 1;
  int64_t stride = int64_t(1) << firstStage;
  weights.emplace(nest, tiling, query, key, firstStage, count);
  weights->pack();
  state.emplace(nest, tiling, /*buffers=*/whole ? 2 : 1);
  state->pack(input, stride);
  if (whole)
    nest.loop(count - 1, [&](AffineExpr i) {
      emitStage(i, i % 2, /*last=*/false, /*stride=*/0);
    });
  // After L - 1 rotations a pair is N/2 apart.
  emitStage(nest.constantExpr(count - 1), nest.constantExpr((count - 1) % 2),
            /*last=*/true, whole ? tiling.tokens / 2 : stride);
  nest.free(state->getMemory());
  nest.free(weights->getMemory());
}
