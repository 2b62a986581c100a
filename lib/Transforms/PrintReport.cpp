// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Say what a schedule costs, kernel by kernel.
//
// Before: schedule level. (At network level there are no kernels yet, at affine
// level they no longer say what they compute.)
// After: the same; a remark at every kernel, and the report in a file.

#include "bfly/Schedule/Report.h"
#include "bfly/Transforms/Passes.h"

#include "llvm/Support/Error.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

#include <cmath>

namespace mlir::bfly {
#define GEN_PASS_DEF_PRINTREPORTPASS
#include "bfly/Transforms/Passes.h.inc"
} // namespace mlir::bfly

using namespace mlir;
using namespace mlir::bfly;

namespace {

struct PrintReportPass
    : public bfly::impl::PrintReportPassBase<PrintReportPass> {
  using PrintReportPassBase::PrintReportPassBase;

  void runOnOperation() override {
    ReportOptions options;
    options.ceilings = {bytesPerSecond, flopsPerSecond, 0};
    options.batch = batch;
    if (batch < 0 || !std::isfinite(bytesPerSecond) || bytesPerSecond < 0 ||
        !std::isfinite(flopsPerSecond) || flopsPerSecond < 0) {
      getOperation().emitError("batch must not be negative, and ceilings "
                               "finite and not negative");
      return signalPassFailure();
    }
    getOperation().walk([&](KernelOp kernel) {
      // At its location: with the operation as a note the line would drown.
      if (remarks && isOnTensors(kernel))
        emitRemark(kernel.getLoc()) << summarize(kernel, options);
      return WalkResult::skip();
    });
    if (!file.empty() && failed(write(getReport(getOperation(), options))))
      signalPassFailure();
    markAllAnalysesPreserved();
  }

private:
  LogicalResult write(const llvm::json::Value &report) {
    auto print = [&](raw_ostream &os) {
      os << llvm::formatv("{0:2}", report) << "\n";
      return llvm::Error::success();
    };
    // Standard output has the module.
    llvm::Error error =
        file == "-" ? print(llvm::errs()) : llvm::writeToOutput(file, print);
    if (!error)
      return success();
    return getOperation().emitError("cannot write the report to '")
           << file << "': " << llvm::toString(std::move(error));
  }
};

} // namespace
