// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bfly/Arrays/ArrayLiteral.h"

#include "bfly/Arrays/FileIO.h"
#include "bfly/Arrays/Npy.h"

#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/MathExtras.h"

#include <cstring>

using namespace llvm;
using namespace mlir::bfly;

/// Longer numbers are no numbers; parsing one takes quadratic time.
static constexpr size_t kMaxNumberLength = 512;

static const fltSemantics &semanticsOf(ElementType type) {
  switch (type) {
  case ElementType::F32:
  case ElementType::C64:
    return APFloat::IEEEsingle();
  case ElementType::BF16:
    return APFloat::BFloat();
  case ElementType::F16:
    return APFloat::IEEEhalf();
  default:
    return APFloat::IEEEdouble();
  }
}

/// Reads a real number, rounded once, into the bytes at `target`.
static Error parseReal(StringRef text, ElementType type, char *target) {
  APFloat value(semanticsOf(type));
  Expected<APFloat::opStatus> status =
      value.convertFromString(text, APFloat::rmNearestTiesToEven);
  if (!status) {
    consumeError(status.takeError());
    return makeError(quote(text) + " is not a number");
  }
  if (*status & APFloat::opOverflow)
    return makeError(quote(text) + " is too large for " + elementName(type));
  uint64_t bits = value.bitcastToAPInt().getZExtValue();
  std::memcpy(target, &bits, APFloat::getSizeInBits(value.getSemantics()) / 8);
  return Error::success();
}

/// Reads "1+2j", "3j" or "4", with i as well as j.
static Error parseComplex(StringRef text, ElementType type, char *target) {
  auto partSize = static_cast<size_t>(elementSize(type) / 2);
  StringRef real = text, imaginary;
  if (text.ends_with("j") || text.ends_with("i")) {
    imaginary = text.drop_back();
    // The sign that starts the imaginary part, not one of an exponent.
    size_t split = imaginary.size();
    while (split > 0) {
      --split;
      bool isSign = imaginary[split] == '+' || imaginary[split] == '-';
      if (isSign && (split == 0 || (imaginary[split - 1] | 0x20) != 'e'))
        break;
    }
    real = imaginary.take_front(split);
    imaginary = imaginary.drop_front(split);
  }
  if (text.empty() || (imaginary.empty() && real.empty()))
    return makeError(quote(text) + " is not a number");
  if (Error error = parseReal(real.empty() ? "0" : real, type, target))
    return error;
  return parseReal(imaginary.empty() ? "0" : imaginary, type,
                   target + partSize);
}

template <typename T>
static Error parseInteger(StringRef text, ElementType type, char *target) {
  int64_t value;
  text.consume_front("+");
  if (text.getAsInteger(10, value))
    return makeError(quote(text) + " is not an integer of 64 bits");
  if (value < static_cast<int64_t>(std::numeric_limits<T>::min()) ||
      value > static_cast<int64_t>(std::numeric_limits<T>::max()))
    return makeError(quote(text) + " is out of range for " + elementName(type));
  T narrow = static_cast<T>(value);
  std::memcpy(target, &narrow, sizeof(T));
  return Error::success();
}

static Error parseElement(StringRef text, ElementType type, char *target) {
  if (text.size() > kMaxNumberLength)
    return makeError(quote(text) + " is too long for a number");
  switch (type) {
  case ElementType::F64:
  case ElementType::F32:
  case ElementType::BF16:
  case ElementType::F16:
    return parseReal(text, type, target);
  case ElementType::C64:
  case ElementType::C128:
    return parseComplex(text, type, target);
  case ElementType::I64:
    return parseInteger<int64_t>(text, type, target);
  case ElementType::I32:
    return parseInteger<int32_t>(text, type, target);
  case ElementType::I16:
    return parseInteger<int16_t>(text, type, target);
  case ElementType::I8:
    return parseInteger<int8_t>(text, type, target);
  case ElementType::U8:
    return parseInteger<uint8_t>(text, type, target);
  case ElementType::I1:
    if (text != "0" && text != "1" && text != "false" && text != "true")
      return makeError(quote(text) + " is not one of 0, 1, false and true");
    *target = text == "1" || text == "true" ? 1 : 0;
    return Error::success();
  }
  llvm_unreachable("unknown element type");
}

namespace {

/// Checks that brackets group values as the shape does: a group of groups of
/// height h holds the product of the last h dimensions.
class BracketChecker {
public:
  explicit BracketChecker(ArrayRef<int64_t> shape) : shape(shape) {}

  Error open(int64_t position) {
    if (groups.size() == shape.size())
      return makeError("brackets are nested deeper than the shape's " +
                       Twine(shape.size()) + " dimensions");
    groups.push_back({position, 1});
    return Error::success();
  }

  Error close(int64_t position) {
    if (groups.empty())
      return makeError("a ']' has no '['");
    auto [begin, height] = groups.pop_back_val();
    int64_t expected = 1;
    for (int64_t size : shape.take_back(height))
      expected *= size;
    if (position - begin != expected)
      return makeError("brackets hold " + Twine(position - begin) +
                       " values where the shape has " + Twine(expected));
    if (!groups.empty())
      groups.back().height = std::max(groups.back().height, height + 1);
    return Error::success();
  }

