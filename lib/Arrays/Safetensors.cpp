// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bfly/Arrays/Safetensors.h"

#include "JsonObject.h"
#include "bfly/Arrays/FileIO.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/JSON.h"

#include <cstring>

using namespace llvm;
using namespace mlir::bfly;

/// The limit of the format's own library.
static constexpr uint64_t kMaxSafetensorsHeader = 100'000'000;
static constexpr StringLiteral kMetadata("__metadata__");
static constexpr StringLiteral kJsonSpace(" \t\n\r");

/// The element type for a dtype of the file; nothing if it is not supported.
static std::optional<ElementType> decodeType(StringRef dtype) {
  return StringSwitch<std::optional<ElementType>>(dtype)
      .Case("F64", ElementType::F64)
      .Case("F32", ElementType::F32)
      .Case("F16", ElementType::F16)
      .Case("BF16", ElementType::BF16)
      .Case("C64", ElementType::C64)
      .Case("C128", ElementType::C128)
      .Case("I64", ElementType::I64)
      .Case("I32", ElementType::I32)
      .Case("I16", ElementType::I16)
      .Case("I8", ElementType::I8)
      .Case("U8", ElementType::U8)
      .Case("BOOL", ElementType::I1)
      .Default(std::nullopt);
}

/// Reads `text` as a string. Asks for the quote first, because parsing another
/// kind of value may take many times the memory of its text.
static Expected<std::string> parseString(StringRef text) {
  if (!text.starts_with("\""))
    return makeError("is not a string");
  Expected<json::Value> value = json::parse(text);
  if (!value)
    return makeError("is malformed: " + toString(value.takeError()));
  return value->getAsString()->str();
}

/// Reads `text` as a list of integers from 0 to 2^63-1, each written in digits:
/// to llvm::json 4.0, 4e0, -0 and 007 are integers too, and to the format's own
/// library they are not.
static Expected<SmallVector<int64_t, 4>>
parseSizes(StringRef text, StringRef field, size_t maxCount) {
  auto fail = [&](const Twine &why) {
    return makeError(quote(field) + " " + why);
  };
  // Counted before parsing, for the same reason.
  if (text.count(',') >= maxCount)
    return fail("has more than " + Twine(maxCount) + " entries");
  if (!text.consume_front("[") || !text.consume_back("]"))
    return fail("is not a list");
  SmallVector<int64_t, 4> result;
  if (text.trim(kJsonSpace).empty())
    return result;
  for (StringRef entry : llvm::split(text, ',')) {
    StringRef digits = entry.trim(kJsonSpace);
    int64_t size;
    if (digits.empty() || !all_of(digits, isDigit) ||
        (digits.size() > 1 && digits.front() == '0') ||
        digits.getAsInteger(10, size))
      return fail("has the entry " + quote(digits) +
                  ", which is not an integer from 0 to 2^63-1");
    result.push_back(size);
  }
  return result;
}

