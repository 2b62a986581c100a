// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Transforms and spectra: verifiers, and what the schedule asks of them.

#include "bfly/IR/Network.h"

#include "VerifyUtils.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"

#include <cmath>

using namespace mlir;
using namespace mlir::bfly;

// Verifiers ------------------------------------------------------------------

/// (C1) to (C4) of a transform: `time` is the tensor over tokens, `spectrum`
/// the one over bins.
static LogicalResult verifyTransform(Operation *op, RankedTensorType time,
                                     RankedTensorType spectrum) {
  if (failed(verifyStaticShape(op, time, "C1")) ||
      failed(verifyStaticShape(op, spectrum, "C1")) ||
      failed(verifySizes(op, "C4")))
    return failure();
  if (time.getDimSize(0) != spectrum.getDimSize(0) ||
      time.getDimSize(2) != spectrum.getDimSize(2))
    return op->emitOpError("(C1) batch and channels must agree, got ")
           << time << " and " << spectrum;
  int64_t tokens = time.getDimSize(1);
  int64_t bins = spectrum.getDimSize(1);
  bool real = !isa<ComplexType>(time.getElementType());
  if (bins != tokens && !(real && bins == tokens / 2 + 1))
    return op->emitOpError("(C2) ")
           << tokens << (real ? " real" : " complex") << " tokens have "
           << tokens << (real ? " bins, or half of them " : " bins")
           << (real ? std::to_string(tokens / 2 + 1) : std::string())
           << ", got " << bins;
  if (getComputeType(time) !=
      cast<ComplexType>(spectrum.getElementType()).getElementType())
    return op->emitOpError("(C3) the spectrum must be complex<")
           << getComputeType(time) << ">, got " << spectrum;
  return success();
}

bool mlir::bfly::continuesSpectrum(OpOperand &use) {
  // Tokens, and whether half of the bins stand for all.
  auto read = [](Operation *op) -> std::pair<int64_t, bool> {
    if (auto fft = dyn_cast_if_present<FftOp>(op))
      return {fft.getTokens(), fft.isHalf()};
    if (auto map = dyn_cast_if_present<SpectrumMapOp>(op))
      return {map.getTokens(), map.isHalf()};
    if (auto ifft = dyn_cast_if_present<IfftOp>(op))
      return {ifft.getTokens(), ifft.isHalf()};
    return {0, false};
  };
  auto source = read(use.get().getDefiningOp());
  return source.first && use.getOperandNumber() == 0 &&
         cast<OpResult>(use.get()).getResultNumber() == 0 &&
         !isa<FftOp>(use.getOwner()) && source == read(use.getOwner());
}

SmallVector<FftOp> SpectrumMapOp::getSecondSpectra() {
  SmallVector<FftOp> spectra;
  for (OpOperand &operand : getParamsMutable())
    if (FftOp fft = getSecondSpectrum(operand))
      if (!llvm::is_contained(spectra, fft))
        spectra.push_back(fft);
  return spectra;
}

FftOp mlir::bfly::getSecondSpectrum(OpOperand &use) {
  auto map = dyn_cast<SpectrumMapOp>(use.getOwner());
  auto fft = use.get().getDefiningOp<FftOp>();
  if (!map || !fft || use.getOperandNumber() == 0 || map.getHermitian() ||
      fft.getTokens() != static_cast<int64_t>(map.getTokens()) ||
      fft.isHalf() != map.isHalf() ||
      cast<RankedTensorType>(use.get().getType()).getDimSize(2) !=
          map.getInput().getType().getDimSize(2))
    return {};
  Attribute dims = map.getParamDims()[use.getOperandNumber() - 1];
  bool isSpectrum = cast<DenseI64ArrayAttr>(dims).asArrayRef() ==
                    ArrayRef<int64_t>{kBatch, kBin, kChannel};
  if (!isSpectrum)
    return {};
  // Where the map's own bins are made by a transform too.
  OpOperand *bins = &map.getInputMutable();
  while (continuesSpectrum(*bins)) {
    Operation *before = bins->get().getDefiningOp();
    if (isa<FftOp>(before))
      return fft;
    bins = &before->getOpOperand(0);
  }
  return {};
}

