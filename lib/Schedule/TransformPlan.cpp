// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Plans of transforms: slabs of channels, radix passes, and what of them runs
// where.

#include "PlanParts.h"

#include "bfly/Schedule/Radices.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::bfly;

/// Largest radix of a pass that is chosen: so many complex values in registers.
static constexpr int64_t kLargestRadix = 16;

static SmallVector<GroupAttr> makeGroups(MLIRContext *context, int64_t passes,
                                         bool split, Place first, Place rest) {
  if (passes == 0)
    return {};
  if (!split)
    return {GroupAttr::get(context, 0, passes - 1, rest)};
  return {GroupAttr::get(context, 0, 0, first),
          GroupAttr::get(context, 1, passes - 1, rest)};
}

/// The error that the passes' groups are not what they can be.
template <typename Part>
static LogicalResult verifyGroups(const PlanContext &context, Part part,
                                  bool maySplit, Place whole, Place first,
                                  Place rest) {
  MLIRContext *mlir = context.getContext();
  int64_t passes = part.getRadices().size();
  SmallVector<GroupAttr> one = makeGroups(mlir, passes, false, first, whole);
  SmallVector<GroupAttr> two;
  if (maySplit && passes > 1)
    two = makeGroups(mlir, passes, true, first, rest);
  if (part.getGroups() == ArrayRef(one) ||
      (!two.empty() && part.getGroups() == ArrayRef(two)))
    return success();
  InFlightDiagnostic error = refuse(context, part, "P4");
  auto print = [&](ArrayRef<GroupAttr> groups) {
    error << "[";
    llvm::interleaveComma(groups, error, [&](GroupAttr group) {
      error << "<" << group.getFirst() << " to " << group.getLast() << " in "
            << stringifyPlace(group.getPlace()) << ">";
    });
    error << "]";
  };
  error << "groups must be ";
  print(one);
  if (!two.empty()) {
    error << " or ";
    print(two);
  }
  return error;
}

/// Complex rows of a slab; where the first pass is a group of its own, then
/// those of a pair of its sub-transforms at a time.
template <typename Part>
static void addPasses(const PlanContext &context, Part part, int64_t width,
                      bool isNamed, States &states) {
  int64_t length = multiply(part.getRadices());
  for (GroupAttr group : part.getGroups()) {
    int64_t rows = length;
    if (group.getFirst() && !part.getRadices().empty())
      rows = multiply({2, length / part.getRadices().front()});
    states.push_back(
        {group.getFirst(), group.getLast(),
         multiply({rows, 2, width, context.network.getElementBytes(),
                   context.network.spectra}),
         isNamed ? stringifyPlace(group.getPlace()) : "", 0});
  }
}

// Of a CPU -------------------------------------------------------------------

/// Share of a cache that a slab may fill: the rest is for what streams by.
static constexpr double kCacheShare = 0.75;

/// Elements of the compute type in a vector.
static int64_t getLanes(const PlanContext &context) {
  return context.machine.lanes * 4 / context.network.getElementBytes();
}

static PlanPart chooseCpuTransform(const PlanContext &context) {
  const Network &network = context.network;
  const Machine &machine = context.machine;
  int64_t lanes = getLanes(context);
  int64_t tokens = network.transformTokens;
  bool bluestein = needsBluestein(tokens);
  int64_t length = bluestein ? getBluesteinLength(tokens) : tokens;
  SmallVector<int64_t> radices = factorIntoRadices(length, kLargestRadix);
  // One pass over the whole slab, where that is in no cache of a core; the
  // others, with the map between them and their inverses, on a pair of its
  // sub-transforms at a time.
  double bytes = 2.0 * double(length * lanes * network.getElementBytes()) *
                 double(network.spectra);
  bool split = bytes > double(machine.l2) * kCacheShare && radices.size() > 1 &&
               !bluestein;
  MLIRContext *mlir = context.getContext();
  return CpuTransformAttr::get(
      mlir, network.packed ? 2 * lanes : lanes, radices,
      makeGroups(mlir, radices.size(), split, Place::Slab,
                 split ? Place::Pair : Place::Slab));
}

