// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Phases: weights to their image; the input to the state's image; then a stage
// each, whose units are a tile of pairs for a group of heads. A unit streams
// the products of its pairs through the matrix units, makes scores of the
// fragments and weights of the scores, and mixes its heads' channels.

#include "GridAttentionNest.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::bfly;

/// Columns of the products of a unit, so that all fragments fit in registers.
static constexpr int64_t kColumnsOfThree = 128, kColumnsOfFour = 64;
/// Heads of a group: their partial scores have to fit beside the ring.
static constexpr int64_t kGroupHeads = 8;
/// What the ring may take of a block's shared memory, and its most rows.
static constexpr int64_t kRingBytes = 168 << 10, kRingRows = 6;
/// Scores of neighbouring columns lie so many rows further apart than pairs
/// are: no two threads of a warp in one bank.
static constexpr int64_t kPairPadding = 8;

static int64_t getBytes(Type type) { return type.getIntOrFloatBitWidth() / 8; }

GridAttentionNest::GridAttentionNest(NestBuilder &nest, AttentionStageOp first,
                                     int64_t count, Value input, Value query,
                                     Value key, Value output,
                                     FloatType elementType)
    : ChannelAccess(nest), firstStage(first.getStage()), count(count),
      scale(first.getScale().convertToDouble()), input(input), query(query),
      key(key), output(output), elementType(elementType) {
  RankedTensorType type = first.getState().getType();
  tokens = type.getDimSize(1);
  channels = type.getDimSize(2);
  heads = first.getHeads();
  headChannels = channels / heads;
  inputTokens = cast<MemRefType>(input.getType()).getDimSize(1);
  outputTokens = cast<MemRefType>(output.getType()).getDimSize(1);
  pairDifference = first.getScoring() == Scoring::PairDifference;
  auto weightType = cast<RankedTensorType>(first.getWeights()[0].getType());
  // With one head the forms coincide; dense is the simpler reading.
  perHead =
      weightType.getRank() == 4 || weightType.getShape().back() != channels;
  sharedByStages = weightType.getDimSize(0) == 1;

  warpgroups = nest.blockThreads / 128;
  tilePairs = 64 * warpgroups;
  OpFoldResult batch = nest.size(input, 0);
  if (std::optional<int64_t> count = getConstantIntValue(batch)) {
    int64_t pairs = *count * (tokens / 2);
    batches = nest.constantExpr(*count);
    tiles = nest.builder.getIndexAttr(llvm::divideCeil(pairs, tilePairs));
    tilesAreFull = pairs % tilePairs == 0;
  } else {
    batches = nest.dim(cast<Value>(batch));
    tiles = nest.apply((batches * (tokens / 2)).ceilDiv(tilePairs));
    tilesAreFull = tokens / 2 % tilePairs == 0;
  }

  // Loops over f32 want registers for rows and columns too.
  int64_t most = (pairDifference ? kColumnsOfThree : kColumnsOfFour) /
                 (elementType.isF32() ? 2 : 1);
  headColumns = llvm::alignTo(headChannels, 8);
  chunks = llvm::divideCeil(headColumns, most);
  groupHeads =
      std::min({heads, kGroupHeads, std::max<int64_t>(most / headColumns, 1)});
  // Where heads have their own weights, another head's channels would meet
  // zeros in a product, which do not keep its NaN or Inf out.
  if (perHead)
    groupHeads = 1;
  groups = llvm::divideCeil(heads, groupHeads);
  groupHeads = llvm::divideCeil(heads, groups);
  columns = chunks == 1
                ? groupHeads * headColumns
                : llvm::alignTo(llvm::divideCeil(headColumns, chunks), 8);

  span = perHead ? groupHeads * headChannels : channels;
  stepDepth =
      elementType.isF32() ? 16 : std::min<int64_t>(32, llvm::alignTo(span, 16));
  steps = llvm::divideCeil(span, stepDepth);
  if (pairDifference)
    products = {0, 0, 1, 0, 2, 1};
  else
    products = {0, 0, 1, 0, 0, 1, 1, 1};
  parts = pairDifference ? 3 : 2;
}

// Indices --------------------------------------------------------------------

SmallVector<AffineExpr> GridAttentionNest::imageIndices(AffineExpr tile,
                                                        AffineExpr buffer,
                                                        AffineExpr row,
                                                        int64_t part,
                                                        AffineExpr position) {
  return {tile,
          buffer,
          position.floorDiv(stepDepth),
          nest.constantExpr(part),
          row.floorDiv(64),
          (row % 64).floorDiv(8),
          (position % stepDepth).floorDiv(8),
          row % 8,
          position % 8};
}

