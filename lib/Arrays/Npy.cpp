// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bfly/Arrays/Npy.h"

#include "NpyHeader.h"
#include "bfly/Arrays/FileIO.h"

#include "llvm/ADT/StringSwitch.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/raw_ostream.h"

#include <cstring>

using namespace llvm;
using namespace mlir::bfly;

static_assert(endianness::native == endianness::little,
              "array files are read and written as they lie in memory");

static constexpr StringLiteral kMagic("\x93NUMPY");
/// Far beyond the longest header of a plain array, which is 1.4 kB.
static constexpr uint64_t kMaxNpyHeader = 64 * 1024;

/// The element type that `descr` names, given what the caller expects.
static Expected<ElementType> decodeType(StringRef descr,
                                        std::optional<ElementType> expected) {
  StringRef code = descr;
  if (code.consume_front(">"))
    return makeError("big-endian elements " + quote(descr) +
                     " are not supported, save the array little-endian");
  if (!code.consume_front("<"))
    code.consume_front("|");
  if (code == "V2") {
    if (expected == ElementType::BF16)
      return ElementType::BF16;
    return makeError("elements of type " + quote(descr) +
                     (expected ? " can only be bf16, expected " +
                                     elementName(*expected).str()
                               : std::string(" are taken for bf16 only where "
                                             "bf16 is expected")));
  }
  auto type = StringSwitch<std::optional<ElementType>>(code)
                  .Case("f8", ElementType::F64)
                  .Case("f4", ElementType::F32)
                  .Case("f2", ElementType::F16)
                  .Case("c8", ElementType::C64)
                  .Case("c16", ElementType::C128)
                  .Case("i8", ElementType::I64)
                  .Case("i4", ElementType::I32)
                  .Case("i2", ElementType::I16)
                  .Case("i1", ElementType::I8)
                  .Case("u1", ElementType::U8)
                  .Case("b1", ElementType::I1)
                  .Default(std::nullopt);
  if (!type)
    return makeError("elements of type " + quote(descr) + " are not supported");
  if (expected && *expected != *type)
    return makeError("holds elements of type " + elementName(*type) +
                     ", expected " + elementName(*expected));
  return *type;
}

static StringRef encodeType(ElementType type) {
  switch (type) {
  case ElementType::F64:
    return "<f8";
  case ElementType::F32:
    return "<f4";
  case ElementType::BF16:
    return "<V2";
  case ElementType::F16:
    return "<f2";
  case ElementType::C64:
    return "<c8";
  case ElementType::C128:
    return "<c16";
  case ElementType::I64:
    return "<i8";
  case ElementType::I32:
    return "<i4";
  case ElementType::I16:
    return "<i2";
  case ElementType::I8:
    return "|i1";
  case ElementType::U8:
    return "|u1";
  case ElementType::I1:
    return "|b1";
  }
  llvm_unreachable("unknown element type");
}

/// Splits a file into its header's text and the bytes after it.
static Expected<std::pair<StringRef, StringRef>> splitHeader(StringRef bytes) {
  if (!bytes.consume_front(kMagic))
    return makeError("is not a .npy file");
  if (bytes.size() < 2)
    return makeError("is truncated in its header");
  auto version = static_cast<uint8_t>(bytes[0]);
  if (version < 1 || version > 3 || bytes[1] != 0)
    return makeError("has the .npy version " + Twine(unsigned(version)) + "." +
                     Twine(unsigned(static_cast<uint8_t>(bytes[1]))) +
                     ", known are 1.0, 2.0 and 3.0");
  bytes = bytes.drop_front(2);
  size_t lengthBytes = version == 1 ? 2 : 4;
  if (bytes.size() < lengthBytes)
    return makeError("is truncated in its header");
  uint32_t length = version == 1 ? support::endian::read16le(bytes.data())
                                 : support::endian::read32le(bytes.data());
  bytes = bytes.drop_front(lengthBytes);
  if (length > kMaxNpyHeader)
    return makeError("has a header of " + formatBytes(length) +
                     ", more than the limit of " + formatBytes(kMaxNpyHeader));
  if (length > bytes.size())
    return makeError("is truncated in its header");
  return std::make_pair(bytes.take_front(length), bytes.drop_front(length));
}

static Expected<HostArray> parseBytes(StringRef bytes,
                                      const NpyOptions &options) {
  auto parts = splitHeader(bytes);
  if (!parts)
    return parts.takeError();
  auto [text, payload] = *parts;
  Expected<NpyHeader> header = parseNpyHeader(text);
  if (!header)
    return header.takeError();
  Expected<ElementType> type = decodeType(header->descr, options.expectedType);
  if (!type)
    return type.takeError();
  if (header->fortranOrder)
    return makeError("is in Fortran order, save numpy.ascontiguousarray of it");
  Expected<int64_t> size = checkedSizeInBytes(*type, header->shape);
  if (!size)
    return size.takeError();
  auto needed = static_cast<uint64_t>(*size);
  if (payload.size() != needed)
    return makeError(
        (payload.size() < needed ? "is truncated: " : "has trailing bytes: ") +
        formatType(*type, header->shape) + " takes " + Twine(needed) +
        " bytes after the header, and there are " + Twine(payload.size()));
  Expected<HostArray> array =
      HostArray::allocate(*type, header->shape, options.maxBytes);
  if (!array)
    return array.takeError();
  if (needed != 0)
    std::memcpy(array->mutableData(), payload.data(), needed);
  if (Error error = array->checkBooleans())
    return error;
  return array;
}

Expected<HostArray> mlir::bfly::parseNpy(MemoryBufferRef file,
                                         const NpyOptions &options) {
  Expected<HostArray> array = parseBytes(file.getBuffer(), options);
  if (!array)
    return makeError(file.getBufferIdentifier() + ": " +
                     toString(array.takeError()));
  return array;
}

Expected<HostArray> mlir::bfly::readNpy(StringRef path,
                                        const NpyOptions &options) {
  Expected<std::unique_ptr<MemoryBuffer>> file = openRegularFile(path);
  if (!file)
    return file.takeError();
  return parseNpy((*file)->getMemBufferRef(), options);
}

Error mlir::bfly::writeNpy(StringRef path, const HostArray &array) {
  return writeFileAtomically(
      path, [&](raw_ostream &os) { return writeNpy(os, array); });
}

Error mlir::bfly::writeNpy(raw_ostream &os, const HostArray &array) {
  std::string header = ("{'descr': '" + encodeType(array.elementType()) +
                        "', 'fortran_order': False, 'shape': (")
                           .str();
  for (int64_t size : array.shape())
    header += std::to_string(size) + (array.rank() == 1 ? "," : ", ");
  if (array.rank() > 1)
    header.resize(header.size() - 2);
  header += "), }";
  // Spaces and a line end, so that the data starts at a multiple of 64.
  size_t before = kMagic.size() + 4;
  header.resize(alignTo(before + header.size() + 1, 64) - before - 1, ' ');
  header += '\n';
  char prefix[4] = {1, 0};
  support::endian::write16le(prefix + 2, static_cast<uint16_t>(header.size()));
  os << kMagic << StringRef(prefix, sizeof(prefix)) << header;
  os.write(static_cast<const char *>(array.data()),
           static_cast<size_t>(array.sizeInBytes()));
  return Error::success();
}
