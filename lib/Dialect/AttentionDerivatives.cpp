// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The derivatives of butterfly attention, stage by stage from the last to the
// first, and of a stage alone.

#include "StageGradients.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <cmath>

using namespace mlir;
using namespace mlir::bfly;

static Value convertTo(OpBuilder &builder, Location loc, Value value,
                       Type elementType) {
  auto type = cast<RankedTensorType>(value.getType());
  if (type.getElementType() == elementType)
    return value;
  Type to = type.clone(elementType);
  if (type.getElementTypeBitWidth() < elementType.getIntOrFloatBitWidth())
    return arith::ExtFOp::create(builder, loc, to, value);
  return arith::TruncFOp::create(builder, loc, to, value);
}

LogicalResult ButterflyAttentionOp::differentiate(OpBuilder &builder,
                                                  ArrayRef<Value> results,
                                                  Gradients &gradients) {
  Location loc = getLoc();
  RankedTensorType input = getInput().getType();
  int64_t tokens = input.getDimSize(1), channels = input.getDimSize(2);
  int64_t stages = getNumStages(tokens);
  if (stages == 0) {
    gradients.add(builder, getInput(), results[0]);
    return success();
  }
  FloatType compute = getComputeType(input);
  auto weights = cast<RankedTensorType>(getQuery().getType());
  int64_t heads = getHeads();
  double scale = getScale() ? getScale()->convertToDouble()
                            : 1 / std::sqrt(double(channels) / double(heads));
  bool wantsWeights = gradients.wants(getQuery()) || gradients.wants(getKey());

  SmallVector<OpFoldResult> none(3, builder.getIndexAttr(0));
  SmallVector<OpFoldResult> ones(3, builder.getIndexAttr(1));
  int64_t padded = int64_t(1) << stages;
  auto pad = [&](Value value) -> Value {
    value = convertTo(builder, loc, value, compute);
    if (padded == tokens)
      return value;
    auto type =
        RankedTensorType::get({input.getDimSize(0), padded, channels}, compute);
    Value zero =
        arith::ConstantOp::create(builder, loc, builder.getZeroAttr(compute));
    SmallVector<OpFoldResult> more(none);
    more[1] = builder.getIndexAttr(padded - tokens);
    return tensor::PadOp::create(builder, loc, type, value, none, more, zero);
  };
  Value query = convertTo(builder, loc, getQuery(), compute);
  Value key = convertTo(builder, loc, getKey(), compute);
  SmallVector<Value> states{pad(getInput())};
  Type stateType = states[0].getType();
  for (int64_t stage = 0; stage + 1 < stages; ++stage)
    states.push_back(AttentionStageOp::create(
                         builder, loc, stateType, /*image_result=*/Type(),
                         states.back(), /*image=*/Value(),
                         ValueRange{query, key}, stage, heads, APFloat(scale),
                         Scoring::Definition)
                         .getResult());

  Value g = pad(results[0]);
  SmallVector<Value> queries, keys;
  for (int64_t stage = stages - 1; stage >= 0; --stage) {
    StageGradients of =
        differentiateStage(builder, loc, states[stage], g, query, key, stage,
                           heads, scale, wantsWeights);
    g = of.state;
    queries.push_back(of.query);
    keys.push_back(of.key);
  }
  auto gather = [&](Value to, MutableArrayRef<Value> each) {
    if (!gradients.wants(to))
      return;
    Value sum = each[0];
    if (weights.getDimSize(0) > 1) {
      std::reverse(each.begin(), each.end());
      sum = tensor::ConcatOp::create(builder, loc, /*dim=*/0, each);
    } else {
      for (Value more : each.drop_front())
        sum = arith::AddFOp::create(builder, loc, sum, more);
    }
    gradients.add(builder, to,
                  convertTo(builder, loc, sum, weights.getElementType()));
  };
  gather(getQuery(), queries);
  gather(getKey(), keys);
  if (!gradients.wants(getInput()))
    return success();
  if (padded != tokens)
    g = tensor::ExtractSliceOp::create(
        builder, loc, input.clone(compute), g, none,
        tensor::getMixedSizes(builder, loc, getInput()), ones);
  gradients.add(builder, getInput(),
                convertTo(builder, loc, g, input.getElementType()));
  return success();
}

