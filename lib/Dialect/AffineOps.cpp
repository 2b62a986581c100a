// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Verifiers, syntax, folds and canonicalisation of the affine level.

#include "VerifyUtils.h"
#include "bfly/IR/Bfly.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/PatternMatch.h"
#include "llvm/Support/MathExtras.h"
#include <numeric>

using namespace mlir;
using namespace mlir::bfly;

// bfly.dft -------------------------------------------------------------------

LogicalResult DftOp::verify() {
  if (getValues().size() < 2 || getValues().size() % 2 ||
      getValues().size() != getResults().size())
    return emitOpError(
               "(C1) needs an even number of values, at least 2, and as "
               "many results; got ")
           << getValues().size() << " and " << getResults().size();
  return success();
}

ParseResult DftOp::parse(OpAsmParser &parser, OperationState &result) {
  SmallVector<OpAsmParser::UnresolvedOperand> values;
  Type type;
  if (succeeded(parser.parseOptionalKeyword("inverse")))
    result.addAttribute(getInverseAttrName(result.name),
                        parser.getBuilder().getUnitAttr());
  if (parser.parseOperandList(values) ||
      parser.parseOptionalAttrDict(result.attributes) ||
      parser.parseColonType(type) ||
      parser.resolveOperands(values, type, result.operands))
    return failure();
  result.addTypes(SmallVector<Type>(values.size(), type));
  return success();
}

void DftOp::print(OpAsmPrinter &printer) {
  if (getInverse())
    printer << " inverse";
  printer << ' ' << getValues();
  printer.printOptionalAttrDict((*this)->getAttrs(), {getInverseAttrName()});
  printer << " : " << getValues().front().getType();
}

// bfly.rotate ----------------------------------------------------------------

LogicalResult RotateOp::verify() {
  if (static_cast<int64_t>(getDenominator()) < 1)
    return emitOpError("(C1) the denominator must be positive");
  return success();
}

/// A whole number of turns is the identity.
LogicalResult RotateOp::fold(FoldAdaptor,
                             SmallVectorImpl<OpFoldResult> &results) {
  int64_t numerator = getNumerator(), denominator = getDenominator();
  if (numerator % denominator)
    return failure();
  results.assign({getReal(), getImag()});
  return success();
}

namespace {

/// Lowest terms, and a numerator in [0, denominator).
struct ReduceTurn : OpRewritePattern<RotateOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(RotateOp op,
                                PatternRewriter &rewriter) const override {
    int64_t denominator = op.getDenominator();
    int64_t numerator = op.getNumerator();
    int64_t reduced = ((numerator % denominator) + denominator) % denominator;
    int64_t common = std::gcd(reduced, denominator);
    if (common == 1 && reduced == numerator)
      return failure();
    rewriter.modifyOpInPlace(op, [&] {
      op.setNumerator(reduced / common);
      op.setDenominator(denominator / common);
    });
    return success();
  }
};

/// Two rotations in a row are one.
struct MergeTurns : OpRewritePattern<RotateOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(RotateOp op,
                                PatternRewriter &rewriter) const override {
    auto inner = op.getReal().getDefiningOp<RotateOp>();
    if (!inner || op.getReal() != inner.getRealResult() ||
        op.getImag() != inner.getImagResult())
      return failure();
    int64_t a = op.getNumerator(), b = op.getDenominator();
    int64_t c = inner.getNumerator(), d = inner.getDenominator();
    int64_t ad, cb, bd, sum;
    if (llvm::MulOverflow(a, d, ad) || llvm::MulOverflow(c, b, cb) ||
        llvm::MulOverflow(b, d, bd) || llvm::AddOverflow(ad, cb, sum))
      return failure();
    rewriter.replaceOpWithNewOp<RotateOp>(op, inner.getReal(), inner.getImag(),
                                          sum, bd);
    return success();
  }
};

} // namespace

void RotateOp::getCanonicalizationPatterns(RewritePatternSet &patterns,
                                           MLIRContext *context) {
  patterns.add<ReduceTurn, MergeTurns>(context);
}

// bfly.table -----------------------------------------------------------------

