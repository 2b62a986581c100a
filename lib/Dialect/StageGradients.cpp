// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The derivative of a stage of butterfly attention on its pairs
// (docs/derivatives.md, pair_difference):
//
//   out_a = V_a + alpha_a delta, out_b = V_b - alpha_b delta,
//   delta = V_b - V_a, kappa = Wk delta, Q = Wq V,
//   alpha_a = sigma(scale Q_a . kappa), alpha_b = sigma(-scale Q_b . kappa).

#include "StageGradients.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::bfly;

namespace {

/// A value for each token of a pair.
struct Pair {
  Value a, b;
};

/// One stage's weights: matrices (1, ...), and a head for all channels of dense
/// ones.
struct Weights {
  Value query, key;
  int64_t heads;
};

class StageBuilder {
public:
  StageBuilder(OpBuilder &builder, Location loc, int64_t heads, double scale)
      : builder(builder), loc(loc), heads(heads), scale(scale) {}

  /// The tokens of (B, N, D) that are first and second of a pair, in order:
  /// (B, N/2, D) each.
  Pair split(Value state, int64_t stride);
  /// The inverse of `split`.
  Value join(Pair pair, int64_t stride);
  /// From the gradient of the stage's result that of its state; those of its
  /// weights, without the dimension of stages, are put in `weightGradients`.
  /// `rank` is 2 of dense ones, 3 of a matrix a head, 1 of one for all heads.
  Pair differentiate(Pair state, Pair g, Weights weights, int64_t rank,
                     bool wantsWeights, Pair &weightGradients);

private:
  using Numbers = ValueRange;
  using Body = function_ref<Value(OpBuilder &, Numbers)>;
  RankedTensorType typeOf(Value value) {
    return cast<RankedTensorType>(value.getType());
  }
  Value add(Value a, Value b) {
    return arith::AddFOp::create(builder, loc, a, b);
  }
  Value sub(Value a, Value b) {
    return arith::SubFOp::create(builder, loc, a, b);
  }
  Value project(Value tokens, Value matrix, int64_t ofHeads) {
    return ProjectOp::create(builder, loc, tokens, matrix, ofHeads);
  }
  /// (B, P, D) as (B, P, H, dh), and back.
  Value byHead(Value tokens) { return splitHeads(builder, loc, tokens, heads); }
  Value byChannel(Value tokens);
  /// Per pair and head: the dot product of two tokens.
  Value dot(Value a, Value b);
  /// Element by element of (B, P, H, dh), of factors (B, P, H) too.
  Value map(ArrayRef<Value> factors, Body body);
  /// Sum over tokens of g (outer product) v, as a matrix of the weights.
  Value outer(Value g, Value v, int64_t rank);

  OpBuilder &builder;
  Location loc;
  int64_t heads;
  double scale;
};

} // namespace

Value mlir::bfly::splitHeads(OpBuilder &builder, Location loc, Value tokens,
                             int64_t heads) {
  auto type = cast<RankedTensorType>(tokens.getType());
  int64_t channels = type.getDimSize(2);
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(builder, loc, tokens);
  sizes.back() = builder.getIndexAttr(heads);
  sizes.push_back(builder.getIndexAttr(channels / heads));
  SmallVector<ReassociationIndices> groups{{0}, {1}, {2, 3}};
  auto expanded = RankedTensorType::get(
      {type.getDimSize(0), type.getDimSize(1), heads, channels / heads},
      type.getElementType());
  return tensor::ExpandShapeOp::create(builder, loc, expanded, tokens, groups,
                                       sizes);
}

Pair StageBuilder::split(Value state, int64_t stride) {
  RankedTensorType type = typeOf(state);
  int64_t tokens = type.getDimSize(1), channels = type.getDimSize(2);
  int64_t groups = tokens / (2 * stride);
  Type element = type.getElementType();
  int64_t batch = type.getDimSize(0);
  OpFoldResult batchSize = tensor::getMixedSize(builder, loc, state, 0);
  auto size = [&](int64_t value) -> OpFoldResult {
    return builder.getIndexAttr(value);
  };
  SmallVector<ReassociationIndices> groups5{{0}, {1, 2, 3}, {4}};
  auto split =
      RankedTensorType::get({batch, groups, 2, stride, channels}, element);
  Value expanded = tensor::ExpandShapeOp::create(
      builder, loc, split, state, groups5,
      {batchSize, size(groups), size(2), size(stride), size(channels)});
  auto take = [&](int64_t which) -> Value {
    auto half =
        RankedTensorType::get({batch, groups, stride, channels}, element);
    SmallVector<OpFoldResult> offsets(5, size(0)), strides(5, size(1));
    offsets[2] = size(which);
    Value slice = tensor::ExtractSliceOp::create(
        builder, loc, half, expanded, offsets,
        {batchSize, size(groups), size(1), size(stride), size(channels)},
        strides);
    SmallVector<ReassociationIndices> flat{{0}, {1, 2}, {3}};
    return tensor::CollapseShapeOp::create(builder, loc, slice, flat);
  };
  return {take(0), take(1)};
}