static LogicalResult verifyCpuTransform(const PlanContext &context,
                                        CpuTransformAttr part) {
  int64_t tokens = context.network.transformTokens;
  int64_t product = multiply(part.getRadices());
  // Any power of two that is long enough serves Bluestein's convolution.
  bool bluestein = product != tokens;
  if (bluestein && (product < 2 * tokens - 1 || product > (1 << 30) ||
                    !llvm::isPowerOf2_64(product)))
    return refuse(context, part, "P3")
           << "the product of radices must be the " << tokens
           << " tokens, or a power of two of at least " << 2 * tokens - 1
           << " and at most " << (1 << 30);
  return verifyGroups(context, part, !bluestein, Place::Slab, Place::Slab,
                      Place::Pair);
}

/// Another width of the slabs; factors of the same length, and the other ways
/// to group them.
template <typename Part>
static void varyTransform(Part part, int64_t width, Place whole, Place first,
                          Place rest, function_ref<void(PlanPart)> call) {
  MLIRContext *context = part.getContext();
  auto make = [&](int64_t other, ArrayRef<int64_t> radices,
                  ArrayRef<GroupAttr> groups) {
    return tryPart<Part>(context, other, radices, groups);
  };
  varyNumber(
      width,
      [&](int64_t other) {
        return make(other, part.getRadices(), part.getGroups());
      },
      call);
  auto propose = [&](ArrayRef<int64_t> radices, bool split) {
    if (PlanPart other = make(width, radices,
                              makeGroups(context, radices.size(), split, first,
                                         split ? rest : whole)))
      call(other);
  };
  bool split = part.getGroups().size() > 1;
  propose(part.getRadices(), !split);
  int64_t length = multiply(part.getRadices());
  for (int64_t largest : {4, 8, 16, 32}) {
    SmallVector<int64_t> radices = factorIntoRadices(length, largest);
    propose(radices, split);
    std::reverse(radices.begin(), radices.end());
    propose(radices, split);
  }
}

static void varyCpuTransform(CpuTransformAttr part,
                             function_ref<void(PlanPart)> call) {
  varyTransform(part, part.getChannels(), Place::Slab, Place::Slab, Place::Pair,
                call);
}

static void addCpuTransformStates(const PlanContext &context,
                                  CpuTransformAttr part, States &states) {
  int64_t channels = part.getChannels();
  addPasses(context, part,
            context.network.packed ? (channels + 1) / 2 : channels,
            /*isNamed=*/false, states);
}

// Of a GPU -------------------------------------------------------------------

/// Real numbers of a slab of some columns in a block's shared memory, where a
/// row is skipped after so many as the last pass takes: see SlabTransform.
static int64_t getSlabSize(ArrayRef<int64_t> radices, int64_t parts,
                           int64_t columns) {
  int64_t rows = parts * multiply(radices);
  return 2 * columns * (rows + (radices.empty() ? 0 : rows / radices.back()));
}

/// Bytes of a block's shared memory for slabs of some columns, one for each
/// spectrum, and for sums over their bins.
static int64_t getBlockBytes(const Network &network, ArrayRef<int64_t> radices,
                             int64_t parts, int64_t columns) {
  int64_t bytes = network.getElementBytes();
  int64_t sums = network.terms * (network.packed ? 2 : 1);
  return multiply(
             {network.spectra, bytes, getSlabSize(radices, parts, columns)}) +
         getSumsBytes(columns, sums, bytes);
}

namespace {
/// A transform's part, and the threads that its blocks have use for.
struct GpuTransformChoice {
  GpuTransformAttr part;
  int64_t threads;
};
} // namespace

