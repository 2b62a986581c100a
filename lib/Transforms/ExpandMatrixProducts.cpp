// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// -bfly-expand-matrix-products: products of a GPU's matrix units as loops.
//
// Before: affine level, `bfly.matrix_product` and `bfly.stream_product`.
// After: none is left. `bfly.threads` of the block stand for each, which
// compute in every thread what its registers hold of the result:
//
//   threads t:
//     for every register i of every product: C[t, i] = sum over k of A B
//
// Rolled, the registers are a loop: short code for a CPU, where they are
// memory. Unrolled, the depth is the loop and registers have constant numbers:
//
//   threads t:
//     for k by 4: A's and B's rows as vectors of 4, C[t, 0] += ..., C[t, 1] ...

#include "bfly/Transforms/Passes.h"

#include "bfly/IR/Bfly.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

namespace mlir::bfly {
#define GEN_PASS_DEF_EXPANDMATRIXPRODUCTSPASS
#include "bfly/Transforms/Passes.h.inc"
} // namespace mlir::bfly

using namespace mlir;
using namespace mlir::bfly;

namespace {

/// Both operations, as one: a matrix product is a stream of one step and part.
class ProductExpansion {
  using Product = StreamProductOp::Product;

public:
  ProductExpansion(MatrixProductOp op)
      : builder(op), loc(op.getLoc()), a(op.getA()), b(op.getB()), c(op.getC()),
        products{{0, 0, -1}}, accumulate(op.getAccumulate()), streamed(false) {}
  ProductExpansion(StreamProductOp op)
      : builder(op), loc(op.getLoc()), a(op.getA()), b(op.getB()), c(op.getC()),
        products(op.getProductList()), accumulate(false), streamed(true) {}

  void expand(bool unroll);

private:
  AffineExpr constant(int64_t value) {
    return builder.getAffineConstantExpr(value);
  }
  AffineExpr dim(Value value) {
    dims.push_back(value);
    return builder.getAffineDimExpr(dims.size() - 1);
  }
  /// for i in [0, count) with `carried` values around: body(i, values) gives
  /// the next ones.
  SmallVector<Value>
  loop(int64_t count, ValueRange carried,
       function_ref<SmallVector<Value>(AffineExpr, ValueRange)> body);
  void loop(int64_t count, function_ref<void(AffineExpr)> body) {
    loop(count, {}, [&](AffineExpr i, ValueRange) {
      body(i);
      return SmallVector<Value>();
    });
  }
  std::pair<AffineMap, SmallVector<Value>> access(ArrayRef<AffineExpr> indices);
  Value load(Value buffer, ArrayRef<AffineExpr> indices);
  void store(Value value, ArrayRef<AffineExpr> indices);
  /// Four neighbours along the depth.
  SmallVector<Value> loadFour(Value buffer, ArrayRef<AffineExpr> indices);
  Value widen(Value value);
  Value multiplyAdd(Value x, Value y, Value sum) {
    return arith::AddFOp::create(
        builder, loc, sum,
        arith::MulFOp::create(builder, loc, x, y,
                              arith::FastMathFlags::contract),
        arith::FastMathFlags::contract);
  }
  Value subtract(Value x, Value y) {
    return arith::SubFOp::create(builder, loc, x, y);
  }
  /// Where A has row m (of thread and half) and B row n, at a depth.
  SmallVector<AffineExpr> indicesOfA(AffineExpr step, int64_t part,
                                     AffineExpr half, AffineExpr matrix,
                                     AffineExpr k);
  SmallVector<AffineExpr> indicesOfB(AffineExpr step, int64_t part,
                                     AffineExpr block, AffineExpr odd,
                                     AffineExpr matrix, AffineExpr k);
  void emitRolled();
  void emitUnrolled();