LogicalResult TableOp::verify() {
  MemRefType type = getResult().getType();
  int64_t order = getOrder(), rows = type.getDimSize(0);
  if (order < 1 || rows < 1 || type.getDimSize(1) != 2 ||
      !type.getLayout().isIdentity())
    return emitOpError(
               "(C1) the order must be positive and the table (rows, 2), "
               "got ")
           << order << " and " << type;
  if (getKind() == TableKind::ChirpSpectrum) {
    if (!llvm::isPowerOf2_64(rows) || (rows + 1) / 2 < order)
      return emitOpError("(C2) the spectrum of a chirp of ")
             << order << " needs a power of two of at least " << 2 * order - 1
             << " rows, got " << rows;
  } else if (rows > order) {
    return emitOpError("(C3) a table of order ")
           << order << " has at most as many rows, got " << rows;
  }
  return success();
}

// bfly.library_transform -----------------------------------------------------

static bool isReal(MemRefType type) {
  return isa<FloatType>(type.getElementType());
}

static Type getRealType(MemRefType type) {
  auto complex = dyn_cast<ComplexType>(type.getElementType());
  return complex ? complex.getElementType() : type.getElementType();
}

bool LibraryTransformOp::isRealSource() {
  return isReal(getSource().getType());
}

bool LibraryTransformOp::isRealTarget() {
  return isReal(getTarget().getType());
}

int64_t LibraryTransformOp::getTokens() {
  return (isRealTarget() ? getTarget() : getSource()).getType().getDimSize(1);
}

void LibraryTransformOp::getEffects(
    SmallVectorImpl<MemoryEffects::EffectInstance> &effects) {
  effects.emplace_back(MemoryEffects::Read::get(), &getSourceMutable());
  effects.emplace_back(MemoryEffects::Write::get(), &getTargetMutable());
  // cuFFT computes in place of what is half a spectrum.
  if (isRealTarget())
    effects.emplace_back(MemoryEffects::Write::get(), &getSourceMutable());
}

LogicalResult LibraryTransformOp::verify() {
  MemRefType source = getSource().getType(), target = getTarget().getType();
  for (MemRefType type : {source, target})
    if (type.isDynamicDim(1) || type.isDynamicDim(2) ||
        type.getDimSize(1) < 1 || type.getDimSize(2) < 1 ||
        !type.getLayout().isIdentity() || type.getMemorySpace())
      return emitOpError("(C1) needs whole buffers of static tokens and "
                         "channels in the default memory, got ")
             << type;
  bool sameBatch = source.isDynamicDim(0) || target.isDynamicDim(0) ||
                   source.getDimSize(0) == target.getDimSize(0);
  if (!sameBatch || source.getDimSize(2) != target.getDimSize(2))
    return emitOpError("(C1) batch and channels of source and target differ: ")
           << source << " and " << target;
  if (isRealSource() && (isRealTarget() || getInverse()))
    return emitOpError("(C2) a real source is transformed forward, to a "
                       "complex target");
  if (isRealTarget() && !getInverse())
    return emitOpError("(C2) a real target is an inverse's");
  int64_t tokens = getTokens(), half = tokens / 2 + 1;
  auto expects = [&](MemRefType type, int64_t count) -> LogicalResult {
    if (type.getDimSize(1) == count)
      return success();
    return emitOpError("(C3) a transform of ")
           << tokens << " needs " << count << " tokens or bins, got " << type;
  };
  if (failed(expects(source, isRealTarget() ? half : tokens)) ||
      failed(expects(target, isRealSource() ? half : tokens)))
    return failure();
  if (getRealType(source) != getRealType(target))
    return emitOpError("(C4) source and target are of different types: ")
           << source << " and " << target;
  return success();
}

// bfly.library_product -------------------------------------------------------

/// (C1) of a library's product: a whole buffer, static but for its first
/// dimension where that may be dynamic.
static LogicalResult verifyWhole(Operation *op, Value buffer,
                                 bool mayBeDynamic) {
  auto type = cast<MemRefType>(buffer.getType());
  ArrayRef<int64_t> fixed =
      type.getShape().drop_front(mayBeDynamic && type.getRank() ? 1 : 0);
  if (!type.getLayout().isIdentity() || type.getMemorySpace() ||
      type.getRank() == 0 ||
      llvm::any_of(fixed, [](int64_t size) { return size < 1; }))
    return op->emitOpError("(C1) needs whole buffers of static sizes in the "
                           "default memory, got ")
           << type;
  return success();
}

