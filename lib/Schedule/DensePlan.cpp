// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Plans of dense layers and of what a GPU's libraries do.

#include "PlanParts.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::bfly;

// Of a CPU -------------------------------------------------------------------

static PlanPart chooseCpuPanels(const PlanContext &context) {
  // Two vectors.
  return CpuPanelsAttr::get(context.getContext(),
                            2 * context.machine.lanes * 4 /
                                context.network.getElementBytes());
}

/// Rows of a dense product's tile: enough to stream the weights for, few enough
/// for every thread to get some.
static PlanPart chooseCpuDense(const PlanContext &context) {
  constexpr int64_t most = 64, least = 8;
  int64_t tile = most;
  // Of a sum over rows a tile is of the result's.
  for (RowProductOp op : context.network.rowProducts) {
    auto a = cast<RankedTensorType>(op.getA().getType());
    uint64_t share = std::max<int64_t>(
        a.getShape().back() / (2 * context.machine.threads), least);
    tile = std::min<int64_t>(tile, llvm::bit_floor(share));
  }
  for (LinearOp op : context.network.products) {
    int64_t rows = 1;
    for (int64_t size : op.getInput().getType().getShape().drop_back())
      rows *= ShapedType::isDynamic(size) ? 1 : std::min(size, most * most);
    uint64_t share =
        std::max<int64_t>(rows / (2 * context.machine.threads), least);
    tile = std::min<int64_t>(tile, llvm::bit_floor(share));
  }
  return CpuDenseAttr::get(context.getContext(), tile);
}

static void addCpuDenseStates(const PlanContext &context, CpuDenseAttr part,
                              States &states) {
  const Network &network = context.network;
  states.push_back({-1, -1,
                    multiply({part.getRows(), network.rowElements,
                              network.getElementBytes()}),
                    "", 0});
}

// Libraries ------------------------------------------------------------------

std::string mlir::bfly::explainLibrary(int64_t tokens, const Machine &machine) {
  if (machine.transforms(tokens))
    return {};
  std::string text = ("cuFFT transforms N = " + Twine(tokens)).str();
  if (!llvm::isPowerOf2_64(tokens))
    return text + ", which is no power of two";
  return (text + ", which is more than " + Twine(machine.longestTransform))
      .str();
}

/// The kernel's only operation, of its arguments and for its results; null
/// where there is more in it.
static Operation *getLoneOp(KernelOp kernel) {
  Block &body = kernel.getBody().front();
  if (!llvm::hasSingleElement(body.without_terminator()))
    return nullptr;
  Operation *only = &body.front();
  bool isAlone =
      llvm::all_of(only->getOperands(), llvm::IsaPred<BlockArgument>) &&
      body.getTerminator()->getOperands() == only->getResults();
  return isAlone ? only : nullptr;
}

/// Bytes that cuBLASLt wants rows to be a multiple of.
static constexpr int64_t kLibraryAlignment = 16;

namespace {
/// A product that cuBLASLt can do: rows of `in` and `out` elements, and of a
/// matrix for each of `heads` parts of them.
struct LoneProduct {
  RankedTensorType rows;
  int64_t in, out, heads;
};
} // namespace

/// With relu it would make a number of a NaN.
static std::optional<LoneProduct> getLoneProduct(KernelOp kernel) {
  LoneProduct product;
  Operation *only = getLoneOp(kernel);
  if (auto linear = dyn_cast_or_null<LinearOp>(only)) {
    if (linear.getRelu())
      return std::nullopt;
    auto weight = cast<RankedTensorType>(linear.getWeight().getType());
    product = {linear.getInput().getType(), weight.getDimSize(1),
               weight.getDimSize(0), 1};
  } else if (auto rows = dyn_cast_or_null<RowProductOp>(only)) {
    auto a = cast<RankedTensorType>(rows.getA().getType());
    auto b = cast<RankedTensorType>(rows.getB().getType());
    int64_t heads = rows.getHeads();
    product = {a, b.getShape().back() / heads, a.getShape().back() / heads,
               heads};
  } else {
    return std::nullopt;
  }
  Type element = product.rows.getElementType();
  int64_t bytes = element.getIntOrFloatBitWidth() / 8;
  bool isAligned = product.in * bytes % kLibraryAlignment == 0 &&
                   product.out * bytes % kLibraryAlignment == 0;
  if (element.isF64() || !isAligned)
    return std::nullopt;
  return product;
}

