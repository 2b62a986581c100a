// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bfly/Schedule/Machine.h"

using namespace mlir::bfly;

std::optional<Machine> mlir::bfly::getMachine(llvm::StringRef target,
                                              int64_t threads) {
  // A server core of today: AVX-512, 48 KB and 1 MB of cache to itself. A CPU
  // with narrower vectors runs the same code, each vector in parts.
  if (target == "cpu")
    return Machine{"cpu",           /*lanes=*/16,   /*vectorRegisters=*/32,
                   /*l1=*/48 << 10, /*l2=*/1 << 20, /*l3=*/32 << 20,
                   threads};
  // Hopper: what a block may have of shared memory is 227 KB; the last level of
  // cache is everybody's.
  if (target == "sm_90a")
    return Machine{"sm_90a",
                   /*lanes=*/32,
                   /*vectorRegisters=*/255,
                   /*l1=*/256 << 10,
                   /*l2=*/50 << 20,
                   /*l3=*/0,
                   threads,
                   /*blockThreads=*/512,
                   /*sharedBytes=*/227 << 10,
                   /*multiprocessors=*/132,
                   /*residentThreads=*/512,
                   /*longestTransform=*/1 << 16};
  return std::nullopt;
}

llvm::StringRef mlir::bfly::getMachineNames() { return "cpu, sm_90a"; }
