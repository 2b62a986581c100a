// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Backward functions, behind the C API.

#include "CAPIArrays.h"
#include "InFlight.h"
#include "bfly/Engine/CrashGuard.h"

using namespace mlir;
using namespace mlir::bfly;

static llvm::Expected<std::string> differentiate(StringRef text, StringRef name,
                                                 const char *function,
                                                 const char *of) {
  SourceOptions options;
  options.derivative = Derivative{function ? function : "", of ? of : ""};
  auto program = Program::parseText(text, name, options);
  if (!program)
    return program.takeError();
  auto backward = (*program)->function("");
  if (!backward)
    return backward.takeError();
  return Lowering(**program, **backward, CompileSettings()).ir("mixer");
}

extern "C" {

char *bfly_differentiate(const char *text, size_t length, const char *name,
                         const char *function, const char *of) {
  if (!isGiven(text, "text"))
    return nullptr;
  InFlight call;
  std::string result, problem, why;
  bool lives = survives(
      [&] {
        auto made = differentiate(StringRef(text, length),
                                  name ? name : "<text>", function, of);
        if (made)
          result = std::move(*made);
        else
          problem = toString(made.takeError());
      },
      why);
  if (!lives)
    problem = crashMessage("the compiler", why);
  if (problem.empty())
    return copyText(result);
  keepError(problem);
  return nullptr;
}

} // extern "C"
