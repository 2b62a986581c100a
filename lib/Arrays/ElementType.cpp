// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bfly/Arrays/ElementType.h"

#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/ErrorHandling.h"

using namespace mlir::bfly;

llvm::StringRef mlir::bfly::elementName(ElementType type) {
  switch (type) {
  case ElementType::F64:
    return "f64";
  case ElementType::F32:
    return "f32";
  case ElementType::BF16:
    return "bf16";
  case ElementType::F16:
    return "f16";
  case ElementType::C64:
    return "complex<f32>";
  case ElementType::C128:
    return "complex<f64>";
  case ElementType::I64:
    return "i64";
  case ElementType::I32:
    return "i32";
  case ElementType::I16:
    return "i16";
  case ElementType::I8:
    return "i8";
  case ElementType::U8:
    return "ui8";
  case ElementType::I1:
    return "i1";
  }
  llvm_unreachable("unknown element type");
}

int64_t mlir::bfly::elementSize(ElementType type) {
  switch (type) {
  case ElementType::C128:
    return 16;
  case ElementType::F64:
  case ElementType::C64:
  case ElementType::I64:
    return 8;
  case ElementType::F32:
  case ElementType::I32:
    return 4;
  case ElementType::BF16:
  case ElementType::F16:
  case ElementType::I16:
    return 2;
  case ElementType::I8:
  case ElementType::U8:
  case ElementType::I1:
    return 1;
  }
  llvm_unreachable("unknown element type");
}

bool mlir::bfly::isFloat(ElementType type) {
  return type == ElementType::F64 || type == ElementType::F32 ||
         type == ElementType::BF16 || type == ElementType::F16;
}

bool mlir::bfly::isComplex(ElementType type) {
  return type == ElementType::C64 || type == ElementType::C128;
}

bool mlir::bfly::isInteger(ElementType type) {
  return !isFloat(type) && !isComplex(type);
}

std::optional<ElementType> mlir::bfly::parseElementType(llvm::StringRef name) {
  return llvm::StringSwitch<std::optional<ElementType>>(name)
      .Case("f64", ElementType::F64)
      .Case("f32", ElementType::F32)
      .Case("bf16", ElementType::BF16)
      .Case("f16", ElementType::F16)
      .Cases({"complex<f32>", "c64", "cf64"}, ElementType::C64)
      .Cases({"complex<f64>", "c128", "cf128"}, ElementType::C128)
      .Cases({"i64", "si64"}, ElementType::I64)
      .Cases({"i32", "si32"}, ElementType::I32)
      .Cases({"i16", "si16"}, ElementType::I16)
      .Cases({"i8", "si8"}, ElementType::I8)
      .Cases({"ui8", "u8"}, ElementType::U8)
      .Cases({"i1", "bool"}, ElementType::I1)
      .Default(std::nullopt);
}
