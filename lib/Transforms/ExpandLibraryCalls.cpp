// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// -bfly-expand-library-calls: what a GPU's library does, on a CPU.
//
// Before: affine level, `bfly.library_transform`, `bfly.library_product`,
// `bfly.library_row_product`.
// After: none is left. The definition stands for each, of a transform N^2 terms
// a channel, added up in f64:
//
//   parallel b, k, c:
//     for n: sum += S[b, n, c] w^(n k),  row n k mod N of a table of roots

#include "bfly/Transforms/Passes.h"

#include "bfly/IR/Bfly.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

namespace mlir::bfly {
#define GEN_PASS_DEF_EXPANDLIBRARYCALLSPASS
#include "bfly/Transforms/Passes.h.inc"
} // namespace mlir::bfly

using namespace mlir;
using namespace mlir::bfly;

/// A parallel loop over the elements of a buffer, whose first dimension may be
/// dynamic. The builder stands in its body then.
static affine::AffineParallelOp createParallel(OpBuilder &builder,
                                               Value buffer) {
  Location loc = buffer.getLoc();
  auto type = cast<MemRefType>(buffer.getType());
  SmallVector<AffineMap> lower(type.getRank(), builder.getConstantAffineMap(0)),
      upper;
  SmallVector<Value> operands;
  if (type.isDynamicDim(0))
    operands.push_back(memref::DimOp::create(builder, loc, buffer, 0));
  for (int64_t size : type.getShape())
    upper.push_back(AffineMap::get(0, operands.size(),
                                   ShapedType::isDynamic(size)
                                       ? builder.getAffineSymbolExpr(0)
                                       : builder.getAffineConstantExpr(size)));
  SmallVector<int64_t> steps(type.getRank(), 1);
  auto loop = affine::AffineParallelOp::create(
      builder, loc, TypeRange(), ArrayRef<arith::AtomicRMWKind>(), lower,
      ValueRange(), upper, operands, steps);
  builder.setInsertionPointToStart(loop.getBody());
  return loop;
}

namespace {

/// What the definitions are written in: f64, each operation rounded by itself.
class Definition {
public:
  Definition(Operation *op) : builder(op), loc(op->getLoc()) {}

protected:
  Value index(int64_t value) {
    return arith::ConstantIndexOp::create(builder, loc, value);
  }
  Value number(double value) {
    return arith::ConstantOp::create(builder, loc,
                                     builder.getF64FloatAttr(value));
  }
  Value add(Value a, Value b) {
    return arith::AddFOp::create(builder, loc, a, b);
  }
  Value sub(Value a, Value b) {
    return arith::SubFOp::create(builder, loc, a, b);
  }
  Value mul(Value a, Value b) {
    return arith::MulFOp::create(builder, loc, a, b);
  }
  Value load(Value buffer, ValueRange at) {
    return affine::AffineLoadOp::create(builder, loc, buffer, at);
  }
  Value widen(Value value) {
    Type type = builder.getF64Type();
    return value.getType() == type
               ? value
               : arith::ExtFOp::create(builder, loc, type, value).getResult();
  }
  Value narrow(Value value, Type type) {
    return value.getType() == type
               ? value
               : arith::TruncFOp::create(builder, loc, type, value).getResult();
  }

  OpBuilder builder;
  Location loc;
};

class LibraryTransformExpansion : Definition {
public:
  LibraryTransformExpansion(LibraryTransformOp op) : Definition(op), op(op) {}

  void expand();

private:
  /// Element n of the source, with both parts in f64, and with half of a
  /// spectrum as often as it stands for bins.
  std::pair<Value, Value> loadTerm(ValueRange at);
  void store(Value re, Value im, ValueRange at);

  LibraryTransformOp op;
};

class LibraryProductExpansion : Definition {
public:
  LibraryProductExpansion(LibraryProductOp op) : Definition(op), op(op) {}

