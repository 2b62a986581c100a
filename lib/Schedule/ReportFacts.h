// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Facts about kernels that their reports, for programs and for people, are made
// of.

#ifndef BFLY_LIB_SCHEDULE_REPORTFACTS_H
#define BFLY_LIB_SCHEDULE_REPORTFACTS_H

#include "bfly/IR/Network.h"
#include "bfly/Schedule/Plan.h"
#include "bfly/Schedule/Report.h"

namespace mlir::bfly {

/// The exact rewrites, and the choices of the same kind, that can be seen in a
/// kernel.
SmallVector<StringRef> getRewrites(KernelOp kernel, const Network &network);

/// Why a piece of a mixer is a kernel of its own; "" where none is.
std::string getUnfusedReason(KernelOp kernel, const Network &network);

/// What a second holds: as measured, else nominal.
MachineCeilings getCeilings(const std::optional<Machine> &machine,
                            const ReportOptions &options);

/// Seconds at each of a machine's ceilings.
struct Bound {
  double memory = 0, arithmetic = 0, matrix = 0;
  MachineCeilings ceilings;

  double seconds() const { return std::max({memory, arithmetic, matrix}); }
  StringRef name() const {
    return memory >= std::max(arithmetic, matrix) ? "memory"
           : arithmetic >= matrix                 ? "arithmetic"
                                                  : "matrix";
  }
};

/// None where nobody knows the ceilings. `wide` for a kernel in f64.
std::optional<Bound> getBound(KernelOp kernel, const KernelCost &cost,
                              bool wide, const ReportOptions &options);

} // namespace mlir::bfly

#endif // BFLY_LIB_SCHEDULE_REPORTFACTS_H
