// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The search for a kernel's best plan: hill climbing over plans that differ in
// one word.

#include "PlanSearch.h"

#include "bfly/Arrays/FileIO.h"
#include "bfly/Schedule/Plan.h"

using namespace mlir;
using namespace mlir::bfly;

/// Of each plan of a round, and of the last two when all is over.
static constexpr int kSamples = 9, kFinalSamples = 21;

static std::string toString(Attribute attribute) {
  std::string text;
  llvm::raw_string_ostream(text) << attribute;
  return text;
}

/// Those parts of a plan that another does not have.
static std::string toString(ArrayAttr plan, ArrayAttr without) {
  SmallVector<Attribute> parts;
  for (Attribute part : plan)
    if (!llvm::is_contained(without, part))
      parts.push_back(part);
  return toString(ArrayAttr::get(plan.getContext(), parts));
}

llvm::Error PlanSearch::tryPlan(ArrayAttr plan) {
  kernel.setPlanAttr(plan);
  std::string text;
  llvm::raw_string_ostream os(text);
  kernel->getParentOfType<ModuleOp>().print(os);
  auto trial = Trial::create(setup, text);
  bool isChosen = plans.empty();
  if (isChosen && !trial)
    return trial.takeError();

  TriedPlan &tried = result.plans.emplace_back();
  plans.push_back(plan);
  tried.plan = toString(plan);
  tried.parts = isChosen ? tried.plan : toString(plan, plans.front());
  if (!trial) {
    std::string message = toString(trial.takeError());
    tried.problem = StringRef(message).split('\n').first.str();
    trials.emplace_back();
    return llvm::Error::success();
  }
  if (!(*trial)->wrong.empty())
    return makeError(setup.name + ": plan " + tried.plan +
                     " does not compute what the chosen plan " +
                     result.plans.front().plan + " does: " + (*trial)->wrong);
  trials.push_back(std::move(*trial));
  return llvm::Error::success();
}

llvm::Error PlanSearch::tryNeighbours() {
  kernel.setPlanAttr(plans[result.best]);
  for (ArrayAttr plan : getNeighbours(kernel))
    if (!llvm::is_contained(plans, plan))
      if (llvm::Error error = tryPlan(plan))
        return error;
  return llvm::Error::success();
}

/// Times plans beside the chosen one, which is among them.
llvm::Error PlanSearch::time(ArrayRef<size_t> which, int samples) {
  SmallVector<Trial *> timed;
  for (size_t plan : which)
    timed.push_back(trials[plan].get());
  if (llvm::Error error = timeTrials(timed, samples))
    return error;
  double chosen = trials.front()->timing.median;
  for (size_t plan : which) {
    result.plans[plan].timing = trials[plan]->timing;
    result.plans[plan].ratio = trials[plan]->timing.median / chosen;
  }
  return llvm::Error::success();
}

/// The fastest of the plans from `first` on that are faster than the best.
size_t PlanSearch::findFastest(size_t first) const {
  size_t fastest = result.best;
  for (size_t plan = first; plan < plans.size(); ++plan)
    if (trials[plan] &&
        trials[plan]->timing.isFasterThan(trials[result.best]->timing) &&
        trials[plan]->timing.median < trials[fastest]->timing.median)
      fastest = plan;
  return fastest;
}

llvm::Error PlanSearch::run(int rounds) {
  if (llvm::Error error = tryPlan(kernel.getPlanAttr()))
    return error;
  bool isClimbing = true;
  while (isClimbing) {
    size_t first = plans.size();
    if (llvm::Error error = tryNeighbours())
      return error;
    if (rounds == 0 || (result.rounds > 0 && first == plans.size()))
      break;
    SmallVector<size_t> timed = {0};
    if (result.best)
      timed.push_back(result.best);
    for (size_t plan = first; plan < plans.size(); ++plan)
      if (trials[plan])
        timed.push_back(plan);
    if (llvm::Error error = time(timed, kSamples))
      return error;
    ++result.rounds;
    size_t fastest = findFastest(first);
    isClimbing = fastest != result.best && result.rounds < rounds;
    result.best = fastest;
    for (size_t plan = 1; plan < plans.size(); ++plan)
      if (plan != fastest)
        trials[plan].reset();
  }
  // Of many plans one is fastest by chance: the best once more, beside the
  // chosen one alone.
  if (result.best) {
    if (llvm::Error error = time({0, result.best}, kFinalSamples))
      return error;
    if (!trials[result.best]->timing.isFasterThan(trials.front()->timing))
      result.best = 0;
  }
  kernel.setPlanAttr(plans[result.best]);
  return llvm::Error::success();
}
