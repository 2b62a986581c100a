// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "PlanRules.h"

#include "bfly/Schedule/Radices.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/Matchers.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::bfly;

/// Share of a cache that a slab may fill: the rest is for what streams by.
static constexpr double kCacheShare = 0.75;

static PlanAttr planTransform(KernelOp kernel, const Network &network,
                              const Machine &machine) {
  MLIRContext *context = kernel.getContext();
  int64_t lanes = machine.lanes * 4 / network.getElementBytes();
  int64_t tile = network.packed ? 2 * lanes : lanes;
  int64_t tokens = network.transformTokens;
  bool bluestein = needsBluestein(tokens);
  int64_t length = bluestein ? getBluesteinLength(tokens) : tokens;
  SmallVector<int64_t> radices = factorIntoRadices(length, kLargestRadix);

  int64_t rowBytes = 2 * lanes * network.getElementBytes();
  auto placeOf = [&](int64_t rows) {
    double bytes = double(rows) * rowBytes;
    return bytes <= machine.l1 * kCacheShare   ? Place::L1
           : bytes <= machine.l2 * kCacheShare ? Place::L2
           : bytes <= machine.l3 * kCacheShare ? Place::L3
                                               : Place::Memory;
  };
  SmallVector<GroupAttr> groups;
  int64_t last = static_cast<int64_t>(radices.size()) - 1;
  if (last >= 0) {
    Place place = placeOf(length);
    bool split = (place == Place::L3 || place == Place::Memory) && last > 0 &&
                 !bluestein;
    if (split) {
      // One pass over the whole slab; the others, with the map between them
      // and their inverses, on a pair of its sub-transforms at a time.
      groups.push_back(GroupAttr::get(context, 0, 0, place));
      groups.push_back(
          GroupAttr::get(context, 1, last, placeOf(2 * length / radices[0])));
    } else {
      groups.push_back(GroupAttr::get(context, 0, last, place));
    }
  }
  return PlanAttr::get(context, StringAttr::get(context, machine.name), lanes,
                       tile, radices, groups, StringAttr::get(context, "tile"),
                       /*threads=*/0);
}

static PlanAttr planAttention(KernelOp kernel, const Network &network,
                              const Machine &machine) {
  MLIRContext *context = kernel.getContext();
  if (machine.isGPU())
    return planGPUAttention(kernel, network, machine);
  int64_t lanes = machine.lanes * 4 / network.getElementBytes();
  // Three tiles (difference, its key, its score vector) share the second-level
  // cache with a matrix of weights that streams by.
  int64_t rowBytes = 3 * network.getChannels() * network.getElementBytes();
  int64_t tile = llvm::bit_floor<uint64_t>(
      std::clamp<int64_t>(machine.l2 / 2 / rowBytes, 8, 64));
  int64_t pairs = network.getAttentionTokens() / 2;
  // Sequences are spread over the threads where there are enough of them to
  // keep all busy; else the tiles of each, with a barrier after every stage.
  bool enough = !ShapedType::isDynamic(network.getBatch()) &&
                network.getBatch() % machine.threads == 0;
  bool tooShort = pairs < tile * machine.threads;
  double stateBytes = 2.0 * network.getAttentionTokens() *
                      network.getChannels() * network.getElementBytes();
  Place place = stateBytes <= machine.l2 * kCacheShare   ? Place::L2
                : stateBytes <= machine.l3 * kCacheShare ? Place::L3
                                                         : Place::Memory;
  SmallVector<GroupAttr> groups{
      GroupAttr::get(context, 0, network.numStages() - 1, place)};
  return PlanAttr::get(
      context, StringAttr::get(context, machine.name), lanes, tile, {}, groups,
      StringAttr::get(context, enough || tooShort ? "batch" : "tile"),
      /*threads=*/0);
}

/// Rows of a dense product's tile: enough to stream the weights for, few enough
/// for every thread to get some.
static int64_t chooseRows(const Network &network, const Machine &machine) {
  constexpr int64_t most = 64, least = 8;
  int64_t tile = most;
  if (machine.isGPU())
    return tile;
  for (LinearOp op : network.products) {
    int64_t rows = 1;
    for (int64_t size : op.getInput().getType().getShape().drop_back())
      rows *= ShapedType::isDynamic(size) ? 1 : std::min(size, most * most);
    uint64_t share = std::max<int64_t>(rows / (2 * machine.threads), least);
    tile = std::min<int64_t>(tile, llvm::bit_floor(share));
  }
  return tile;
}

PlanAttr mlir::bfly::choosePlan(KernelOp kernel, const Machine &machine) {
  Network network = inspect(kernel);
  if (network.transformTokens && machine.isGPU())
    return planGPUTransform(kernel, network, machine);
  if (network.transformTokens)
    return planTransform(kernel, network, machine);
  if (!network.stages.empty())
    return planAttention(kernel, network, machine);
  MLIRContext *context = kernel.getContext();
  int64_t lanes = machine.lanes * 4 / network.getElementBytes();
  return PlanAttr::get(context, StringAttr::get(context, machine.name), lanes,
                       chooseRows(network, machine), {}, {},
                       StringAttr::get(context, "tile"),
                       /*threads=*/machine.isGPU() ? 256 : 0);
}