  Error finish() const {
    if (!groups.empty())
      return makeError("a '[' has no ']'");
    return Error::success();
  }

private:
  struct Group {
    int64_t begin;
    size_t height;
  };
  ArrayRef<int64_t> shape;
  SmallVector<Group> groups;
};

} // namespace

/// Fills `array` with the values in `text`, or with the one value there is.
static Error parseValues(StringRef text, HostArray &array) {
  ElementType type = array.elementType();
  auto size = static_cast<size_t>(elementSize(type));
  auto *data = static_cast<char *>(array.mutableData());
  BracketChecker brackets(array.shape());
  int64_t count = 0;
  bool bracketed = false;
  char splat[16];
  while (!(text = text.ltrim(", \t\r\n")).empty()) {
    if (text[0] == '[' || text[0] == ']') {
      bracketed = true;
      Error error =
          text[0] == '[' ? brackets.open(count) : brackets.close(count);
      if (error)
        return error;
      text = text.drop_front();
      continue;
    }
    StringRef value = text.take_until(
        [](char c) { return StringRef(", \t\r\n[]").contains(c); });
    text = text.drop_front(value.size());
    // The first is kept aside too, in case it turns out to be the only one.
    char *target = count < array.numElements()
                       ? data + static_cast<size_t>(count) * size
                       : splat;
    if (Error error = parseElement(value, type, target))
      return error;
    if (count == 0 && target != splat)
      std::memcpy(splat, target, size);
    ++count;
  }
  if (Error error = brackets.finish())
    return error;
  if (count == array.numElements())
    return Error::success();
  if (count != 1 || bracketed)
    return makeError("has " + Twine(count) + " values, expected " +
                     Twine(array.numElements()) +
                     (bracketed ? "" : " or a single one for all"));
  for (int64_t i = 0; i < array.numElements(); ++i)
    std::memcpy(data + static_cast<size_t>(i) * size, splat, size);
  return Error::success();
}

static Error readRawBytes(StringRef path, HostArray &array) {
  Expected<std::unique_ptr<MemoryBuffer>> file = openRegularFile(path);
  if (!file)
    return file.takeError();
  auto size = static_cast<size_t>(array.sizeInBytes());
  if ((*file)->getBufferSize() != size)
    return makeError(path + ": has " + Twine((*file)->getBufferSize()) +
                     " bytes, and " + array.typeString() + " takes " +
                     Twine(size));
  if (size != 0)
    std::memcpy(array.mutableData(), (*file)->getBufferStart(), size);
  if (Error error = array.checkBooleans())
    return makeError(path + ": " + toString(std::move(error)));
  return Error::success();
}

/// Reads the part before '=': dimensions, each followed by an 'x', and a type.
static Expected<std::pair<SmallVector<int64_t>, ElementType>>
parseType(StringRef text) {
  SmallVector<int64_t> shape;
  StringRef rest = text;
  while (true) {
    StringRef digits = rest.take_while(isDigit);
    StringRef after = rest.drop_front(digits.size());
    if (digits.empty() || !after.consume_front("x"))
      break;
    int64_t size;
    if (digits.getAsInteger(10, size))
      return makeError("the dimension " + quote(digits) +
                       " does not fit 64 bits");
    shape.push_back(size);
    if (shape.size() > kMaxRank)
      return makeError("the shape has more than " + Twine(kMaxRank) +
                       " dimensions");
    rest = after;
  }
  std::optional<ElementType> type = parseElementType(rest);
  if (!type)
    return makeError("unknown element type " + quote(rest));
  return std::make_pair(std::move(shape), *type);
}

static Expected<HostArray> parse(StringRef text,
                                 const ArrayLiteralOptions &options) {
  if (text.consume_front("@"))
    return readNpy(text, {options.expectedType, options.maxBytes});
  auto [typeText, values] = text.split('=');
  auto parsed = parseType(typeText.trim());
  if (!parsed)
    return parsed.takeError();
  auto &[shape, type] = *parsed;
  if (options.expectedType && *options.expectedType != type)
    return makeError("the element type is " + elementName(type) +
                     ", expected " + elementName(*options.expectedType));
  values = values.trim();
  bool fromFile = values.consume_front("@");
  if (fromFile && values.ends_with(".npy")) {
    Expected<HostArray> array = readNpy(values, {type, options.maxBytes});
    if (array && array->shape() != ArrayRef<int64_t>(shape))
      return makeError(values + ": holds " + array->typeString() +
                       ", expected " + formatType(type, shape));
    return array;
  }
  if (!text.contains('='))
    return HostArray::zeros(type, shape, options.maxBytes);
  Expected<HostArray> array =
      HostArray::allocate(type, shape, options.maxBytes);
  if (!array)
    return array.takeError();
  if (Error error =
          fromFile ? readRawBytes(values, *array) : parseValues(values, *array))
    return error;
  return array;
}

Expected<HostArray>
mlir::bfly::parseArrayLiteral(StringRef text,
                              const ArrayLiteralOptions &options) {
  text = text.trim();
  Expected<HostArray> array = parse(text, options);
  // The file already names itself.
  if (!array && !text.starts_with("@"))
    return makeError(quote(text.take_front(40)) + ": " +
                     toString(array.takeError()));
  return array;
}