LogicalResult LibraryProductOp::verify() {
  SmallVector<MemRefType> types;
  for (Value buffer : getOperands()) {
    if (failed(
            verifyWhole(*this, buffer, buffer == getX() || buffer == getY())))
      return failure();
    types.push_back(cast<MemRefType>(buffer.getType()));
  }
  MemRefType x = types.front(), y = types.back();
  auto weight = cast<MemRefType>(getWeight().getType());
  int64_t out = weight.getDimSize(0), in = weight.getDimSize(1);
  bool fits = x.getRank() >= 2 && y.getRank() == x.getRank() &&
              x.getShape().back() == in && y.getShape().back() == out &&
              x.getShape().drop_back() == y.getShape().drop_back();
  if (getBias())
    fits &= cast<MemRefType>(getBias().getType()).getDimSize(0) == out;
  if (!fits)
    return emitOpError("(C2) ") << x << " and " << weight << " have no product "
                                << y << (getBias() ? " with this bias" : "");
  if (llvm::any_of(types, [&](MemRefType type) {
        return type.getElementType() != x.getElementType();
      }))
    return emitOpError("(C3) element types differ");
  return success();
}

LogicalResult LibraryRowProductOp::verify() {
  if (failed(verifyWhole(*this, getA(), /*mayBeDynamic=*/true)) ||
      failed(verifyWhole(*this, getB(), /*mayBeDynamic=*/true)) ||
      failed(verifyWhole(*this, getY(), /*mayBeDynamic=*/false)))
    return failure();
  auto a = cast<MemRefType>(getA().getType());
  auto b = cast<MemRefType>(getB().getType());
  auto y = cast<MemRefType>(getY().getType());
  int64_t heads = getHeads();
  bool fits = heads >= 1 && a.getRank() >= 2 && a.getRank() == b.getRank() &&
              a.getShape().drop_back() == b.getShape().drop_back() &&
              a.getShape().back() % heads == 0 &&
              b.getShape().back() % heads == 0;
  if (fits) {
    SmallVector<int64_t> shape{a.getShape().back() / heads,
                               b.getShape().back() / heads};
    if (heads > 1)
      shape.insert(shape.begin(), heads);
    fits = y.getShape() == ArrayRef<int64_t>(shape);
  }
  if (!fits)
    return emitOpError("(C2) ") << a << " and " << b << " have no product " << y
                                << " of " << heads << " heads";
  if (a.getElementType() != b.getElementType() ||
      (y.getElementType() != a.getElementType() && !y.getElementType().isF32()))
    return emitOpError("(C3) element types differ");
  return success();
}

// bfly.matrix_product --------------------------------------------------------

/// Whether the last `count` dimensions are contiguous.
static bool isContiguous(MemRefType type, int64_t count) {
  return type.getNumContiguousTrailingDims() >= count;
}

static LogicalResult verifyByBlock(Operation *op, StringRef label) {
  if (op->getParentOfType<GridOp>() && !op->getParentOfType<ThreadsOp>())
    return success();
  return op->emitOpError() << label
                           << " must be in a bfly.grid and in no bfly.threads: "
                              "all threads of a block do it together";
}

LogicalResult MatrixProductOp::verify() {
  auto a = cast<MemRefType>(getA().getType());
  auto b = cast<MemRefType>(getB().getType());
  auto c = cast<MemRefType>(getC().getType());
  bool isSized = isStaticAndFull(a) && isStaticAndFull(b) && isStaticAndFull(c);
  int64_t columns = isSized ? 8 * b.getDimSize(0) : 0;
  if (!isSized || a.getDimSize(1) != 8 ||
      a.getShape().take_back(2) != ArrayRef<int64_t>{8, 8} ||
      b.getShape().take_back(2) != ArrayRef<int64_t>{8, 8} ||
      a.getDimSize(2) != b.getDimSize(1) || columns < 8 || columns > 256 ||
      c.getDimSize(0) != kWarpgroup * a.getDimSize(0) ||
      c.getDimSize(1) != columns / 2 || !isContiguous(a, 2) ||
      !isContiguous(b, 2))
    return emitOpError("(C1) ")
           << a << " and " << b << " have no product in fragments " << c;
  if (a.getDimSize(2) % 2)
    return emitOpError("(C2) the depth must be a multiple of 16, got ")
           << 8 * a.getDimSize(2);
  if (a.getElementType() != b.getElementType() || !isInWorkgroupMemory(a) ||
      !isInWorkgroupMemory(b) || !isInPrivateMemory(c))
    return emitOpError("(C3) element types differ, or the memory is not "
                       "workgroup, workgroup and private");
  return verifyByBlock(*this, "(C4)");
}

