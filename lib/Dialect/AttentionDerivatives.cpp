// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The derivative of butterfly attention, stage by stage from the last to the
// first (docs/derivatives.md, pair_difference): each is an operation, and the
// gradients of its weights are sums over the rows that it makes. And that of a
// stage alone, by its operations.

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

namespace {

/// What the stages of an attention have in common.
class AttentionRule {
public:
  AttentionRule(OpBuilder &builder, ButterflyAttentionOp op);

  /// The state after a stage, stored as the states are.
  Value runStage(OpBuilder &forward, Value state, int64_t stage);
  /// From the gradient of the stage's result that of its state, in a type, and
  /// those of its matrices.
  StageGradients differentiate(Value state, Value g, int64_t stage,
                               Type elementType);
  /// The gradient of weights from those of the stages, the last one first.
  Value gather(MutableArrayRef<Value> stages);

private:
  OpBuilder &builder;
  Location loc;
  Value query, key;
  RankedTensorType weights;
  int64_t heads, channels;
  double scale;
  FloatType compute;
};

} // namespace

AttentionRule::AttentionRule(OpBuilder &builder, ButterflyAttentionOp op)
    : builder(builder), loc(op.getLoc()), query(op.getQuery()),
      key(op.getKey()), weights(cast<RankedTensorType>(query.getType())),
      heads(op.getHeads()), channels(op.getInput().getType().getDimSize(2)),
      scale(op.getScale() ? op.getScale()->convertToDouble()
                          : 1 / std::sqrt(double(channels) / double(heads))),
      compute(getComputeType(op.getInput().getType())) {}

Value AttentionRule::runStage(OpBuilder &forward, Value state, int64_t stage) {
  auto stored = cast<RankedTensorType>(state.getType());
  Value wide = convertTo(forward, loc, state, compute);
  Value next = AttentionStageOp::create(
                   forward, loc, wide.getType(), /*image_result=*/Type(), wide,
                   /*image=*/Value(), ValueRange{query, key}, stage, heads,
                   APFloat(scale), Scoring::Definition)
                   .getResult();
  return convertTo(forward, loc, next, stored.getElementType());
}

StageGradients AttentionRule::differentiate(Value state, Value g, int64_t stage,
                                            Type elementType) {
  // Rounded once: a sum over stages is in the compute type.
  Type own = weights.getDimSize(0) == 1 ? compute : weights.getElementType();
  return differentiateStage(builder, loc, state, g, query, key, stage, heads,
                            scale, elementType, own);
}

Value AttentionRule::gather(MutableArrayRef<Value> stages) {
  Value sum = stages[0];
  if (weights.getDimSize(0) > 1) {
    std::reverse(stages.begin(), stages.end());
    if (stages.size() > 1)
      sum = tensor::ConcatOp::create(builder, loc, /*dim=*/0, stages);
  } else {
    for (Value more : stages.drop_front())
      sum = arith::AddFOp::create(builder, loc, sum, more);
  }
  return convertTo(builder, loc, sum, weights.getElementType());
}

LogicalResult ButterflyAttentionOp::differentiate(OpBuilder &builder,
                                                  ArrayRef<Value> results,
                                                  Gradients &gradients) {
  Location loc = getLoc();
  RankedTensorType input = getInput().getType();
  int64_t tokens = input.getDimSize(1);
  int64_t stages = getNumStages(tokens);
  if (stages == 0) {
    gradients.add(builder, getInput(), results[0]);
    return success();
  }
  // The states are the forward's where it saves them: they stand where it does,
  // and its result is the last one.
  OpBuilder forward(builder);
  if (gradients.savesStates())
    forward.setInsertionPoint(*this);
  AttentionRule rule(builder, *this);
  int64_t padded = int64_t(1) << stages;
  SmallVector<Value> states{padTokens(forward, loc, getInput(), padded)};
  for (int64_t stage = 0; stage + 1 < stages; ++stage)
    states.push_back(rule.runStage(forward, states.back(), stage));
  if (gradients.savesStates()) {
    Value last = rule.runStage(forward, states.back(), stages - 1);
    getResult().replaceAllUsesWith(cutTokens(forward, loc, last, getInput()));
  }

  Value g = padTokens(builder, loc, results[0], padded);
  SmallVector<Value> queries, keys;
  for (int64_t stage = stages - 1; stage >= 0; --stage) {
    StageGradients of = rule.differentiate(states[stage], g, stage,
                                           stage ? getComputeType(input)
                                                 : input.getElementType());
    g = of.state;
    queries.push_back(of.query);
    keys.push_back(of.key);
  }
  if (gradients.wants(getQuery()))
    gradients.add(builder, getQuery(), rule.gather(queries));
  if (gradients.wants(getKey()))
    gradients.add(builder, getKey(), rule.gather(keys));
  if (!gradients.wants(getInput()))
    return success();
  gradients.add(builder, getInput(), cutTokens(builder, loc, g, getInput()));
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
                  ofImage, stage, heads, scale, compute, compute)
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

  SmallVector<Value> own(getWeights());
  // Folded scores V . (M delta) are those of Wq = 1 and Wk = M.
  if (getScoring() == Scoring::Folded) {
    own[0] = widen(takeStage(builder, loc, own[0], stage));
    auto matrices = cast<RankedTensorType>(own[0].getType());
    own.insert(own.begin(),
               constant(matrices.getShape(), [](int64_t row, int64_t column) {
                 return row == column;
               }));
  }
  StageGradients of =
      differentiateStage(builder, loc, widen(getState()), widen(results[0]),
                         own[0], own[1], stage, heads, scale, compute, compute);
  addTo(getState(), of.state);
  auto addWeights = [&](Value weights, Value gradient) {
    if (!gradients.wants(weights))
      return;
    auto all = cast<RankedTensorType>(weights.getType());
    gradient = convertTo(builder, loc, gradient, all.getElementType());
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
