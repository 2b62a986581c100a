// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bfly/Schedule/CostModel.h"

#include "bfly/Schedule/Plan.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

#include <cmath>
#include <limits>

using namespace mlir;
using namespace mlir::bfly;

// Tensors --------------------------------------------------------------------

Amount mlir::bfly::countElements(RankedTensorType type) {
  double product = 1;
  bool dynamic = false;
  for (int64_t size : type.getShape()) {
    if (ShapedType::isDynamic(size))
      dynamic = true;
    else
      product *= double(size);
  }
  return dynamic ? Amount{0, product} : Amount{product, 0};
}

static double getElementBytes(Type type) {
  if (auto complex = dyn_cast<ComplexType>(type))
    return 2 * getElementBytes(complex.getElementType());
  if (isa<IndexType>(type))
    return 8;
  return type.isIntOrFloat() ? std::ceil(type.getIntOrFloatBitWidth() / 8.0)
                             : 0;
}

Amount mlir::bfly::countBytes(RankedTensorType type) {
  return countElements(type) * getElementBytes(type.getElementType());
}

static RankedTensorType getTensorType(Value value) {
  return cast<RankedTensorType>(value.getType());
}

/// Sequences of a (B, N, D) tensor: B.
static Amount countBatch(RankedTensorType type) {
  return type.isDynamicDim(0) ? Amount{0, 1}
                              : Amount{double(type.getDimSize(0)), 0};
}

// Scalars --------------------------------------------------------------------

/// Whether the imaginary part of `value` is known to be 0.
static bool isRealValued(Value value) {
  auto create = value.getDefiningOp<complex::CreateOp>();
  return create && matchPattern(create.getImaginary(), m_AnyZeroFloat());
}

/// Flops of one scalar operation of a map's region.
static double getScalarFlops(Operation *op) {
  if (matchPattern(op, m_Constant()))
    return 0;
  return llvm::TypeSwitch<Operation *, double>(op)
      .Case<complex::CreateOp, complex::ReOp, complex::ImOp, complex::ConjOp,
            YieldOp, arith::ExtFOp, arith::TruncFOp, arith::SelectOp>(
          [](Operation *) { return 0; })
      .Case([](complex::MulOp mul) {
        bool real = isRealValued(mul.getLhs()) || isRealValued(mul.getRhs());
        return real ? 2 : 6;
      })
      .Case([](complex::DivOp div) {
        return isRealValued(div.getRhs()) ? 2 : 11;
      })
      .Case<complex::AddOp, complex::SubOp, complex::NegOp>(
          [](Operation *) { return 2; })
      // Two squares, their sum, the root.
      .Case<complex::AbsOp>([](Operation *) { return 4; })
      .Default([](Operation *other) -> double {
        if (isa<complex::ComplexDialect>(other->getDialect()))
          return 8;
        bool isFloat =
            llvm::any_of(other->getOperandTypes(), llvm::IsaPred<FloatType>);
        return isFloat ? 1 : 0;
      });
}

// Operations -----------------------------------------------------------------

/// One transform of `tokens` points for one complex channel.
static double getTransformFlops(int64_t tokens, int64_t length) {
  auto butterflies = [](int64_t n) {
    return n > 1 ? 5.0 * double(n) * std::log2(double(n)) : 0.0;
  };
  if (length == tokens || length == 0)
    return butterflies(tokens);
  return 2 * butterflies(length) + 6.0 * double(length) + 12.0 * double(tokens);
}

/// A transform between `sequence` and its spectrum; a half spectrum means that
/// two real channels share a complex transform.
static Amount getTransformFlops(RankedTensorType sequence, bool half,
                                int64_t length) {
  double one = getTransformFlops(sequence.getDimSize(1), length);
  return countBatch(sequence) * (double(sequence.getDimSize(2)) * one) *
         (half ? 0.5 : 1.0);
}

static Amount getMapFlops(SpectrumMapOp map) {
  double bin = 0;
  for (Operation &op : map.getBody().front())
    bin += getScalarFlops(&op);
  if (map.getHermitian())
    bin = 2 * bin + 4;
  return countElements(map.getInput().getType()) * bin;
}