Error Safetensors::parseTensor(StringRef name, StringRef text) {
  Expected<std::vector<JsonMember>> members =
      splitJsonObject(text, /*maxDepth=*/1);
  if (!members)
    return members.takeError();
  Tensor tensor;
  tensor.name = name.str();
  bool hasType = false, hasShape = false, hasOffsets = false;
  for (const JsonMember &member : *members) {
    if (member.name == "dtype") {
      Expected<std::string> dtype = parseString(member.value);
      if (!dtype)
        return makeError("'dtype' " + toString(dtype.takeError()));
      tensor.dtype = std::move(*dtype);
      hasType = true;
    } else if (member.name == "shape") {
      auto sizes = parseSizes(member.value, "shape", kMaxRank);
      if (!sizes)
        return sizes.takeError();
      tensor.shape = std::move(*sizes);
      hasShape = true;
    } else if (member.name == "data_offsets") {
      auto offsets = parseSizes(member.value, "data_offsets", 2);
      if (!offsets)
        return offsets.takeError();
      if (offsets->size() != 2)
        return makeError("'data_offsets' has not two entries");
      tensor.begin = static_cast<uint64_t>((*offsets)[0]);
      tensor.end = static_cast<uint64_t>((*offsets)[1]);
      hasOffsets = true;
    } else {
      return makeError("has an unknown field " + quote(member.name));
    }
  }
  if (!hasType || !hasShape || !hasOffsets)
    return makeError("lacks one of 'dtype', 'shape' and 'data_offsets'");

  if (tensor.begin > tensor.end)
    return makeError("'data_offsets' end before they begin");
  if (tensor.end > payload.size())
    return makeError("ends at byte " + Twine(tensor.end) +
                     " of the data, which has only " + Twine(payload.size()));
  Expected<int64_t> elements = checkedNumElements(tensor.shape);
  if (!elements)
    return elements.takeError();
  if (std::optional<ElementType> type = decodeType(tensor.dtype)) {
    Expected<int64_t> size = checkedSizeInBytes(*type, tensor.shape);
    if (!size)
      return size.takeError();
    if (static_cast<uint64_t>(*size) != tensor.end - tensor.begin)
      return makeError(formatType(*type, tensor.shape) + " takes " +
                       Twine(*size) + " bytes, and its 'data_offsets' span " +
                       Twine(tensor.end - tensor.begin));
  }
  index[tensor.name] = tensors.size();
  tensors.push_back(std::move(tensor));
  return Error::success();
}

/// Metadata is a flat object of strings, and not used.
static Error checkMetadata(StringRef text) {
  Expected<std::vector<JsonMember>> members =
      splitJsonObject(text, /*maxDepth=*/0);
  if (!members)
    return members.takeError();
  for (const JsonMember &member : *members) {
    Expected<std::string> value = parseString(member.value);
    if (!value)
      return makeError("the value of " + quote(member.name) + " " +
                       toString(value.takeError()));
  }
  return Error::success();
}

Error Safetensors::parseHeader(StringRef text) {
  if (!text.starts_with("{"))
    return makeError("the header is malformed JSON: expected '{' at byte 0");
  // The object of tensors holds objects that hold lists.
  Expected<std::vector<JsonMember>> members =
      splitJsonObject(text, /*maxDepth=*/2);
  if (!members)
    return makeError("the header is " + toString(members.takeError()));
  for (const JsonMember &member : *members) {
    Error error = member.name == kMetadata
                      ? checkMetadata(member.value)
                      : parseTensor(member.name, member.value);
    if (error)
      return makeError("tensor " + quote(member.name) + ": " +
                       toString(std::move(error)));
  }
  return checkLayout();
}

/// The tensors must cover the data with neither overlaps nor holes: a byte that
/// belongs to none could hide anything.
Error Safetensors::checkLayout() const {
  std::vector<const Tensor *> order;
  order.reserve(tensors.size());
  for (const Tensor &tensor : tensors)
    order.push_back(&tensor);
  llvm::sort(order, [](const Tensor *a, const Tensor *b) {
    return std::tie(a->begin, a->end) < std::tie(b->begin, b->end);
  });
  uint64_t position = 0;
  for (const Tensor *tensor : order) {
    if (tensor->begin != position)
      return makeError("tensor " + quote(tensor->name) + ": begins at byte " +
                       Twine(tensor->begin) + " of the data, " +
                       (tensor->begin < position ? "inside another tensor"
                                                 : "after a hole"));
    position = tensor->end;
  }
  if (position != payload.size())
    return makeError("has trailing bytes: the tensors end at byte " +
                     Twine(position) + " of the data, which has " +
                     Twine(payload.size()));
  return Error::success();
}

/// What a file is that is given for a safetensors file more often than not.
static StringRef nameOtherFormat(StringRef bytes, StringRef name) {
  StringRef ending = name.rsplit('.').second;
  bool isCheckpoint =
      ending == "pth" || ending == "pt" || ending == "bin" || ending == "ckpt";
  if (bytes.starts_with("PK\x03\x04") && ending == "npz")
    return "is an archive of NumPy's; convert it with "
           "safetensors.numpy.save_file";
  if (bytes.starts_with("PK\x03\x04") ||
      (bytes.starts_with("\x80") && isCheckpoint) ||
      (isCheckpoint && bytes.contains("ustar")))
    return "is a PyTorch checkpoint; convert it with "
           "safetensors.torch.save_file";
  if (bytes.starts_with("\x93NUMPY"))
    return "is an array of NumPy's (.npy); convert it with "
           "safetensors.numpy.save_file";
  if (bytes.starts_with("\x89HDF\r\n"))
    return "is an HDF5 file, not one of safetensors";
  if (bytes.starts_with("GGUF"))
    return "is a GGUF file, not one of safetensors";
  return "";
}