std::string mlir::bfly::explainLibrary(int64_t tokens, const Machine &machine) {
  if (machine.transforms(tokens))
    return {};
  std::string text = ("cuFFT transforms N = " + Twine(tokens)).str();
  if (!llvm::isPowerOf2_64(tokens))
    return text + ", which is no power of two";
  return (text + ", which is more than " + Twine(machine.longestTransform))
      .str();
}

std::optional<Machine> mlir::bfly::getPlannedMachine(KernelOp kernel) {
  PlanAttr plan = kernel.getPlanAttr();
  if (!plan)
    return std::nullopt;
  Machine target = getMachine(kernel);
  StringRef name = plan.getMachine().getValue();
  return target.name == name ? target : getMachine(name);
}

Operation *mlir::bfly::getLibraryTransform(KernelOp kernel) {
  Block &body = kernel.getBody().front();
  if (!kernel.getPlan() || !llvm::hasSingleElement(body.without_terminator()))
    return nullptr;
  Operation *only = &body.front();
  int64_t tokens;
  if (auto fft = dyn_cast<FftOp>(only))
    tokens = fft.getTokens();
  else if (auto ifft = dyn_cast<IfftOp>(only))
    tokens = ifft.getTokens();
  else
    return nullptr;
  std::optional<Machine> machine = getPlannedMachine(kernel);
  bool isAlone = body.getNumArguments() == 1 &&
                 body.getTerminator()->getOperands() == only->getResults();
  return machine && isAlone && !machine->transforms(tokens) ? only : nullptr;
}

/// Multiplications from which on a library is worth a call.
static constexpr int64_t kLibraryProduct = 1 << 22;
/// Bytes that it wants rows to be a multiple of.
static constexpr int64_t kLibraryAlignment = 16;

LinearOp mlir::bfly::getLibraryProduct(KernelOp kernel) {
  Block &body = kernel.getBody().front();
  if (!kernel.getPlan() || !llvm::hasSingleElement(body.without_terminator()))
    return nullptr;
  auto linear = dyn_cast<LinearOp>(body.front());
  std::optional<Machine> machine = getPlannedMachine(kernel);
  if (!linear || linear.getRelu() || !machine || !machine->isGPU() ||
      body.getTerminator()->getOperands() != linear->getResults() ||
      !llvm::all_of(linear->getOperands(), llvm::IsaPred<BlockArgument>))
    return nullptr;
  RankedTensorType input = linear.getInput().getType();
  auto weight = cast<RankedTensorType>(linear.getWeight().getType());
  int64_t bytes = input.getElementTypeBitWidth() / 8;
  if (input.getElementType().isF64() ||
      weight.getDimSize(1) * bytes % kLibraryAlignment ||
      weight.getDimSize(0) * bytes % kLibraryAlignment)
    return nullptr;
  // Of a dynamic batch one sequence.
  int64_t work = weight.getNumElements();
  for (int64_t size : input.getShape().drop_back())
    work = llvm::SaturatingMultiply<uint64_t>(
        work, ShapedType::isDynamic(size) ? 1 : size);
  bool isLarge = work >= kLibraryProduct && weight.getDimSize(0) >= 64 &&
                 weight.getDimSize(1) >= 64;
  return isLarge ? linear : nullptr;
}

StringRef mlir::bfly::getLibrary(KernelOp kernel) {
  return getLibraryTransform(kernel) ? "cuFFT"
         : getLibraryProduct(kernel) ? "cuBLASLt"
                                     : "";
}

bool mlir::bfly::isTokenPad(tensor::PadOp pad) {
  Value value = pad.getConstantPaddingValue();
  return value && matchPattern(value, m_AnyZeroFloat()) &&
         pad.getLow().empty() && pad.getHigh().empty() &&
         pad.getSourceType().getRank() == 3 &&
         llvm::all_of(pad.getStaticLow(), [](int64_t n) { return n == 0; }) &&
         pad.getStaticHigh()[0] == 0 && pad.getStaticHigh()[2] == 0;
}

bool mlir::bfly::isTokenCut(tensor::ExtractSliceOp slice) {
  RankedTensorType source = slice.getSourceType();
  if (source.getRank() != 3 || slice.getResultType().getRank() != 3 ||
      !llvm::all_of(slice.getMixedOffsets(), isZeroInteger) ||
      !llvm::all_of(slice.getMixedStrides(), isOneInteger) ||
      slice.getResultType().getDimSize(0) != source.getDimSize(0) ||
      slice.getResultType().getDimSize(2) != source.getDimSize(2))
    return false;
  // A dynamic batch is cut to itself where its size is that of a tensor.
  return llvm::all_of(slice.getSizes(), [](Value size) {
    auto dim = size.getDefiningOp<tensor::DimOp>();
    return dim && dim.getConstantIndex() == 0;
  });
}