Value StageBuilder::join(Pair pair, int64_t stride) {
  RankedTensorType type = typeOf(pair.a);
  int64_t pairs = type.getDimSize(1), channels = type.getDimSize(2);
  int64_t groups = pairs / stride;
  OpFoldResult batchSize = tensor::getMixedSize(builder, loc, pair.a, 0);
  auto size = [&](int64_t value) -> OpFoldResult {
    return builder.getIndexAttr(value);
  };
  SmallVector<ReassociationIndices> groups5{{0}, {1, 2, 3}, {4}};
  auto one = RankedTensorType::get(
      {type.getDimSize(0), groups, 1, stride, channels}, type.getElementType());
  auto expand = [&](Value half) -> Value {
    return tensor::ExpandShapeOp::create(
        builder, loc, one, half, groups5,
        {batchSize, size(groups), size(1), size(stride), size(channels)});
  };
  Value first = expand(pair.a);
  Value both = tensor::ConcatOp::create(builder, loc, /*dim=*/2,
                                        ValueRange{first, expand(pair.b)});
  return tensor::CollapseShapeOp::create(builder, loc, both, groups5);
}

Value StageBuilder::byChannel(Value tokens) {
  SmallVector<ReassociationIndices> groups{{0}, {1}, {2, 3}};
  return tensor::CollapseShapeOp::create(builder, loc, tokens, groups);
}

Value StageBuilder::dot(Value a, Value b) {
  SmallVector<int64_t> all{0, 1, 2, 3};
  return createSum(builder, loc, {}, {{a, all}, {b, all}}, {0, 1, 2},
                   typeOf(a).getElementType(),
                   [&](OpBuilder &inner, Numbers numbers) -> Value {
                     return arith::MulFOp::create(inner, loc, numbers[0],
                                                  numbers[1]);
                   });
}

Value StageBuilder::map(ArrayRef<Value> values, Body body) {
  SmallVector<Factor> factors;
  SmallVector<int64_t> all{0, 1, 2, 3}, scores{0, 1, 2};
  for (Value value : values)
    factors.push_back({value, typeOf(value).getRank() == 4 ? all : scores});
  return createSum(builder, loc, {}, factors, factors[0].dims,
                   typeOf(values[0]).getElementType(), body);
}

Value StageBuilder::outer(Value g, Value v, int64_t rank) {
  Type element = typeOf(g).getElementType();
  if (rank == 2)
    return createRowProduct(builder, loc, g, v, element);
  g = byHead(g);
  v = byHead(v);
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(builder, loc, g);
  sizes.push_back(sizes.back());
  SmallVector<int64_t> kept{3, 4};
  if (rank == 3)
    kept.insert(kept.begin(), 2);
  return createSum(
      builder, loc, sizes, {{g, {0, 1, 2, 3}}, {v, {0, 1, 2, 4}}}, kept,
      element, [&](OpBuilder &inner, Numbers numbers) -> Value {
        return arith::MulFOp::create(inner, loc, numbers[0], numbers[1]);
      });
}

