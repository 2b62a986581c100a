// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// How the map of a spectrum meets conjugation.

#ifndef BFLY_IR_CONJUGATION_H
#define BFLY_IR_CONJUGATION_H

#include "bfly/IR/Bfly.h"

namespace mlir::bfly {

/// Whether region(conj F, N - k) = conj region(F, k) for certain, so that the
/// map, or filter, takes the spectrum of a real sequence to that of another.
/// Its parameters have the dimensions `paramDims`.
bool commutesWithConjugation(Block &region, ArrayAttr paramDims);
inline bool commutesWithConjugation(SpectrumMapOp map) {
  return commutesWithConjugation(map.getBody().front(), map.getParamDims());
}

} // namespace mlir::bfly

#endif // BFLY_IR_CONJUGATION_H
