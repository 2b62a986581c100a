// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Transforms that a library does. It knows f32 and f64, no factor, and real
// data with half a spectrum; kernels of ours, an element at a time, do the
// rest:
//
//   fft     [widen]  transform [real_bins]  16 bits, or real with all its bins
//   ifft    scale    transform [narrow]     the factor, half of the spectrum
//
// A library leaves a rounding in the imaginary parts of bins 0 and N/2 of real
// tokens, which are 0.
//
// The inverse of a real sequence may overwrite its source, which is scratch.

#include "GPU/LibraryTransform.h"

#include "GPU/GridLoops.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;
using namespace mlir::bfly;

namespace {

class LibraryTransform {
public:
  LibraryTransform(OpBuilder &builder, KernelOp kernel, FloatType compute)
      : builder(builder), loc(kernel.getLoc()), plan(kernel.getPlanAttr()),
        threads(kernel.getPlanPart<GpuBlockAttr>().getThreads()),
        compute(compute) {}

  void emit(FftOp fft, Value source, Value target);
  void emit(IfftOp ifft, Value source, Value target);

private:
  using Element =
      function_ref<ComplexPair(NestBuilder &, Value, ArrayRef<AffineExpr>)>;

  /// A kernel that makes target[at] = element(source, at) for all tokens, or
  /// for those of a multiple of `step`.
  void emitKernel(StringRef name, Value source, Value target, Element element,
                  int64_t step = 1);
  void emitRealBins(Value spectrum, int64_t tokens);
  /// A buffer like `like` with other tokens and elements.
  Value allocate(Value like, int64_t tokens, Type elementType);
  void free(Value buffer) { memref::DeallocOp::create(builder, loc, buffer); }
  void transform(Value source, Value target, bool inverse) {
    LibraryTransformOp::create(builder, loc, source, target, inverse);
  }

  OpBuilder &builder;
  Location loc;
  ArrayAttr plan;
  int64_t threads;
  FloatType compute;
};

} // namespace

void LibraryTransform::emitKernel(StringRef name, Value source, Value target,
                                  Element element, int64_t step) {
  auto kernel = KernelOp::create(builder, loc, TypeRange(),
                                 ValueRange{source, target}, name, plan);
  OpBuilder::InsertionGuard guard(builder);
  Block *body = &kernel.getBody().emplaceBlock();
  Value from = body->addArgument(source.getType(), loc);
  Value to = body->addArgument(target.getType(), loc);
  builder.setInsertionPointToStart(body);
  NestBuilder nest(builder, loc, compute, threads);
  SmallVector<OpFoldResult> sizes;
  for (int64_t dim = 0; dim < 3; ++dim)
    sizes.push_back(nest.size(to, dim));
  int64_t rows = cast<MemRefType>(target.getType()).getDimSize(1);
  sizes[1] = builder.getIndexAttr(llvm::divideCeilSigned(rows, step));
  forEachElement(nest, sizes, [&](ArrayRef<AffineExpr> index) {
    SmallVector<AffineExpr> at(index);
    at[1] = at[1] * step;
    nest.storeComplex(element(nest, from, at), to, at);
  });
  dropLastBarrier(*body);
  YieldOp::create(builder, loc, ValueRange());
}

Value LibraryTransform::allocate(Value like, int64_t tokens, Type elementType) {
  auto type = cast<MemRefType>(like.getType());
  SmallVector<int64_t> shape(type.getShape());
  shape[1] = tokens;
  SmallVector<Value> sizes;
  if (type.isDynamicDim(0))
    sizes.push_back(memref::DimOp::create(builder, loc, like, 0));
  return memref::AllocOp::create(builder, loc,
                                 MemRefType::get(shape, elementType), sizes,
                                 builder.getI64IntegerAttr(64));
}

/// Bins 0 and N/2 are real.
void LibraryTransform::emitRealBins(Value spectrum, int64_t tokens) {
  emitKernel(
      "real_bins", spectrum, spectrum,
      [](NestBuilder &nest, Value from, ArrayRef<AffineExpr> at) {
        return ComplexPair{nest.loadComplex(from, at).re, nest.constant(0)};
      },
      tokens % 2 ? tokens : tokens / 2);
}

void LibraryTransform::emit(FftOp fft, Value source, Value target) {
  Type type = cast<MemRefType>(source.getType()).getElementType();
  if (isa<ComplexType>(type))
    return transform(source, target, /*inverse=*/false);
  if (fft.isHalf() && type == compute) {
    transform(source, target, /*inverse=*/false);
    return emitRealBins(target, fft.getTokens());
  }
  Type wide = fft.isHalf() ? Type(compute) : ComplexType::get(compute);
  Value scratch = allocate(source, fft.getTokens(), wide);
  emitKernel("widen", source, scratch,
             [](NestBuilder &nest, Value from, ArrayRef<AffineExpr> at) {
               return nest.loadComplex(from, at);
             });
  transform(scratch, target, /*inverse=*/false);
  free(scratch);
  emitRealBins(target, fft.getTokens());
}

void LibraryTransform::emit(IfftOp ifft, Value source, Value target) {
  int64_t tokens = ifft.getTokens();
  Type type = cast<MemRefType>(target.getType()).getElementType();
  bool isReal = !isa<ComplexType>(type);
  // The real part of an inverse is that of the spectrum's Hermitian part.
  bool isFolded = isReal && !ifft.isHalf();
  Value scaled = allocate(source, isReal ? tokens / 2 + 1 : tokens,
                          ComplexType::get(compute));
  emitKernel(
      "scale", source, scaled,
      [&](NestBuilder &nest, Value from,
          ArrayRef<AffineExpr> at) -> ComplexPair {
        ComplexPair bin = nest.loadComplex(from, at);
        AffineExpr mirror = mirrorBin(at[1], tokens);
        if (isFolded) {
          ComplexPair other = nest.loadComplex(from, {at[0], mirror, at[2]});
          bin = {nest.add(bin.re, other.re), nest.sub(bin.im, other.im)};
        }
        Value factor = nest.constant((isFolded ? 0.5 : 1.0) / tokens);
        bin = {nest.mul(bin.re, factor), nest.mul(bin.im, factor)};
        if (!isReal)
          return bin;
        Value own =
            arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq,
                                  nest.apply(at[1]), nest.apply(mirror));
        return {bin.re, arith::SelectOp::create(builder, loc, own,
                                                nest.constant(0), bin.im)};
      });
  bool isNarrow = isReal && type != compute;
  Value wide = isNarrow ? allocate(target, tokens, compute) : target;
  transform(scaled, wide, /*inverse=*/true);
  free(scaled);
  if (!isNarrow)
    return;
  emitKernel("narrow", wide, target,
             [](NestBuilder &nest, Value from, ArrayRef<AffineExpr> at) {
               return nest.loadComplex(from, at);
             });
  free(wide);
}

void mlir::bfly::emitLibraryTransform(OpBuilder &builder, KernelOp kernel,
                                      Operation *op, Value source,
                                      Value target) {
  auto fft = dyn_cast<FftOp>(op);
  // The spectrum is of the compute type.
  RankedTensorType spectrum =
      fft ? fft.getResult().getType() : cast<IfftOp>(op).getInput().getType();
  LibraryTransform transform(builder, kernel, getComputeType(spectrum));
  if (fft)
    transform.emit(fft, source, target);
  else
    transform.emit(cast<IfftOp>(op), source, target);
}
