// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// libFuzzer's harness for IR: a text is read, and its functions lowered to a
// level; sometimes compiled and run. Which level, target and options is for the
// text's hash to say, so that an input is the whole of a finding.
//
// With BFLY_FUZZ_VERBOSE every error is printed. An error without a message, or
// one that does not begin with the source's name, is a finding too.

#include "TokenMutator.h"
#include "bfly/Engine/Executable.h"
#include "bfly/Engine/Program.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Regex.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Support/xxhash.h"
#include <cstdlib>

using namespace mlir;
using namespace mlir::bfly;

namespace {

const char kName[] = "fuzz.mlir";
/// Larger results than these are not run, nor larger inputs.
constexpr int64_t kMaxElements = 1 << 16;

void check(llvm::Error error) {
  if (!error)
    return;
  std::string message = llvm::toString(std::move(error));
  static const bool verbose = std::getenv("BFLY_FUZZ_VERBOSE");
  if (verbose)
    llvm::errs() << message << "\n";
  // Of sizes that do not fit, it is the operation that needs others.
  // And a text may say that it comes from another file.
  static const llvm::Regex place(":[0-9]+:[0-9]+: error: ");
  bool isNamed = llvm::StringRef(message).contains(kName) ||
                 place.match(message) ||
                 llvm::StringRef(message).starts_with("input ") ||
                 llvm::StringRef(message).starts_with("function") ||
                 llvm::StringRef(message).starts_with("compile options") ||
                 llvm::StringRef(message).starts_with("the inputs' sizes") ||
                 llvm::StringRef(message).starts_with("the results");
  if (message.empty() || !isNamed) {
    llvm::errs() << "FINDING: a message that names no place: " << message
                 << "\n";
    std::abort();
  }
}

/// The shape with 2 for every dynamic size; none if it is too large.
std::optional<llvm::SmallVector<int64_t, 4>>
getSmallShape(llvm::ArrayRef<int64_t> shape) {
  llvm::SmallVector<int64_t, 4> result;
  int64_t elements = 1;
  for (int64_t size : shape) {
    result.push_back(size < 0 ? 2 : size);
    if (result.back() > kMaxElements)
      return std::nullopt;
    elements *= std::max<int64_t>(result.back(), 1);
    if (elements > kMaxElements)
      return std::nullopt;
  }
  return result;
}

/// Whether a loop may take longer than a fuzzer waits: some number has so many
/// digits that it is not one of a plain program's sizes.
bool mayRunLong(llvm::StringRef text) {
  return text.contains("0x") || llvm::Regex("(^|[^.0-9])[0-9]{5}").match(text);
}

void run(Lowering &lowering) {
  const Signature &function = lowering.function();
  auto executable = Executable::create(lowering);
  if (!executable)
    return check(executable.takeError());
  std::vector<HostArray> arrays;
  auto allocate = [&](const auto &values) {
    for (const auto &value : values) {
      auto shape = getSmallShape(value.shape);
      if (!shape)
        return false;
      auto array = HostArray::zeros(value.type, *shape);
      if (!array) {
        llvm::consumeError(array.takeError());
        return false;
      }
      arrays.push_back(std::move(*array));
    }
    return true;
  };
  if (!allocate(function.inputs))
    return;
  size_t inputs = arrays.size();
  if (!allocate(function.parameters))
    return;
  size_t parameters = arrays.size();
  std::vector<const HostArray *> given;
  for (const HostArray &array : arrays)
    given.push_back(&array);
  auto results = (*executable)
                     ->allocateResults(llvm::ArrayRef(given).take_front(inputs),
                                       llvm::ArrayRef(given).slice(
                                           inputs, parameters - inputs));
  if (!results)
    return check(results.takeError());
  std::vector<HostArray *> outputs;
  for (HostArray &array : *results) {
    if (array.numElements() > 16 * kMaxElements)
      return;
    outputs.push_back(&array);
  }
  check((*executable)
            ->invoke(llvm::ArrayRef(given).take_front(inputs),
                     llvm::ArrayRef(given).slice(inputs, parameters - inputs),
                     outputs));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  llvm::StringRef text(reinterpret_cast<const char *>(data), size);
  uint64_t hash = llvm::xxh3_64bits(text);
  auto program = Program::parseText(text, kName);
  if (!program) {
    check(program.takeError());
    return 0;
  }
  static const char *const kOptions[] = {"",
                                         "",
                                         "fuse=false",
                                         "scoring=definition",
                                         "scoring=folded",
                                         "scoring=carried"};
  CompileSettings settings;
  settings.threads = 1 + hash % 3;
  settings.pipelineOptions = kOptions[hash / 3 % std::size(kOptions)];
  bool emulated = hash / 32 % 3 == 0;
  if (emulated) {
    settings.target = "sm_90a";
    settings.pipelineOptions += " emulate=true";
  }
  static const char *const kLevels[] = {"network", "schedule", "affine",
                                        "affine", "llvm"};
  const char *level = kLevels[hash / 128 % std::size(kLevels)];
  for (const Signature &signature : (*program)->functions()) {
    auto function = (*program)->function(signature.name);
    if (!function) {
      check(function.takeError());
      continue;
    }
    Lowering lowering(**program, **function, settings);
    if (hash / 1024 % 16 == 0 && !mayRunLong(text))
      run(lowering);
    else if (auto ir = lowering.ir(level); !ir)
      check(ir.takeError());
  }
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size,
                                          size_t maxSize, unsigned seed) {
  return bfly_fuzz::mutate(data, size, maxSize, seed);
}

extern "C" size_t LLVMFuzzerCustomCrossOver(const uint8_t *one, size_t oneSize,
                                            const uint8_t *two, size_t twoSize,
                                            uint8_t *out, size_t maxSize,
                                            unsigned seed) {
  std::string result = bfly_fuzz::mutateTokens(
      std::string(reinterpret_cast<const char *>(one), oneSize),
      std::string(reinterpret_cast<const char *>(two), twoSize), seed);
  if (result.size() > maxSize)
    result.resize(maxSize);
  std::memcpy(out, result.data(), result.size());
  return result.size();
}
