// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bfly/Arrays/HostArray.h"

#include "bfly/Arrays/FileIO.h"
#include "bfly/Arrays/HalfPrecision.h"

#include "llvm/ADT/Twine.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/MathExtras.h"

#include <cmath>
#include <cstring>

using namespace llvm;
using namespace mlir::bfly;

Expected<int64_t> mlir::bfly::checkedNumElements(ArrayRef<int64_t> shape) {
  if (shape.size() > kMaxRank)
    return makeError("the shape has " + Twine(shape.size()) +
                     " dimensions, more than " + Twine(kMaxRank));
  int64_t product = 1;
  bool empty = false;
  for (int64_t size : shape) {
    if (size < 0)
      return makeError("the shape has a negative dimension, " + Twine(size));
    if (size == 0)
      empty = true;
    else if (MulOverflow(product, size, product))
      return makeError("the shape has more elements than 64 bits can count");
  }
  return empty ? 0 : product;
}

Expected<int64_t> mlir::bfly::checkedSizeInBytes(ElementType type,
                                                 ArrayRef<int64_t> shape) {
  Expected<int64_t> elements = checkedNumElements(shape);
  if (!elements)
    return elements.takeError();
  int64_t bytes;
  if (MulOverflow(*elements, elementSize(type), bytes))
    return makeError("the shape has more bytes than 64 bits can count");
  return bytes;
}

std::string mlir::bfly::formatType(ElementType type, ArrayRef<int64_t> shape) {
  std::string result;
  for (int64_t size : shape)
    result += std::to_string(size) + "x";
  return result + elementName(type).str();
}

bool mlir::bfly::equalBesidesLeadingOnes(ArrayRef<int64_t> a,
                                         ArrayRef<int64_t> b) {
  auto isOne = [](int64_t size) { return size == 1; };
  return a.drop_while(isOne) == b.drop_while(isOne);
}

SmallVector<int64_t> mlir::bfly::unflatten(int64_t position,
                                           ArrayRef<int64_t> shape) {
  SmallVector<int64_t> indices(shape.size());
  for (size_t i = shape.size(); i-- > 0;) {
    indices[i] = position % shape[i];
    position /= shape[i];
  }
  return indices;
}

Expected<HostArray> HostArray::allocate(ElementType type,
                                        ArrayRef<int64_t> shape,
                                        uint64_t maxBytes) {
  Expected<int64_t> size = checkedSizeInBytes(type, shape);
  if (!size)
    return size.takeError();
  auto bytes = static_cast<uint64_t>(*size);
  if (bytes > maxBytes)
    return makeError(formatType(type, shape) + " needs " + formatBytes(bytes) +
                     ", more than the limit of " + formatBytes(maxBytes));
  // Linux hands out more than it has and later kills whoever touches it, so
  // ask first. Not worth a system call for the small ones.
  constexpr uint64_t small = 16 << 20;
  if (bytes > small)
    if (uint64_t available = availableMemory(); bytes > available)
      return makeError(formatType(type, shape) + " needs " +
                       formatBytes(bytes) + ", and only " +
                       formatBytes(available) + " of memory are free");

  HostArray array(type, shape, *size / elementSize(type));
  // aligned_alloc wants a multiple of the alignment, and never 0.
  uint64_t rounded = alignTo(std::max<uint64_t>(bytes, 1), kAlignment);
  array.owned.reset(std::aligned_alloc(kAlignment, rounded));
  if (!array.owned)
    return makeError("out of memory: " + formatType(type, shape) + " needs " +
                     formatBytes(bytes));
  array.pointer = array.owned.get();
  array.writable = true;
  return array;
}

Expected<HostArray> HostArray::zeros(ElementType type, ArrayRef<int64_t> shape,
                                     uint64_t maxBytes) {
  Expected<HostArray> array = allocate(type, shape, maxBytes);
  if (array)
    std::memset(array->pointer, 0, static_cast<size_t>(array->sizeInBytes()));
  return array;
}

Expected<HostArray> HostArray::borrow(ElementType type, ArrayRef<int64_t> shape,
                                      void *data, uint64_t availableBytes) {
  Expected<int64_t> bytes = checkedSizeInBytes(type, shape);
  if (!bytes)
    return bytes.takeError();
  if (static_cast<uint64_t>(*bytes) > availableBytes)
    return makeError(formatType(type, shape) + " needs " +
                     formatBytes(static_cast<uint64_t>(*bytes)) +
                     ", and there are " + formatBytes(availableBytes));
  int64_t alignment = elementSize(type) / (isComplex(type) ? 2 : 1);
  if (reinterpret_cast<uintptr_t>(data) % static_cast<size_t>(alignment) != 0)
    return makeError("the data of " + formatType(type, shape) +
                     " is not aligned to " + Twine(alignment) + " bytes");
  HostArray array(type, shape, *bytes / elementSize(type));
  array.pointer = data;
  array.writable = true;
  return array;
}

Expected<HostArray> HostArray::borrow(ElementType type, ArrayRef<int64_t> shape,
                                      const void *data,
                                      uint64_t availableBytes) {
  // The flag below keeps the promise that this cast breaks.
  Expected<HostArray> array =
      borrow(type, shape, const_cast<void *>(data), availableBytes);
  if (array)
    array->writable = false;
  return array;
}