  void expand();

private:
  LibraryProductOp op;
};

class LibraryRowProductExpansion : Definition {
public:
  LibraryRowProductExpansion(LibraryRowProductOp op) : Definition(op), op(op) {}

  void expand();

private:
  /// The sum over the rows from dimension `dim` on, added to `sum`.
  Value sumRows(unsigned dim, SmallVectorImpl<Value> &row, Value sum,
                ValueRange at);

  LibraryRowProductOp op;
};

} // namespace

std::pair<Value, Value> LibraryTransformExpansion::loadTerm(ValueRange at) {
  Value value = load(op.getSource(), at);
  if (op.isRealSource())
    return {widen(value), number(0)};
  Value re = widen(complex::ReOp::create(builder, loc, value));
  Value im = widen(complex::ImOp::create(builder, loc, value));
  if (!op.isRealTarget())
    return {re, im};
  // A bin that is its own mirror is one, and real.
  auto isBin = [&](int64_t bin) -> Value {
    return arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq, at[1],
                                 index(bin));
  };
  Value own = isBin(0);
  if (op.getTokens() % 2 == 0)
    own = arith::OrIOp::create(builder, loc, own, isBin(op.getTokens() / 2));
  auto choose = [&](Value whenOwn, Value otherwise) -> Value {
    return arith::SelectOp::create(builder, loc, own, whenOwn, otherwise);
  };
  Value times = choose(number(1), number(2));
  return {mul(re, times), choose(number(0), mul(im, times))};
}

void LibraryTransformExpansion::store(Value re, Value im, ValueRange at) {
  Type type = op.getTarget().getType().getElementType();
  Value value;
  if (auto complexType = dyn_cast<ComplexType>(type)) {
    Type part = complexType.getElementType();
    value = complex::CreateOp::create(builder, loc, type, narrow(re, part),
                                      narrow(im, part));
  } else {
    value = narrow(re, type);
  }
  affine::AffineStoreOp::create(builder, loc, value, op.getTarget(), at);
}

void LibraryTransformExpansion::expand() {
  MemRefType source = op.getSource().getType();
  int64_t tokens = op.getTokens();
  Value roots = TableOp::create(
      builder, loc, MemRefType::get({tokens, 2}, builder.getF64Type()),
      TableKind::Roots, tokens);
  auto outer = createParallel(builder, op.getTarget());
  Value b = outer.getIVs()[0], k = outer.getIVs()[1], c = outer.getIVs()[2];
  // The row of the table goes round by k.
  Value zero = number(0), row = index(0), order = index(tokens);
  auto loop = affine::AffineForOp::create(builder, loc, 0, source.getDimSize(1),
                                          1, ValueRange{zero, zero, row});
  {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(loop.getBody());
    ValueRange carried = loop.getRegionIterArgs();
    auto [re, im] = loadTerm({b, loop.getInductionVar(), c});
    auto loadRoot = [&](int64_t part) -> Value {
      return memref::LoadOp::create(builder, loc, roots,
                                    ValueRange{carried[2], index(part)});
    };
    Value cosine = loadRoot(0), sine = loadRoot(1);
    if (op.getInverse())
      sine = arith::NegFOp::create(builder, loc, sine);
    Value next = arith::AddIOp::create(builder, loc, carried[2], k);
    Value wraps = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::uge,
                                        next, order);
    Value wrapped = arith::SubIOp::create(builder, loc, next, order);
    affine::AffineYieldOp::create(
        builder, loc,
        ValueRange{
            add(carried[0], sub(mul(re, cosine), mul(im, sine))),
            add(carried[1], add(mul(re, sine), mul(im, cosine))),
            arith::SelectOp::create(builder, loc, wraps, wrapped, next)});
  }
  store(loop.getResult(0), loop.getResult(1), {b, k, c});
  op.erase();
}