static GpuTransformChoice chooseGpuSlabs(const PlanContext &context) {
  const Network &network = context.network;
  const Machine &machine = context.machine;
  MLIRContext *mlir = context.getContext();
  int64_t tokens = network.transformTokens, bytes = network.getElementBytes();
  int64_t all = network.getChannels();
  if (network.packed)
    all = (all + 1) / 2;
  // Rows of a slab of f32 that are 32 bytes wide, which is what memory gives at
  // once; wider ones where the transform is short, for every thread to have
  // work.
  constexpr int64_t kRow = 4, kSlab = 8192;
  int64_t limit = machine.sharedBytes - kSharedReserve;
  // The widest slab that fits, at most `most` wide.
  auto fit = [&](ArrayRef<int64_t> passes, int64_t parts, int64_t most) {
    while (most && getBlockBytes(network, passes, parts, most) > limit)
      most /= 2;
    return most;
  };
  SmallVector<int64_t> radices = factorIntoRadices(tokens, kLargestRadix);
  int64_t columns = fit(radices, 1, std::max(kRow, kSlab / tokens));
  // Slabs of several spectra may be narrower: blocks side by side share what
  // memory gives at once.
  bool split =
      columns * network.spectra * bytes < kRow * 4 && tokens > kLargestRadix;
  if (split) {
    // The first pass through memory; then pairs of its sub-transforms.
    radices = factorIntoRadices(tokens / kLargestRadix, kLargestRadix);
    columns =
        fit(radices, 2, std::max(kRow, kSlab * kLargestRadix / (2 * tokens)));
    columns = std::max<int64_t>(columns, 1);
    radices.insert(radices.begin(), kLargestRadix);
  }
  // Blocks take slabs in waves: narrower ones where fewer would be idle in the
  // last.
  int64_t batch =
      ShapedType::isDynamic(network.getBatch()) ? 1 : network.getBatch();
  int64_t threads = kBlockThreads;
  int64_t blocks = machine.multiprocessors *
                   std::max<int64_t>(1, machine.residentThreads / threads);
  auto cost = [&](int64_t width) {
    int64_t slabs = batch * llvm::divideCeilSigned(all, width);
    return llvm::divideCeilSigned(slabs, blocks) * width;
  };
  if (!split)
    for (int64_t width = columns / 2; width * network.spectra >= kRow;
         width /= 2)
      if (cost(width) < cost(columns))
        columns = width;
  columns = std::min(columns, all);
  // A block of many threads where only one fits.
  int64_t rows = tokens / (split ? kLargestRadix / 2 : 1);
  // (With the bins of several spectra a thread wants more registers than so
  // many leave it.)
  if (network.spectra == 1 && 2 * columns * rows * bytes > limit / 2)
    threads = 512;
  return {GpuTransformAttr::get(mlir, columns, radices,
                                makeGroups(mlir, radices.size(), split,
                                           Place::Memory, Place::Shared)),
          threads};
}

static PlanPart chooseGpuTransform(const PlanContext &context) {
  if (!context.machine.transforms(context.network.transformTokens))
    return LibraryAttr::get(context.getContext(),
                            StringAttr::get(context.getContext(), "cuFFT"));
  return chooseGpuSlabs(context).part;
}

/// Bytes of a block's shared memory that a plan's transforms take.
static int64_t getBlockBytes(const Network &network, GpuTransformAttr part) {
  bool split = part.getGroups().size() > 1;
  return getBlockBytes(network, part.getRadices().drop_front(split),
                       split ? 2 : 1, part.getColumns());
}

bool mlir::bfly::fitsBesideSlabs(KernelOp kernel, int64_t bytes) {
  auto part = kernel.getPlanPart<GpuTransformAttr>();
  return getBlockBytes(inspect(kernel), part) + bytes <=
         getMachine(kernel).sharedBytes - kSharedReserve;
}

