// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Phases: weights and their transposes to images; the state to its image;
// queries, the pair's key and scores again, and from them the gradients of
// queries and keys; these times the transposed weights, and what comes past the
// scores.

#include "GPU/GridAttentionBackwardNest.h"

#include "AttentionStage.h"
#include "NestTable.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace mlir::bfly;

/// Threads that add up one pair's products over the channels.
static constexpr int64_t kQuarters = 4;

GridAttentionBackwardNest::GridAttentionBackwardNest(
    KernelEmitter &emitter, NestBuilder &nest, AttentionStageBackwardOp op,
    FloatType elementType)
    : ChannelAccess(nest), plan(emitter.getPlan<GpuGridAttentionAttr>()),
      stage(op.getStage()), stride(int64_t(1) << stage),
      scale(op.getScale().convertToDouble()),
      input(emitter.getBuffer(op.getState())),
      gradient(emitter.getBuffer(op.getGradient())),
      query(emitter.getBuffer(op.getQuery())),
      key(emitter.getBuffer(op.getKey())),
      stateGradient(emitter.getBuffer(op.getStateGradient())),
      queryGradient(emitter.getBuffer(op.getQueryGradient())),
      keyGradient(emitter.getBuffer(op.getKeyGradient())),
      tiling(nest, plan, getForm(op), input, elementType),
      headColumns(tiling.chunks == 1 ? tiling.headColumns : tiling.columns),
      unitHeads(tiling.columns / headColumns) {}

// Places ---------------------------------------------------------------------

GridAttentionBackwardNest::PairRows
GridAttentionBackwardNest::getRows(AffineExpr pair) const {
  int64_t pairs = tiling.tokens / 2;
  return {pair.floorDiv(pairs), getFirstOfSet(pair % pairs, stride)};
}

SmallVector<AffineExpr>
GridAttentionBackwardNest::at(const PairRows &rows, int64_t which,
                              AffineExpr channel) const {
  return {rows.batch, rows.token + which * stride, channel};
}

void GridAttentionBackwardNest::forEachFragment(
    AffineExpr thread, function_ref<void(int64_t, AffineExpr, int64_t)> body) {
  // A thread has a quarter of the columns of this row, and of the one 8 below.
  AffineExpr row = thread.floorDiv(32) * 16 + (thread % 32).floorDiv(4);
  for (int64_t block = 0; block < tiling.columns / 8; ++block)
    for (int64_t half = 0; half < 2; ++half)
      body(4 * block + 2 * half, row + 8 * half, 8 * block);
}

SmallVector<Value> GridAttentionBackwardNest::getFragments(AffineExpr thread,
                                                           int64_t product,
                                                           int64_t i) {
  SmallVector<Value> two;
  for (int64_t odd = 0; odd < 2; ++odd)
    two.push_back(nest.load(
        fragments,
        {thread, nest.constantExpr(product * (tiling.columns / 2) + i + odd)}));
  return two;
}

void GridAttentionBackwardNest::putTwo(ArrayRef<Value> values, Value buffer,
                                       AffineExpr channel, PlaceOf place) {
  // An even number of channels: both are there, and lie at an even place.
  if (tiling.headChannels % 2 == 0)
    return storePair(nest, {values[0], values[1]}, buffer,
                     place(nest.constantExpr(0)));
  nest.store(values[0], buffer, place(nest.constantExpr(0)));
  nest.guard({-channel + tiling.headChannels - 2}, [&] {
    nest.store(values[1], buffer, place(nest.constantExpr(1)));
  });
}

SmallVector<Value> GridAttentionBackwardNest::getTwo(Value buffer,
                                                     AffineExpr channel,
                                                     PlaceOf place) {
  if (tiling.headChannels % 2 == 0) {
    ComplexPair two = loadPair(nest, buffer, place(nest.constantExpr(0)));
    return {two.re, two.im};
  }
  Value zero = nest.constant(0);
  SmallVector<Value> second = nest.guardValues(
      {-channel + tiling.headChannels - 2},
      [&]() -> SmallVector<Value> {
        return {nest.load(buffer, place(nest.constantExpr(1)))};
      },
      zero);
  return {nest.load(buffer, place(nest.constantExpr(0))), second[0]};
}

// Products -------------------------------------------------------------------

void GridAttentionBackwardNest::allocateUnit() {
  int64_t bytes =
      tiling.getSlotBytes(nest.blockThreads, tiling.elementType.getWidth() / 8);
  fragments = nest.allocateRegisters(3 * (tiling.columns / 2), nest.compute);
  ring = nest.allocateShared({plan.getSlots(), bytes},
                             nest.builder.getIntegerType(8));
}

