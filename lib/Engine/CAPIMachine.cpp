// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The machine at hand, behind the C API: its ceilings, measured, and its
// devices.

#include "CAPIArrays.h"
#include "InFlight.h"
#include "bfly-runtime.h"
#include "bfly/Engine/Measure.h"

using namespace mlir;
using namespace mlir::bfly;

/// Why nothing can be measured so; an hour is more than anybody waits.
static bool canMeasure(int32_t threads, double seconds,
                       const double *bytes_per_second,
                       const double *flops_per_second) {
  if (threads < 0 || threads > 4096)
    keepError("threads is " + std::to_string(threads) +
              ", but has to be from 0 to 4096");
  else if (!(seconds >= 0 && seconds <= 3600))
    keepError("seconds has to be from 0 to 3600");
  else
    return isGiven(bytes_per_second, "bytes_per_second") &&
           isGiven(flops_per_second, "flops_per_second");
  return false;
}

extern "C" {

void bfly_measure_ceilings(int32_t threads, double seconds,
                           double *bytes_per_second, double *flops_per_second) {
  if (!canMeasure(threads, seconds, bytes_per_second, flops_per_second)) {
    for (double *rate : {bytes_per_second, flops_per_second})
      if (rate)
        *rate = 0;
    return;
  }
  InFlight call;
  *bytes_per_second = bflyRuntimeCopyBandwidth(threads, seconds);
  *flops_per_second = bflyRuntimePeakFlops(threads, seconds);
}

int bfly_measure_device(const char *device, double seconds,
                        double *bytes_per_second, double *flops_per_second,
                        double *matrix_flops_per_second) {
  if (!canMeasure(0, seconds, bytes_per_second, flops_per_second))
    return -1;
  InFlight call;
  auto parsed = Device::parse(device ? device : "cpu");
  llvm::Error error = parsed ? parsed->open() : parsed.takeError();
  if (error) {
    keepError(toString(std::move(error)));
    return -1;
  }
  auto ceilings = Ceilings::measure(*parsed, 0, seconds);
  if (!ceilings) {
    keepError(toString(ceilings.takeError()));
    return -1;
  }
  *bytes_per_second = ceilings->bytesPerSecond;
  *flops_per_second = ceilings->flopsPerSecond;
  if (matrix_flops_per_second)
    *matrix_flops_per_second = ceilings->matrixFlopsPerSecond;
  return 0;
}

int bfly_open_device(const char *device) {
  InFlight call;
  auto parsed = Device::parse(device ? device : "cpu");
  llvm::Error error = parsed ? parsed->open() : parsed.takeError();
  if (!error)
    return 0;
  keepError(toString(std::move(error)));
  return -1;
}

} // extern "C"
