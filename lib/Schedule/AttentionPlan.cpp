// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Plans of butterfly attention: tiles of pairs, and where their state lives.

#include "PlanParts.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::bfly;

/// That of the kernel's stages.
static StageForm getForm(const PlanContext &context) {
  const Network &network = context.network;
  return network.stages.empty() ? getForm(network.backward.front())
                                : getForm(network.stages.front());
}

// Of a CPU -------------------------------------------------------------------

static PlanPart chooseCpuAttention(const PlanContext &context) {
  const Network &network = context.network;
  const Machine &machine = context.machine;
  // Three tiles (difference, its key, its score vector) share the second-level
  // cache with a matrix of weights that streams by; of a derivative eight (both
  // tokens, difference, queries, key, and what the gradients are made in).
  int64_t tiles = network.stages.empty() ? 8 : 3;
  int64_t rowBytes = tiles * network.getChannels() * network.getElementBytes();
  int64_t tile = llvm::bit_floor<uint64_t>(
      std::clamp<int64_t>(machine.l2 / 2 / rowBytes, 8, 64));
  int64_t pairs = getForm(context).tokens / 2;
  // Sequences are spread over the threads where there are enough of them to
  // keep all busy; else the tiles of each, with a barrier after every stage.
  bool enough = !ShapedType::isDynamic(network.getBatch()) &&
                network.getBatch() % machine.threads == 0;
  bool tooShort = pairs < tile * machine.threads;
  MLIRContext *mlir = context.getContext();
  return CpuAttentionAttr::get(
      mlir, tile, StringAttr::get(mlir, enough || tooShort ? "batch" : "tile"));
}

static void varyCpuAttention(CpuAttentionAttr part,
                             function_ref<void(PlanPart)> call) {
  MLIRContext *context = part.getContext();
  varyNumber(
      part.getPairs(),
      [&](int64_t pairs) {
        return tryPart<CpuAttentionAttr>(context, pairs, part.getParallel());
      },
      call);
  bool byBatch = part.getParallel() == "batch";
  call(CpuAttentionAttr::get(
      context, part.getPairs(),
      StringAttr::get(context, byBatch ? "tile" : "batch")));
}

/// The state before and after a stage; with images, theirs too.
static void addCpuAttentionStates(const PlanContext &context, CpuAttentionAttr,
                                  States &states) {
  const Network &network = context.network;
  // Of a derivative a tile alone is on chip.
  if (network.stages.empty())
    return;
  bool carried = llvm::any_of(network.stages, [](AttentionStageOp stage) {
    return stage.getImage() != nullptr;
  });
  states.push_back(
      {0, network.numStages() - 1,
       multiply({network.getAttentionTokens() * network.getChannels(), 2,
                 network.getElementBytes(), carried ? 2 : 1}),
       "", 0});
}

// Of a GPU: stages as phases -------------------------------------------------

/// A stage that has images instead of weights does not run on a GPU, which its
/// nest says.
static bool multipliesOnUnits(const StageForm &form, const Machine &machine) {
  return form.storedBytes == 2 && form.weights && machine.usesMatrixUnits();
}

/// Columns of the products of a unit at most, so that all fragments fit in
/// registers: of three products, of four; loops want registers for rows and
/// columns too.
static int64_t getMostColumns(const StageForm &form, const Machine &machine) {
  int64_t most = form.scoring == Scoring::PairDifference ? 128 : 64;
  return multipliesOnUnits(form, machine) ? most : most / 2;
}

static int64_t getMostDepth(const StageForm &form) {
  return form.storedBytes == 2 ? 32 : 16;
}

/// What a ring may take of a block's shared memory: the rest is for scores.
static int64_t getRingLimit(const Machine &machine) {
  return machine.sharedBytes / 4 * 3;
}

