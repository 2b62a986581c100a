// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The arrays of a run: where they come from and where they go.

#ifndef BFLY_TOOLS_BFLYRUN_ARRAYS_H
#define BFLY_TOOLS_BFLYRUN_ARRAYS_H

#include "Flags.h"
#include "bfly/Arrays/HostArray.h"
#include "bfly/Arrays/Safetensors.h"
#include "bfly/Engine/Program.h"

#include <optional>
#include <vector>

namespace mlir::bfly {

/// Reads the values of --input, which have to fit the signature.
llvm::Expected<std::vector<HostArray>>
readInputs(llvm::ArrayRef<std::string> texts, const Signature &signature);

/// The parameters of a function, out of the files of --parameters.
class Parameters {
public:
  /// `declared` are all of the module. Errors name what is missing, what the
  /// module does not know, and what is
  /// in two files. Ones at the front of a shape do not count: (1, 1, 8) is
  /// taken for (8), and the other way round.
  static llvm::Expected<Parameters>
  read(llvm::ArrayRef<std::string> paths, llvm::ArrayRef<std::string> declared,
       const Signature &signature, ParameterTypes types, bool ignoreUnknown);

  /// In the order of the signature.
  llvm::ArrayRef<HostArray> arrays() const { return values; }

private:
  std::vector<Safetensors> files;
  std::vector<HostArray> values;
};

/// Reads the values of --expected_output; nothing for "(ignored)".
llvm::Expected<std::vector<std::optional<HostArray>>>
readExpected(llvm::ArrayRef<std::string> texts, const Signature &signature);

/// The paths of --output ("@file.npy"; empty for results that are dropped).
llvm::Expected<std::vector<std::string>>
parseOutputs(llvm::ArrayRef<std::string> texts, const Signature &signature);

/// Compares every result with what was expected, each within `tolerance` or,
/// without one, the bound of its type. Prints a line for each that fits; the
/// others are the error.
llvm::Error compareResults(llvm::raw_ostream &os,
                           llvm::ArrayRef<HostArray> results,
                           llvm::ArrayRef<std::optional<HostArray>> expected,
                           std::optional<double> tolerance);

/// Shapes of arrays, and pointers to them, as the engine takes them.
std::vector<llvm::SmallVector<int64_t, 4>>
shapesOf(llvm::ArrayRef<HostArray> arrays);

template <typename Pointer, typename Range>
std::vector<Pointer> pointersTo(Range &&arrays) {
  std::vector<Pointer> pointers;
  pointers.reserve(arrays.size());
  for (auto &array : arrays)
    pointers.push_back(&array);
  return pointers;
}

} // namespace mlir::bfly

#endif // BFLY_TOOLS_BFLYRUN_ARRAYS_H