void GridAttentionNest::addPairExists(SmallVectorImpl<AffineExpr> &constraints,
                                      AffineExpr pair) {
  if (!tilesAreFull)
    constraints.push_back(batches * (tokens / 2) - 1 - pair);
}

void GridAttentionNest::addHeadExists(SmallVectorImpl<AffineExpr> &constraints,
                                      AffineExpr head) {
  if (heads % groupHeads)
    constraints.push_back(-head + heads - 1);
}

// Packing --------------------------------------------------------------------

void GridAttentionNest::packWeights() {
  auto type = cast<MemRefType>(query.getType());
  int64_t first = sharedByStages ? 0 : firstStage;
  int64_t matrixCount = sharedByStages ? 1 : count;
  int64_t blocks = columns / 8, matrices = stepDepth / 8;
  weights = memref::AllocOp::create(
      nest.builder, nest.loc,
      MemRefType::get(
          {matrixCount, groups * chunks, steps, 2, blocks, matrices, 8, 8},
          elementType),
      nest.builder.getI64IntegerAttr(128));
  int64_t width =
      getWidth({query, weights}, {perHead ? headChannels : channels});
  Builder &builder = nest.builder;
  nest.parallel(
      {builder.getIndexAttr(matrixCount), builder.getIndexAttr(groups * chunks),
       builder.getIndexAttr(steps)},
      [&](ArrayRef<AffineExpr> unit) {
        AffineExpr group = unit[1].floorDiv(chunks), chunk = unit[1] % chunks;
        int64_t pieces = 8 / width;
        struct Place {
          SmallVector<AffineExpr> from, to, constraints;
        };
        auto getPlace = [&](AffineExpr i) {
          // Neighbouring threads fill neighbouring addresses.
          AffineExpr k = i % pieces * width;
          AffineExpr row = i.floorDiv(pieces) % 8;
          AffineExpr matrix = i.floorDiv(pieces * 8) % matrices;
          AffineExpr block = i.floorDiv(pieces * 8 * matrices);
          AffineExpr column = block * 8 + row;
          AffineExpr headInGroup =
              chunks == 1 ? column.floorDiv(headColumns) : nest.constantExpr(0);
          AffineExpr channel =
              chunks == 1 ? column % headColumns : chunk * columns + column;
          AffineExpr head = group * groupHeads + headInGroup;
          AffineExpr depth = unit[2] * stepDepth + matrix * 8 + k;
          if (perHead)
            depth = depth - headInGroup * headChannels;

          Place place;
          if (headColumns != headChannels ||
              (chunks > 1 && chunks * columns != headColumns))
            place.constraints.push_back(-channel + headChannels - 1);
          addHeadExists(place.constraints, head);
          int64_t depths = perHead ? headChannels : channels;
          if (perHead && groupHeads > 1)
            place.constraints.push_back(depth);
          if ((perHead && groupHeads > 1) || steps * stepDepth != depths)
            place.constraints.push_back(-depth + depths - 1);

          place.to = {unit[0], unit[1], unit[2], nest.constantExpr(0),
                      block,   matrix,  row,     k};
          place.from = {unit[0] + first};
          if (type.getRank() == 4)
            place.from.push_back(type.getDimSize(1) == 1 ? nest.constantExpr(0)
                                                         : head);
          place.from.append(
              {perHead ? channel : head * headChannels + channel, depth});
          return place;
        };
        auto read = [&](AffineExpr i) {
          Place place = getPlace(i);
          return SmallVector<Value>{load(query, place.from, width),
                                    load(key, place.from, width)};
        };
        auto write = [&](AffineExpr i, ArrayRef<Value> values) {
          SmallVector<AffineExpr> to = getPlace(i).to;
          for (int64_t which = 0; which < 2; ++which) {
            to[3] = nest.constantExpr(which);
            store(values[which], weights, to);
          }
        };
        int64_t number = blocks * matrices * 8 * pieces;
        if (getPlace(nest.constantExpr(0)).constraints.empty())
          return copyInBatches(number, read, write);
        nest.threads(number, [&](AffineExpr i) {
          guard(
              getPlace(i).constraints, [&] { write(i, read(i)); },
              [&] {
                Value none = splat(nest.constant(0), width);
                write(i, {none, none});
              });
        });
      });
}