// bfly.stream_product --------------------------------------------------------

SmallVector<StreamProductOp::Product> StreamProductOp::getProductList() {
  SmallVector<Product> list;
  ArrayRef<int64_t> parts = getProducts();
  for (size_t x = 0; 2 * x < parts.size(); ++x)
    list.push_back(
        {parts[2 * x], parts[2 * x + 1], getMinus() ? (*getMinus())[x] : -1});
  return list;
}

LogicalResult StreamProductOp::verify() {
  auto a = cast<MemRefType>(getA().getType());
  auto b = cast<MemRefType>(getB().getType());
  auto c = cast<MemRefType>(getC().getType());
  auto ring = cast<MemRefType>(getRing().getType());
  ArrayRef<int64_t> products = getProducts();
  bool isSized = isStaticAndFull(a) && isStaticAndFull(b) && isStaticAndFull(c);
  int64_t columns = isSized ? 8 * b.getDimSize(2) : 0;
  int64_t count = products.size() / 2;
  const int64_t core[] = {8, 8};
  if (!isSized || a.getDimSize(0) != b.getDimSize(0) || a.getDimSize(3) != 8 ||
      a.getShape().take_back(2) != ArrayRef(core) ||
      b.getShape().take_back(2) != ArrayRef(core) ||
      a.getDimSize(4) != b.getDimSize(3) || columns < 8 || columns > 256 ||
      c.getDimSize(0) != kWarpgroup * a.getDimSize(2) ||
      c.getDimSize(1) != count * columns / 2 || !isContiguous(a, 6) ||
      !isContiguous(b, 5))
    return emitOpError("(C1) ") << a << " and " << b << " have no " << count
                                << " products in fragments " << c;
  if (a.getDimSize(4) % 2)
    return emitOpError(
               "(C2) the depth of a step must be a multiple of 16, got ")
           << 8 * a.getDimSize(4);
  if (a.getElementType() != b.getElementType() || !isInPrivateMemory(c))
    return emitOpError("(C3) element types differ, or the result is not in "
                       "private memory");
  if (products.empty() || products.size() % 2)
    return emitOpError("(C4) products must be pairs");
  for (auto [index, part] : llvm::enumerate(products))
    if (part < 0 || part >= (index % 2 ? b : a).getDimSize(1))
      return emitOpError("(C4) there is no part ") << part;
  if (getMinus() && static_cast<int64_t>(getMinus()->size()) != count)
    return emitOpError("(C4) minus must say something of each product");
  for (int64_t part : getMinus().value_or(ArrayRef<int64_t>()))
    if (part < -1 || part >= a.getDimSize(1))
      return emitOpError("(C4) there is no part ") << part;
  int64_t bytes = a.getElementTypeBitWidth() / 8 *
                  (a.getNumElements() + b.getNumElements()) / a.getDimSize(0);
  if (!ring.hasStaticShape() || !isInWorkgroupMemory(ring) ||
      ring.getDimSize(0) < 2 || ring.getDimSize(1) < bytes)
    return emitOpError("(C5) a step needs ")
           << bytes << " bytes of at least two rows, got " << ring;
  return verifyByBlock(*this, "(C6)");
}

// bfly.tile_product ----------------------------------------------------------

LogicalResult TileProductOp::verify() {
  auto a = cast<MemRefType>(getA().getType());
  auto b = cast<MemRefType>(getB().getType());
  auto c = cast<MemRefType>(getC().getType());
  auto agree = [](int64_t x, int64_t y) {
    return ShapedType::isDynamic(x) || ShapedType::isDynamic(y) || x == y;
  };
  if (!agree(a.getDimSize(0), c.getDimSize(0)) ||
      !agree(a.getDimSize(1), b.getDimSize(1)))
    return emitOpError("(C1) rows or depth differ: ")
           << a << ", " << b << ", " << c;
  int64_t width = b.getDimSize(2), columns = c.getDimSize(1);
  if (ShapedType::isDynamic(width) || ShapedType::isDynamic(columns) ||
      width < 1 ||
      !agree(b.getDimSize(0), llvm::divideCeilSigned(columns, width)))
    return emitOpError("(C2) ") << b << " has no panels for " << c;
  if (a.getElementType() != b.getElementType() ||
      a.getElementType() != c.getElementType())
    return emitOpError("(C3) element types differ");
  return success();
}
