// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What a compiled function takes and gives, as a caller outside MLIR sees it.

#ifndef BFLY_ENGINE_SIGNATURE_H
#define BFLY_ENGINE_SIGNATURE_H

#include "bfly/Arrays/ElementType.h"
#include "bfly/Engine/SizeRules.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace mlir {
class ModuleOp;
namespace func {
class FuncOp;
} // namespace func
} // namespace mlir

namespace mlir::bfly {

/// The size of a dimension that is only known at run time.
inline constexpr int64_t kDynamicSize = std::numeric_limits<int64_t>::min();

/// One input, parameter or result.
struct ValueInfo {
  /// The name of a parameter; "input 0", "result 1" otherwise.
  std::string name;
  ElementType type = ElementType::F32;
  /// Sizes, kDynamicSize where not static.
  llvm::SmallVector<int64_t, 4> shape;
  /// A number passed by value rather than an array.
  bool isScalar = false;

  bool isDynamic() const { return llvm::is_contained(shape, kDynamicSize); }
  /// "?x1024x256xf32".
  std::string typeString() const;
};

/// A function's interface, in the order in which compiled code takes it:
/// inputs, then parameters, then the memory of the results.
struct Signature {
  std::string name;
  std::vector<ValueInfo> inputs;
  std::vector<ValueInfo> parameters;
  std::vector<ValueInfo> results;
  /// Why the function cannot be run from here; empty if it can.
  std::string problem;

  /// "layer(?x8x4xf32; w: 4xf32) -> (?x8x4xf32)".
  std::string str() const;

  /// What sizes have to fulfil, and what they make the results'. Of a function
  /// that returns tensors they are inferred when it is compiled: what its
  /// text says, or that it says nothing, proves nothing. None until then.
  std::optional<SizeRules> rules;

  /// The rules that attributes of `function`, which this is the signature of,
  /// say. None, with the reason in `missing`, where they say too little.
  std::optional<SizeRules> readRules(func::FuncOp function,
                                     std::string &missing) const;

  /// The dynamic sizes of inputs and parameters of these shapes, in order.
  /// Errors name the value whose count, rank or size does not fit, and the
  /// operation that asks for what the sizes do not fulfil.
  llvm::Expected<llvm::SmallVector<int64_t>> matchShapes(
      llvm::ArrayRef<llvm::SmallVector<int64_t, 4>> inputShapes,
      llvm::ArrayRef<llvm::SmallVector<int64_t, 4>> parameterShapes) const;

  /// The results' shapes for what `matchShapes` gave. There have to be rules.
  llvm::Expected<std::vector<llvm::SmallVector<int64_t, 4>>>
  resultShapes(llvm::ArrayRef<int64_t> sizes) const;

  /// The dynamic sizes of inputs and parameters.
  unsigned numDynamicSizes() const;

private:
  llvm::Error explain(const SizeRules::Check &check,
                      llvm::ArrayRef<int64_t> sizes) const;
  /// A value and a dimension for each dynamic size.
  std::vector<std::pair<const ValueInfo *, size_t>> dynamicSizes() const;
};

/// Reads the interface of a function at any level above LLVM's: tensors, or
/// memrefs with results marked `bufferize.result`; parameters are arguments
/// marked `bfly.parameter`.
Signature getSignature(func::FuncOp function);

/// The public functions with a body, in the order of the module.
std::vector<Signature> getSignatures(ModuleOp module);

} // namespace mlir::bfly

#endif // BFLY_ENGINE_SIGNATURE_H
