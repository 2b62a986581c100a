// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// A dense row-major array in host memory: what the engine takes and gives.

#ifndef BFLY_ARRAYS_HOSTARRAY_H
#define BFLY_ARRAYS_HOSTARRAY_H

#include "bfly/Arrays/ElementType.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Error.h"

#include <cassert>
#include <cstdlib>
#include <limits>
#include <memory>
#include <string>

namespace mlir::bfly {

/// No limit of the caller's own; the machine's memory is one always.
inline constexpr uint64_t kNoLimit = std::numeric_limits<uint64_t>::max();
/// The most dimensions an array may have; NumPy's limit too.
inline constexpr size_t kMaxRank = 64;

/// The number of elements of `shape`. An error for a negative dimension, more
/// than kMaxRank of them, or a product beyond 64 bits (zeros do not excuse the
/// other dimensions, so that strides are safe to compute as well).
llvm::Expected<int64_t> checkedNumElements(llvm::ArrayRef<int64_t> shape);

/// The bytes of an array, checked in the same way.
llvm::Expected<int64_t> checkedSizeInBytes(ElementType type,
                                           llvm::ArrayRef<int64_t> shape);

/// "2x8x4xf32", as in MLIR's types; a scalar is "f32".
std::string formatType(ElementType type, llvm::ArrayRef<int64_t> shape);

/// Whether two shapes are the same but for ones at the front.
bool equalBesidesLeadingOnes(llvm::ArrayRef<int64_t> a,
                             llvm::ArrayRef<int64_t> b);

/// The indices of the element at `position` in row-major order.
llvm::SmallVector<int64_t> unflatten(int64_t position,
                                     llvm::ArrayRef<int64_t> shape);

/// The memory that this process can still use, in bytes; kNoLimit if the system
/// does not say.
uint64_t availableMemory();

/// An array that owns its memory (aligned to 64 bytes) or borrows it.
/// Can be moved, and copied only by `clone`.
class HostArray {
public:
  /// The alignment of owned memory, in bytes.
  static constexpr size_t kAlignment = 64;

  /// Owned memory with unspecified contents. An error if the shape is bad, if
  /// it needs more than `maxBytes`, or if there is not that much memory.
  static llvm::Expected<HostArray> allocate(ElementType type,
                                            llvm::ArrayRef<int64_t> shape,
                                            uint64_t maxBytes = kNoLimit);
  /// The same, all zero.
  static llvm::Expected<HostArray> zeros(ElementType type,
                                         llvm::ArrayRef<int64_t> shape,
                                         uint64_t maxBytes = kNoLimit);

  /// A view of somebody else's memory of `availableBytes` bytes, which has to
  /// outlive it. An error if the shape needs more, or if `data` is not aligned
  /// to the element's size (complex: to its part's).
  static llvm::Expected<HostArray> borrow(ElementType type,
                                          llvm::ArrayRef<int64_t> shape,
                                          void *data, uint64_t availableBytes);
  /// The same, read-only.
  static llvm::Expected<HostArray> borrow(ElementType type,
                                          llvm::ArrayRef<int64_t> shape,
                                          const void *data,
                                          uint64_t availableBytes);

  /// An owned, writable copy.
  llvm::Expected<HostArray> clone(uint64_t maxBytes = kNoLimit) const;

  ElementType elementType() const { return type; }
  llvm::ArrayRef<int64_t> shape() const { return dimensions; }
  int64_t rank() const { return static_cast<int64_t>(dimensions.size()); }
  int64_t numElements() const { return elements; }
  int64_t sizeInBytes() const { return elements * elementSize(type); }
  std::string typeString() const { return formatType(type, dimensions); }

  bool isOwned() const { return owned != nullptr; }
  bool isWritable() const { return writable; }
  /// Never null for an owned array, even one without elements.
  const void *data() const { return pointer; }
  /// Only for writable arrays.
  void *mutableData() {
    assert(writable && "array is read-only");
    return pointer;
  }

  /// The elements as a C++ type of the same size (uint16_t for f16 and bf16,
  /// std::complex for complex types).
  template <typename T> llvm::ArrayRef<T> as() const {
    assert(sizeof(T) == static_cast<size_t>(elementSize(type)));
    return {static_cast<const T *>(pointer), static_cast<size_t>(elements)};
  }
  template <typename T> llvm::MutableArrayRef<T> mutableAs() {
    assert(sizeof(T) == static_cast<size_t>(elementSize(type)));
    return {static_cast<T *>(mutableData()), static_cast<size_t>(elements)};
  }

  /// Scalars are elements, or the real and imaginary parts of complex ones.
  int64_t numScalars() const { return elements * (isComplex(type) ? 2 : 1); }
  /// Converts scalars from `first` on to double. Exact, but for i64 beyond
  /// 2^53.
  void readScalars(int64_t first, llvm::MutableArrayRef<double> out) const;
  /// Stores doubles, rounded once to the nearest value of the type, ties to
  /// even; integers saturate, and NaN becomes 0 there.
  void writeScalars(int64_t first, llvm::ArrayRef<double> in);
  /// One scalar as a double.
  double scalar(int64_t position) const;
  /// One integer, exactly; only for integer types.
  int64_t integer(int64_t position) const;

  /// An error if an i1 array holds a byte other than 0 and 1, which compiled
  /// code must never see.
  llvm::Error checkBooleans() const;

private:
  struct FreeDeleter {
    void operator()(void *memory) const { std::free(memory); }
  };

  HostArray(ElementType type, llvm::ArrayRef<int64_t> shape, int64_t elements)
      : type(type), dimensions(shape.begin(), shape.end()), elements(elements) {
  }

  ElementType type;
  bool writable = false;
  llvm::SmallVector<int64_t, 4> dimensions;
  int64_t elements;
  void *pointer = nullptr;
  std::unique_ptr<void, FreeDeleter> owned;
};

} // namespace mlir::bfly

#endif // BFLY_ARRAYS_HOSTARRAY_H
