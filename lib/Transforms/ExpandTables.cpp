// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Before: tables by name (`bfly.table`), in functions, kernels or modules
// within. After: no `bfly.table`; one private constant `memref.global` for each
// distinct table of a module, in the order of their first use, and a
// `memref.get_global` in the place of each use. A kernel is isolated from the
// values above it, but not from symbols.

#include "bfly/Transforms/Passes.h"

#include "bfly/IR/Bfly.h"
#include "bfly/Schedule/Tables.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/SymbolTable.h"

namespace mlir::bfly {
#define GEN_PASS_DEF_EXPANDTABLESPASS
#include "bfly/Transforms/Passes.h.inc"
} // namespace mlir::bfly

using namespace mlir;
using namespace mlir::bfly;

namespace {

/// A table of more rows would take gigabytes while it is computed; no transform
/// of sequences needs it.
constexpr int64_t kMaxRows = int64_t(1) << 24;

/// A cache line, and the widest vector.
constexpr uint64_t kAlignment = 64;

/// The values of a table, row major.
DenseElementsAttr computeValues(TableOp op) {
  MemRefType type = op.getResult().getType();
  auto element = cast<FloatType>(type.getElementType());
  SmallVector<APFloat> values;
  values.reserve(2 * type.getDimSize(0));
  for (std::complex<long double> value :
       computeTable(op.getKind(), op.getOrder(), type.getDimSize(0))) {
    values.push_back(roundToType(value.real(), element));
    values.push_back(roundToType(value.imag(), element));
  }
  return DenseElementsAttr::get(RankedTensorType::get(type.getShape(), element),
                                values);
}

/// bfly_<kind>_<order>_<rows>_<element type>.
std::string getTableName(TableOp op) {
  std::string name;
  llvm::raw_string_ostream stream(name);
  MemRefType type = op.getResult().getType();
  stream << "bfly_" << stringifyTableKind(op.getKind()) << '_' << op.getOrder()
         << '_' << type.getDimSize(0) << '_' << type.getElementType();
  return name;
}

/// The globals of one symbol table.
class TableGlobals {
public:
  explicit TableGlobals(Operation *owner)
      : symbols(owner), end(owner->getRegion(0).front().begin()) {}

  memref::GlobalOp getOrCreate(TableOp op) {
    memref::GlobalOp &global = globals[{static_cast<int64_t>(op.getKind()),
                                        static_cast<int64_t>(op.getOrder()),
                                        op.getResult().getType()}];
    if (global)
      return global;
    OpBuilder builder(op.getContext());
    global = memref::GlobalOp::create(builder, op.getLoc(), getTableName(op),
                                      builder.getStringAttr("private"),
                                      op.getResult().getType(),
                                      computeValues(op), /*constant=*/true,
                                      builder.getI64IntegerAttr(kAlignment));
    // Renames it where the name is taken.
    symbols.insert(global, end);
    return global;
  }

private:
  SymbolTable symbols;
  /// Ahead of what was in the module.
  Block::iterator end;
  DenseMap<std::tuple<int64_t, int64_t, Type>, memref::GlobalOp> globals;
};

struct ExpandTablesPass
    : public bfly::impl::ExpandTablesPassBase<ExpandTablesPass> {
  using ExpandTablesPassBase::ExpandTablesPassBase;

  void runOnOperation() override {
    llvm::MapVector<Operation *, TableGlobals> modules;
    WalkResult walk = getOperation().walk([&](TableOp op) {
      if (op.getResult().getType().getDimSize(0) > kMaxRows) {
        op.emitOpError("has more than ") << kMaxRows << " rows";
        return WalkResult::interrupt();
      }
      Operation *owner = SymbolTable::getNearestSymbolTable(op);
      auto [entry, isNew] = modules.try_emplace(owner, owner);
      memref::GlobalOp global = entry->second.getOrCreate(op);
      OpBuilder builder(op);
      op.replaceAllUsesWith(memref::GetGlobalOp::create(builder, op.getLoc(),
                                                        global.getType(),
                                                        global.getSymName())
                                .getResult());
      op.erase();
      return WalkResult::advance();
    });
    if (walk.wasInterrupted())
      signalPassFailure();
  }
};

} // namespace
