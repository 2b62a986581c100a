// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "CAPIArrays.h"

#include "bfly/Arrays/FileIO.h"

using namespace mlir;
using namespace mlir::bfly;
using llvm::Twine;

static_assert(BFLY_F64 == int(ElementType::F64) &&
                  BFLY_F32 == int(ElementType::F32) &&
                  BFLY_BF16 == int(ElementType::BF16) &&
                  BFLY_F16 == int(ElementType::F16) &&
                  BFLY_C64 == int(ElementType::C64) &&
                  BFLY_C128 == int(ElementType::C128) &&
                  BFLY_I64 == int(ElementType::I64) &&
                  BFLY_I32 == int(ElementType::I32) &&
                  BFLY_I16 == int(ElementType::I16) &&
                  BFLY_I8 == int(ElementType::I8) &&
                  BFLY_U8 == int(ElementType::U8) &&
                  BFLY_I1 == int(ElementType::I1),
              "the header's numbers are fixed");

/// The shape of a caller's array.
static llvm::Expected<ArrayRef<int64_t>> shapeOf(const bfly_array &array,
                                                 const Twine &name) {
  if (array.rank < 0 || array.rank > static_cast<int64_t>(kMaxRank))
    return makeError(name + " has rank " + Twine(array.rank) +
                     ", but ranks are from 0 to " + Twine(kMaxRank));
  if (array.rank > 0 && !array.shape)
    return makeError(name + " has no shape");
  ArrayRef<int64_t> shape(array.shape, array.rank);
  for (int64_t size : shape)
    if (size < 0)
      return makeError(name + " has a size of " + Twine(size));
  return shape;
}

/// The shape that a caller's array is taken in. Those of parameters come from
/// files, in which ones at the front come and go.
static ArrayRef<int64_t> fitShape(ArrayRef<int64_t> shape,
                                  const ValueInfo &info, StringRef kind) {
  bool fits =
      kind == "parameters" && equalBesidesLeadingOnes(shape, info.shape);
  return fits ? ArrayRef<int64_t>(info.shape) : shape;
}

/// An error unless there are as many arrays as values.
static llvm::Error checkCount(const bfly_array *arrays, size_t count,
                              ArrayRef<ValueInfo> infos, StringRef kind) {
  if (count == infos.size() && (!count || arrays))
    return llvm::Error::success();
  return makeError(Twine(infos.size()) + " " + kind + " are needed, but " +
                   Twine(arrays ? count : 0) + " were given");
}

llvm::Expected<Shapes> mlir::bfly::shapesOf(const bfly_array *arrays,
                                            size_t count,
                                            ArrayRef<ValueInfo> infos,
                                            StringRef kind) {
  if (llvm::Error error = checkCount(arrays, count, infos, kind))
    return std::move(error);
  Shapes shapes;
  for (size_t i = 0; i < count; ++i) {
    auto shape = shapeOf(arrays[i], infos[i].name);
    if (!shape)
      return shape.takeError();
    shapes.emplace_back(fitShape(*shape, infos[i], kind));
  }
  return shapes;
}

/// The caller's array as the engine has it. `name` is what errors call it.
static llvm::Expected<ArrayView> borrow(const bfly_array &array,
                                        const Twine &name) {
  if (array.dtype < BFLY_F64 || array.dtype > BFLY_I1)
    return makeError(name + " has dtype " + Twine(array.dtype) +
                     ", which is none");
  auto shape = shapeOf(array, name);
  if (!shape)
    return shape.takeError();
  ArrayView view;
  if (array.device_type == BFLY_CUDA)
    view.device = {Device::Kind::CUDA, array.device_id};
  else if (array.device_type != BFLY_CPU)
    return makeError(name + " is on a device of type " +
                     Twine(array.device_type) +
                     ", which is neither a CPU nor a CUDA device");
  view.type = static_cast<ElementType>(array.dtype);
  view.shape = *shape;
  auto bytes = checkedSizeInBytes(view.type, view.shape);
  if (!bytes)
    return makeError(name + ": " + toString(bytes.takeError()));
  // No elements may come with any pointer, none at all included.
  alignas(16) static char empty[16];
  if (!array.data && *bytes > 0)
    return makeError(name + " has no data");
  view.data = *bytes > 0 ? array.data : empty;
  // Checks the alignment.
  auto borrowed = HostArray::borrow(view.type, view.shape, view.data, *bytes);
  if (!borrowed)
    return makeError(name + ": " + toString(borrowed.takeError()));
  return view;
}

llvm::Error mlir::bfly::borrowAll(const bfly_array *arrays, size_t count,
                                  ArrayRef<ValueInfo> infos, StringRef kind,
                                  std::vector<ArrayView> &result) {
  if (llvm::Error error = checkCount(arrays, count, infos, kind))
    return error;
  for (size_t i = 0; i < count; ++i) {
    auto array = borrow(arrays[i], infos[i].name);
    if (!array)
      return array.takeError();
    array->shape = fitShape(array->shape, infos[i], kind);
    result.push_back(*array);
  }
  return llvm::Error::success();
}
