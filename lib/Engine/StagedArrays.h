// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#ifndef BFLY_LIB_ENGINE_STAGEDARRAYS_H
#define BFLY_LIB_ENGINE_STAGEDARRAYS_H

#include "llvm/Support/Error.h"

#include <cstdint>
#include <string>
#include <vector>

namespace mlir::bfly {

/// The arrays of a call on a GPU that are in the memory of the host: their
/// memory on the GPU, and the copies there and back.
class StagedArrays {
public:
  explicit StagedArrays(int ordinal) : ordinal(ordinal) {}
  ~StagedArrays() { release(); }
  StagedArrays(const StagedArrays &) = delete;

  /// Adds an array of the host, read by the call or filled by it. The address
  /// on the GPU will be stored in both of `words[0]` and `words[1]`, which have
  /// to stay where they are. `name` is what errors call it.
  void add(std::string name, void *host, uint64_t bytes, bool isResult,
           int64_t *words);
  /// What messages call the first of them.
  const std::string &firstName() const { return arrays.front().name; }
  bool empty() const { return arrays.empty(); }

  /// Allocates, where that was not done yet, and copies what the call reads.
  llvm::Error upload(void *stream);
  /// Copies what the call has filled, and waits for it.
  llvm::Error download(void *stream);

private:
  struct Array {
    std::string name;
    void *host;
    uint64_t bytes;
    bool isResult;
    int64_t *words;
    void *device;
  };
  void release();

  int ordinal;
  void *stream = nullptr; ///< that the memory is allocated on
  std::vector<Array> arrays;
};

} // namespace mlir::bfly

#endif // BFLY_LIB_ENGINE_STAGEDARRAYS_H
