// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "SpectralMaps.h"

#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace mlir::bfly;

SpectralChain mlir::bfly::getSpectralChain(KernelEmitter &emitter,
                                           Operation *sink) {
  SpectralChain chain;
  chain.result = sink->getResult(0);
  Operation *op = sink;
  if ((chain.ifft = dyn_cast<IfftOp>(op))) {
    chain.tokens = chain.ifft.getTokens();
    chain.source = chain.ifft.getInput();
    op = chain.source.getDefiningOp();
  }
  // A map whose spectrum has a buffer already is where the chain begins.
  while (auto map = dyn_cast_or_null<SpectrumMapOp>(op)) {
    if (map != sink && emitter.findBuffer(map.getResult()))
      break;
    chain.maps.insert(chain.maps.begin(), map);
    chain.tokens = map.getTokens();
    chain.source = map.getInput();
    op = chain.source.getDefiningOp();
  }
  if (auto fft = dyn_cast_or_null<FftOp>(op)) {
    if (fft == sink || !emitter.findBuffer(fft.getResult())) {
      chain.fft = fft;
      chain.tokens = fft.getTokens();
      chain.source = fft.getInput();
    }
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

SpectralMaps::SpectralMaps(KernelEmitter &emitter, NestBuilder &nest,
                           SpectralChain chain)
    : emitter(emitter), nest(nest), chain(chain) {
  input = emitter.getBuffer(chain.source);
  output = emitter.getBuffer(chain.result);
  auto inputType = cast<MemRefType>(input.getType());
  channels = inputType.getDimSize(2);
  bool halves = llvm::all_of(chain.maps, [](SpectrumMapOp map) {
    return map.isHalf() || map.getTokens() == 1;
  });
  packed =
      halves && (!chain.fft || chain.fft.isHalf() || chain.tokens == 1) &&
      !(chain.fft &&
        isa<ComplexType>(chain.fft.getInput().getType().getElementType())) &&
      !(chain.ifft &&
        isa<ComplexType>(chain.ifft.getResult().getType().getElementType()));
  // One or two tokens have as many bins as half of them: any reading is right.
  if (!chain.fft && chain.ifft)
    packed = chain.ifft.isHalf();
  if (!chain.fft && !chain.ifft)
    packed = chain.maps.front().isHalf();
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
  ComplexPair bin = nest.loadComplex(input, {batch, k, channel});
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
                                    AffineExpr mirror, AffineExpr channel) {
  // 0 - x and x + 0, for a real bin and its conjugate to have the same zero:
  // a region may have a branch cut there.
  auto conjugate = [&](ComplexPair value) -> ComplexPair {
    return {value.re, nest.sub(nest.constant(0), value.im)};
  };
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
        conjugate(applyMap(map, conjugate(bin), mirror, channel));
    Value half = nest.constant(0.5);
    bin = {nest.mul(half, nest.add(here.re, there.re)),
           nest.mul(half, nest.add(here.im, there.im))};
  }
  return bin;
}

std::pair<ComplexPair, ComplexPair>
SpectralMaps::mapPacked(ComplexPair z, ComplexPair zMirror, AffineExpr k,
                        AffineExpr mirror, AffineExpr first,
                        AffineExpr second) {
  Value half = nest.constant(0.5);
  ComplexPair a{nest.mul(half, nest.add(z.re, zMirror.re)),
                nest.mul(half, nest.sub(z.im, zMirror.im))};
  ComplexPair b{nest.mul(half, nest.add(z.im, zMirror.im)),
                nest.mul(half, nest.sub(zMirror.re, z.re))};
  a = applyMaps(a, k, mirror, first);
  b = applyMaps(b, k, mirror, second);
  return {a, b};
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
