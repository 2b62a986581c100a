// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The decisions that plans are made of, and what each part of a plan must be.

#ifndef BFLY_LIB_SCHEDULE_PLANPARTS_H
#define BFLY_LIB_SCHEDULE_PLANPARTS_H

#include "bfly/IR/Network.h"
#include "bfly/Schedule/CostModel.h"
#include "bfly/Schedule/Plan.h"

namespace mlir::bfly {

/// What a plan is chosen for, and checked against.
struct PlanContext {
  /// Which is asked, never changed.
  mutable KernelOp kernel;
  const Network &network;
  const Machine &machine;

  MLIRContext *getContext() const { return kernel.getContext(); }
  /// The parts of the plan that is checked; none of one that is being chosen.
  ArrayRef<Attribute> getPlan() const {
    ArrayAttr plan = kernel.getPlanAttr();
    return plan ? plan.getValue() : ArrayRef<Attribute>();
  }
};

/// Threads of a block that is chosen: two warpgroups, of which attention's have
/// 64 pairs at a time each, as many as leave a thread all its registers for
/// their products.
constexpr int64_t kBlockThreads = 256;

/// The error that a part does not fit, to which what is allowed is to be added;
/// `label` is that of the constraint, in the attribute's description.
InFlightDiagnostic refuse(const PlanContext &context, PlanPart part,
                          StringRef label);

/// What a part says of the states that its kernel holds on chip; without a
/// place they are in the smallest cache that holds them.
using States = SmallVectorImpl<KernelState>;

/// A kind of part, which decides something for the nests that read it.
struct PartKind {
  StringRef name;
  bool (*isOne)(PlanPart part);
  LogicalResult (*verify)(const PlanContext &context, PlanPart part);
  /// Calls back with parts that differ from `part` in one word, some of which
  /// may not fit.
  void (*vary)(PlanPart part, function_ref<void(PlanPart)> call);
  void (*addStates)(const PlanContext &context, PlanPart part, States &states);
};

/// For parts that say nothing of states.
template <typename Part>
void addNoStates(const PlanContext &, Part, States &) {}

/// The kind of a part's class, whose rules are functions of that class.
template <typename Part, LogicalResult (*verify)(const PlanContext &, Part),
          void (*vary)(Part, function_ref<void(PlanPart)>),
          void (*addStates)(const PlanContext &, Part,
                            States &) = addNoStates<Part>>
PartKind makeKind() {
  return {Part::getMnemonic(), [](PlanPart part) { return isa<Part>(part); },
          [](const PlanContext &context, PlanPart part) {
            return verify(context, cast<Part>(part));
          },
          [](PlanPart part, function_ref<void(PlanPart)> call) {
            vary(cast<Part>(part), call);
          },
          [](const PlanContext &context, PlanPart part, States &states) {
            addStates(context, cast<Part>(part), states);
          }};
}

/// For parts that fit every kernel that asks for them.
template <typename Part> LogicalResult acceptAny(const PlanContext &, Part) {
  return success();
}

/// Something that nests of a kernel want to be told, by one part of any of some
/// kinds.
struct Decision {
  StringRef name;
  bool (*isNeeded)(const PlanContext &context);
  PlanPart (*choose)(const PlanContext &context);
  SmallVector<PartKind> kinds;
};

/// The product, or the largest number.
int64_t multiply(ArrayRef<int64_t> factors);

/// Shared memory beside what a nest keeps in it: sums of other phases, and
/// barriers.
constexpr int64_t kSharedReserve = 4 << 10;

// Each file's decisions.
void addTransformDecisions(SmallVectorImpl<Decision> &decisions);
void addAttentionDecisions(SmallVectorImpl<Decision> &decisions);
void addDenseDecisions(SmallVectorImpl<Decision> &decisions);
void addHadamardDecisions(SmallVectorImpl<Decision> &decisions);

/// Whether a part leaves no loops to the kernel: a library takes the arrays as
/// they are.
bool hasOwnBlocks(Attribute part);
/// The kind of `#bfly.library`, which transforms and dense layers share.
PartKind getLibraryKind();

/// Halves and doubles a number.
template <typename Make>
void varyNumber(int64_t value, Make make, function_ref<void(PlanPart)> call) {
  for (int64_t other : {value / 2, value * 2})
    if (PlanPart part = make(other))
      call(part);
}

/// A part, or null with an error where its words are not allowed.
template <typename Part, typename... Args>
PlanPart tryPart(MLIRContext *context, Args &&...words) {
  auto refuse = [&] { return emitError(UnknownLoc::get(context)); };
  return PlanPart(Part::getChecked(refuse, context, words...));
}

/// For parts all of whose words are numbers, so many: one after the other.
template <typename Part, size_t count>
void varyNumbers(Part part, function_ref<void(PlanPart)> call) {
  std::array<int64_t, count> words;
  for (auto [value, word] : llvm::zip_equal(words, part.getWords()))
    value = cast<IntegerAttr>(word.getValue()).getInt();
  for (int64_t &word : words) {
    int64_t written = word;
    varyNumber(
        written,
        [&](int64_t other) {
          word = other;
          return std::apply(
              [&](auto... all) {
                return tryPart<Part>(part.getContext(), all...);
              },
              words);
        },
        call);
    word = written;
  }
}

} // namespace mlir::bfly

#endif // BFLY_LIB_SCHEDULE_PLANPARTS_H