  OpBuilder builder;
  Location loc;
  Value a, b, c;
  SmallVector<Product> products;
  bool accumulate, streamed;
  SmallVector<Value> dims;
  AffineExpr thread;
  int64_t steps, depthMatrices, registers;
};

SmallVector<Value> ProductExpansion::loop(
    int64_t count, ValueRange carried,
    function_ref<SmallVector<Value>(AffineExpr, ValueRange)> body) {
  if (count == 1)
    return body(constant(0), carried);
  auto loop =
      affine::AffineForOp::create(builder, loc, 0, count, /*step=*/1, carried);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(loop.getBody());
  SmallVector<Value> next =
      body(dim(loop.getInductionVar()), loop.getRegionIterArgs());
  if (!carried.empty())
    affine::AffineYieldOp::create(builder, loc, next);
  return SmallVector<Value>(loop.getResults());
}

std::pair<AffineMap, SmallVector<Value>>
ProductExpansion::access(ArrayRef<AffineExpr> indices) {
  AffineMap map = AffineMap::get(dims.size(), 0, indices, builder.getContext());
  SmallVector<Value> operands(dims);
  affine::canonicalizeMapAndOperands(&map, &operands);
  return {simplifyAffineMap(map), operands};
}

Value ProductExpansion::widen(Value value) {
  Type type = value.getType(), wide = builder.getF32Type();
  if (auto vector = dyn_cast<VectorType>(type))
    wide = vector.clone(wide);
  if (type == wide)
    return value;
  return arith::ExtFOp::create(builder, loc, wide, value);
}

Value ProductExpansion::load(Value buffer, ArrayRef<AffineExpr> indices) {
  auto [map, operands] = access(indices);
  return widen(
      affine::AffineLoadOp::create(builder, loc, buffer, map, operands));
}

void ProductExpansion::store(Value value, ArrayRef<AffineExpr> indices) {
  auto [map, operands] = access(indices);
  affine::AffineStoreOp::create(builder, loc, value, c, map, operands);
}

SmallVector<Value> ProductExpansion::loadFour(Value buffer,
                                              ArrayRef<AffineExpr> indices) {
  Type type = cast<MemRefType>(buffer.getType()).getElementType();
  SmallVector<Value> at;
  for (AffineExpr index : indices) {
    auto [map, operands] = access(index);
    at.push_back(affine::AffineApplyOp::create(builder, loc, map, operands));
  }
  Value four = widen(vector::LoadOp::create(
      builder, loc, VectorType::get(4, type), buffer, at,
      /*nontemporal=*/false,
      llvm::MaybeAlign(type.getIntOrFloatBitWidth() / 8 * 4)));
  SmallVector<Value> values;
  for (int64_t i = 0; i < 4; ++i)
    values.push_back(vector::ExtractOp::create(builder, loc, four, i));
  return values;
}

SmallVector<AffineExpr>
ProductExpansion::indicesOfA(AffineExpr step, int64_t part, AffineExpr half,
                             AffineExpr matrix, AffineExpr k) {
  SmallVector<AffineExpr> indices;
  if (streamed)
    indices.append({step, constant(part)});
  indices.append({thread.floorDiv(kWarpgroup),
                  (thread % kWarpgroup).floorDiv(32) * 2 + half, matrix,
                  (thread % 32).floorDiv(4), k});
  return indices;
}

SmallVector<AffineExpr>
ProductExpansion::indicesOfB(AffineExpr step, int64_t part, AffineExpr block,
                             AffineExpr odd, AffineExpr matrix, AffineExpr k) {
  SmallVector<AffineExpr> indices;
  if (streamed)
    indices.append({step, constant(part)});
  indices.append({block, matrix, (thread % 4) * 2 + odd, k});
  return indices;
}

/// A loop over the registers of a product, all products' sums side by side.
void ProductExpansion::emitRolled() {
  int64_t count = products.size();
  loop(registers, [&](AffineExpr i) {
    AffineExpr half = i.floorDiv(2) % 2, block = i.floorDiv(4), odd = i % 2;
    SmallVector<Value> sums;
    for (int64_t x = 0; x < count; ++x)
      sums.push_back(accumulate ? load(c, {thread, i + x * registers})
                                : arith::ConstantOp::create(
                                      builder, loc, builder.getF32FloatAttr(0))
                                      .getResult());
    sums = loop(steps, sums, [&](AffineExpr step, ValueRange outer) {
      return loop(
          depthMatrices, outer, [&](AffineExpr matrix, ValueRange middle) {
            return loop(8, middle, [&](AffineExpr k, ValueRange inner) {
              auto loadA = [&](int64_t part) {
                return load(a, indicesOfA(step, part, half, matrix, k));
              };
              SmallVector<Value> next;
              for (auto [x, product] : llvm::enumerate(products)) {
                Value left = loadA(product.a);
                if (product.minus >= 0)
                  left = subtract(left, loadA(product.minus));
                Value right =
                    load(b, indicesOfB(step, product.b, block, odd, matrix, k));
                next.push_back(multiplyAdd(left, right, inner[x]));
              }
              return next;
            });
          });
    });
    for (int64_t x = 0; x < count; ++x)
      store(sums[x], {thread, i + x * registers});
  });
}

/// A loop over the depth, every register in straight code.
void ProductExpansion::emitUnrolled() {
  int64_t count = products.size();
  if (!accumulate)
    for (int64_t i = 0; i < count * registers; ++i)
      store(arith::ConstantOp::create(builder, loc, builder.getF32FloatAttr(0)),
            {thread, constant(i)});
  auto emitFour = [&](AffineExpr step, AffineExpr matrix, AffineExpr k) {
    // By product and half; parts are loaded once.
    DenseMap<std::pair<int64_t, int64_t>, SmallVector<Value>> parts, rows;
    for (auto [x, product] : llvm::enumerate(products))
      for (int64_t half = 0; half < 2; ++half) {
        auto getPart = [&](int64_t part) {
          SmallVector<Value> &row = parts[{part, half}];
          if (row.empty())
            row =
                loadFour(a, indicesOfA(step, part, constant(half), matrix, k));
          return row;
        };
        SmallVector<Value> row = getPart(product.a);
        if (product.minus >= 0)
          for (auto [left, right] : llvm::zip(row, getPart(product.minus)))
            left = subtract(left, right);
        rows[{x, half}] = row;
      }
    for (int64_t i = 0; i < registers; i += i % 4 ? 3 : 1) {
      // Registers i and i + 2 are one column in two rows.
      DenseMap<int64_t, SmallVector<Value>> columns;
      for (int64_t x = 0; x < count; ++x) {
        SmallVector<Value> &column = columns[products[x].b];
        if (column.empty())
          column = loadFour(b, indicesOfB(step, products[x].b, constant(i / 4),
                                          constant(i % 2), matrix, k));
        for (int64_t half = 0; half < 2; ++half) {
          SmallVector<AffineExpr> at{thread,
                                     constant(x * registers + i + 2 * half)};
          Value sum = load(c, at);
          for (auto [left, right] : llvm::zip(rows[{x, half}], column))
            sum = multiplyAdd(left, right, sum);
          store(sum, at);
        }
      }
    }
  };
  loop(steps, [&](AffineExpr step) {
    loop(depthMatrices, [&](AffineExpr matrix) {
      loop(2, [&](AffineExpr k) { emitFour(step, matrix, k * 4); });
    });
  });
}

void ProductExpansion::expand(bool unroll) {
  auto typeOfA = cast<MemRefType>(a.getType());
  auto typeOfC = cast<MemRefType>(c.getType());
  steps = streamed ? typeOfA.getDimSize(0) : 1;
  depthMatrices = typeOfA.getDimSize(typeOfA.getRank() - 3);
  registers = typeOfC.getDimSize(1) / int64_t(products.size());
  auto threads = ThreadsOp::create(
      builder, loc, {builder.getIndexAttr(typeOfC.getDimSize(0))}, Sync::Block);
  builder.setInsertionPointToStart(&threads.getBody().front());
  thread = dim(threads.getNumbers()[0]);
  if (unroll)
    emitUnrolled();
  else
    emitRolled();
}

struct ExpandMatrixProductsPass
    : public bfly::impl::ExpandMatrixProductsPassBase<
          ExpandMatrixProductsPass> {
  using ExpandMatrixProductsPassBase::ExpandMatrixProductsPassBase;

  void runOnOperation() override {
    bool hasUnits = keepUnits && getMachine(getOperation()).usesMatrixUnits();
    getOperation()->walk([&](Operation *op) {
      auto isTaken = [&](Value a) {
        return !hasUnits ||
               cast<MemRefType>(a.getType()).getElementType().isF32();
      };
      if (auto product = dyn_cast<MatrixProductOp>(op)) {
        if (!isTaken(product.getA()))
          return;
        ProductExpansion(product).expand(unroll);
      } else if (auto stream = dyn_cast<StreamProductOp>(op)) {
        if (!isTaken(stream.getA()))
          return;
        ProductExpansion(stream).expand(unroll);
      } else {
        return;
      }
      op->erase();
    });
  }
};

} // namespace
