// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "SpectralMaps.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace mlir::bfly;

SpectralChain mlir::bfly::getSpectralChain(KernelEmitter &emitter,
                                           Operation *sink) {
  SpectralChain chain;
  chain.result = sink->getResult(0);
  auto take = [&](Operation *op, int64_t tokens) {
    chain.tokens = tokens;
    chain.source = op->getOperand(0);
  };
  if ((chain.fft = dyn_cast<FftOp>(sink)))
    return take(sink, chain.fft.getTokens()), chain;
  if ((chain.ifft = dyn_cast<IfftOp>(sink)))
    take(sink, chain.ifft.getTokens());
  else
    take(sink, chain.maps.emplace_back(sink).getTokens());
  OpOperand *use = &sink->getOpOperand(0);
  // A spectrum that has a buffer already, or one that is read as that of other
  // tokens, is where the chain begins.
  while (continuesSpectrum(*use) && !emitter.findBuffer(use->get())) {
    Operation *op = use->get().getDefiningOp();
    if ((chain.fft = dyn_cast_if_present<FftOp>(op)))
      return take(op, chain.tokens), chain;
    auto map = dyn_cast_if_present<SpectrumMapOp>(op);
    if (!map)
      break;
    chain.maps.insert(chain.maps.begin(), map);
    take(op, chain.tokens);
    use = &op->getOpOperand(0);
  }
  return chain;
}

/// Whether a parameter is computed in this kernel from the very tensor that is
/// transformed: then a value that is no number reaches every channel anyway.
static bool dependsOn(Value param, Value source) {
  SmallVector<Value> stack{param};
  while (!stack.empty()) {
    Operation *op = stack.pop_back_val().getDefiningOp();
    if (!op)
      continue;
    for (Value operand : op->getOperands()) {
      if (operand == source)
        return true;
      stack.push_back(operand);
    }
  }
  return false;
}

/// Whether a bin that is no number makes one of what the map yields, be it at
/// some bins alone: then a channel that has one is none all over, and its
/// neighbour in a packed transform need not see it.
static bool propagatesNaN(SpectrumMapOp map) {
  Block &body = map.getBody().front();
  // What is no number if the bin is none; what depends on the index alone.
  llvm::SmallDenseSet<Value> carrying{body.getArgument(0)},
      known{body.getArgument(1)};
  auto carries = [&](Value value) { return carrying.contains(value); };
  for (Operation &op : body.without_terminator()) {
    if (llvm::all_of(op.getOperands(),
                     [&](Value value) { return known.contains(value); }))
      known.insert(op.result_begin(), op.result_end());
    bool result = false;
    if (auto select = dyn_cast<arith::SelectOp>(op)) {
      bool first = carries(select.getTrueValue()),
           second = carries(select.getFalseValue());
      result = known.contains(select.getCondition()) ? first || second
                                                     : first && second;
    } else if (isa<complex::AddOp, complex::SubOp, complex::MulOp,
                   complex::DivOp, complex::NegOp, complex::ConjOp,
                   complex::AbsOp, complex::ReOp, complex::ImOp,
                   complex::CreateOp, complex::ExpOp, complex::LogOp,
                   complex::SqrtOp, complex::AngleOp, complex::SignOp,
                   arith::AddFOp, arith::SubFOp, arith::MulFOp, arith::DivFOp,
                   arith::NegFOp, arith::MaximumFOp, arith::MinimumFOp,
                   math::AbsFOp, math::ExpOp, math::LogOp, math::SqrtOp,
                   math::RsqrtOp, math::TanhOp, math::SinOp, math::CosOp>(op)) {
      result = llvm::any_of(op.getOperands(), carries);
    }
    if (result)
      carrying.insert(op.result_begin(), op.result_end());
  }
  return carries(body.getTerminator()->getOperand(0));
}

SpectralMaps::SpectralMaps(KernelEmitter &emitter, NestBuilder &nest,
                           SpectralChain chain)
    : emitter(emitter), nest(nest), chain(chain) {
  input = emitter.getBuffer(chain.source);
  output = emitter.getBuffer(chain.result);
  auto inputType = cast<MemRefType>(input.getType());
  channels = inputType.getDimSize(2);
  realTokens =
      chain.fft &&
      !isa<ComplexType>(chain.fft.getInput().getType().getElementType());
  // One or two tokens have as many bins as half of them: any reading is right.
  half = chain.fft    ? chain.fft.isHalf()
         : chain.ifft ? chain.ifft.isHalf()
                      : chain.maps.front().isHalf();
  packed = half && (chain.fft || chain.ifft) &&
           (!chain.fft || llvm::all_of(chain.maps, propagatesNaN));
  isolated = packed && llvm::none_of(chain.maps, [&](SpectrumMapOp map) {
               return llvm::any_of(map.getParams(), [&](Value param) {
                 return dependsOn(param, chain.source);
               });
             });
}

Value SpectralMaps::selectFinite(Value x, Value flag) {
  Value zero = nest.constant(0);
  Value finite = arith::CmpFOp::create(nest.builder, nest.loc,
                                       arith::CmpFPredicate::OEQ, flag, zero);
  return arith::SelectOp::create(nest.builder, nest.loc, finite, x, zero);
}