Pair StageBuilder::differentiate(Pair state, Pair g, Weights weights,
                                 int64_t rank, bool wantsWeights,
                                 Pair &weightGradients) {
  Value delta = sub(state.b, state.a);
  Value kappa = byHead(project(delta, weights.key, weights.heads));
  Pair query{byHead(project(state.a, weights.query, weights.heads)),
             byHead(project(state.b, weights.query, weights.heads))};
  Value change = byHead(delta);
  Pair up{byHead(g.a), byHead(g.b)};
  Pair score{dot(query.a, kappa), dot(query.b, kappa)};
  Pair along{dot(up.a, change), dot(up.b, change)};

  auto number = [&](OpBuilder &inner, Type type, double value) -> Value {
    return arith::ConstantOp::create(inner, loc,
                                     inner.getFloatAttr(type, value));
  };
  // sigma(sign scale s). Its complement is that of the other sign, not a
  // difference, which has no digits where a score has all the weight.
  auto sigma = [&](OpBuilder &inner, Value s, double sign) -> Value {
    Type type = s.getType();
    Value power = arith::MulFOp::create(inner, loc, s,
                                        number(inner, type, -sign * scale));
    power = math::ExpOp::create(inner, loc, power);
    Value one = number(inner, type, 1);
    return arith::DivFOp::create(inner, loc, one,
                                 arith::AddFOp::create(inner, loc, one, power));
  };
  // dL/dr of the scores r_a = Q_a . kappa and r_b = -Q_b . kappa.
  auto slope = [&](Value s, Value dot, double sign) {
    return map({s, dot}, [&](OpBuilder &inner, Numbers numbers) -> Value {
      Value both =
          arith::MulFOp::create(inner, loc, sigma(inner, numbers[0], sign),
                                sigma(inner, numbers[0], -sign));
      Value scaled = arith::MulFOp::create(
          inner, loc, numbers[1], number(inner, both.getType(), sign * scale));
      return arith::MulFOp::create(inner, loc, scaled, both);
    });
  };
  Pair z{slope(score.a, along.a, 1), slope(score.b, along.b, -1)};
  auto times = [&](Value x, Value s, double sign) {
    return map({x, s}, [&](OpBuilder &inner, Numbers numbers) -> Value {
      Value factor = numbers[1];
      if (sign < 0)
        factor = arith::NegFOp::create(inner, loc, factor);
      return arith::MulFOp::create(inner, loc, numbers[0], factor);
    });
  };
  auto difference = [&](ArrayRef<Value> values, bool sigmas) {
    return map(values, [&](OpBuilder &inner, Numbers numbers) -> Value {
      Value a = numbers[2], b = numbers[3];
      if (sigmas) {
        a = sigma(inner, a, 1);
        b = sigma(inner, b, -1);
      }
      a = arith::MulFOp::create(inner, loc, numbers[0], a);
      b = arith::MulFOp::create(inner, loc, numbers[1], b);
      return arith::SubFOp::create(inner, loc, a, b);
    });
  };
  Pair dQuery{byChannel(times(kappa, z.a, 1)),
              byChannel(times(kappa, z.b, -1))};
  Value dKappa = byChannel(difference({query.a, query.b, z.a, z.b}, false));
  Value dDelta = byChannel(difference({up.a, up.b, score.a, score.b}, true));
  dDelta =
      add(dDelta, project(dKappa, createTransposed(builder, loc, weights.key),
                          weights.heads));
  Value back = createTransposed(builder, loc, weights.query);
  Pair result{sub(add(g.a, project(dQuery.a, back, weights.heads)), dDelta),
              add(add(g.b, project(dQuery.b, back, weights.heads)), dDelta)};
  if (wantsWeights)
    weightGradients = {
        add(outer(dQuery.a, state.a, rank), outer(dQuery.b, state.b, rank)),
        outer(dKappa, delta, rank)};
  return result;
}

Value mlir::bfly::takeStage(OpBuilder &builder, Location loc, Value weights,
                            int64_t stage) {
  auto type = cast<RankedTensorType>(weights.getType());
  if (type.getDimSize(0) == 1)
    return weights;
  SmallVector<int64_t> shape(type.getShape());
  shape[0] = 1;
  SmallVector<OpFoldResult> offsets(type.getRank(), builder.getIndexAttr(0));
  SmallVector<OpFoldResult> strides(type.getRank(), builder.getIndexAttr(1));
  SmallVector<OpFoldResult> sizes =
      getAsIndexOpFoldResult(builder.getContext(), ArrayRef<int64_t>(shape));
  offsets[0] = builder.getIndexAttr(stage);
  return tensor::ExtractSliceOp::create(builder, loc, type.clone(shape),
                                        weights, offsets, sizes, strides);
}

static Value addStageDim(OpBuilder &builder, Location loc, Value matrix) {
  auto type = cast<RankedTensorType>(matrix.getType());
  SmallVector<int64_t> shape(type.getShape());
  shape.insert(shape.begin(), 1);
  SmallVector<ReassociationIndices> groups{{0, 1}};
  for (int64_t dim = 2; dim <= type.getRank(); ++dim)
    groups.push_back({dim});
  return tensor::ExpandShapeOp::create(builder, loc, type.clone(shape), matrix,
                                       groups);
}

bool mlir::bfly::isDense(Value weights, int64_t channels) {
  auto type = cast<RankedTensorType>(weights.getType());
  return type.getRank() == 3 && type.getDimSize(1) == channels;
}

StageGradients mlir::bfly::differentiateStage(OpBuilder &builder, Location loc,
                                              Value state, Value g, Value query,
                                              Value key, int64_t stage,
                                              int64_t heads, double scale,
                                              bool wantsWeights) {
  int64_t channels = cast<RankedTensorType>(state.getType()).getDimSize(2);
  bool dense = isDense(query, channels);
  int64_t rank = cast<RankedTensorType>(query.getType()).getRank() - 1;
  int64_t stride = int64_t(1) << stage;
  StageBuilder rule(builder, loc, heads, scale);
  Weights weights{takeStage(builder, loc, query, stage),
                  takeStage(builder, loc, key, stage), dense ? 1 : heads};
  Pair matrices;
  Pair down = rule.differentiate(
      rule.split(state, stride), rule.split(g, stride), weights,
      rank == 2 && !dense ? 1 : rank, wantsWeights, matrices);
  StageGradients gradients{rule.join(down, stride), Value(), Value()};
  if (wantsWeights) {
    gradients.query = addStageDim(builder, loc, matrices.a);
    gradients.key = addStageDim(builder, loc, matrices.b);
  }
  return gradients;
}