Expected<HostArray> HostArray::clone(uint64_t maxBytes) const {
  Expected<HostArray> copy = allocate(type, dimensions, maxBytes);
  if (copy && elements != 0)
    std::memcpy(copy->pointer, pointer, static_cast<size_t>(sizeInBytes()));
  return copy;
}

template <typename T>
static void readAs(const void *data, int64_t first,
                   MutableArrayRef<double> out) {
  const T *source = static_cast<const T *>(data) + first;
  for (size_t i = 0; i < out.size(); ++i)
    out[i] = static_cast<double>(source[i]);
}

void HostArray::readScalars(int64_t first, MutableArrayRef<double> out) const {
  assert(first >= 0 && static_cast<uint64_t>(first) + out.size() <=
                           static_cast<uint64_t>(numScalars()));
  switch (type) {
  case ElementType::F64:
  case ElementType::C128:
    return readAs<double>(pointer, first, out);
  case ElementType::F32:
  case ElementType::C64:
    return readAs<float>(pointer, first, out);
  case ElementType::BF16:
    for (size_t i = 0; i < out.size(); ++i)
      out[i] = bf16ToFloat(static_cast<const uint16_t *>(pointer)[first + i]);
    return;
  case ElementType::F16:
    for (size_t i = 0; i < out.size(); ++i)
      out[i] = f16ToFloat(static_cast<const uint16_t *>(pointer)[first + i]);
    return;
  case ElementType::I64:
    return readAs<int64_t>(pointer, first, out);
  case ElementType::I32:
    return readAs<int32_t>(pointer, first, out);
  case ElementType::I16:
    return readAs<int16_t>(pointer, first, out);
  case ElementType::I8:
    return readAs<int8_t>(pointer, first, out);
  case ElementType::U8:
  case ElementType::I1:
    return readAs<uint8_t>(pointer, first, out);
  }
  llvm_unreachable("unknown element type");
}

template <typename T>
static void writeAs(void *data, int64_t first, ArrayRef<double> in) {
  T *target = static_cast<T *>(data) + first;
  for (size_t i = 0; i < in.size(); ++i) {
    if constexpr (std::is_integral_v<T>) {
      // The upper limit as a double may round up past the type's range, hence
      // "at least" rather than "above".
      double value = std::nearbyint(in[i]);
      if (std::isnan(value))
        target[i] = 0;
      else if (value >= static_cast<double>(std::numeric_limits<T>::max()))
        target[i] = std::numeric_limits<T>::max();
      else if (value <= static_cast<double>(std::numeric_limits<T>::min()))
        target[i] = std::numeric_limits<T>::min();
      else
        target[i] = static_cast<T>(value);
    } else {
      target[i] = static_cast<T>(in[i]);
    }
  }
}

void HostArray::writeScalars(int64_t first, ArrayRef<double> in) {
  assert(writable && "array is read-only");
  assert(first >= 0 && static_cast<uint64_t>(first) + in.size() <=
                           static_cast<uint64_t>(numScalars()));
  switch (type) {
  case ElementType::F64:
  case ElementType::C128:
    return writeAs<double>(pointer, first, in);
  case ElementType::F32:
  case ElementType::C64:
    return writeAs<float>(pointer, first, in);
  case ElementType::BF16:
    for (size_t i = 0; i < in.size(); ++i)
      static_cast<uint16_t *>(pointer)[first + i] = doubleToBF16(in[i]);
    return;
  case ElementType::F16:
    for (size_t i = 0; i < in.size(); ++i)
      static_cast<uint16_t *>(pointer)[first + i] = doubleToF16(in[i]);
    return;
  case ElementType::I64:
    return writeAs<int64_t>(pointer, first, in);
  case ElementType::I32:
    return writeAs<int32_t>(pointer, first, in);
  case ElementType::I16:
    return writeAs<int16_t>(pointer, first, in);
  case ElementType::I8:
    return writeAs<int8_t>(pointer, first, in);
  case ElementType::U8:
    return writeAs<uint8_t>(pointer, first, in);
  case ElementType::I1:
    for (size_t i = 0; i < in.size(); ++i)
      static_cast<uint8_t *>(pointer)[first + i] =
          in[i] != 0 && !std::isnan(in[i]) ? 1 : 0;
    return;
  }
  llvm_unreachable("unknown element type");
}

double HostArray::scalar(int64_t position) const {
  double value;
  readScalars(position, value);
  return value;
}

int64_t HostArray::integer(int64_t position) const {
  assert(isInteger(type));
  // Only i64 holds integers that a double does not.
  if (type == ElementType::I64)
    return as<int64_t>()[static_cast<size_t>(position)];
  return static_cast<int64_t>(scalar(position));
}

Error HostArray::checkBooleans() const {
  if (type != ElementType::I1)
    return Error::success();
  for (uint8_t byte : as<uint8_t>())
    if (byte > 1)
      return makeError("an i1 array holds " + Twine(unsigned(byte)) +
                       ", which is neither 0 nor 1");
  return Error::success();
}
