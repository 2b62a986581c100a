// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What the operators are: the functions that they stand for, as the compiler's
// text for arguments of given types and shapes.

#ifndef BFLY_LIB_TORCH_FUNCTIONS_H
#define BFLY_LIB_TORCH_FUNCTIONS_H

#include "Tensors.h"

namespace bfly_torch {

constexpr unsigned kMaxTensors = 7;

/// The arguments of a call: tensors, of which the first is x, and numbers.
struct Arguments {
  View tensors[kMaxTensors];
  int64_t heads = 0;
  double scale = 0;
};

struct Function {
  std::string text;
  /// The tensors' shapes as the text has them: of attention's weights those of
  /// the stages that there are.
  std::vector<std::vector<int64_t>> shapes;
};

/// One operator, and its derivative "…_backward".
struct Operator {
  /// Also the function's in the text.
  const char *name;
  unsigned numTensors;
  const char *names[kMaxTensors];
  /// Whether heads and scale follow the tensors.
  bool hasHeads;
  /// Fails with what is wrong, naming the argument.
  Function (*describe)(const Operator &op, const Arguments &arguments);
};

extern const Operator kSpectralFilter, kModReLUFilter, kButterflyAttention;

/// Fails unless the gradient of the result is like x.
void checkGradient(const Operator &op, const View &gradient, const View &x);

} // namespace bfly_torch

#endif // BFLY_LIB_TORCH_FUNCTIONS_H
