// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// How the map of a spectrum meets conjugation.
//
// Every value of the region gets a class by what it does when the bin is
// replaced by its conjugate. Complex functions with a branch cut (sqrt, log,
// pow, angle) are not in the list: on the cut they do not commute.

#include "bfly/IR/Conjugation.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mlir::bfly;

namespace {

enum class Parity {
  Invariant,   // real (or a truth value): stays
  Odd,         // real: changes its sign
  Equivariant, // complex: becomes its conjugate
  Unknown,
};

using Parities = DenseMap<Value, Parity>;

Parity getParity(const Parities &parities, Value value) {
  auto it = parities.find(value);
  return it == parities.end() ? Parity::Unknown : it->second;
}

/// Of a product, from its factors'.
Parity multiply(Parity a, Parity b) {
  if (a == Parity::Unknown || b == Parity::Unknown)
    return Parity::Unknown;
  return a == b ? Parity::Invariant : Parity::Odd;
}

Parity classify(Operation *op, const Parities &parities) {
  auto of = [&](unsigned i) { return getParity(parities, op->getOperand(i)); };
  auto all = [&](Parity parity) {
    return llvm::all_of(op->getOperands(), [&](Value operand) {
      return getParity(parities, operand) == parity;
    });
  };
  return TypeSwitch<Operation *, Parity>(op)
      .Case<complex::AddOp, complex::SubOp, complex::MulOp, complex::DivOp,
            complex::NegOp, complex::ConjOp, complex::ExpOp, complex::Expm1Op,
            complex::SinOp, complex::CosOp, complex::TanOp, complex::TanhOp,
            complex::SignOp>([&](Operation *) {
        return all(Parity::Equivariant) ? Parity::Equivariant : Parity::Unknown;
      })
      .Case<complex::AbsOp, complex::ReOp, complex::EqualOp,
            complex::NotEqualOp>([&](Operation *) {
        return all(Parity::Equivariant) ? Parity::Invariant : Parity::Unknown;
      })
      .Case([&](complex::ImOp) {
        return of(0) == Parity::Equivariant ? Parity::Odd : Parity::Unknown;
      })
      .Case([&](complex::ConstantOp constant) {
        auto imaginary = cast<FloatAttr>(constant.getValue()[1]);
        return imaginary.getValue().isZero() ? Parity::Equivariant
                                             : Parity::Unknown;
      })
      .Case([&](complex::CreateOp create) {
        bool odd = of(1) == Parity::Odd ||
                   matchPattern(create.getImaginary(), m_AnyZeroFloat());
        return of(0) == Parity::Invariant && odd ? Parity::Equivariant
                                                 : Parity::Unknown;
      })
      .Case<arith::MulFOp, arith::DivFOp>(
          [&](Operation *) { return multiply(of(0), of(1)); })
      .Case<arith::AddFOp, arith::SubFOp>(
          [&](Operation *) { return of(0) == of(1) ? of(0) : Parity::Unknown; })
      .Case<arith::NegFOp>([&](Operation *) { return of(0); })
      .Case<math::AbsFOp>([&](Operation *) {
        return of(0) == Parity::Odd ? Parity::Invariant : of(0);
      })
      .Case<arith::SelectOp>([&](Operation *) {
        return of(0) == Parity::Invariant && of(1) == of(2) ? of(1)
                                                            : Parity::Unknown;
      })
      .Default([&](Operation *) {
        bool scalar =
            llvm::none_of(op->getResultTypes(), llvm::IsaPred<ComplexType>);
        return scalar && all(Parity::Invariant) ? Parity::Invariant
                                                : Parity::Unknown;
      });
}

} // namespace

bool mlir::bfly::commutesWithConjugation(Block &body, ArrayAttr paramDims) {
  Parities parities;
  parities[body.getArgument(0)] = Parity::Equivariant;
  // The mirror bin has another index, and other values of what depends on it.
  parities[body.getArgument(1)] = Parity::Unknown;
  for (auto [dims, argument] :
       llvm::zip_equal(paramDims, body.getArguments().drop_front(2)))
    parities[argument] =
        isa<ComplexType>(argument.getType()) ||
                llvm::is_contained(cast<DenseI64ArrayAttr>(dims).asArrayRef(),
                                   int64_t(kBin))
            ? Parity::Unknown
            : Parity::Invariant;
  for (Operation &op : body.without_terminator()) {
    Parity parity = classify(&op, parities);
    for (Value result : op.getResults())
      parities[result] = parity;
  }
  return getParity(parities, body.getTerminator()->getOperand(0)) ==
         Parity::Equivariant;
}
