// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Splits the text of a JSON object into its members. llvm::json alone would not
// do for a hostile file: it lets the last of two equal names win, and recurses
// as deep as the text is nested.

#ifndef BFLY_LIB_ARRAYS_JSONOBJECT_H
#define BFLY_LIB_ARRAYS_JSONOBJECT_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <string>
#include <vector>

namespace mlir::bfly {

struct JsonMember {
  std::string name;
  /// The value's text, which is nested at most `maxDepth` deep, but may still
  /// be malformed.
  llvm::StringRef value;
};

/// The members of the one object that `text` holds, in order. An error for
/// equal names, for values nested deeper than `maxDepth` arrays or objects, and
/// for anything but spaces around the object.
llvm::Expected<std::vector<JsonMember>> splitJsonObject(llvm::StringRef text,
                                                        unsigned maxDepth);

} // namespace mlir::bfly

#endif // BFLY_LIB_ARRAYS_JSONOBJECT_H