GridAttention mlir::bfly::getGridAttention(const StageForm &form,
                                           GpuGridAttentionAttr plan) {
  GridAttention grid;
  int64_t channels = form.channels, heads = form.heads;
  int64_t headChannels = channels / heads;
  grid.perHead = form.isPerHead();
  grid.headColumns = llvm::alignTo(headChannels, 8);
  grid.chunks = llvm::divideCeil(grid.headColumns, plan.getColumns());
  // Where heads have their own weights, another head's channels would meet
  // zeros in a product, which do not keep its NaN or Inf out.
  int64_t most = grid.perHead ? 1 : std::min(heads, plan.getHeads());
  most = std::min(most,
                  std::max<int64_t>(plan.getColumns() / grid.headColumns, 1));
  grid.groups = llvm::divideCeil(heads, most);
  grid.groupHeads = llvm::divideCeil(heads, grid.groups);
  grid.columns =
      grid.chunks == 1
          ? grid.groupHeads * grid.headColumns
          : llvm::alignTo(llvm::divideCeil(grid.headColumns, grid.chunks), 8);
  grid.span = grid.perHead ? headChannels : channels;
  grid.stepDepth =
      std::min<int64_t>(plan.getDepth(), llvm::alignTo(grid.span, 16));
  grid.steps = llvm::divideCeil(grid.span, grid.stepDepth);
  bool withDifference =
      form.scoring == Scoring::PairDifference && form.storedBytes != 2;
  grid.parts = withDifference ? 3 : 2;
  grid.mostParts = form.isBackward ? 3 : grid.parts;
  return grid;
}

int64_t GridAttention::getSlotBytes(int64_t threads,
                                    int64_t elementBytes) const {
  int64_t pairs = threads / kWarpgroup * 64;
  return elementBytes * stepDepth * (mostParts * pairs + 2 * columns);
}

/// Slots of a ring that steps are copied ahead into: as many as fit, up to six.
static int64_t chooseSlots(const PlanContext &context,
                           GpuGridAttentionAttr plan) {
  StageForm form = getForm(context);
  int64_t bytes = getGridAttention(form, plan)
                      .getSlotBytes(kBlockThreads, form.storedBytes);
  return std::clamp<int64_t>(getRingLimit(context.machine) / bytes, 2, 6);
}

static LogicalResult verifyGpuGridAttention(const PlanContext &context,
                                            GpuGridAttentionAttr part) {
  StageForm form = getForm(context);
  if (part.getColumns() > getMostColumns(form, context.machine))
    return refuse(context, part, "P1")
           << "columns must be at most "
           << getMostColumns(form, context.machine) << " for scores of "
           << stringifyScoring(form.scoring) << " and a state of "
           << 8 * form.storedBytes << " bits";
  if (part.getDepth() > getMostDepth(form))
    return refuse(context, part, "P3")
           << "depth must be at most " << getMostDepth(form)
           << " for a state of " << 8 * form.storedBytes << " bits";
  if (!multipliesOnUnits(form, context.machine)) {
    if (part.getSlots() != 2)
      return refuse(context, part, "P4")
             << "slots must be 2 where loops multiply, which read memory as it "
                "is";
    return success();
  }
  auto block = context.kernel.getPlanPart<GpuBlockAttr>();
  int64_t bytes =
      part.getSlots() *
      getGridAttention(form, part)
          .getSlotBytes(block ? block.getThreads() : 0, form.storedBytes);
  if (bytes > getRingLimit(context.machine))
    return refuse(context, part, "P4")
           << part.getSlots() << " slots take " << bytes << " bytes of the "
           << getRingLimit(context.machine)
           << " of a block's shared memory that are for them";
  return success();
}

/// In f32 with the pairs' differences where scores are of those.
static void addGpuGridStates(const PlanContext &context, GpuGridAttentionAttr,
                             States &states) {
  StageForm form = getForm(context);
  int64_t stored = form.storedBytes;
  bool storesDifference =
      form.scoring == Scoring::PairDifference && stored != 2;
  // Of a derivative the queries' and keys' gradients too.
  int64_t copies = (storesDifference ? 3 : 2) + (form.isBackward ? 2 : 0);
  int64_t last = std::max<int64_t>(context.network.numStages(), 1) - 1;
  states.push_back({0, last,
                    multiply({form.tokens * form.channels, copies, stored}),
                    "memory", 0});
}

// Of a GPU: groups of stages in a block --------------------------------------

/// Columns of queries, and as many of keys, whose fragments fit in registers
/// for both tokens of a pair.
static constexpr int64_t kLocalColumns = 64;

/// What tokens and weights may take of a block's shared memory.
static int64_t getLocalLimit(const Machine &machine) {
  // All but what buffers' alignment may waste.
  return machine.sharedBytes - machine.sharedBytes / 32;
}