void GridAttentionNest::packState(int64_t stride) {
  int64_t imageSteps = perHead ? groups * steps : steps;
  int64_t buffers = count > 1 ? 2 : 1, matrices = stepDepth / 8;
  SmallVector<Value> sizes;
  std::optional<int64_t> known = getConstantIntValue(tiles);
  if (!known)
    sizes.push_back(cast<Value>(tiles));
  image = memref::AllocOp::create(
      nest.builder, nest.loc,
      MemRefType::get({known.value_or(ShapedType::kDynamic), buffers,
                       imageSteps, parts, warpgroups, 8, matrices, 8, 8},
                      elementType),
      sizes, nest.builder.getI64IntegerAttr(128));
  int64_t width = getWidth({input, image}, {span, channels});
  bool complete = tilesAreFull && span == steps * stepDepth &&
                  inputTokens == tokens && !(perHead && heads % groupHeads);
  // Where nothing has to be tested, a unit is two steps.
  int64_t unitSteps = complete && imageSteps % 2 == 0 ? 2 : 1;
  nest.parallel(
      {tiles, nest.builder.getIndexAttr(imageSteps / unitSteps)},
      [&](ArrayRef<AffineExpr> unit) {
        int64_t pieces = 8 / width, number = tilePairs * matrices * pieces;
        struct Place {
          AffineExpr row, depth, position, channel, pair, batch, token;
        };
        auto getPlace = [&](AffineExpr i) {
          AffineExpr step = unit[1] * unitSteps + i.floorDiv(number);
          AffineExpr local =
              i.floorDiv(pieces * 8) % matrices * 8 + i % pieces * width;
          Place place;
          place.row = (i % number).floorDiv(pieces * 8 * matrices) * 8 +
                      i.floorDiv(pieces) % 8;
          place.position = step * stepDepth + local;
          place.depth =
              perHead ? step % steps * stepDepth + local : place.position;
          place.channel = perHead ? step.floorDiv(steps) * span + place.depth
                                  : place.position;
          place.pair = unit[0] * tilePairs + place.row;
          place.batch = place.pair.floorDiv(tokens / 2);
          place.token = firstToken(place.pair % (tokens / 2), stride);
          return place;
        };
        auto put = [&](const Place &place, int64_t buffer, Value first,
                       Value partner) {
          auto at = [&](int64_t part) {
            return imageIndices(unit[0], nest.constantExpr(buffer), place.row,
                                part, place.position);
          };
          store(first, image, at(0));
          store(partner, image, at(1));
          if (pairDifference)
            store(nest.sub(partner, first), image, at(2));
        };
        auto get = [&](const Place &place, int64_t distance) {
          return load(input,
                      {place.batch, place.token + distance, place.channel},
                      width);
        };
        if (complete)
          return copyInBatches(
              number * unitSteps,
              [&](AffineExpr i) {
                Place place = getPlace(i);
                return SmallVector<Value>{get(place, 0), get(place, stride)};
              },
              [&](AffineExpr i, ArrayRef<Value> values) {
                put(getPlace(i), 0, values[0], values[1]);
              });
        nest.threads(number, [&](AffineExpr i) {
          Place place = getPlace(i);
          Value none = splat(nest.constant(0), width);
          SmallVector<AffineExpr> exists, both, one;
          addPairExists(exists, place.pair);
          if (span != steps * stepDepth)
            exists.push_back(-place.depth + span - 1);
          if (perHead && heads % groupHeads)
            exists.push_back(-place.channel + channels - 1);
          if (inputTokens < tokens) {
            both.push_back(-place.token + inputTokens - 1 - stride);
            one.push_back(-place.token + inputTokens - 1);
          }
          // Stages keep the zeros of what does not exist, in either buffer.
          guard(
              exists,
              [&] {
                guard(
                    both,
                    [&] { put(place, 0, get(place, 0), get(place, stride)); },
                    [&] {
                      guard(
                          one, [&] { put(place, 0, get(place, 0), none); },
                          [&] { put(place, 0, none, none); });
                    });
              },
              [&] {
                for (int64_t buffer = 0; buffer < buffers; ++buffer)
                  put(place, buffer, none, none);
              });
        });
      });
}

// Stages ---------------------------------------------------------------------

void GridAttentionNest::emitProducts(AffineExpr number, AffineExpr tile,
                                     AffineExpr group, AffineExpr chunk,
                                     AffineExpr buffer) {
  AffineExpr zero = nest.constantExpr(0);
  int64_t matrices = stepDepth / 8;
  SmallVector<AffineExpr> at{tile, buffer, perHead ? group * steps : zero};
  at.append(6, zero);
  Value a = nest.window(image, at,
                        {1, 1, steps, parts, warpgroups, 8, matrices, 8, 8}, 7);
  at = {sharedByStages ? zero : number, group * chunks + chunk};
  at.append(6, zero);
  Value b = nest.window(weights, at,
                        {1, 1, steps, 2, columns / 8, matrices, 8, 8}, 6);
  StreamProductOp::create(nest.builder, nest.loc, a, b, fragments, ring,
                          products);
}