LogicalResult FftOp::verify() {
  return verifyTransform(*this, getInput().getType(), getResult().getType());
}

LogicalResult IfftOp::verify() {
  return verifyTransform(*this, getResult().getType(), getInput().getType());
}

LogicalResult SpectrumMapOp::verify() {
  RankedTensorType input = getInput().getType();
  RankedTensorType result = getResult().getType();
  if (failed(verifyStaticShape(*this, input, "C1")) ||
      failed(verifySizes(*this, "C6")))
    return failure();
  if (input.getShape() != result.getShape())
    return emitOpError("(C1) input and result must have the same shape, got ")
           << input << " and " << result;
  int64_t bins = input.getDimSize(1);
  int64_t tokens = static_cast<int64_t>(getTokens());
  if (tokens < 1 || (bins != tokens && bins != tokens / 2 + 1))
    return emitOpError("(C8) ") << bins << " bins are neither " << tokens
                                << " nor half of them, " << tokens / 2 + 1;
  SmallVector<int64_t> paramBins{tokens};
  if (!getHermitian())
    paramBins.push_back(bins);
  if (failed(verifyBinRegion(*this, input, paramBins, getParams(),
                             getParamDims(), getBody(),
                             /*mayYieldReal=*/true, /*mayYieldMore=*/true)))
    return failure();
  Type yielded = getBody().front().getTerminator()->getOperand(0).getType();
  bool sameKind =
      isa<ComplexType>(yielded) == isa<ComplexType>(result.getElementType());
  if (!sameKind || getComputeType(result) != getComputeType(input))
    return emitOpError("(C5) the region yields ")
           << yielded << ", but the result is " << result;
  if (getHermitian() && !isa<ComplexType>(yielded))
    return emitOpError("(C5) a hermitian map yields complex numbers");
  return verifySums();
}

LogicalResult SpectrumMapOp::verifySums() {
  RankedTensorType input = getInput().getType();
  ValueRange terms =
      getBody().front().getTerminator()->getOperands().drop_front();
  if (terms.size() != getSums().size())
    return emitOpError("(C9) the region must yield a bin and ")
           << getSums().size() << " numbers for sums, got " << terms.size()
           << " after the bin";
  if (getHermitian() && !terms.empty())
    return emitOpError("(C9) a hermitian map has no sums");
  FloatType compute = getComputeType(input);
  for (auto [index, term, sum] : llvm::enumerate(terms, getSums())) {
    auto type = cast<RankedTensorType>(sum.getType());
    bool isNumber = term.getType() == compute ||
                    term.getType() == ComplexType::get(compute);
    if (!isNumber || type.getElementType() != term.getType() ||
        type.getRank() != 2 ||
        !sameSize(type.getDimSize(0), input.getDimSize(0)) ||
        type.getDimSize(1) != input.getDimSize(2))
      return emitOpError("(C9) sum ")
             << index << " must be (B, D) of " << compute
             << " or complex, as the region yields, got " << type << " of "
             << term.getType();
  }
  return success();
}

LogicalResult SpectrumBinOp::verify() {
  RankedTensorType input = getInput().getType();
  RankedTensorType result = getResult().getType();
  int64_t index = static_cast<int64_t>(getIndex());
  if (index < 0 || index >= input.getDimSize(1))
    return emitOpError("(C1) there is no bin ") << index << " in " << input;
  if (result.getDimSize(0) != input.getDimSize(0) ||
      result.getDimSize(1) != input.getDimSize(2) ||
      getComputeType(result) != getComputeType(input))
    return emitOpError(
               "(C2) the result must be (B, D) of a type that computes in ")
           << getComputeType(input) << ", got " << result;
  if (!getFactor().isFinite())
    return emitOpError("(C3) factor must be finite");
  return success();
}

