// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// A kernel's report as one line for a person.

#include "ReportFacts.h"
#include "bfly/Schedule/Plan.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace mlir::bfly;

/// "1.5 MB", with three digits.
static std::string toText(double amount, StringRef unit, double base) {
  static constexpr StringRef prefixes[] = {"", "k", "M", "G", "T", "P"};
  unsigned prefix = 0;
  while (amount >= base && prefix + 1 < std::size(prefixes)) {
    amount /= base;
    ++prefix;
  }
  std::string digits = amount < 10 && prefix ? llvm::formatv("{0:f2}", amount)
                       : amount < 100 && prefix
                           ? llvm::formatv("{0:f1}", amount)
                           : llvm::formatv("{0:f0}", amount);
  return digits + " " + prefixes[prefix].str() + unit.str();
}

static std::string toText(Amount amount, StringRef unit) {
  if (amount.perBatch == 0)
    return toText(amount.fixed, unit, 1000);
  std::string each = toText(amount.perBatch, unit, 1000) + " a sequence";
  return amount.fixed == 0 ? each
                           : toText(amount.fixed, unit, 1000) + " + " + each;
}

std::string mlir::bfly::summarize(KernelOp kernel,
                                  const ReportOptions &options) {
  Network network = inspect(kernel);
  KernelCost cost = getKernelCost(kernel);
  std::string text;
  llvm::raw_string_ostream os(text);
  os << "kernel \"" << kernel.getName() << "\": " << toText(cost.bytes, "B")
     << " moved, " << toText(cost.flops, "flop");
  const char *before = "; state ";
  for (const KernelState &state : getStates(kernel)) {
    if (state.first < 0)
      continue;
    os << before << toText(double(state.bytes), "B", 1000) << " in "
       << state.place;
    before = ", then ";
  }
  SmallVector<StringRef> rewrites = getRewrites(kernel, network);
  if (!rewrites.empty())
    os << "; " << llvm::join(rewrites, ", ");
  if (auto bound = getBound(kernel, cost, network.wide, options))
    os << "; " << bound->name() << " bound, "
       << llvm::formatv("{0:f2}", bound->seconds() * 1e6) << " us at "
       << toText(bound->ceilings.bytesPerSecond, "B/s", 1000) << " and "
       << toText(bound->ceilings.flopsPerSecond, "flop/s", 1000);
  if (StringRef library = getLibrary(kernel); !library.empty())
    os << "; by " << library;
  std::string unfused = getUnfusedReason(kernel, network);
  if (!unfused.empty())
    os << "; not fused: " << unfused;
  return text;
}