LogicalResult AttentionStageOp::differentiate(OpBuilder &builder,
                                              ArrayRef<Value> results,
                                              Gradients &gradients) {
  Location loc = getLoc();
  RankedTensorType type = getState().getType();
  FloatType compute = getComputeType(type);
  double scale = getScale().convertToDouble();
  int64_t stage = getStage(), heads = getHeads();
  auto widen = [&](Value value) {
    return convertTo(builder, loc, value, compute);
  };
  auto addTo = [&](Value value, Value gradient) {
    gradients.add(builder, value,
                  convertTo(builder, loc, gradient, type.getElementType()));
  };
  auto constant = [&](ArrayRef<int64_t> shape,
                      function_ref<bool(int64_t, int64_t)> isOne) -> Value {
    int64_t size = shape.back();
    auto matrices = RankedTensorType::get(shape, compute);
    SmallVector<APFloat> numbers;
    APFloat zero(compute.getFloatSemantics(), 0), one(zero.getSemantics(), 1);
    for (int64_t i = 0; i < matrices.getNumElements(); ++i)
      numbers.push_back(isOne(i / size % size, i % size) ? one : zero);
    return arith::ConstantOp::create(builder, loc,
                                     DenseElementsAttr::get(matrices, numbers));
  };
  if (getScoring() == Scoring::Carried) {
    // One head's state and image, mixed by the same weight, are one state of
    // twice the channels, of whose matrices Q takes the state and K the image.
    int64_t channels = type.getDimSize(2), part = channels / heads;
    SmallVector<ReassociationIndices> groups{{0}, {1}, {2, 3}};
    auto join = [&](Value state, Value image) -> Value {
      state = splitHeads(builder, loc, widen(state), heads);
      image = splitHeads(builder, loc, widen(image), heads);
      Value both = tensor::ConcatOp::create(builder, loc, /*dim=*/3,
                                            ValueRange{state, image});
      return tensor::CollapseShapeOp::create(builder, loc, both, groups);
    };
    auto given = [&](unsigned result, Value like) {
      return results[result] ? results[result]
                             : createZeroLike(builder, loc, like);
    };
    SmallVector<int64_t> shape{1, 2 * part, 2 * part};
    Value ofState = constant(shape, [&](int64_t row, int64_t column) {
      return row < part && column == row;
    });
    Value ofImage = constant(shape, [&](int64_t row, int64_t column) {
      return row < part && column == row + part;
    });
    Value g = differentiateStage(
                  builder, loc, join(getState(), getImage()),
                  join(given(0, getState()), given(1, getImage())), ofState,
                  ofImage, stage, heads, scale, /*wantsWeights=*/false)
                  .state;
    g = splitHeads(builder, loc, g, heads);
    SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(builder, loc, g);
    SmallVector<OpFoldResult> offsets(4, builder.getIndexAttr(0));
    SmallVector<OpFoldResult> strides(4, builder.getIndexAttr(1));
    sizes[3] = builder.getIndexAttr(part);
    auto half = RankedTensorType::get(
        {type.getDimSize(0), type.getDimSize(1), heads, part}, compute);
    for (Value operand : {Value(getState()), Value(getImage())}) {
      Value slice = tensor::ExtractSliceOp::create(builder, loc, half, g,
                                                   offsets, sizes, strides);
      addTo(operand,
            tensor::CollapseShapeOp::create(builder, loc, slice, groups));
      offsets[3] = builder.getIndexAttr(part);
    }
    return success();
  }

  SmallVector<Value> own;
  bool wantsWeights = false;
  for (Value weights : getWeights()) {
    own.push_back(takeStage(builder, loc, weights, stage));
    wantsWeights |= gradients.wants(weights);
  }
  // Folded scores V . (M delta) are those of Wq = 1 and Wk = M.
  if (getScoring() == Scoring::Folded) {
    auto matrices = cast<RankedTensorType>(own[0].getType());
    own.insert(own.begin(),
               constant(matrices.getShape(), [](int64_t row, int64_t column) {
                 return row == column;
               }));
  }
  StageGradients of =
      differentiateStage(builder, loc, widen(getState()), widen(results[0]),
                         own[0], own[1], stage, heads, scale, wantsWeights);
  addTo(getState(), of.state);
  auto addWeights = [&](Value weights, Value gradient) {
    if (!gradients.wants(weights))
      return;
    auto all = cast<RankedTensorType>(weights.getType());
    if (all.getDimSize(0) > 1) {
      SmallVector<int64_t> shape(all.getShape());
      shape[0] = 1;
      SmallVector<OpFoldResult> offsets(all.getRank(), builder.getIndexAttr(0));
      SmallVector<OpFoldResult> strides(all.getRank(), builder.getIndexAttr(1));
      offsets[0] = builder.getIndexAttr(stage);
      gradient = tensor::InsertSliceOp::create(
          builder, loc, gradient, createZeroLike(builder, loc, weights),
          offsets, getAsIndexOpFoldResult(builder.getContext(), shape),
          strides);
    }
    gradients.add(builder, weights, gradient);
  };
  if (getScoring() == Scoring::Folded) {
    addWeights(getWeights()[0], of.key);
  } else {
    addWeights(getWeights()[0], of.query);
    addWeights(getWeights()[1], of.key);
  }
  return success();
}
