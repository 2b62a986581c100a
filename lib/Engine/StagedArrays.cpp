// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "StagedArrays.h"

#include "bfly-cuda.h"
#include "bfly/Arrays/FileIO.h"

using namespace mlir::bfly;

void StagedArrays::add(std::string name, void *host, uint64_t bytes,
                       bool isResult, int64_t *words) {
  arrays.push_back({std::move(name), host, bytes, isResult, words, nullptr});
}

llvm::Error StagedArrays::upload(void *newStream) {
  // Memory belongs to the stream that it was allocated on.
  if (newStream != stream)
    release();
  stream = newStream;
  for (Array &array : arrays) {
    if (!array.device &&
        bflyCudaAllocate(ordinal, stream, array.bytes, &array.device))
      return makeError(array.name + ": " + bflyCudaLastError());
    array.words[0] = array.words[1] = reinterpret_cast<intptr_t>(array.device);
    if (!array.isResult &&
        bflyCudaCopy(ordinal, stream, array.device, array.host, array.bytes))
      return makeError(array.name + ": " + bflyCudaLastError());
  }
  return llvm::Error::success();
}

llvm::Error StagedArrays::download(void *stream) {
  for (Array &array : arrays)
    if (array.isResult &&
        bflyCudaCopy(ordinal, stream, array.host, array.device, array.bytes))
      return makeError(array.name + ": " + bflyCudaLastError());
  // Pinned memory is still being read or written.
  if (bflyCudaSynchronize(ordinal, stream))
    return makeError(bflyCudaLastError());
  return llvm::Error::success();
}

void StagedArrays::release() {
  for (Array &array : arrays) {
    if (array.device)
      bflyCudaFree(ordinal, stream, array.device);
    array.device = nullptr;
  }
}
