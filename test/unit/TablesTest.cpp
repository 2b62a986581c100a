// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bfly/Schedule/Tables.h"

#include "gtest/gtest.h"
#include <cmath>
#include <limits>

using namespace mlir;
using namespace mlir::bfly;

using Complex = std::complex<long double>;
using Table = SmallVector<Complex>;

static constexpr long double kPi = 3.141592653589793238462643383279502884L;
static constexpr long double kEpsilon =
    std::numeric_limits<long double>::epsilon();

/// The transform of `values` by its definition.
static Table transform(const Table &values) {
  Table result(values.size());
  for (size_t q = 0; q < values.size(); ++q)
    for (size_t p = 0; p < values.size(); ++p)
      result[q] += values[p] * getRootOfUnity(p * q, values.size());
  return result;
}

TEST(Tables, MultiplesOfAQuarterAreExact) {
  for (int64_t order : {4, 12, 1024}) {
    EXPECT_EQ(getRootOfUnity(0, order), Complex(1, 0));
    EXPECT_EQ(getRootOfUnity(order / 4, order), Complex(0, -1));
    EXPECT_EQ(getRootOfUnity(order / 2, order), Complex(-1, 0));
    EXPECT_EQ(getRootOfUnity(3 * order / 4, order), Complex(0, 1));
  }
  EXPECT_EQ(getRootOfUnity(1, 8), Complex(std::sqrt(0.5L), -std::sqrt(0.5L)));
}

TEST(Tables, RootsAreSymmetric) {
  for (int64_t order : {3, 8, 30, 31, 1000})
    for (int64_t k = 0; k < order; ++k) {
      Complex root = getRootOfUnity(k, order);
      EXPECT_EQ(getRootOfUnity(order - k, order), std::conj(root));
      EXPECT_EQ(getRootOfUnity(k - 5 * order, order), root);
      // A quarter of a turn further: (x, y) to (y, -x).
      EXPECT_EQ(getRootOfUnity(4 * k + order, 4 * order),
                Complex(root.imag(), -root.real()));
    }
}

TEST(Tables, RootsAreAccurate) {
  for (int64_t order : {1, 5, 16, 243})
    for (int64_t k = 0; k < order; ++k) {
      long double angle = -2 * kPi * k / order;
      EXPECT_LE(std::abs(getRootOfUnity(k, order) -
                         Complex(std::cos(angle), std::sin(angle))),
                8 * kEpsilon);
    }
}

TEST(Tables, LargeOrdersDoNotOverflow) {
  int64_t order = std::numeric_limits<int64_t>::max();
  EXPECT_LE(std::abs(getRootOfUnity(order - 1, order) - Complex(1, 0)),
            8 * kEpsilon);
  EXPECT_LE(std::abs(getRootOfUnity(order / 2, order) - Complex(-1, 0)),
            8 * kEpsilon);
  EXPECT_EQ(computeTable(TableKind::Chirp, order, 1)[0], Complex(1, 0));
}

TEST(Tables, ChirpsReduceTheirSquareFirst) {
  // With k^2 as a floating-point angle, k = 2^20 - 1 would be off by 1e-7.
  int64_t order = 1 << 20;
  Table table = computeTable(TableKind::Chirp, order, order);
  // (N - 1)^2 = N^2 - 2 N + 1, which is 1 mod 2 N for an even N.
  EXPECT_EQ(table[order - 1], getRootOfUnity(1, 2 * order));
  EXPECT_EQ(table[1], getRootOfUnity(1, 2 * order));
  EXPECT_EQ(computeTable(TableKind::Chirp, 3, 3)[2], getRootOfUnity(4, 6));
}

TEST(Tables, ChirpSpectrumIsTheTransformOfTheKernel) {
  for (auto [order, rows] : {std::pair<int64_t, int64_t>(1, 1),
                             {1, 2},
                             {2, 4},
                             {5, 16},
                             {13, 32},
                             {13, 64}}) {
    Table kernel(rows);
    for (int64_t n = 0; n < order; ++n)
      kernel[n] = kernel[(rows - n) % rows] =
          std::conj(getRootOfUnity(n * n, 2 * order));
    Table spectrum = computeTable(TableKind::ChirpSpectrum, order, rows);
    Table expected = transform(kernel);
    for (int64_t k = 0; k < rows; ++k)
      EXPECT_LE(std::abs(spectrum[k] * (long double)(rows)-expected[k]),
                64 * kEpsilon)
          << order << " in " << rows << ", row " << k;
  }
}

/// Bluestein's algorithm with these tables is the transform.
TEST(Tables, ChirpAndItsSpectrumTransform) {
  int64_t order = 11, rows = 32;
  Table chirp = computeTable(TableKind::Chirp, order, order);
  Table spectrum = computeTable(TableKind::ChirpSpectrum, order, rows);
  Table values(order), padded(rows);
  for (int64_t n = 0; n < order; ++n) {
    values[n] = {std::sin(1.0L * n), std::cos(2.0L * n * n)};
    padded[n] = values[n] * chirp[n];
  }
  padded = transform(padded);
  for (int64_t k = 0; k < rows; ++k)
    padded[k] = std::conj(padded[k] * spectrum[k]);
  padded = transform(padded);
  Table expected = transform(values);
  for (int64_t q = 0; q < order; ++q)
    EXPECT_LE(std::abs(std::conj(padded[q]) * chirp[q] - expected[q]),
              256 * kEpsilon);
}