/// `projectionsOnly`: those of the products with the weights.
static Amount getStageFlops(AttentionStageOp stage,
                            bool projectionsOnly = false) {
  RankedTensorType type = stage.getState().getType();
  double channels = double(type.getDimSize(2));
  double heads = double(stage.getHeads());
  // Channels that a head's query and key see, and its dot products with them.
  double seen = channels, dots = 2 * channels;
  if (!stage.getWeights().empty())
    seen = double(getTensorType(stage.getWeights().front()).getShape().back());
  // Of one token.
  double projections = 0, rest = 0;
  double delta = channels / 2, sigmoid = 4 * heads, mixing = 2 * channels;
  switch (stage.getScoring()) {
  case Scoring::Definition:
    projections = 4 * channels * seen;
    // Two dot products, a softmax over two, and a sum of two products.
    rest = 2 * dots + 8 * heads + 3 * channels;
    break;
  case Scoring::PairDifference:
    projections = 3 * channels * seen;
    rest = delta + dots + sigmoid + mixing;
    break;
  case Scoring::Chained:
    projections = 2 * channels * seen;
    // Dense: each head's r has all D channels.
    rest = delta + (seen == channels ? dots * heads : dots) + sigmoid + mixing;
    break;
  case Scoring::Folded:
    projections = channels * seen;
    rest = delta + dots + sigmoid + mixing;
    break;
  case Scoring::Carried:
    // The images' difference, and their mixing.
    rest = 2 * delta + dots + sigmoid + 2 * mixing;
    break;
  }
  double all = projectionsOnly ? projections : projections + rest;
  return countBatch(type) * (double(type.getDimSize(1)) * all);
}

static Amount getLinearFlops(LinearOp linear) {
  RankedTensorType weight = linear.getWeight().getType();
  Amount outputs = countElements(linear.getResult().getType());
  return outputs * (2.0 * double(weight.getDimSize(1)) +
                    (linear.getBias() ? 1 : 0) + (linear.getRelu() ? 1 : 0));
}

Amount mlir::bfly::getFlops(Operation *op, int64_t length) {
  return llvm::TypeSwitch<Operation *, Amount>(op)
      .Case([&](FftOp fft) {
        return getTransformFlops(fft.getInput().getType(), fft.isHalf(),
                                 length);
      })
      .Case([&](IfftOp ifft) {
        return getTransformFlops(ifft.getResult().getType(), ifft.isHalf(),
                                 length);
      })
      .Case([](SpectrumMapOp map) { return getMapFlops(map); })
      .Case([](AttentionStageOp stage) { return getStageFlops(stage); })
      .Case([](LinearOp linear) { return getLinearFlops(linear); })
      .Case([](SpectrumBinOp bin) {
        return countElements(bin.getResult().getType());
      })
      .Case(
          [](MeanOp mean) { return countElements(mean.getInput().getType()); })
      // Mean (1), deviation (1), its square's sum (2), scaling (1).
      .Case([](LayerNormOp norm) {
        return countElements(norm.getInput().getType()) *
               (5.0 + (norm.getWeight() ? 1 : 0) + (norm.getBias() ? 1 : 0));
      })
      .Case([](FoldWeightsOp fold) {
        RankedTensorType type = getTensorType(fold.getResult());
        return countElements(type) * (2.0 * double(type.getShape().back()));
      })
      .Case([](ProjectOp project) {
        double depth =
            double(getTensorType(project.getMatrix()).getShape().back());
        return countElements(project.getInput().getType()) * (2.0 * depth);
      })
      .Default([](Operation *other) -> Amount {
        // Arithmetic on whole tensors.
        if (other->getNumResults() != 1 ||
            !isa<RankedTensorType>(other->getResult(0).getType()) ||
            !OpTrait::hasElementwiseMappableTraits(other) ||
            isa<arith::ExtFOp, arith::TruncFOp, arith::SelectOp>(other))
          return {};
        return countElements(getTensorType(other->getResult(0)));
      });
}

// Kernels --------------------------------------------------------------------

/// The product of numbers that are not negative, or the largest number: a plan
/// may be anything until it is checked.
static int64_t multiply(ArrayRef<int64_t> factors) {
  int64_t product = 1;
  for (int64_t factor : factors)
    if (llvm::MulOverflow(product, factor, product))
      return std::numeric_limits<int64_t>::max();
  return product;
}

bool mlir::bfly::isOnTensors(KernelOp kernel) {
  return kernel.getNumResults() &&
         llvm::all_of(kernel->getOperandTypes(),
                      llvm::IsaPred<RankedTensorType>);
}

int64_t mlir::bfly::getTransformLength(KernelOp kernel) {
  int64_t tokens = 0;
  kernel.getBody().walk([&](Operation *op) {
    if (auto fft = dyn_cast<FftOp>(op))
      tokens = fft.getTokens();
    else if (auto ifft = dyn_cast<IfftOp>(op))
      tokens = ifft.getTokens();
  });
  PlanAttr plan = kernel.getPlanAttr();
  if (!tokens || !plan || plan.getRadices().empty())
    return tokens;
  return multiply(plan.getRadices());
}