static LogicalResult verifyGpuTransform(const PlanContext &context,
                                        GpuTransformAttr part) {
  int64_t tokens = context.network.transformTokens;
  if (!context.machine.transforms(tokens))
    return refuse(context, part, "P3")
           << "must be a kernel of its own, with #bfly.library<name = "
              "\"cuFFT\">: "
           << explainLibrary(tokens, context.machine);
  if (multiply(part.getRadices()) != tokens)
    return refuse(context, part, "P3")
           << "the product of radices must be the " << tokens << " tokens";
  if (failed(verifyGroups(context, part, /*maySplit=*/true, Place::Shared,
                          Place::Memory, Place::Shared)))
    return failure();
  int64_t bytes = getBlockBytes(context.network, part);
  int64_t limit = context.machine.sharedBytes - kSharedReserve;
  if (bytes > limit)
    return refuse(context, part, "P5")
           << (context.network.spectra > 1 ? "slabs take " : "a slab takes ")
           << bytes << " bytes of a block's " << limit
           << " bytes of shared memory";
  return success();
}

static void varyGpuTransform(GpuTransformAttr part,
                             function_ref<void(PlanPart)> call) {
  varyTransform(part, part.getColumns(), Place::Shared, Place::Memory,
                Place::Shared, call);
}

static void addGpuTransformStates(const PlanContext &context,
                                  GpuTransformAttr part, States &states) {
  addPasses(context, part, part.getColumns(), /*isNamed=*/true, states);
}

/// Threads of a block.
static PlanPart chooseGpuBlock(const PlanContext &context) {
  int64_t tokens = context.network.transformTokens;
  int64_t threads = kBlockThreads;
  if (context.network.transforms && context.machine.transforms(tokens))
    threads = chooseGpuSlabs(context).threads;
  return GpuBlockAttr::get(context.getContext(), threads);
}

static LogicalResult verifyGpuBlock(const PlanContext &context,
                                    GpuBlockAttr part) {
  if (context.network.hasAttention() && part.getThreads() % kWarpgroup)
    return refuse(context, part, "P2")
           << "stages of attention run in whole warpgroups: threads must be a "
              "multiple of "
           << kWarpgroup;
  return success();
}

// The table ------------------------------------------------------------------

static bool isOnCPU(const PlanContext &context) {
  return !context.machine.isGPU();
}

void mlir::bfly::addTransformDecisions(SmallVectorImpl<Decision> &decisions) {
  decisions.push_back({"the blocks",
                       [](const PlanContext &context) {
                         return context.machine.isGPU() &&
                                !llvm::any_of(context.getPlan(), hasOwnBlocks);
                       },
                       chooseGpuBlock,
                       {makeKind<GpuBlockAttr, verifyGpuBlock,
                                 varyNumbers<GpuBlockAttr, 1>>()}});
  decisions.push_back({"the transforms",
                       [](const PlanContext &context) {
                         return isOnCPU(context) && context.network.transforms;
                       },
                       chooseCpuTransform,
                       {makeKind<CpuTransformAttr, verifyCpuTransform,
                                 varyCpuTransform, addCpuTransformStates>()}});
  decisions.push_back({"the transforms",
                       [](const PlanContext &context) {
                         return context.machine.isGPU() &&
                                context.network.transforms;
                       },
                       chooseGpuTransform,
                       {makeKind<GpuTransformAttr, verifyGpuTransform,
                                 varyGpuTransform, addGpuTransformStates>(),
                        getLibraryKind()}});
  decisions.push_back(
      {"the slabs",
       [](const PlanContext &context) {
         return isOnCPU(context) && !context.network.transforms &&
                llvm::any_of(
                    context.network.ops,
                    llvm::IsaPred<MeanOp, SpectrumBinOp, SpectrumMapOp>);
       },
       [](const PlanContext &context) -> PlanPart {
         // Sums over tokens want rows that are wide in memory.
         return CpuSlabsAttr::get(context.getContext(), context.network.hasMap
                                                            ? getLanes(context)
                                                            : 64);
       },
       {makeKind<CpuSlabsAttr, acceptAny<CpuSlabsAttr>,
                 varyNumbers<CpuSlabsAttr, 1>>()}});
}