void GridAttentionNest::emitPartialScores() {
  int64_t registers = columns / 2;
  int64_t perHeadColumns = chunks == 1 ? headColumns : columns;
  nest.everyThread([&](AffineExpr thread) {
    AffineExpr row = thread.floorDiv(32) * 16 + (thread % 32).floorDiv(4);
    AffineExpr quarter = thread % 4;
    auto fragment = [&](int64_t product, int64_t i) {
      return nest.load(fragments,
                       {thread, nest.constantExpr(product * registers + i)});
    };
    for (int64_t head = 0; head < columns / perHeadColumns; ++head)
      for (int64_t half = 0; half < 2; ++half) {
        Value first, partner;
        for (int64_t block = 0; block < perHeadColumns / 8; ++block)
          for (int64_t odd = 0; odd < 2; ++odd) {
            int64_t i =
                4 * (head * perHeadColumns / 8 + block) + 2 * half + odd;
            Value kappa = pairDifference
                              ? fragment(2, i)
                              : nest.sub(fragment(3, i), fragment(2, i));
            Value a = nest.mul(fragment(0, i), kappa);
            Value b = nest.mul(fragment(1, i), kappa);
            first = first ? nest.add(first, a) : a;
            partner = partner ? nest.add(partner, b) : b;
          }
        Value sums[] = {first, partner};
        for (int64_t which = 0; which < 2; ++which) {
          SmallVector<AffineExpr> at{nest.constantExpr(head),
                                     nest.constantExpr(which), quarter,
                                     row + 8 * half};
          // Only a head in chunks has more than one part; it began with zeros.
          Value sum = sums[which];
          if (chunks > 1)
            sum = nest.add(nest.load(partial, at), sum);
          nest.store(sum, partial, at);
        }
      }
  });
}

void GridAttentionNest::emitGates() {
  nest.threads(groupHeads * tilePairs, [&](AffineExpr i) {
    AffineExpr row = i % tilePairs, head = i.floorDiv(tilePairs);
    Value factor = nest.constant(scale);
    for (int64_t which = 0; which < 2; ++which) {
      AffineExpr of = nest.constantExpr(which);
      Value sum;
      for (int64_t quarter = 0; quarter < 4; ++quarter) {
        Value term =
            nest.load(partial, {head, of, nest.constantExpr(quarter), row});
        sum = sum ? nest.add(sum, term) : term;
      }
      sum = nest.mul(factor, sum);
      // The partner's weight is that of the other token, from its own side.
      if (which == 1)
        sum = nest.sub(nest.constant(0), sum);
      nest.store(nest.sigmoid(sum), gates, {head, of, row});
    }
  });
}

void GridAttentionNest::mixToImage(AffineExpr tile, AffineExpr group,
                                   AffineExpr buffer) {
  int64_t width = getWidth({image}, {headChannels});
  int64_t pieces = groupHeads * headChannels / width;
  // Two pairs at a time: their first tokens are a pair of the next stage, and
  // so are their partners.
  struct Place {
    AffineExpr couple, head, position;
  };
  auto getPlace = [&](AffineExpr i) {
    AffineExpr channelInGroup = i.floorDiv(tilePairs / 2) * width;
    return Place{i % (tilePairs / 2), channelInGroup.floorDiv(headChannels),
                 perHead
                     ? group * (steps * stepDepth) + channelInGroup
                     : group * (groupHeads * headChannels) + channelInGroup};
  };
  auto read = [&](AffineExpr i) {
    Place place = getPlace(i);
    SmallVector<Value> values;
    for (int64_t which = 0; which < 2; ++which)
      for (int64_t part = 0; part < 2; ++part)
        values.push_back(
            load(image,
                 imageIndices(tile, buffer, place.couple * 2 + which, part,
                              place.position),
                 width));
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
    int64_t quarter = tokens / 4;
    AffineExpr next =
        couple.floorDiv(quarter) * (tokens / 2) + couple % quarter;
    auto put = [&](AffineExpr pair, Value first, Value partner) {
      auto at = [&](int64_t part) {
        return imageIndices(pair.floorDiv(tilePairs), -buffer + 1,
                            pair % tilePairs, part, place.position);
      };
      store(first, image, at(0));
      store(partner, image, at(1));
      if (pairDifference)
        store(nest.sub(partner, first), image, at(2));
    };
    put(next, firsts[0], firsts[1]);
    put(next + quarter, partners[0], partners[1]);
  };
  int64_t number = tilePairs / 2 * pieces;
  if (heads % groupHeads == 0)
    return copyInBatches(number, read, write);
  nest.threads(number, [&](AffineExpr i) {
    SmallVector<AffineExpr> constraints;
    addHeadExists(constraints, group * groupHeads + getPlace(i).head);
    guard(constraints, [&] { write(i, read(i)); });
  });
}