LocalAttention mlir::bfly::getLocalAttention(int64_t headChannels) {
  int64_t padded = llvm::alignTo(headChannels, 8);
  int64_t chunks = llvm::divideCeil(padded, kLocalColumns);
  return {
      static_cast<int64_t>(llvm::alignTo(headChannels, 16)),
      static_cast<int64_t>(llvm::alignTo(llvm::divideCeil(padded, chunks), 8)),
      chunks};
}

int64_t LocalAttention::getSharedBytes(int64_t rows,
                                       int64_t elementBytes) const {
  // Two buffers of the state and the weights, in core matrices with a row
  // between them; partial scores and gates of every pair.
  int64_t elements = (2 * rows + 2 * columns) * depth * 9 / 8;
  return elements * elementBytes + 4 * (8 * (rows / 2 + 8) + rows);
}

/// What the state is made from, past padding and casts.
static Type getStoredType(Value source) {
  while (Operation *op = source.getDefiningOp()) {
    if (!isa<arith::ExtFOp, tensor::PadOp>(op))
      break;
    source = op->getOperand(0);
  }
  return cast<RankedTensorType>(source.getType()).getElementType();
}

/// Bytes of an element where the state is of `type`.
static int64_t getStoredBytes(Type type, RankedTensorType weights) {
  int64_t compute = getComputeType(type).getWidth() / 8;
  return weights && type != weights.getElementType()
             ? compute
             : int64_t(type.getIntOrFloatBitWidth()) / 8;
}

bool StageForm::isPerHead() const {
  return weights && bfly::isPerHead(weights, channels);
}

StageForm mlir::bfly::getForm(AttentionStageOp first) {
  RankedTensorType state = first.getState().getType();
  RankedTensorType weights;
  if (!first.getWeights().empty())
    weights = cast<RankedTensorType>(first.getWeights()[0].getType());
  return {state.getDimSize(1),
          state.getDimSize(2),
          int64_t(first.getHeads()),
          weights,
          first.getScoring(),
          first.getScale().convertToDouble(),
          getStoredBytes(getStoredType(first.getState()), weights),
          /*isBackward=*/false};
}

StageForm mlir::bfly::getForm(AttentionStageBackwardOp op) {
  RankedTensorType state = op.getState().getType();
  auto weights = cast<RankedTensorType>(op.getQuery().getType());
  return {state.getDimSize(1),
          state.getDimSize(2),
          int64_t(op.getHeads()),
          weights,
          Scoring::PairDifference,
          op.getScale().convertToDouble(),
          getStoredBytes(state.getElementType(), weights),
          /*isBackward=*/true};
}

/// Whether a block can do all stages of a network: its heads are apart and its
/// scores what those nests compute.
static bool isLocalNetwork(const Network &network) {
  if (network.stages.empty() || !isWholeNetwork(network.stages))
    return false;
  // Nobody else reads what is between them.
  for (AttentionStageOp stage : ArrayRef(network.stages).drop_back())
    if (!stage.getResult().hasOneUse())
      return false;
  AttentionStageOp first = network.stages.front();
  if (first.getScoring() != Scoring::Definition)
    return false;
  return isPerHead(cast<ShapedType>(first.getWeights()[0].getType()),
                   first.getState().getType().getDimSize(2));
}

static int64_t getLocalBytes(const Network &network, int64_t tokens) {
  StageForm form = getForm(network.stages.front());
  return getLocalAttention(form.channels / form.heads)
      .getSharedBytes(tokens, form.storedBytes);
}

static LogicalResult verifyGpuBlockAttention(const PlanContext &context,
                                             GpuBlockAttentionAttr part) {
  const Network &network = context.network;
  if (!isLocalNetwork(network))
    return refuse(context, part, "P1")
           << "all stages of one network are needed, alike, with weights per "
              "head and scores as their definition";
  auto block = context.kernel.getPlanPart<GpuBlockAttr>();
  int64_t tokens = part.getTokens(), threads = block ? block.getThreads() : 1;
  if (tokens % threads)
    return refuse(context, part, "P2")
           << "tokens must be a multiple of the block's " << threads
           << " threads";
  int64_t next = 0;
  for (GroupAttr group : part.getGroups()) {
    int64_t count = group.getLast() - group.getFirst() + 1;
    next = group.getLast() + 1;
    if (group.getPlace() != Place::Shared || count > 16)
      return refuse(context, part, "P3")
             << "groups must each be of at most 16 stages, in shared";
    if (tokens % (int64_t(1) << count))
      return refuse(context, part, "P2")
             << "tokens must be a multiple of " << (int64_t(1) << count)
             << " for a group of " << count << " stages";
  }
  if (next != network.numStages())
    return refuse(context, part, "P3")
           << "groups must hold all " << network.numStages() << " stages";
  int64_t bytes = getLocalBytes(network, tokens);
  if (bytes > getLocalLimit(context.machine))
    return refuse(context, part, "P4")
           << "tokens and weights take " << bytes << " bytes of a block's "
           << getLocalLimit(context.machine) << " bytes of shared memory";
  return success();
}