KernelCost mlir::bfly::getKernelCost(KernelOp kernel) {
  KernelCost cost;
  llvm::SmallPtrSet<Value, 8> seen;
  auto move = [&](Value value) {
    auto type = dyn_cast<RankedTensorType>(value.getType());
    if (type && seen.insert(value).second)
      cost.bytes += countBytes(type);
  };
  llvm::for_each(kernel.getInputs(), move);
  llvm::for_each(kernel.getResults(), move);
  int64_t length = getTransformLength(kernel);
  PlanAttr plan = kernel.getPlanAttr();
  for (Operation &op : kernel.getBody().front().without_terminator()) {
    cost.flops += getFlops(&op, length);
    // Matrix units would round f32.
    auto stage = dyn_cast<AttentionStageOp>(op);
    if (stage && plan && plan.getThreads() && !stage.getWeights().empty() &&
        getTensorType(stage.getWeights().front()).getElementTypeBitWidth() ==
            16)
      cost.matrixFlops += getStageFlops(stage, /*projectionsOnly=*/true);
    else if (auto linear = getLibraryProduct(kernel);
             linear &&
             linear.getInput().getType().getElementTypeBitWidth() == 16)
      cost.matrixFlops += getLinearFlops(linear);
  }
  return cost;
}

SmallVector<int64_t> mlir::bfly::getStateBytes(KernelOp kernel) {
  PlanAttr plan = kernel.getPlanAttr();
  if (!plan)
    return {};
  int64_t elementBytes = 4, sequence = 0, row = 0;
  bool carried = false;
  AttentionStageOp first;
  for (Operation &op : kernel.getBody().front()) {
    for (Value operand : op.getOperands())
      if (auto type = dyn_cast<RankedTensorType>(operand.getType()))
        if (isa<FloatType, ComplexType>(type.getElementType()))
          elementBytes = std::max<int64_t>(elementBytes,
                                           getComputeType(type).getWidth() / 8);
    if (auto stage = dyn_cast<AttentionStageOp>(op)) {
      RankedTensorType type = stage.getState().getType();
      sequence = type.getDimSize(1) * type.getDimSize(2);
      carried |= stage.getImage() != nullptr;
      first = first ? first : stage;
    } else if (auto linear = dyn_cast<LinearOp>(op)) {
      row = std::max(row, linear.getInput().getType().getShape().back() +
                              linear.getResult().getType().getShape().back());
    } else if (auto norm = dyn_cast<LayerNormOp>(op)) {
      row = std::max(row, norm.getInput().getType().getShape().back());
    }
  }
  SmallVector<int64_t> bytes;
  int64_t length = getTransformLength(kernel);
  if (length) {
    // Complex rows of one vector: the whole slab, then, where the first pass is
    // a group of its own, a pair of its sub-transforms at a time.
    for (size_t i = 0; i < plan.getGroups().size(); ++i) {
      int64_t rows = length;
      if (i && !plan.getRadices().empty())
        rows = multiply({2, length / plan.getRadices().front()});
      bytes.push_back(multiply({rows, 2, plan.getLanes(), elementBytes}));
    }
    return bytes;
  }
  if (sequence && plan.getThreads()) {
    // On a GPU all of it in memory, in f32 with the pairs' differences where
    // scores are of those; or what a block holds.
    int64_t stored = getStoredBytes(first);
    bool storesDifference =
        first.getScoring() == Scoring::PairDifference && stored == 4;
    int64_t parts = storesDifference ? 3 : 2;
    int64_t headChannels =
        first.getState().getType().getDimSize(2) / int64_t(first.getHeads());
    for (GroupAttr group : plan.getGroups())
      bytes.push_back(group.getPlace() == Place::Shared
                          ? getLocalAttention(headChannels)
                                .getSharedBytes(2 * plan.getTile(), stored)
                          : multiply({sequence, parts, stored}));
    return bytes;
  }
  if (sequence) {
    // The state before and after a stage; with images, theirs too.
    bytes.assign(std::max<size_t>(1, plan.getGroups().size()),
                 multiply({sequence, 2, elementBytes, carried ? 2 : 1}));
    return bytes;
  }
  if (row)
    bytes.push_back(multiply({plan.getTile(), row, elementBytes}));
  return bytes;
}

MachineCeilings mlir::bfly::getNominalCeilings(const Machine &machine) {
  // What an H200 was measured at: copies, multiply-adds, a large product.
  if (machine.isGPU())
    return {4.25e12, 60e12, 700e12};
  // Two fused multiply-adds a cycle at 2.5 GHz; a thread copies 10 GB/s until
  // the memory of a socket is saturated.
  constexpr double kClock = 2.5e9, kCopy = 10e9, kSocket = 200e9;
  double threads = double(machine.threads);
  return {std::min(kCopy * threads, kSocket),
          4.0 * double(machine.lanes) * kClock * threads, 0};
}
