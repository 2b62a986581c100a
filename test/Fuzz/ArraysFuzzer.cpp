// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// libFuzzer's harness for what arrays are read from: .npy, .safetensors and
// array literals. What is read is touched to its last byte, printed, and where
// it can be written read back. Every error has a message of one line.

#include "TokenMutator.h"
#include "bfly/Arrays/ArrayLiteral.h"
#include "bfly/Arrays/Npy.h"
#include "bfly/Arrays/Safetensors.h"

#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"
#include <cstdlib>

using namespace mlir::bfly;

namespace {

/// Larger arrays than this are refused, as the callers do.
constexpr uint64_t kMaxBytes = 1 << 20;

void check(llvm::Error error) {
  std::string message = llvm::toString(std::move(error));
  static const bool verbose = std::getenv("BFLY_FUZZ_VERBOSE");
  if (verbose)
    llvm::errs() << message << "\n";
  if (message.empty() || llvm::StringRef(message).contains('\n')) {
    llvm::errs() << "FINDING: a message of no line or of several: " << message
                 << "\n";
    std::abort();
  }
}

void use(llvm::Expected<HostArray> array) {
  if (!array)
    return check(array.takeError());
  if (static_cast<uint64_t>(array->sizeInBytes()) > kMaxBytes &&
      array->isOwned()) {
    llvm::errs() << "FINDING: more bytes than were allowed\n";
    std::abort();
  }
  volatile unsigned sum = 0;
  auto *bytes = static_cast<const unsigned char *>(array->data());
  for (int64_t i = 0; i < array->sizeInBytes(); ++i)
    sum = sum + bytes[i];
  llvm::raw_null_ostream out;
  printArray(out, *array);
  if (llvm::Error error = array->checkBooleans())
    check(std::move(error));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0)
    return 0;
  // Not the whole of a page, and not at a multiple of anything: what is read
  // past its end shows under a sanitizer.
  llvm::StringRef text(reinterpret_cast<const char *>(data), size);
  if (text.starts_with("\x93NUMPY")) {
    NpyOptions options;
    options.maxBytes = kMaxBytes;
    use(parseNpy(llvm::MemoryBufferRef(text, "fuzz.npy"), options));
    return 0;
  }
  if (size >= 8 && data[7] == 0) {
    auto file = Safetensors::parse(
        llvm::MemoryBuffer::getMemBufferCopy(text, "fuzz.safetensors"));
    if (!file) {
      check(file.takeError());
      return 0;
    }
    for (llvm::StringRef name : file->names())
      use(file->find(name, kMaxBytes));
    use(file->find("weight", kMaxBytes));
    return 0;
  }
  // A literal may name a file, which is none of this harness' business.
  if (text.contains('@') || text.contains('/') || text.contains(".npy"))
    return 0;
  ArrayLiteralOptions options;
  options.maxBytes = kMaxBytes;
  use(parseArrayLiteral(text, options));
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size,
                                          size_t maxSize, unsigned seed) {
  return bfly_fuzz::mutate(data, size, maxSize, seed);
}
