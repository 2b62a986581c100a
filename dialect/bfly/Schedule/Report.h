// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The report of a schedule: kernel by kernel, what was decided and what it
// costs.

#ifndef BFLY_SCHEDULE_REPORT_H
#define BFLY_SCHEDULE_REPORT_H

#include "bfly/Schedule/CostModel.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/JSON.h"

namespace mlir::bfly {

struct ReportOptions {
  /// What a second holds on the machine; where one is 0, nominal ceilings of
  /// the module's target are used.
  MachineCeilings ceilings;
  /// Sequences that times and bounds are given for where the batch is dynamic.
  int64_t batch = 1;
};

/// The report of a module at schedule level: an object with "machine",
/// "ceilings", "batch", "kernels", "outside" and "total" (docs/report.md has
/// every field). Kernels come in the order they run in, public function by
/// public function. Kernels whose plan is not chosen yet have no "plan" and no
/// "state".
llvm::json::Value getReport(ModuleOp module, const ReportOptions &options = {});

/// The report of one kernel, an element of "kernels".
llvm::json::Object getKernelReport(KernelOp kernel,
                                   const ReportOptions &options = {});

/// The same as one line for a person.
std::string summarize(KernelOp kernel, const ReportOptions &options = {});

} // namespace mlir::bfly

#endif // BFLY_SCHEDULE_REPORT_H