std::pair<Value, Value> GridAttentionNest::mix(Value first, Value partner,
                                               AffineExpr head, AffineExpr row,
                                               int64_t width) {
  return mixPair(first, partner, [&](int64_t of) {
    return splat(nest.load(gates, {head, nest.constantExpr(of), row}), width);
  });
}

void GridAttentionNest::mixToRows(AffineExpr tile, AffineExpr group,
                                  AffineExpr buffer, int64_t stride) {
  int64_t width = getWidth({image, output}, {headChannels, channels});
  int64_t pieces = groupHeads * headChannels / width;
  struct Place {
    AffineExpr row, head, channel, position;
  };
  auto getPlace = [&](AffineExpr i) {
    AffineExpr channelInGroup = i % pieces * width;
    AffineExpr channel = group * (groupHeads * headChannels) + channelInGroup;
    return Place{
        i.floorDiv(pieces), channelInGroup.floorDiv(headChannels), channel,
        perHead ? group * (steps * stepDepth) + channelInGroup : channel};
  };
  auto read = [&](AffineExpr i) {
    Place place = getPlace(i);
    SmallVector<Value> values;
    for (int64_t part = 0; part < 2; ++part)
      values.push_back(load(
          image, imageIndices(tile, buffer, place.row, part, place.position),
          width));
    return values;
  };
  auto write = [&](AffineExpr i, ArrayRef<Value> values) {
    Place place = getPlace(i);
    auto mixed = mix(values[0], values[1], place.head, place.row, width);
    AffineExpr pair = tile * tilePairs + place.row;
    AffineExpr token = firstToken(pair % (tokens / 2), stride);
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
  if (tilesAreFull && heads % groupHeads == 0)
    return copyInBatches(tilePairs * pieces, read, write);
  nest.threads(tilePairs * pieces, [&](AffineExpr i) {
    Place place = getPlace(i);
    SmallVector<AffineExpr> constraints;
    addPairExists(constraints, tile * tilePairs + place.row);
    addHeadExists(constraints, group * groupHeads + place.head);
    guard(constraints, [&] { write(i, read(i)); });
  });
}

void GridAttentionNest::emitStage(AffineExpr number, AffineExpr buffer,
                                  bool last, int64_t stride) {
  nest.parallel(
      {tiles, nest.builder.getIndexAttr(groups)},
      [&](ArrayRef<AffineExpr> unit) {
        int64_t bytes = getBytes(elementType) * stepDepth *
                        (parts * tilePairs + 2 * columns);
        int64_t rows = std::clamp<int64_t>(kRingBytes / bytes, 2, kRingRows);
        fragments = nest.allocateRegisters(
            int64_t(products.size()) / 2 * (columns / 2), nest.compute);
        ring =
            nest.allocateShared({rows, bytes}, nest.builder.getIntegerType(8));
        partial = nest.allocateShared(
            {groupHeads, 2, 4, tilePairs + kPairPadding}, nest.compute);
        gates = nest.allocateShared({groupHeads, 2, tilePairs}, nest.compute);
        if (chunks > 1)
          nest.threads(2 * 4 * tilePairs, [&](AffineExpr i) {
            nest.store(nest.constant(0), partial,
                       {nest.constantExpr(0), i.floorDiv(4 * tilePairs),
                        i.floorDiv(tilePairs) % 4, i % tilePairs});
          });
        nest.loop(chunks, [&](AffineExpr chunk) {
          emitProducts(number, unit[0], unit[1], chunk, buffer);
          emitPartialScores();
        });
        emitGates();
        if (last)
          mixToRows(unit[0], unit[1], buffer, stride);
        else
          mixToImage(unit[0], unit[1], buffer);
      });
}

void GridAttentionNest::emit() {
  bool whole = count > 1;
  int64_t stride = int64_t(1) << firstStage;
  packWeights();
  packState(stride);
  if (whole)
    nest.loop(count - 1, [&](AffineExpr i) {
      emitStage(i, i % 2, /*last=*/false, /*stride=*/0);
    });
  // After L - 1 rotations a pair is N/2 apart.
  emitStage(nest.constantExpr(count - 1), nest.constantExpr((count - 1) % 2),
            /*last=*/true, whole ? tokens / 2 : stride);
  nest.free(image);
  nest.free(weights);
}