static GpuBlockAttentionAttr makeGpuBlockAttention(MLIRContext *context,
                                                   int64_t tokens,
                                                   int64_t stages,
                                                   int64_t most) {
  SmallVector<GroupAttr> groups;
  for (int64_t stage = 0; stage < stages; stage += most)
    groups.push_back(GroupAttr::get(
        context, stage, std::min(stage + most, stages) - 1, Place::Shared));
  return GpuBlockAttentionAttr::get(context, tokens, groups);
}

static PlanPart chooseGpuAttention(const PlanContext &context) {
  const Network &network = context.network;
  MLIRContext *mlir = context.getContext();
  StageForm form = getForm(context);
  // Tokens in a block's shared memory at most, and the least that are worth it.
  constexpr int64_t kMost = 512, kLeast = 256;
  if (isLocalNetwork(network))
    for (int64_t tokens = kMost; tokens >= kLeast; tokens /= 2)
      if (getLocalBytes(network, tokens) <= getLocalLimit(context.machine))
        // As many stages as the tokens of a block have bits.
        return makeGpuBlockAttention(mlir, tokens, network.numStages(),
                                     llvm::Log2_64(tokens));
  auto make = [&](int64_t slots) {
    return GpuGridAttentionAttr::get(mlir,
                                     getMostColumns(form, context.machine),
                                     /*heads=*/8, getMostDepth(form), slots);
  };
  bool onUnits = multipliesOnUnits(form, context.machine);
  return make(onUnits ? chooseSlots(context, make(2)) : 2);
}

static void varyGpuBlockAttention(GpuBlockAttentionAttr part,
                                  function_ref<void(PlanPart)> call) {
  MLIRContext *context = part.getContext();
  varyNumber(
      part.getTokens(),
      [&](int64_t tokens) {
        return tryPart<GpuBlockAttentionAttr>(context, tokens,
                                              part.getGroups());
      },
      call);
  if (part.getGroups().empty())
    return;
  int64_t stages = part.getGroups().back().getLast() + 1;
  int64_t most = 0;
  for (GroupAttr group : part.getGroups())
    most = std::max(most, group.getLast() - group.getFirst() + 1);
  for (int64_t other : {most - 1, most / 2})
    if (other > 0)
      call(makeGpuBlockAttention(context, part.getTokens(), stages, other));
}

static void addGpuBlockStates(const PlanContext &context,
                              GpuBlockAttentionAttr part, States &states) {
  for (GroupAttr group : part.getGroups())
    states.push_back({group.getFirst(), group.getLast(),
                      getLocalBytes(context.network, part.getTokens()),
                      "shared", 0});
}

// The table ------------------------------------------------------------------

void mlir::bfly::addAttentionDecisions(SmallVectorImpl<Decision> &decisions) {
  decisions.push_back({"the stages of attention",
                       [](const PlanContext &context) {
                         return !context.machine.isGPU() &&
                                context.network.hasAttention();
                       },
                       chooseCpuAttention,
                       {makeKind<CpuAttentionAttr, acceptAny<CpuAttentionAttr>,
                                 varyCpuAttention, addCpuAttentionStates>()}});
  decisions.push_back(
      {"the stages of attention",
       [](const PlanContext &context) {
         return context.machine.isGPU() && context.network.hasAttention();
       },
       chooseGpuAttention,
       {makeKind<GpuGridAttentionAttr, verifyGpuGridAttention,
                 varyNumbers<GpuGridAttentionAttr, 4>, addGpuGridStates>(),
        makeKind<GpuBlockAttentionAttr, verifyGpuBlockAttention,
                 varyGpuBlockAttention, addGpuBlockStates>()}});
}
