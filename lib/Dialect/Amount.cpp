// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bfly/IR/Amount.h"

#include <cmath>

using namespace mlir;
using namespace mlir::bfly;

Amount mlir::bfly::countElements(RankedTensorType type) {
  double product = 1;
  bool dynamic = false;
  for (int64_t size : type.getShape()) {
    if (ShapedType::isDynamic(size))
      dynamic = true;
    else
      product *= double(size);
  }
  return dynamic ? Amount{0, product} : Amount{product, 0};
}

Amount mlir::bfly::countBatch(RankedTensorType type) {
  return type.isDynamicDim(0) ? Amount{0, 1}
                              : Amount{double(type.getDimSize(0)), 0};
}

static double getElementBytes(Type type) {
  if (auto complex = dyn_cast<ComplexType>(type))
    return 2 * getElementBytes(complex.getElementType());
  if (isa<IndexType>(type))
    return 8;
  return type.isIntOrFloat() ? std::ceil(type.getIntOrFloatBitWidth() / 8.0)
                             : 0;
}

Amount mlir::bfly::countBytes(RankedTensorType type) {
  return countElements(type) * getElementBytes(type.getElementType());
}
