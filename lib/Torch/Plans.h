// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The compiled modules of this process.

#ifndef BFLY_LIB_TORCH_PLANS_H
#define BFLY_LIB_TORCH_PLANS_H

#include "Functions.h"
#include "bfly/Engine/CAPI.h"

#include <atomic>
#include <cstring>
#include <memory>

namespace bfly_torch {

/// What a call depends on, as a few words that are cheap to compare: the
/// operator, the numbers, and type, device and sizes of each tensor.
class Key {
public:
  static constexpr unsigned kMaxRank = 4;

  void add(int64_t word) { words[size++] = word; }
  /// Fails for more dimensions than any argument may have.
  void add(const View &view, const char *name);

  uint64_t hash() const;
  bool operator==(const Key &other) const {
    return size == other.size &&
           !std::memcmp(words, other.words, size * sizeof(int64_t));
  }

private:
  int64_t words[(kMaxTensors + 1) * (kMaxRank + 1) + 6];
  unsigned size = 0;
};

/// A compiled module.
class Kernel {
public:
  explicit Kernel(bfly_kernel *handle) : handle(handle) {}
  ~Kernel() { bfly_kernel_destroy(handle); }
  Kernel(const Kernel &) = delete;
  Kernel &operator=(const Kernel &) = delete;

  bfly_kernel *get() const { return handle; }

private:
  bfly_kernel *handle;
};

/// How calls of one key are run.
struct Plan {
  /// None where there is nothing to compute: a batch of no sequences.
  std::shared_ptr<Kernel> kernel;
  std::vector<std::vector<int64_t>> shapes;
  /// As the C API takes them, without addresses: inputs in the function's
  /// order, and the results that are wanted.
  std::vector<bfly_array> inputs, results;
  /// The sizes of each result that the operator returns; none wanted: (0).
  std::vector<std::vector<int64_t>> sizes;
  /// Whether the operator's result is one of the kernel's, and whether the
  /// kernel leaves some of it as it was.
  std::vector<bool> isWanted, isPartial;
  std::atomic<uint64_t> lastUse{0};
};

/// A call, as it is looked up. `wanted` has a bit for each gradient.
struct Request {
  const Operator &op;
  Arguments arguments;
  bool isBackward = false;
  View gradient;
  uint64_t wanted = 0;
  int32_t threads = 0;

  Key key() const;
};

/// The plan of a call: the one that there is, or a new one, for which others
/// than those who want the same do not wait. Fails with what is wrong with the
/// arguments, or with what the compiler says.
std::shared_ptr<const Plan> getPlan(const Request &request);

} // namespace bfly_torch

#endif // BFLY_LIB_TORCH_PLANS_H