void GridAttentionBackwardNest::multiply(StateImage &a, WeightImage &b,
                                         AffineExpr tile, AffineExpr group,
                                         AffineExpr chunk,
                                         ArrayRef<int64_t> products,
                                         ArrayRef<int64_t> minus) {
  Value left = a.getOperand(tile, nest.constantExpr(0), group);
  Value right = b.getOperand(nest.constantExpr(0), group, chunk);
  StreamProductOp::create(
      nest.builder, nest.loc, left, right, fragments, ring, products,
      minus.empty() ? DenseI64ArrayAttr()
                    : nest.builder.getDenseI64ArrayAttr(minus));
}

// Scores and their derivatives -----------------------------------------------

void GridAttentionBackwardNest::emitPartialScores() {
  nest.everyThread([&](AffineExpr thread) {
    auto fragment = [&](int64_t product, int64_t i) {
      return nest.load(
          fragments,
          {thread, nest.constantExpr(product * (tiling.columns / 2) + i)});
    };
    for (int64_t head = 0; head < unitHeads; ++head)
      partial->store(
          nest.constantExpr(head), thread, nest.constantExpr(0),
          head * headColumns, headColumns, fragment,
          [&](int64_t i) { return fragment(2, i); },
          /*accumulate=*/tiling.chunks > 1);
  });
}

/// Gates to memory, scale a (1 - a) with its sign to `slope`.
void GridAttentionBackwardNest::emitGates(AffineExpr tile, AffineExpr group) {
  nest.threads(unitHeads * tiling.tilePairs, [&](AffineExpr i) {
    AffineExpr row = i % tiling.tilePairs, head = i.floorDiv(tiling.tilePairs);
    for (int64_t which = 0; which < 2; ++which) {
      AffineExpr of = nest.constantExpr(which);
      Value sum = partial->sum({head, of}, row);
      Value gate = makeGate(nest, sum, scale, /*ofPartner=*/which);
      // Not a difference from 1, which has no digits where the gate is near it.
      Value rest = makeGate(nest, sum, scale, /*ofPartner=*/!which);
      nest.store(gate, allGates, {tile, group * unitHeads + head, of, row});
      Value factor = nest.constant(which ? -scale : scale);
      nest.store(nest.mul(factor, nest.mul(gate, rest)), slope,
                 {head, of, row});
    }
  });
}

/// g_j . delta and g_p . delta of every head.
void GridAttentionBackwardNest::emitAlong(AffineExpr tile, AffineExpr group) {
  int64_t headChannels = tiling.headChannels;
  int64_t width =
      getWidth({gradient, state->getMemory()}, {headChannels, tiling.channels});
  int64_t steps = llvm::divideCeilSigned(headChannels, kQuarters * width);
  auto add = [&](Value values) {
    if (width == 1)
      return values;
    Value sum;
    for (int64_t i = 0; i < width; ++i) {
      Value next = vector::ExtractOp::create(nest.builder, nest.loc, values, i);
      sum = sum ? nest.add(sum, next) : next;
    }
    return sum;
  };
  nest.threads(unitHeads * tiling.tilePairs * kQuarters, [&](AffineExpr i) {
    AffineExpr quarter = i % kQuarters;
    AffineExpr row = i.floorDiv(kQuarters) % tiling.tilePairs;
    AffineExpr head = i.floorDiv(kQuarters * tiling.tilePairs);
    AffineExpr pair = tile * tiling.tilePairs + row;
    PairRows rows = getRows(pair);
    SmallVector<Value> totals = nest.sums(
        steps, 2, /*lanes=*/false, [&](AffineExpr step) -> SmallVector<Value> {
          AffineExpr channel = step * (kQuarters * width) + quarter * width;
          AffineExpr inGroup = head * headChannels + channel;
          auto terms = [&]() -> SmallVector<Value> {
            Value token[2], g[2];
            for (int64_t which = 0; which < 2; ++which) {
              token[which] =
                  state->loadPart(tile, nest.constantExpr(0), row, which,
                                  tiling.getPosition(group, inGroup), width);
              g[which] = load(
                  gradient,
                  at(rows, which, group * (unitHeads * headChannels) + inGroup),
                  width);
            }
            Value delta = nest.sub(token[1], token[0]);
            return {add(nest.mul(g[0], delta)), add(nest.mul(g[1], delta))};
          };
          SmallVector<AffineExpr> exists;
          tiling.addPairExists(exists, pair);
          tiling.addHeadExists(exists, group * unitHeads + head);
          if (steps * kQuarters * width != headChannels)
            exists.push_back(-channel + headChannels - 1);
          if (exists.empty())
            return terms();
          Value zero = nest.constant(0);
          return nest.guardValues(exists, terms, {zero, zero});
        });
    for (int64_t which = 0; which < 2; ++which)
      partial->storeQuarter(totals[which], {head, nest.constantExpr(which)},
                            quarter, row);
  });
}

