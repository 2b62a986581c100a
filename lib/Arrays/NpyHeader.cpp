// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "NpyHeader.h"

#include "bfly/Arrays/FileIO.h"
#include "bfly/Arrays/HostArray.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/Twine.h"

#include <optional>

using namespace llvm;
using namespace mlir::bfly;

namespace {

/// The entries found so far.
struct Entries {
  std::optional<std::string> descr;
  std::optional<bool> fortranOrder;
  std::optional<SmallVector<int64_t>> shape;
};

/// Reads the header: a Python dictionary of a string, a boolean and a tuple of
/// integers, and no other Python.
class HeaderParser {
public:
  explicit HeaderParser(StringRef text) : rest(text) {}

  Expected<NpyHeader> parse() {
    if (!consume('{'))
      return fail("'{'");
    while (!consume('}')) {
      if (Error error = parseEntry())
        return error;
      if (consume(','))
        continue;
      if (!consume('}'))
        return fail("',' or '}'");
      break;
    }
    skipSpace();
    if (!rest.empty())
      return fail("nothing more");
    if (!header.descr || !header.fortranOrder || !header.shape)
      return makeError("the header lacks one of 'descr', 'fortran_order' and "
                       "'shape'");
    return NpyHeader{std::move(*header.descr), *header.fortranOrder,
                     std::move(*header.shape)};
  }

private:
  void skipSpace() { rest = rest.ltrim(" \t\n\r"); }

  bool consume(char character) {
    skipSpace();
    return rest.consume_front(StringRef(&character, 1));
  }

  Error fail(StringRef expected) {
    return makeError(
        "malformed header: expected " + expected + " at " +
        (rest.empty() ? std::string("its end") : quote(rest.take_front(16))));
  }

  Expected<StringRef> parseString() {
    skipSpace();
    if (rest.empty() || (rest[0] != '\'' && rest[0] != '"'))
      return fail("a string");
    size_t end = rest.find(rest[0], 1);
    if (end == StringRef::npos)
      return fail("a closed string");
    StringRef text = rest.slice(1, end);
    if (text.contains('\\'))
      return fail("a string without escapes");
    rest = rest.drop_front(end + 1);
    return text;
  }

  Error parseEntry() {
    Expected<StringRef> key = parseString();
    if (!key)
      return key.takeError();
    if (!consume(':'))
      return fail("':'");
    if (*key == "descr" && !header.descr)
      return parseDescr();
    if (*key == "fortran_order" && !header.fortranOrder)
      return parseFortranOrder();
    if (*key == "shape" && !header.shape)
      return parseShape();
    return makeError("malformed header: unknown or repeated key " +
                     quote(*key));
  }

  Error parseDescr() {
    skipSpace();
    if (rest.starts_with("[") || rest.starts_with("("))
      return makeError("structured element types are not supported");
    Expected<StringRef> text = parseString();
    if (!text)
      return text.takeError();
    header.descr = text->str();
    return Error::success();
  }

  Error parseFortranOrder() {
    skipSpace();
    if (rest.consume_front("True"))
      header.fortranOrder = true;
    else if (rest.consume_front("False"))
      header.fortranOrder = false;
    else
      return fail("True or False");
    return Error::success();
  }

  Error parseShape() {
    if (!consume('('))
      return fail("'('");
    SmallVector<int64_t> shape;
    while (!consume(')')) {
      skipSpace();
      int64_t size;
      // The digits alone: no sign, no zeros before them, which Python refuses
      // too, and an error beyond 64 bits.
      StringRef digits = rest.take_while(isDigit);
      if (digits.empty() || (digits.size() > 1 && digits.front() == '0') ||
          digits.getAsInteger(10, size))
        return fail("a dimension of at most 64 bits");
      rest = rest.drop_front(digits.size());
      rest.consume_front("L"); // as Python 2 wrote them
      if (shape.size() == kMaxRank)
        return makeError("the shape has more than " + Twine(kMaxRank) +
                         " dimensions");
      shape.push_back(size);
      if (consume(','))
        continue;
      if (!consume(')'))
        return fail("',' or ')'");
      break;
    }
    header.shape = std::move(shape);
    return Error::success();
  }

  StringRef rest;
  Entries header;
};

} // namespace

Expected<NpyHeader> mlir::bfly::parseNpyHeader(StringRef text) {
  return HeaderParser(text).parse();
}