/// parallel rows, o: for i: sum += X[rows, i] W[o, i]
void LibraryProductExpansion::expand() {
  auto outer = createParallel(builder, op.getY());
  SmallVector<Value> at(outer.getIVs());
  Value column = at.back();
  Value begin = op.getBias() ? widen(load(op.getBias(), column)) : number(0);
  auto weight = cast<MemRefType>(op.getWeight().getType());
  auto loop = affine::AffineForOp::create(builder, loc, 0, weight.getDimSize(1),
                                          1, ValueRange(begin));
  {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(loop.getBody());
    Value i = loop.getInductionVar();
    SmallVector<Value> from(at);
    from.back() = i;
    Value term = mul(widen(load(op.getX(), from)),
                     widen(load(op.getWeight(), {column, i})));
    affine::AffineYieldOp::create(builder, loc,
                                  add(loop.getRegionIterArgs().front(), term));
  }
  Value sum = narrow(loop.getResult(0), weight.getElementType());
  affine::AffineStoreOp::create(builder, loc, sum, op.getY(), at);
  op.erase();
}

Value LibraryRowProductExpansion::sumRows(unsigned dim,
                                          SmallVectorImpl<Value> &row,
                                          Value sum, ValueRange at) {
  auto a = cast<MemRefType>(op.getA().getType());
  auto b = cast<MemRefType>(op.getB().getType());
  int64_t heads = op.getHeads();
  if (dim + 1 == a.getRank()) {
    auto loadColumn = [&](Value buffer, MemRefType type, Value column) {
      AffineMap map = AffineMap::get(2, 0,
                                     builder.getAffineDimExpr(0) *
                                             (type.getShape().back() / heads) +
                                         builder.getAffineDimExpr(1));
      Value head = heads > 1 ? at[0] : index(0);
      SmallVector<Value> from(row.begin(), row.end());
      from.push_back(affine::AffineApplyOp::create(builder, loc, map,
                                                   ValueRange{head, column}));
      return widen(load(buffer, from));
    };
    return add(sum, mul(loadColumn(op.getA(), a, at.drop_back().back()),
                        loadColumn(op.getB(), b, at.back())));
  }
  affine::AffineForOp loop;
  if (a.isDynamicDim(dim)) {
    Value size = memref::DimOp::create(builder, loc, op.getA(), dim);
    loop = affine::AffineForOp::create(
        builder, loc, ValueRange(), builder.getConstantAffineMap(0), size,
        builder.getSymbolIdentityMap(), 1, ValueRange(sum));
  } else {
    loop = affine::AffineForOp::create(builder, loc, 0, a.getDimSize(dim), 1,
                                       ValueRange(sum));
  }
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(loop.getBody());
  row.push_back(loop.getInductionVar());
  Value total = sumRows(dim + 1, row, loop.getRegionIterArgs().front(), at);
  row.pop_back();
  affine::AffineYieldOp::create(builder, loc, total);
  return loop.getResult(0);
}

/// parallel h, o, i: for rows: sum += A[rows, h O + o] B[rows, h I + i]
void LibraryRowProductExpansion::expand() {
  Value zero = number(0);
  // A size is a symbol outside of the loop alone.
  auto outer = createParallel(builder, op.getY());
  SmallVector<Value> at(outer.getIVs()), row;
  Value sum = sumRows(0, row, zero, at);
  Type type = cast<MemRefType>(op.getY().getType()).getElementType();
  affine::AffineStoreOp::create(builder, loc, narrow(sum, type), op.getY(), at);
  op.erase();
}

namespace {

struct ExpandLibraryCallsPass
    : public bfly::impl::ExpandLibraryCallsPassBase<ExpandLibraryCallsPass> {
  void runOnOperation() override {
    getOperation().walk([](Operation *op) {
      if (auto transform = dyn_cast<LibraryTransformOp>(op))
        LibraryTransformExpansion(transform).expand();
      else if (auto product = dyn_cast<LibraryProductOp>(op))
        LibraryProductExpansion(product).expand();
      else if (auto product = dyn_cast<LibraryRowProductOp>(op))
        LibraryRowProductExpansion(product).expand();
    });
  }
};

} // namespace
