// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Parsers for options of the command line and of pipelines that keep what is
// wrong with a value. Those of llvm::cl print it to the process's standard
// error, which a library must not, and a tool's own message does not get it.

#ifndef BFLY_PIPELINES_QUIETPARSER_H
#define BFLY_PIPELINES_QUIETPARSER_H

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/CommandLine.h"

#include <string>
#include <type_traits>

namespace mlir::bfly {

/// "fuse has to be true or false, got 'x'"; control characters of `text` are
/// escaped, and a long one is cut.
std::string describeBadValue(llvm::StringRef option, llvm::StringRef wanted,
                             llvm::StringRef text);

template <typename T> class QuietParser : public llvm::cl::parser<T> {
public:
  using llvm::cl::parser<T>::parser;

  /// True for a failure, as llvm::cl has it.
  bool parse(llvm::cl::Option &option, llvm::StringRef, llvm::StringRef text,
             T &value) {
    std::string wanted;
    if constexpr (std::is_enum_v<T>) {
      for (const auto &entry : this->Values) {
        if (entry.Name == text) {
          value = entry.V.getValue();
          return false;
        }
        wanted += (wanted.empty() ? "one of " : ", ") + entry.Name.str();
      }
    } else if constexpr (std::is_same_v<T, bool>) {
      // A flag without a value is set.
      bool isTrue = text.empty() || text == "1" || text.lower() == "true";
      if (isTrue || text == "0" || text.lower() == "false") {
        value = isTrue;
        return false;
      }
      wanted = "true or false";
    } else if constexpr (std::is_integral_v<T>) {
      // Decimal: that 010 is 8 in C is no use here.
      if (!text.getAsInteger(10, value))
        return false;
      wanted = "an integer";
    } else {
      static_assert(std::is_floating_point_v<T>);
      if (!text.empty() && llvm::to_float(text, value))
        return false;
      wanted = "a number";
    }
    problem = describeBadValue(option.ArgStr, wanted, text);
    return true;
  }

  /// What is wrong with the value that could not be parsed.
  std::string problem;
};

} // namespace mlir::bfly

#endif // BFLY_PIPELINES_QUIETPARSER_H