void GridAttentionBackwardNest::emitSlopes() {
  nest.threads(unitHeads * tiling.tilePairs, [&](AffineExpr i) {
    AffineExpr row = i % tiling.tilePairs, head = i.floorDiv(tiling.tilePairs);
    for (int64_t which = 0; which < 2; ++which) {
      AffineExpr of = nest.constantExpr(which);
      SmallVector<AffineExpr> place{head, of, row};
      Value along = partial->sum({head, of}, row);
      nest.store(nest.mul(nest.load(slope, place), along), slope, place);
    }
  });
}

void GridAttentionBackwardNest::emitGradients(AffineExpr tile, AffineExpr group,
                                              AffineExpr chunk) {
  int64_t headChannels = tiling.headChannels;
  nest.everyThread([&](AffineExpr thread) {
    forEachFragment(thread, [&](int64_t i, AffineExpr row, int64_t column) {
      AffineExpr head = nest.constantExpr(column / headColumns);
      AffineExpr channel =
          chunk * tiling.columns + column % headColumns + (thread % 4) * 2;
      AffineExpr inGroup = head * headChannels + channel;
      AffineExpr pair = tile * tiling.tilePairs + row;
      SmallVector<Value> q[2] = {getFragments(thread, 0, i),
                                 getFragments(thread, 1, i)};
      SmallVector<Value> kappa = getFragments(thread, 2, i);
      Value z[2];
      for (int64_t which = 0; which < 2; ++which)
        z[which] = nest.load(slope, {head, nest.constantExpr(which), row});
      // Of the first token's query, of its partner's, of the first's key and
      // of the partner's.
      SmallVector<Value> of[4];
      Value minus = arith::NegFOp::create(nest.builder, nest.loc, z[1]);
      for (int64_t odd = 0; odd < 2; ++odd) {
        of[0].push_back(nest.mul(z[0], kappa[odd]));
        of[1].push_back(nest.mul(minus, kappa[odd]));
        Value partner =
            nest.sub(nest.mul(z[0], q[0][odd]), nest.mul(z[1], q[1][odd]));
        of[2].push_back(arith::NegFOp::create(nest.builder, nest.loc, partner));
        of[3].push_back(partner);
      }
      SmallVector<AffineExpr> exists, both;
      if (headColumns != headChannels)
        exists.push_back(-channel + headChannels - 1);
      tiling.addHeadExists(exists, group * unitHeads + column / headColumns);
      tiling.addPairExists(both, pair);
      guard(exists, [&] {
        AffineExpr position = tiling.getPosition(group, inGroup);
        for (auto [part, which] : {std::pair(0, 0), {1, 1}, {2, 3}})
          putTwo(of[which], slopes->getMemory(), channel,
                 [&, part = part](AffineExpr odd) {
                   return slopes->indices(tile, nest.constantExpr(0), row, part,
                                          position + odd);
                 });
        guard(both, [&] {
          PairRows rows = getRows(pair);
          AffineExpr place = group * (unitHeads * headChannels) + inGroup;
          for (int64_t which = 0; which < 2; ++which) {
            auto inRows = [&](AffineExpr odd) {
              return at(rows, which, place + odd);
            };
            putTwo(of[which], queryGradient, channel, inRows);
            putTwo(of[2 + which], keyGradient, channel, inRows);
          }
        });
      });
    });
  });
}

/// Zeros where the depth of the second product has no channels.
void GridAttentionBackwardNest::emitPadding(AffineExpr tile, AffineExpr group) {
  int64_t depth = tiling.steps * tiling.stepDepth, rest = depth - tiling.span;
  if (!rest)
    return;
  nest.threads(3 * tiling.tilePairs * rest, [&](AffineExpr i) {
    AffineExpr row = i.floorDiv(rest) % tiling.tilePairs;
    AffineExpr position =
        (tiling.perHead ? group * depth : nest.constantExpr(0)) + tiling.span +
        i % rest;
    // Of dense weights the first unit does it.
    SmallVector<AffineExpr> mine;
    if (!tiling.perHead && tiling.groups > 1)
      mine.push_back(-group);
    guard(mine, [&] {
      SmallVector<AffineExpr> to =
          slopes->indices(tile, nest.constantExpr(0), row, 0, position);
      to[3] = i.floorDiv(rest * tiling.tilePairs);
      nest.store(nest.constant(0), slopes->getMemory(), to);
    });
  });
}

// Phases ---------------------------------------------------------------------

