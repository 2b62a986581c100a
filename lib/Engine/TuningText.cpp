// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What tuning found, as a table and as JSON.

#include "bfly/Engine/Tuning.h"

#include "llvm/Support/Format.h"

using namespace mlir;
using namespace mlir::bfly;
namespace json = llvm::json;

/// Of the time that the report's bound is.
static double getBoundShare(const TunedKernel &kernel, const TriedPlan &plan) {
  return kernel.boundSeconds / plan.timing.median;
}

static void printPlan(llvm::raw_ostream &os, const TunedKernel &kernel,
                      const TriedPlan &plan, bool isTimed) {
  if (!plan.problem.empty()) {
    os << "  fails: " << plan.parts << ": " << plan.problem << "\n";
    return;
  }
  os << "  ";
  if (isTimed)
    os << llvm::format(
        "%12.3f %6.2f %5.1f%% %5.1f%%  ", plan.timing.median * 1e6, plan.ratio,
        plan.timing.noise() * 100, getBoundShare(kernel, plan) * 100);
  if (&plan == &kernel.plans.front())
    os << "chosen: ";
  os << plan.parts << "\n";
}

void Tuning::print(llvm::raw_ostream &os) const {
  for (const TunedKernel &kernel : kernels) {
    os << "kernel \"" << kernel.name << "\"";
    if (!kernel.location.empty())
      os << " at " << kernel.location;
    if (kernel.alike > 1)
      os << ", " << kernel.alike << " of them";
    if (isTimed)
      os << llvm::format(": bound by %s, %.3f us\n", kernel.bound.c_str(),
                         kernel.boundSeconds * 1e6)
         << "            us  ratio  noise  bound  plan\n";
    else
      os << ": its plan, and the neighbours that compute the same\n";
    SmallVector<const TriedPlan *> order;
    for (const TriedPlan &plan : kernel.plans)
      order.push_back(&plan);
    // The chosen one, then the fastest first; what fails has no time.
    std::sort(order.begin() + 1, order.end(), [](auto *a, auto *b) {
      return std::tuple(!a->problem.empty(), a->ratio, a) <
             std::tuple(!b->problem.empty(), b->ratio, b);
    });
    for (const TriedPlan *plan : order)
      printPlan(os, kernel, *plan, isTimed);
    if (!isTimed)
      continue;
    os << llvm::format("the chosen plan is %.2f x the best",
                       1 / kernel.plans[kernel.best].ratio);
    if (kernel.best)
      os << ": " << kernel.plans[kernel.best].parts << "\n";
    else
      os << ": no neighbour is faster by more than the noise\n";
  }
  if (best.median > 0)
    os << llvm::format("function '%s': %.3f us with the chosen plans, %.3f us "
                       "with the best, %.2f x\n",
                       function.c_str(), chosen.median * 1e6, best.median * 1e6,
                       chosen.median / best.median);
}

json::Object Tuning::toJSON() const {
  json::Array list;
  for (const TunedKernel &kernel : kernels) {
    json::Array plans;
    for (auto [i, plan] : llvm::enumerate(kernel.plans)) {
      json::Object row{{"plan", plan.plan}};
      if (!plan.problem.empty()) {
        row["problem"] = json::fixUTF8(plan.problem);
      } else if (isTimed) {
        row["seconds"] = plan.timing.median;
        row["noise"] = plan.timing.noise();
        row["ratio"] = plan.ratio;
        row["bound_share"] = getBoundShare(kernel, plan);
      }
      plans.push_back(std::move(row));
    }
    json::Object entry{{"name", kernel.name},
                       {"location", kernel.location},
                       {"alike", kernel.alike},
                       {"plans", std::move(plans)}};
    if (isTimed) {
      entry["bound"] = kernel.bound;
      entry["bound_seconds"] = kernel.boundSeconds;
      entry["best"] = static_cast<int64_t>(kernel.best);
      entry["chosen_over_best"] = 1 / kernel.plans[kernel.best].ratio;
    }
    list.push_back(std::move(entry));
  }
  json::Object result{{"kernels", std::move(list)}};
  if (best.median > 0) {
    result["chosen_seconds"] = chosen.median;
    result["best_seconds"] = best.median;
  }
  return result;
}
