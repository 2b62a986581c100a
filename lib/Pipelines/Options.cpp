// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Reads the options of -bfly-compile.

#include "bfly/Pipelines/Pipelines.h"

using namespace mlir;
using namespace mlir::bfly;
using llvm::Twine;

static std::string quote(StringRef text) {
  constexpr size_t limit = 40;
  std::string result;
  llvm::raw_string_ostream os(result);
  os << "'";
  llvm::printEscapedString(text.take_front(limit), os);
  os << (text.size() > limit ? "…'" : "'");
  return result;
}

std::string mlir::bfly::describeBadValue(StringRef option, StringRef wanted,
                                         StringRef text) {
  return (option + " has to be " + wanted + ", got " + quote(text)).str();
}

LogicalResult CompileOptions::read(
    StringRef text,
    llvm::function_ref<LogicalResult(const Twine &)> errorHandler) {
  // llvm::cl would print this one itself.
  for (StringRef word : llvm::split(text, ' ')) {
    const llvm::cl::Option *option = OptionsMap.lookup(word);
    if (option && option->getValueExpectedFlag() == llvm::cl::ValueRequired)
      return errorHandler(word + " has to have a value");
  }
  std::string problem;
  llvm::raw_string_ostream os(problem);
  if (succeeded(parseFromString(text, os)))
    return success();
  for (StringRef kept : {fuse.getParser().problem, emulate.getParser().problem,
                         threads.getParser().problem})
    if (!kept.empty())
      return errorHandler(kept);
  StringRef why = StringRef(problem).trim();
  why.consume_front("<Pass-Options-Parser>: ");
  if (!why.consume_front("no such option "))
    return errorHandler(why);
  return errorHandler("there is no option " + quote(why) +
                      ", known: emulate, fuse, scoring, target, threads, to");
}