void GridAttentionBackwardNest::emitScores() {
  auto body = [&](AffineExpr tile, AffineExpr group) {
    allocateUnit();
    partial.emplace(nest, ArrayRef<int64_t>{unitHeads, 2}, tiling.tilePairs);
    slope = nest.allocateShared({unitHeads, 2, tiling.tilePairs}, nest.compute);
    auto project = [&](AffineExpr chunk) {
      multiply(*state, *weights, tile, group, chunk, tiling.products,
               tiling.minus);
    };
    if (tiling.chunks > 1)
      partial->clear();
    nest.loop(tiling.chunks, [&](AffineExpr chunk) {
      project(chunk);
      emitPartialScores();
    });
    emitGates(tile, group);
    emitAlong(tile, group);
    emitSlopes();
    emitPadding(tile, group);
    nest.loop(tiling.chunks, [&](AffineExpr chunk) {
      // A chunk's fragments are gone where there are several.
      if (tiling.chunks > 1)
        project(chunk);
      emitGradients(tile, group, chunk);
    });
  };
  nest.grid({tiling.tiles.count, nest.builder.getIndexAttr(tiling.groups)},
            [&](ArrayRef<AffineExpr> unit) { body(unit[0], unit[1]); });
}

void GridAttentionBackwardNest::emitState() {
  int64_t headChannels = tiling.headChannels;
  auto body = [&](AffineExpr tile, AffineExpr group, AffineExpr chunk) {
    allocateUnit();
    multiply(*slopes, *transposed, tile, group, chunk, {0, 0, 1, 0, 2, 1}, {});
    nest.everyThread([&](AffineExpr thread) {
      forEachFragment(thread, [&](int64_t i, AffineExpr row, int64_t column) {
        AffineExpr head = group * unitHeads + column / headColumns;
        AffineExpr channel =
            chunk * tiling.columns + column % headColumns + (thread % 4) * 2;
        AffineExpr place = head * headChannels + channel;
        AffineExpr pair = tile * tiling.tilePairs + row;
        SmallVector<AffineExpr> exists;
        if (headColumns != headChannels)
          exists.push_back(-channel + headChannels - 1);
        tiling.addHeadExists(exists, head);
        tiling.addPairExists(exists, pair);
        guard(exists, [&] {
          PairRows rows = getRows(pair);
          Value gate[2];
          SmallVector<Value> g[2], sum[2];
          for (int64_t which = 0; which < 2; ++which) {
            gate[which] = nest.load(
                allGates, {tile, head, nest.constantExpr(which), row});
            g[which] = getTwo(gradient, channel, [&](AffineExpr odd) {
              return at(rows, which, place + odd);
            });
          }
          for (int64_t odd = 0; odd < 2; ++odd) {
            Value past = nest.sub(nest.mul(gate[0], g[0][odd]),
                                  nest.mul(gate[1], g[1][odd]));
            past = nest.add(past, getFragments(thread, 2, i)[odd]);
            sum[0].push_back(nest.add(nest.sub(g[0][odd], past),
                                      getFragments(thread, 0, i)[odd]));
            sum[1].push_back(nest.add(nest.add(g[1][odd], past),
                                      getFragments(thread, 1, i)[odd]));
          }
          for (int64_t which = 0; which < 2; ++which)
            putTwo(sum[which], stateGradient, channel, [&](AffineExpr odd) {
              return at(rows, which, place + odd);
            });
        });
      });
    });
  };
  nest.grid({tiling.tiles.count,
             nest.builder.getIndexAttr(tiling.groups * tiling.chunks)},
            [&](ArrayRef<AffineExpr> unit) {
              body(unit[0], unit[1].floorDiv(tiling.chunks),
                   unit[1] % tiling.chunks);
            });
}

void GridAttentionBackwardNest::emit() {
  weights.emplace(nest, tiling, query, key, stage, 1);
  transposed.emplace(nest, tiling, query, key, stage, 1, /*transposed=*/true);
  state.emplace(nest, tiling, /*buffers=*/1);
  slopes.emplace(nest, tiling, /*buffers=*/1, /*parts=*/3);
  allGates = nest.allocateGlobal(
      tiling.tiles.count, {tiling.groups * unitHeads, 2, tiling.tilePairs},
      nest.compute);
  weights->pack();
  transposed->pack();
  state->pack(input, stride);
  emitScores();
  emitState();
  for (Value memory : {allGates, slopes->getMemory(), state->getMemory(),
                       transposed->getMemory(), weights->getMemory()})
    nest.free(memory);
}

LogicalResult
mlir::bfly::emitAttentionBackwardOnGPU(KernelEmitter &emitter,
                                       AttentionStageBackwardOp op) {
  if (getComputeType(op.getState().getType()).isF64())
    return op.emitOpError(
        "is in f64, which runs on a CPU; f32, bf16 and f16 run on a GPU");
  NestBuilder nest = emitter.makeNest(op);
  auto state = cast<FloatType>(op.getState().getType().getElementType());
  auto weights = cast<RankedTensorType>(op.getQuery().getType());
  bool narrow = state.getWidth() == 16 && weights.getElementType() == state;
  GridAttentionBackwardNest(emitter, nest, op, narrow ? state : nest.compute)
      .emit();
  return success();
}