Error Safetensors::parseFile() {
  StringRef bytes = file->getBuffer();
  StringRef other = nameOtherFormat(bytes.take_front(1024), fileName());
  if (!other.empty())
    return makeError(other);
  if (bytes.size() < 8)
    return makeError("is truncated: a safetensors file has at least 8 bytes");
  uint64_t length = support::endian::read64le(bytes.data());
  bytes = bytes.drop_front(8);
  if (length > kMaxSafetensorsHeader)
    return makeError(
        "has a header of " + formatBytes(length) + ", more than the limit of " +
        formatBytes(kMaxSafetensorsHeader) + ", or is not a safetensors file");
  if (length > bytes.size())
    return makeError("is truncated: its header takes " + Twine(length) +
                     " bytes, and there are " + Twine(bytes.size()));
  payload = bytes.drop_front(length);
  return parseHeader(bytes.take_front(length));
}

Expected<Safetensors> Safetensors::parse(std::unique_ptr<MemoryBuffer> buffer) {
  Safetensors result(std::move(buffer));
  if (Error error = result.parseFile())
    return makeError(result.fileName() + ": " + toString(std::move(error)));
  return result;
}

Expected<Safetensors> Safetensors::open(StringRef path) {
  Expected<std::unique_ptr<MemoryBuffer>> buffer = openRegularFile(path);
  if (!buffer)
    return buffer.takeError();
  return parse(std::move(*buffer));
}

std::vector<StringRef> Safetensors::names() const {
  std::vector<StringRef> result;
  result.reserve(tensors.size());
  for (const Tensor &tensor : tensors)
    result.emplace_back(tensor.name);
  return result;
}

Expected<HostArray> Safetensors::view(const Tensor &tensor,
                                      uint64_t maxBytes) const {
  std::optional<ElementType> type = decodeType(tensor.dtype);
  if (!type)
    return makeError("has the element type " + quote(tensor.dtype) +
                     ", which is not supported");
  const char *data = payload.data() + tensor.begin;
  uint64_t bytes = tensor.end - tensor.begin;
  auto isAligned = [&] {
    int64_t unit = elementSize(*type) / (isComplex(*type) ? 2 : 1);
    return reinterpret_cast<uintptr_t>(data) % static_cast<size_t>(unit) == 0;
  };
  Expected<HostArray> array =
      isAligned() ? HostArray::borrow(*type, tensor.shape,
                                      static_cast<const void *>(data), bytes)
                  : HostArray::allocate(*type, tensor.shape, maxBytes);
  if (!array)
    return array.takeError();
  if (array->isOwned() && bytes != 0)
    std::memcpy(array->mutableData(), data, bytes);
  if (Error error = array->checkBooleans())
    return error;
  return array;
}

Expected<HostArray> Safetensors::find(StringRef name, uint64_t maxBytes) const {
  auto entry = index.find(name);
  if (entry != index.end()) {
    Expected<HostArray> array = view(tensors[entry->second], maxBytes);
    if (!array)
      return makeError(fileName() + ": tensor " + quote(name) + ": " +
                       toString(array.takeError()));
    return array;
  }
  const Tensor *nearest = nullptr;
  unsigned best = static_cast<unsigned>(name.size() / 2 + 1);
  for (const Tensor &tensor : tensors) {
    // Bounded, as a header may hold a million long names.
    unsigned distance = name.take_front(256).edit_distance(
        StringRef(tensor.name).take_front(256), true, best);
    if (distance < best) {
      best = distance;
      nearest = &tensor;
    }
  }
  return makeError(fileName() + ": has no tensor named " + quote(name) +
                   (nearest ? "; did you mean " + quote(nearest->name) + "?"
                            : std::string()));
}
