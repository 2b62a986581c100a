// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bfly/Arrays/ArrayLiteral.h"

#include "bfly/Arrays/HalfPrecision.h"

#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"

#include <charconv>
#include <cmath>

using namespace llvm;
using namespace mlir::bfly;

/// Prints the fewest digits that a reader of the same type rounds back to
/// `value`; a half is read back right from the digits of a float.
static void printShortest(raw_ostream &os, double value, bool isDouble) {
  char buffer[64];
  std::to_chars_result result =
      isDouble
          ? std::to_chars(buffer, std::end(buffer), value)
          : std::to_chars(buffer, std::end(buffer), static_cast<float>(value));
  os << StringRef(buffer, static_cast<size_t>(result.ptr - buffer));
}

static void printReal(raw_ostream &os, double value, ElementType type,
                      int digits) {
  if (std::isnan(value))
    os << "nan";
  else if (std::isinf(value))
    os << (value < 0 ? "-inf" : "inf");
  else if (digits > 0)
    os << format("%.*g", digits, value);
  else
    printShortest(os, value,
                  type == ElementType::F64 || type == ElementType::C128);
}

void mlir::bfly::printElement(raw_ostream &os, const HostArray &array,
                              int64_t element, int digits) {
  ElementType type = array.elementType();
  if (isInteger(type)) {
    os << array.integer(element);
  } else if (isComplex(type)) {
    printReal(os, array.scalar(2 * element), type, digits);
    double imaginary = array.scalar(2 * element + 1);
    if (!std::signbit(imaginary) || std::isnan(imaginary))
      os << '+';
    printReal(os, imaginary, type, digits);
    os << 'j';
  } else {
    printReal(os, array.scalar(element), type, digits);
  }
}

void mlir::bfly::printArray(raw_ostream &os, const HostArray &array,
                            const ArrayPrintOptions &options) {
  os << array.typeString() << '=';
  ArrayRef<int64_t> shape = array.shape();
  // One bracket opens for every dimension but the first that starts anew at an
  // element, and closes for every one that ends there.
  auto boundaries = [&](int64_t position) {
    int64_t count = 0, product = 1;
    for (int64_t size : llvm::reverse(shape.drop_front(shape.empty() ? 0 : 1)))
      if (position % (product *= size) == 0)
        ++count;
      else
        break;
    return count;
  };
  int64_t inner = std::max<int64_t>(array.rank() - 1, 0);
  for (int64_t i = 0; i < array.numElements(); ++i) {
    int64_t opening = boundaries(i);
    if (i == options.maxElements) {
      os << (i != 0 && opening == 0 ? " ..." : "...");
      // Those that the last element left open.
      for (int64_t k = opening; k < inner; ++k)
        os << ']';
      return;
    }
    if (i != 0 && opening == 0)
      os << ' ';
    for (int64_t k = 0; k < opening; ++k)
      os << '[';
    printElement(os, array, i, options.digits);
    for (int64_t k = boundaries(i + 1); k > 0; --k)
      os << ']';
  }
}
