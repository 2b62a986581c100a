// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Verifiers of plans' parts: what holds whichever kernel they are of. What a
// kernel and its target ask is in lib/Schedule.

#include "VerifyUtils.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::bfly;

/// More than any array has, and little enough that products of a few fit in 64
/// bits.
static constexpr int64_t kMostItems = 1 << 20;

/// No network has more stages, nor a transform more passes.
static constexpr int64_t kMostStages = 63;

LogicalResult mlir::bfly::verifyRange(EmitError emitError, StringRef label,
                                      StringRef word, int64_t value,
                                      int64_t least, int64_t most,
                                      int64_t multiple) {
  if (value >= least && value <= most && value % multiple == 0)
    return success();
  InFlightDiagnostic error = emitError();
  error << '(' << label << ") " << word << " = " << value << ": must be ";
  if (multiple > 1)
    error << "a multiple of " << multiple << ' ';
  return error << "from " << least << " to " << most;
}

LogicalResult mlir::bfly::verifyPowerOfTwo(EmitError emitError, StringRef label,
                                           StringRef word, int64_t value,
                                           int64_t least, int64_t most) {
  if (value >= least && value <= most && llvm::isPowerOf2_64(value))
    return success();
  return emitError() << '(' << label << ") " << word << " = " << value
                     << ": must be a power of two from " << least << " to "
                     << most;
}

static LogicalResult checkRadices(EmitError emitError,
                                  ArrayRef<int64_t> radices, int64_t most) {
  for (int64_t radix : radices)
    if (failed(
            verifyRange(emitError, "P2", "a radix of radices", radix, 2, most)))
      return failure();
  return success();
}

/// Groups that follow one another from stage 0 on.
static LogicalResult checkGroups(EmitError emitError, StringRef label,
                                 ArrayRef<GroupAttr> groups) {
  int64_t next = 0;
  for (GroupAttr group : groups) {
    if (group.getFirst() != next || group.getLast() < group.getFirst() ||
        group.getLast() > kMostStages)
      return emitError() << '(' << label << ") group <" << group.getFirst()
                         << " to " << group.getLast()
                         << "> of groups: must follow one another from stage "
                            "0, and end by stage "
                         << kMostStages;
    next = group.getLast() + 1;
  }
  return success();
}

LogicalResult CpuTransformAttr::verify(EmitError emitError, int64_t channels,
                                       ArrayRef<int64_t> radices,
                                       ArrayRef<GroupAttr> groups) {
  return failure(failed(verifyRange(emitError, "P1", "channels", channels, 1,
                                    kMostItems)) ||
                 failed(checkRadices(emitError, radices, 64)) ||
                 failed(checkGroups(emitError, "P4", groups)));
}

LogicalResult CpuSlabsAttr::verify(EmitError emitError, int64_t channels) {
  return verifyRange(emitError, "P1", "channels", channels, 1, kMostItems);
}

LogicalResult CpuAttentionAttr::verify(EmitError emitError, int64_t pairs,
                                       StringAttr parallel) {
  if (failed(verifyPowerOfTwo(emitError, "P1", "pairs", pairs, 1, kMostItems)))
    return failure();
  if (parallel != "batch" && parallel != "tile")
    return emitError() << "(P2) parallel = " << parallel
                       << R"(: must be "batch" or "tile")";
  return success();
}

LogicalResult CpuPanelsAttr::verify(EmitError emitError, int64_t columns) {
  return verifyRange(emitError, "P1", "columns", columns, 1, 1024);
}

LogicalResult CpuDenseAttr::verify(EmitError emitError, int64_t rows) {
  return verifyRange(emitError, "P1", "rows", rows, 1, kMostItems);
}

LogicalResult GpuBlockAttr::verify(EmitError emitError, int64_t threads) {
  return verifyRange(emitError, "P1", "threads", threads, 32, 1024, 32);
}

LogicalResult GpuTransformAttr::verify(EmitError emitError, int64_t columns,
                                       ArrayRef<int64_t> radices,
                                       ArrayRef<GroupAttr> groups) {
  return failure(
      failed(verifyRange(emitError, "P1", "columns", columns, 1, 1024)) ||
      failed(checkRadices(emitError, radices, 32)) ||
      failed(checkGroups(emitError, "P4", groups)));
}

LogicalResult GpuGridAttentionAttr::verify(EmitError emitError, int64_t columns,
                                           int64_t heads, int64_t depth,
                                           int64_t slots) {
  return failure(
      failed(verifyRange(emitError, "P1", "columns", columns, 8, 128, 8)) ||
      failed(verifyRange(emitError, "P2", "heads", heads, 1, 8)) ||
      failed(verifyRange(emitError, "P3", "depth", depth, 16, 32, 16)) ||
      failed(verifyRange(emitError, "P4", "slots", slots, 2, 8)));
}

LogicalResult GpuBlockAttentionAttr::verify(EmitError emitError, int64_t tokens,
                                            ArrayRef<GroupAttr> groups) {
  return failure(failed(verifyRange(emitError, "P2", "tokens", tokens, 2,
                                    kMostItems, 2)) ||
                 failed(checkGroups(emitError, "P3", groups)));
}

LogicalResult GpuDenseAttr::verify(EmitError emitError, int64_t rows,
                                   int64_t depth) {
  return failure(failed(verifyRange(emitError, "P1", "rows", rows, 0, 64)) ||
                 failed(verifyRange(emitError, "P2", "depth", depth, 1, 32)));
}

LogicalResult GpuRowsAttr::verify(EmitError emitError, int64_t rows) {
  return verifyRange(emitError, "P1", "rows", rows, 1, kMostItems);
}

LogicalResult LibraryAttr::verify(EmitError emitError, StringAttr name) {
  if (name == "cuFFT" || name == "cuBLASLt")
    return success();
  return emitError() << "(P1) name = " << name
                     << R"(: must be "cuFFT" or "cuBLASLt")";
}