// Costs ----------------------------------------------------------------------

/// Whether the imaginary part of `value` is known to be 0.
static bool isRealValued(Value value) {
  auto create = value.getDefiningOp<complex::CreateOp>();
  return create && matchPattern(create.getImaginary(), m_AnyZeroFloat());
}

/// Flops of one scalar operation of a map's region.
static double getScalarFlops(Operation *op) {
  if (matchPattern(op, m_Constant()))
    return 0;
  return llvm::TypeSwitch<Operation *, double>(op)
      .Case<complex::CreateOp, complex::ReOp, complex::ImOp, complex::ConjOp,
            YieldOp, arith::ExtFOp, arith::TruncFOp, arith::SelectOp>(
          [](Operation *) { return 0; })
      .Case([](complex::MulOp mul) {
        bool real = isRealValued(mul.getLhs()) || isRealValued(mul.getRhs());
        return real ? 2 : 6;
      })
      .Case([](complex::DivOp div) {
        return isRealValued(div.getRhs()) ? 2 : 11;
      })
      .Case<complex::AddOp, complex::SubOp, complex::NegOp>(
          [](Operation *) { return 2; })
      // Two squares, their sum, the root.
      .Case<complex::AbsOp>([](Operation *) { return 4; })
      .Default([](Operation *other) -> double {
        if (isa<complex::ComplexDialect>(other->getDialect()))
          return 8;
        bool isFloat =
            llvm::any_of(other->getOperandTypes(), llvm::IsaPred<FloatType>);
        return isFloat ? 1 : 0;
      });
}

/// One transform of `tokens` points for one complex channel.
static double getTransformFlops(int64_t tokens, int64_t length) {
  auto butterflies = [](int64_t n) {
    return n > 1 ? 5.0 * double(n) * std::log2(double(n)) : 0.0;
  };
  if (length == tokens || length == 0)
    return butterflies(tokens);
  return 2 * butterflies(length) + 6.0 * double(length) + 12.0 * double(tokens);
}

/// A transform between `sequence` and its spectrum; a half spectrum means that
/// two real channels share a complex transform.
static Amount getTransformFlops(RankedTensorType sequence, bool half,
                                int64_t length) {
  double one = getTransformFlops(sequence.getDimSize(1), length);
  return countBatch(sequence) * (double(sequence.getDimSize(2)) * one) *
         (half ? 0.5 : 1.0);
}

Amount FftOp::getFlops(int64_t length) {
  return getTransformFlops(getInput().getType(), isHalf(), length);
}

Amount IfftOp::getFlops(int64_t length) {
  return getTransformFlops(getResult().getType(), isHalf(), length);
}

Amount SpectrumMapOp::getFlops(int64_t) {
  double bin = 0;
  for (Operation &op : getBody().front())
    bin += getScalarFlops(&op);
  if (getHermitian())
    bin = 2 * bin + 4;
  bin += double(getNumTerms());
  return countElements(getInput().getType()) * bin;
}

Amount SpectrumBinOp::getFlops(int64_t) {
  return countElements(getResult().getType());
}

// What a kernel holds --------------------------------------------------------

void FftOp::describe(Network &network) {
  network.addTransform(getInput().getType(), getTokens(), isHalf());
}

void IfftOp::describe(Network &network) {
  network.addTransform(getResult().getType(), getTokens(), isHalf());
}

void SpectrumMapOp::describe(Network &network) {
  network.kind = "transform";
  network.hasMap = true;
  network.spectra += static_cast<int64_t>(getSecondSpectra().size());
  network.terms += getNumTerms();
  network.hermitian |= getHermitian();
  network.packed |= isHalf();
  // A transform says what its own length is.
  if (!network.transforms)
    network.transformTokens = getTokens();
  if (!network.sequence)
    network.sequence = getInput().getType();
}

void SpectrumBinOp::describe(Network &network) {
  network.binZero |= getIndex() == 0;
}
