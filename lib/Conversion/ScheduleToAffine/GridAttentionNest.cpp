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

  int64_t most = pairDifference ? kColumnsOfThree : kColumnsOfFour;
  headColumns = llvm::alignTo(headChannels, 8);
  chunks = llvm::divideCeil(headColumns, most);
  groupHeads =
      std::min({heads, kGroupHeads, std::max<int64_t>(most / headColumns, 1)});
  // Where heads have their own weights, the others' channels are zeros in a
  // product: only narrow heads share one.
  if (perHead)
    groupHeads = std::min(groupHeads, std::max<int64_t>(32 / headChannels, 1));
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
        nest.threads(2 * blocks * matrices * 8 * pieces, [&](AffineExpr i) {
          // Neighbouring threads fill neighbouring addresses.
          AffineExpr k = i % pieces * width;
          AffineExpr row = i.floorDiv(pieces) % 8;
          AffineExpr matrix = i.floorDiv(pieces * 8) % matrices;
          AffineExpr block = i.floorDiv(pieces * 8 * matrices) % blocks;
          AffineExpr which = i.floorDiv(pieces * 8 * matrices * blocks);
          AffineExpr column = block * 8 + row;
          AffineExpr headInGroup =
              chunks == 1 ? column.floorDiv(headColumns) : nest.constantExpr(0);
          AffineExpr channel =
              chunks == 1 ? column % headColumns : chunk * columns + column;
          AffineExpr head = group * groupHeads + headInGroup;
          AffineExpr depth = unit[2] * stepDepth + matrix * 8 + k;
          if (perHead)
            depth = depth - headInGroup * headChannels;

          SmallVector<AffineExpr> constraints;
          if (headColumns != headChannels || chunks * columns != headColumns)
            constraints.push_back(-channel + headChannels - 1);
          addHeadExists(constraints, head);
          int64_t depths = perHead ? headChannels : channels;
          if (perHead && groupHeads > 1)
            constraints.push_back(depth);
          if ((perHead && groupHeads > 1) || steps * stepDepth != depths)
            constraints.push_back(-depth + depths - 1);

          SmallVector<AffineExpr> to{unit[0], unit[1], unit[2], which,
                                     block,   matrix,  row,     k};
          SmallVector<AffineExpr> from{unit[0] + first};
          if (type.getRank() == 4)
            from.push_back(type.getDimSize(1) == 1 ? nest.constantExpr(0)
                                                   : head);
          from.append(
              {perHead ? channel : head * headChannels + channel, depth});
          auto copy = [&](Value source) {
            store(load(source, from, width), weights, to);
          };
          guard(
              constraints,
              [&] {
                nest.guard({-which}, [&] { copy(query); }, [&] { copy(key); });
              },
              [&] { store(splat(nest.constant(0), width), weights, to); });
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
  nest.parallel(
      {tiles, nest.builder.getIndexAttr(imageSteps)},
      [&](ArrayRef<AffineExpr> unit) {
        int64_t pieces = 8 / width;
        nest.threads(tilePairs * matrices * pieces, [&](AffineExpr i) {
          AffineExpr local =
              i.floorDiv(pieces * 8) % matrices * 8 + i % pieces * width;
          AffineExpr row =
              i.floorDiv(pieces * 8 * matrices) * 8 + i.floorDiv(pieces) % 8;
          AffineExpr position = unit[1] * stepDepth + local;
          AffineExpr depth =
              perHead ? unit[1] % steps * stepDepth + local : position;
          AffineExpr channel =
              perHead ? unit[1].floorDiv(steps) * span + depth : position;
          AffineExpr pair = unit[0] * tilePairs + row;
          AffineExpr batch = pair.floorDiv(tokens / 2);
          AffineExpr token = firstToken(pair % (tokens / 2), stride);

          auto put = [&](int64_t buffer, Value first, Value partner) {
            auto at = [&](int64_t part) {
              return imageIndices(unit[0], nest.constantExpr(buffer), row, part,
                                  position);
            };
            store(first, image, at(0));
            store(partner, image, at(1));
            if (pairDifference)
              store(nest.sub(partner, first), image, at(2));
          };
          Value none = splat(nest.constant(0), width);
          auto get = [&](AffineExpr n) {
            return load(input, {batch, n, channel}, width);
          };
          SmallVector<AffineExpr> exists;
          addPairExists(exists, pair);
          if (span != steps * stepDepth)
            exists.push_back(-depth + span - 1);
          if (perHead && heads % groupHeads)
            exists.push_back(-channel + channels - 1);
          SmallVector<AffineExpr> both, one;
          if (inputTokens < tokens) {
            both.push_back(-token + inputTokens - 1 - stride);
            one.push_back(-token + inputTokens - 1);
          }
          // Stages keep the zeros of what does not exist, in either buffer.
          guard(
              exists,
              [&] {
                guard(
                    both, [&] { put(0, get(token), get(token + stride)); },
                    [&] {
                      guard(
                          one, [&] { put(0, get(token), none); },
                          [&] { put(0, none, none); });
                    });
              },
              [&] {
                for (int64_t buffer = 0; buffer < buffers; ++buffer)
                  put(buffer, none, none);
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
  nest.threads(tilePairs / 2 * pieces, [&](AffineExpr i) {
    AffineExpr couple = i % (tilePairs / 2);
    AffineExpr channelInGroup = i.floorDiv(tilePairs / 2) * width;
    AffineExpr headInGroup = channelInGroup.floorDiv(headChannels);
    AffineExpr position =
        perHead ? group * (steps * stepDepth) + channelInGroup
                : group * (groupHeads * headChannels) + channelInGroup;
    SmallVector<AffineExpr> constraints;
    addHeadExists(constraints, group * groupHeads + headInGroup);
    guard(constraints, [&] {
      Value firsts[2], partners[2];
      for (int64_t which = 0; which < 2; ++which) {
        AffineExpr row = couple * 2 + which;
        Value first =
            load(image, imageIndices(tile, buffer, row, 0, position), width);
        Value partner =
            load(image, imageIndices(tile, buffer, row, 1, position), width);
        auto gate = [&](int64_t of) {
          return splat(
              nest.load(gates, {headInGroup, nest.constantExpr(of), row}),
              width);
        };
        Value difference = nest.sub(partner, first);
        firsts[which] = nest.add(first, nest.mul(gate(0), difference));
        partners[which] = nest.sub(partner, nest.mul(gate(1), difference));
      }
      AffineExpr coupleOfAll = tile * (tilePairs / 2) + couple;
      int64_t quarter = tokens / 4;
      AffineExpr next =
          coupleOfAll.floorDiv(quarter) * (tokens / 2) + coupleOfAll % quarter;
      auto put = [&](AffineExpr pair, Value first, Value partner) {
        auto at = [&](int64_t part) {
          return imageIndices(pair.floorDiv(tilePairs), -buffer + 1,
                              pair % tilePairs, part, position);
        };
        store(first, image, at(0));
        store(partner, image, at(1));
        if (pairDifference)
          store(nest.sub(partner, first), image, at(2));
      };
      put(next, firsts[0], firsts[1]);
      put(next + quarter, partners[0], partners[1]);
    });
  });
}

void GridAttentionNest::mixToRows(AffineExpr tile, AffineExpr group,
                                  AffineExpr buffer, int64_t stride) {
  int64_t width = getWidth({image, output}, {headChannels, channels});
  int64_t pieces = groupHeads * headChannels / width;
  nest.threads(tilePairs * pieces, [&](AffineExpr i) {
    AffineExpr row = i.floorDiv(pieces);
    AffineExpr channelInGroup = i % pieces * width;
    AffineExpr headInGroup = channelInGroup.floorDiv(headChannels);
    AffineExpr channel = group * (groupHeads * headChannels) + channelInGroup;
    AffineExpr position =
        perHead ? group * (steps * stepDepth) + channelInGroup : channel;
    AffineExpr pair = tile * tilePairs + row;
    AffineExpr batch = pair.floorDiv(tokens / 2);
    AffineExpr token = firstToken(pair % (tokens / 2), stride);
    SmallVector<AffineExpr> constraints;
    addPairExists(constraints, pair);
    addHeadExists(constraints, group * groupHeads + headInGroup);
    guard(constraints, [&] {
      Value first =
          load(image, imageIndices(tile, buffer, row, 0, position), width);
      Value partner =
          load(image, imageIndices(tile, buffer, row, 1, position), width);
      auto gate = [&](int64_t of) {
        return splat(
            nest.load(gates, {headInGroup, nest.constantExpr(of), row}), width);
      };
      Value difference = nest.sub(partner, first);
      auto put = [&](Value value, AffineExpr n) {
        SmallVector<AffineExpr> inside;
        if (outputTokens < tokens)
          inside.push_back(-n + outputTokens - 1);
        guard(inside, [&] { store(value, output, {batch, n, channel}); });
      };
      put(nest.add(first, nest.mul(gate(0), difference)), token);
      put(nest.sub(partner, nest.mul(gate(1), difference)), token + stride);
    });
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
