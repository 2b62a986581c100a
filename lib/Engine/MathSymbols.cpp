// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The mathematical library and the compiler's own helpers by address.

#include "ForeignCode.h"

// What math-to-libm and code generation make, for double and for float.
// clang-format off
#define BFLY_MATH_FUNCTIONS(X)                                                 \
  X(acos) X(acosh) X(asin) X(asinh) X(atan) X(atan2) X(atanh) X(cabs)          \
  X(carg) X(cbrt) X(ccos) X(ceil) X(cexp) X(clog) X(conj) X(copysign)          \
  X(cos) X(cosh) X(cpow) X(csin) X(csqrt) X(ctan) X(ctanh) X(erf) X(erfc)      \
  X(exp) X(exp10) X(exp2) X(expm1) X(fabs) X(floor) X(fma) X(fmax) X(fmin)     \
  X(fmod) X(frexp) X(ldexp) X(llrint) X(llround) X(log) X(log10) X(log1p)      \
  X(log2) X(lrint) X(lround) X(modf) X(nearbyint) X(pow) X(rint) X(round)      \
  X(roundeven) X(sin) X(sincos) X(sinh) X(sqrt) X(tan) X(tanh) X(trunc)

// Memory, and arithmetic that the processor does not have.
#define BFLY_HELPERS(X)                                                        \
  X(memcpy) X(memmove) X(memset) X(__divti3) X(__modti3) X(__udivti3)          \
  X(__umodti3) X(__powidf2) X(__powisf2) X(__fixdfti) X(__fixsfti)             \
  X(__fixunsdfti) X(__fixunssfti) X(__floattidf) X(__floattisf)                \
  X(__floatuntidf) X(__floatuntisf)
// clang-format on

// By their names alone: of most there are several overloads.
#define DECLARE(name) extern "C" void bfly_symbol_##name() __asm__(#name);
#define DECLARE_BOTH(name)                                                     \
  DECLARE(name)                                                                \
  extern "C" void bfly_symbol_##name##f() __asm__(#name "f");
BFLY_MATH_FUNCTIONS(DECLARE_BOTH)
BFLY_HELPERS(DECLARE)
#undef DECLARE
#undef DECLARE_BOTH

void mlir::bfly::addMathSymbols(llvm::StringMap<void *> &symbols) {
#define ENTRY(name)                                                            \
  symbols[#name] = reinterpret_cast<void *>(&bfly_symbol_##name);
#define ENTRY_BOTH(name)                                                       \
  ENTRY(name)                                                                  \
  symbols[#name "f"] = reinterpret_cast<void *>(&bfly_symbol_##name##f);
  BFLY_MATH_FUNCTIONS(ENTRY_BOTH)
  BFLY_HELPERS(ENTRY)
#undef ENTRY
#undef ENTRY_BOTH
}