/// Whether cuBLASLt can do what the kernel holds, and is quick with it.
static bool isLibraryProduct(const PlanContext &context) {
  // Multiplications from which on a library is worth a call.
  constexpr int64_t kLibraryProduct = 1 << 22;
  std::optional<LoneProduct> product = getLoneProduct(context.kernel);
  if (!product)
    return false;
  // Of a dynamic batch one sequence.
  int64_t work = product->in * product->out * product->heads;
  for (int64_t size : product->rows.getShape().drop_back())
    work = llvm::SaturatingMultiply<uint64_t>(
        work, ShapedType::isDynamic(size) ? 1 : size);
  int64_t least = product->heads > 1 ? 32 : 64;
  return work >= kLibraryProduct && product->out >= least &&
         product->in >= least;
}

static LogicalResult verifyLibrary(const PlanContext &context,
                                   LibraryAttr part) {
  Operation *only = getLoneOp(context.kernel);
  if (part.getName() == "cuFFT") {
    if (isa_and_nonnull<FftOp, IfftOp>(only) &&
        context.kernel.getNumOperands() == 1)
      return success();
    InFlightDiagnostic error = refuse(context, part, "P1");
    error
        << "name = \"cuFFT\": a transform that it does must be a kernel of its "
           "own";
    std::string why =
        explainLibrary(context.network.transformTokens, context.machine);
    if (context.network.transforms && !why.empty())
      error << ": " << why;
    return error;
  }
  if (getLoneProduct(context.kernel))
    return success();
  return refuse(context, part, "P1")
         << "name = \"cuBLASLt\": it does one bfly.linear without relu, or one "
            "bfly.row_product, not of f64, with rows of multiples of "
         << kLibraryAlignment << " bytes";
}

/// A library is chosen or not.
static void varyLibrary(LibraryAttr, function_ref<void(PlanPart)>) {}

PartKind mlir::bfly::getLibraryKind() {
  return makeKind<LibraryAttr, verifyLibrary, varyLibrary>();
}

// Of a GPU -------------------------------------------------------------------

static PlanPart chooseGpuDense(const PlanContext &context) {
  MLIRContext *mlir = context.getContext();
  if (isLibraryProduct(context))
    return LibraryAttr::get(mlir, StringAttr::get(mlir, "cuBLASLt"));
  return GpuDenseAttr::get(mlir, /*rows=*/16, /*depth=*/16);
}

static PlanPart chooseGpuRows(const PlanContext &context) {
  MLIRContext *mlir = context.getContext();
  if (isLibraryProduct(context))
    return LibraryAttr::get(mlir, StringAttr::get(mlir, "cuBLASLt"));
  return GpuRowsAttr::get(mlir, /*rows=*/256);
}

// The table ------------------------------------------------------------------

void mlir::bfly::addDenseDecisions(SmallVectorImpl<Decision> &decisions) {
  decisions.push_back(
      {"the matrices of weights",
       [](const PlanContext &context) {
         return !context.machine.isGPU() &&
                llvm::any_of(
                    context.network.ops,
                    llvm::IsaPred<LinearOp, RowProductOp, AttentionStageOp,
                                  AttentionStageBackwardOp, FoldWeightsOp>);
       },
       chooseCpuPanels,
       {makeKind<CpuPanelsAttr, acceptAny<CpuPanelsAttr>,
                 varyNumbers<CpuPanelsAttr, 1>>()}});
  decisions.push_back(
      {"the dense layers",
       [](const PlanContext &context) {
         return !context.machine.isGPU() &&
                (!context.network.products.empty() ||
                 !context.network.rowProducts.empty());
       },
       chooseCpuDense,
       {makeKind<CpuDenseAttr, acceptAny<CpuDenseAttr>,
                 varyNumbers<CpuDenseAttr, 1>, addCpuDenseStates>()}});
  decisions.push_back({"the dense layers",
                       [](const PlanContext &context) {
                         return context.machine.isGPU() &&
                                !context.network.products.empty();
                       },
                       chooseGpuDense,
                       {makeKind<GpuDenseAttr, acceptAny<GpuDenseAttr>,
                                 varyNumbers<GpuDenseAttr, 2>>(),
                        getLibraryKind()}});
  decisions.push_back({"the sums over rows",
                       [](const PlanContext &context) {
                         return context.machine.isGPU() &&
                                !context.network.rowProducts.empty();
                       },
                       chooseGpuRows,
                       {makeKind<GpuRowsAttr, acceptAny<GpuRowsAttr>,
                                 varyNumbers<GpuRowsAttr, 1>>(),
                        getLibraryKind()}});
}