Value SpectralMaps::getFlagTerm(AffineExpr row, AffineExpr channel) {
  Value zero = nest.constant(0);
  if (chain.fft)
    return nest.mul(nest.load(input, {batch, row, channel}), zero);
  ComplexPair bin = loadBin(row, isOwnMirror(row), channel);
  return nest.add(nest.mul(bin.re, zero), nest.mul(bin.im, zero));
}

ComplexPair SpectralMaps::addFlag(ComplexPair bin, Value flag) {
  return {nest.add(bin.re, flag), nest.add(bin.im, flag)};
}

Value SpectralMaps::isOwnMirror(AffineExpr k) {
  return arith::CmpIOp::create(nest.builder, nest.loc, arith::CmpIPredicate::eq,
                               nest.apply(k), nest.apply(mirrorOf(k)));
}

ComplexPair SpectralMaps::loadBin(AffineExpr k, Value own, AffineExpr channel) {
  ComplexPair bin =
      applyMaps(nest.loadComplex(input, {batch, k, channel}), k, channel);
  if (half && chain.ifft)
    dropImaginary(bin, own);
  return bin;
}

ComplexPair SpectralMaps::mapTransformed(ComplexPair bin, Value own,
                                         AffineExpr k, AffineExpr channel) {
  if (own && realTokens)
    dropImaginary(bin, own);
  bin = applyMaps(bin, k, channel);
  if (own && half && chain.ifft)
    dropImaginary(bin, own);
  return bin;
}

ComplexPair SpectralMaps::applyMap(SpectrumMapOp map, ComplexPair bin,
                                   AffineExpr k, AffineExpr channel) {
  OpBuilder &builder = nest.builder;
  Block &block = map.getBody().front();
  Type complexType = ComplexType::get(nest.compute);
  auto create = [&](ComplexPair value) -> Value {
    return complex::CreateOp::create(builder, nest.loc, complexType, value.re,
                                     value.im);
  };
  IRMapping mapping;
  mapping.map(block.getArgument(0), create(bin));
  if (!block.getArgument(1).use_empty())
    mapping.map(block.getArgument(1), nest.apply(k));
  for (auto [index, param] : llvm::enumerate(map.getParams())) {
    BlockArgument argument = block.getArgument(2 + index);
    if (argument.use_empty())
      continue;
    SmallVector<AffineExpr> indices;
    for (int64_t dim :
         cast<DenseI64ArrayAttr>(map.getParamDims()[index]).asArrayRef())
      indices.push_back(dim == kBatch ? batch : dim == kBin ? k : channel);
    ComplexPair value = nest.loadComplex(emitter.getBuffer(param), indices);
    mapping.map(argument, isa<ComplexType>(argument.getType()) ? create(value)
                                                               : value.re);
  }
  for (Operation &op : block.without_terminator())
    builder.clone(op, mapping);
  Value yielded = mapping.lookupOrDefault(block.getTerminator()->getOperand(0));
  if (!isa<ComplexType>(yielded.getType()))
    return {yielded, nest.constant(0)};
  return {complex::ReOp::create(builder, nest.loc, yielded),
          complex::ImOp::create(builder, nest.loc, yielded)};
}

ComplexPair SpectralMaps::applyMaps(ComplexPair bin, AffineExpr k,
                                    AffineExpr channel) {
  // 0 - x and x + 0, for a real bin and its conjugate to have the same zero:
  // a region may have a branch cut there.
  auto positiveZero = [&](ComplexPair value) -> ComplexPair {
    return {value.re, nest.add(value.im, nest.constant(0))};
  };
  for (SpectrumMapOp map : chain.maps) {
    if (!map.getHermitian()) {
      bin = applyMap(map, bin, k, channel);
      continue;
    }
    // (f(F, k) + conj f(conj F, N-k)) / 2.
    ComplexPair here = applyMap(map, positiveZero(bin), k, channel);
    ComplexPair there =
        conjugate(applyMap(map, conjugate(bin), mirrorOf(k), channel));
    Value half = nest.constant(0.5);
    bin = {nest.mul(half, nest.add(here.re, there.re)),
           nest.mul(half, nest.add(here.im, there.im))};
  }
  return bin;
}

std::pair<ComplexPair, ComplexPair>
SpectralMaps::mapPacked(ComplexPair z, ComplexPair zMirror, Value own,
                        AffineExpr k, AffineExpr first, AffineExpr second,
                        ComplexPair flags) {
  Value half = nest.constant(0.5);
  ComplexPair a{nest.mul(half, nest.add(z.re, zMirror.re)),
                nest.mul(half, nest.sub(z.im, zMirror.im))};
  ComplexPair b{nest.mul(half, nest.add(z.im, zMirror.im)),
                nest.mul(half, nest.sub(zMirror.re, z.re))};
  if (flags.re) {
    a = addFlag(a, flags.re);
    b = addFlag(b, flags.im);
  }
  return {mapTransformed(a, own, k, first), mapTransformed(b, own, k, second)};
}

void SpectralMaps::dropImaginary(ComplexPair &bin, Value own) {
  bin.im = arith::SelectOp::create(nest.builder, nest.loc, own,
                                   nest.constant(0), bin.im);
}

ComplexPair SpectralMaps::pack(ComplexPair a, ComplexPair b) {
  return {nest.sub(a.re, b.im), nest.add(a.im, b.re)};
}

ComplexPair SpectralMaps::packMirror(ComplexPair a, ComplexPair b) {
  return {nest.add(a.re, b.im), nest.sub(b.re, a.im)};
}
