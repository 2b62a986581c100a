// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Which calls are in the library while its process ends.

#ifndef BFLY_LIB_ENGINE_INFLIGHT_H
#define BFLY_LIB_ENGINE_INFLIGHT_H

namespace mlir::bfly {

/// Lives as long as a call of the C API. After `shutDown` the calls of other
/// threads do not begin: the process takes away what they would need.
class InFlight {
public:
  InFlight();
  ~InFlight();
  InFlight(const InFlight &) = delete;
  InFlight &operator=(const InFlight &) = delete;

  /// Waits for the calls of other threads, so many seconds at most.
  static void shutDown(double seconds);
};

} // namespace mlir::bfly

#endif // BFLY_LIB_ENGINE_INFLIGHT_H
