// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "GPU/AttentionImages.h"

#include "AttentionStage.h"

using namespace mlir;
using namespace mlir::bfly;

// State ----------------------------------------------------------------------

StateImage::StateImage(NestBuilder &nest, const GridAttentionTiling &tiling,
                       int64_t buffers, int64_t parts)
    : ChannelAccess(nest), tiling(tiling), buffers(buffers), parts(parts) {
  int64_t steps = tiling.steps * (tiling.perHead ? tiling.groups : 1);
  image = nest.allocateGlobal(
      tiling.tiles.count,
      {buffers, steps, parts, tiling.warpgroups, 8, tiling.stepDepth / 8, 8, 8},
      tiling.elementType);
}

SmallVector<AffineExpr> StateImage::indices(AffineExpr tile, AffineExpr buffer,
                                            AffineExpr row, int64_t part,
                                            AffineExpr position) {
  int64_t stepDepth = tiling.stepDepth;
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

Value StateImage::loadPart(AffineExpr tile, AffineExpr buffer, AffineExpr row,
                           int64_t part, AffineExpr position, int64_t width) {
  return load(image, indices(tile, buffer, row, part, position), width);
}

void StateImage::storePair(Value first, Value partner, AffineExpr tile,
                           AffineExpr buffer, AffineExpr row,
                           AffineExpr position) {
  auto put = [&](Value value, int64_t part) {
    store(value, image, indices(tile, buffer, row, part, position));
  };
  put(first, 0);
  put(partner, 1);
  if (tiling.storesDifference)
    put(nest.sub(partner, first), 2);
}

Value StateImage::getOperand(AffineExpr tile, AffineExpr buffer,
                             AffineExpr group) {
  AffineExpr zero = nest.constantExpr(0);
  SmallVector<AffineExpr> at{tile, buffer,
                             tiling.perHead ? group * tiling.steps : zero};
  at.append(6, zero);
  return nest.window(image, at,
                     {1, 1, tiling.steps, parts, tiling.warpgroups, 8,
                      tiling.stepDepth / 8, 8, 8},
                     7);
}

void StateImage::pack(Value input, int64_t stride) {
  int64_t tokens = tiling.tokens, span = tiling.span;
  int64_t steps = tiling.steps, stepDepth = tiling.stepDepth;
  int64_t inputTokens = cast<MemRefType>(input.getType()).getDimSize(1);
  int64_t imageSteps = cast<MemRefType>(image.getType()).getDimSize(2);
  int64_t width = getWidth({input, image}, {span, tiling.channels});
  bool complete =
      tiling.tiles.full && span == steps * stepDepth && inputTokens == tokens;
  // Where nothing has to be tested, a unit is two steps.
  int64_t unitSteps = complete && imageSteps % 2 == 0 ? 2 : 1;
  nest.grid(
      {tiling.tiles.count, nest.builder.getIndexAttr(imageSteps / unitSteps)},
      [&](ArrayRef<AffineExpr> unit) {
        int64_t pieces = 8 / width, matrices = stepDepth / 8;
        int64_t number = tiling.tilePairs * matrices * pieces;
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
          place.depth = tiling.perHead ? step % steps * stepDepth + local
                                       : place.position;
          place.channel = tiling.perHead
                              ? step.floorDiv(steps) * span + place.depth
                              : place.position;
          place.pair = unit[0] * tiling.tilePairs + place.row;
          place.batch = place.pair.floorDiv(tokens / 2);
          place.token = getFirstOfSet(place.pair % (tokens / 2), stride);
          return place;
        };
        auto put = [&](const Place &place, int64_t buffer, Value first,
                       Value partner) {
          storePair(first, partner, unit[0], nest.constantExpr(buffer),
                    place.row, place.position);
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
          tiling.addPairExists(exists, place.pair);
          if (span != steps * stepDepth)
            exists.push_back(-place.depth + span - 1);
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

// Weights --------------------------------------------------------------------

WeightImage::WeightImage(NestBuilder &nest, const GridAttentionTiling &tiling,
                         Value query, Value key, int64_t firstStage,
                         int64_t count, bool transposed)
    : ChannelAccess(nest), tiling(tiling), query(query), key(key),
      sharedByStages(cast<MemRefType>(query.getType()).getDimSize(0) == 1),
      first(sharedByStages ? 0 : firstStage), transposed(transposed) {
  image =
      nest.allocateGlobal(nest.builder.getIndexAttr(sharedByStages ? 1 : count),
                          {tiling.groups * tiling.chunks, tiling.steps, 2,
                           tiling.columns / 8, tiling.stepDepth / 8, 8, 8},
                          tiling.elementType);
  width = transposed ? 1 : getWidth({query, image}, {tiling.span});
}

void WeightImage::pack() {
  SmallVector<OpFoldResult> units;
  for (int64_t dim = 0; dim < 3; ++dim)
    units.push_back(nest.size(image, dim));
  nest.grid(units, [&](ArrayRef<AffineExpr> unit) {
    auto read = [&](AffineExpr i) {
      Place place = getPlace(unit, i);
      return SmallVector<Value>{load(query, place.from, width),
                                load(key, place.from, width)};
    };
    auto write = [&](AffineExpr i, ArrayRef<Value> values) {
      SmallVector<AffineExpr> to = getPlace(unit, i).to;
      for (int64_t which = 0; which < 2; ++which) {
        to[3] = nest.constantExpr(which);
        store(values[which], image, to);
      }
    };
    int64_t number = tiling.columns * tiling.stepDepth / width;
    if (getPlace(unit, nest.constantExpr(0)).constraints.empty())
      return copyInBatches(number, read, write);
    nest.threads(number, [&](AffineExpr i) {
      guard(
          getPlace(unit, i).constraints, [&] { write(i, read(i)); },
          [&] {
            Value none = splat(nest.constant(0), width);
            write(i, {none, none});
          });
    });
  });
}

WeightImage::Place WeightImage::getPlace(ArrayRef<AffineExpr> unit,
                                         AffineExpr i) {
  int64_t headChannels = tiling.headChannels, headColumns = tiling.headColumns;
  int64_t matrices = tiling.stepDepth / 8, pieces = 8 / width;
  bool chunked = tiling.chunks > 1;
  AffineExpr zero = nest.constantExpr(0);
  AffineExpr group = unit[1].floorDiv(tiling.chunks);
  AffineExpr chunk = unit[1] % tiling.chunks;
  // Neighbouring threads fill neighbouring addresses.
  AffineExpr k = i % pieces * width;
  AffineExpr row = i.floorDiv(pieces) % 8;
  AffineExpr matrix = i.floorDiv(pieces * 8) % matrices;
  AffineExpr block = i.floorDiv(pieces * 8 * matrices);
  AffineExpr column = block * 8 + row;
  AffineExpr headInGroup = chunked ? zero : column.floorDiv(headColumns);
  AffineExpr channel =
      chunked ? chunk * tiling.columns + column : column % headColumns;
  AffineExpr head = group * tiling.groupHeads + headInGroup;
  AffineExpr depth = unit[2] * tiling.stepDepth + matrix * 8 + k;
  if (tiling.perHead)
    depth = depth - headInGroup * headChannels;

  Place place;
  if (headColumns != headChannels ||
      (chunked && tiling.chunks * tiling.columns != headColumns))
    place.constraints.push_back(-channel + headChannels - 1);
  tiling.addHeadExists(place.constraints, head);
  if (tiling.steps * tiling.stepDepth != tiling.span)
    place.constraints.push_back(-depth + tiling.span - 1);

  place.to = {unit[0], unit[1], unit[2], zero, block, matrix, row, k};
  place.from = getMatrix(nest, query, unit[0] + first, head);
  place.from.append(
      {tiling.perHead ? channel : head * headChannels + channel, depth});
  if (transposed)
    std::swap(place.from.end()[-1], place.from.end()[-2]);
  return place;
}

Value WeightImage::getOperand(AffineExpr number, AffineExpr group,
                              AffineExpr chunk) {
  AffineExpr zero = nest.constantExpr(0);
  SmallVector<AffineExpr> at{sharedByStages ? zero : number,
                             group * tiling.chunks + chunk};
  at.append(6, zero);
  return nest.window(
      image, at,
      {1, 1, tiling.steps, 2, tiling.columns / 8, tiling.stepDepth / 8, 8, 8},
      6);
}
