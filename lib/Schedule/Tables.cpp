// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bfly/Schedule/Tables.h"

#include "llvm/Support/MathExtras.h"
#include <cmath>

using namespace mlir;
using namespace mlir::bfly;

using Complex = std::complex<long double>;
__extension__ using UInt128 = unsigned __int128;

static constexpr long double kPi = 3.141592653589793238462643383279502884L;

/// Added to a value, makes -0 of either part 0, so that tables read well.
static constexpr Complex kNoNegativeZeros(0, 0);

/// e^(-2 pi i k / order), 0 <= k < order.
static Complex getReducedRoot(UInt128 k, UInt128 order) {
  UInt128 eighths = 8 * k;
  unsigned octant = static_cast<unsigned>(eighths / order);
  // What is left of the angle, over `order` octants; odd octants are measured
  // from their far end.
  UInt128 rest = eighths % order;
  if (octant % 2)
    rest = order - rest;
  long double angle = kPi * static_cast<long double>(rest) /
                      (4 * static_cast<long double>(order));
  bool isMiddle = rest == order;
  long double cosine = isMiddle ? std::sqrt(0.5L) : std::cos(angle);
  long double sine = isMiddle ? std::sqrt(0.5L) : std::sin(angle);
  // Around the circle: octants 1, 2, 5, 6 are nearer to the imaginary axis.
  if (octant % 4 == 1 || octant % 4 == 2)
    std::swap(cosine, sine);
  if (octant >= 2 && octant < 6)
    cosine = -cosine;
  if (octant < 4)
    sine = -sine;
  return Complex(cosine, sine) + kNoNegativeZeros;
}

Complex mlir::bfly::getRootOfUnity(int64_t k, int64_t n) {
  assert(n >= 1 && "no root of unity of this order");
  int64_t rest = k % n;
  return getReducedRoot(rest < 0 ? rest + n : rest, n);
}

/// e^(-pi i k^2 / n).
static Complex getChirp(int64_t k, int64_t n) {
  UInt128 order = UInt128(n) * 2;
  return getReducedRoot(UInt128(k) * UInt128(k) % order, order);
}

/// The transform of a power of two of values, `stride` apart from `values` on,
/// into `result`; `roots` are those of the order of the whole.
static void transform(const Complex *values, int64_t stride,
                      ArrayRef<Complex> roots,
                      MutableArrayRef<Complex> result) {
  if (result.size() == 1) {
    result[0] = values[0];
    return;
  }
  int64_t half = result.size() / 2;
  MutableArrayRef<Complex> even = result.take_front(half);
  MutableArrayRef<Complex> odd = result.drop_front(half);
  transform(values, 2 * stride, roots, even);
  transform(values + stride, 2 * stride, roots, odd);
  for (int64_t k = 0; k < half; ++k) {
    // Spelled out: std::complex's product checks for NaN.
    Complex w = roots[k * stride];
    Complex turned(odd[k].real() * w.real() - odd[k].imag() * w.imag(),
                   odd[k].real() * w.imag() + odd[k].imag() * w.real());
    odd[k] = even[k] - turned;
    even[k] += turned;
  }
}

SmallVector<Complex> mlir::bfly::computeTable(TableKind kind, int64_t order,
                                              int64_t rows) {
  SmallVector<Complex> table(rows);
  switch (kind) {
  case TableKind::Roots:
    for (int64_t k = 0; k < rows; ++k)
      table[k] = getRootOfUnity(k, order);
    return table;
  case TableKind::Chirp:
    for (int64_t k = 0; k < rows; ++k)
      table[k] = getChirp(k, order);
    return table;
  case TableKind::ChirpSpectrum: {
    assert(llvm::isPowerOf2_64(rows) && "Bluestein pads to a power of two");
    SmallVector<Complex> kernel(rows), roots(std::max<int64_t>(rows / 2, 1));
    for (int64_t n = 0; n < order; ++n)
      kernel[n] = kernel[(rows - n) % rows] = std::conj(getChirp(n, order));
    for (auto [k, root] : llvm::enumerate(roots))
      root = getRootOfUnity(k, rows);
    transform(kernel.data(), 1, roots, table);
    for (Complex &value : table)
      value = value / static_cast<long double>(rows) + kNoNegativeZeros;
    return table;
  }
  }
  llvm_unreachable("a table of an unknown kind");
}

llvm::APFloat mlir::bfly::roundToType(long double value, FloatType type) {
  if (type.isF32())
    return llvm::APFloat(static_cast<float>(value));
  assert(type.isF64() && "tables and register constants are f32 or f64");
  return llvm::APFloat(static_cast<double>(value));
}
