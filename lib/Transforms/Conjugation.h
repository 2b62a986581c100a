// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// How the map of a spectrum meets conjugation.

#ifndef BFLY_LIB_TRANSFORMS_CONJUGATION_H
#define BFLY_LIB_TRANSFORMS_CONJUGATION_H

#include "bfly/IR/Bfly.h"

namespace mlir::bfly {

/// Whether region(conj F, N - k) = conj region(F, k) for certain, so that the
/// map takes the spectrum of a real sequence to that of another.
bool commutesWithConjugation(SpectrumMapOp map);

} // namespace mlir::bfly

#endif // BFLY_LIB_TRANSFORMS_CONJUGATION_H
