// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// A look at textual IR before MLIR's parser, which recurses without a limit.

#ifndef BFLY_PIPELINES_TEXTGUARD_H
#define BFLY_PIPELINES_TEXTGUARD_H

#include "llvm/ADT/StringRef.h"

#include <optional>
#include <string>

namespace mlir::bfly {

struct TextLimits {
  /// Brackets of any kind within each other, and aliases within aliases.
  unsigned nesting = 256;
  /// Operators in one affine expression, which nest one in the next.
  unsigned operators = 2048;
  /// What an alias may stand for, counted in aliases: each of n that uses the
  /// one before twice stands for 2^n.
  uint64_t aliasSize = 1 << 20;
};

/// Where a text goes beyond a limit.
struct TextProblem {
  unsigned line = 1;
  unsigned column = 1;
  std::string message;
};

std::optional<TextProblem> checkText(llvm::StringRef text,
                                     const TextLimits &limits);

} // namespace mlir::bfly

#endif // BFLY_PIPELINES_TEXTGUARD_H
