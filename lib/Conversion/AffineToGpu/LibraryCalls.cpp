// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "LibraryCalls.h"

#include "bfly/IR/Bfly.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;
using namespace mlir::bfly;

LLVM::LLVMFuncOp mlir::bfly::declareRuntime(ModuleOp module, StringRef function,
                                            Type result,
                                            ArrayRef<Type> arguments) {
  if (auto known = module.lookupSymbol<LLVM::LLVMFuncOp>(function))
    return known;
  OpBuilder builder = OpBuilder::atBlockBegin(module.getBody());
  return LLVM::LLVMFuncOp::create(
      builder, module.getLoc(), function,
      LLVM::LLVMFunctionType::get(result, arguments));
}

namespace {

/// A call of the runtime that takes the place of an operation on buffers.
class LibraryCall {
public:
  LibraryCall(Operation *op)
      : op(op), builder(op), loc(op->getLoc()), i32(builder.getI32Type()),
        i64(builder.getI64Type()) {}

  Value constant(Type type, int64_t value) {
    return LLVM::ConstantOp::create(builder, loc, type, value);
  }
  Value getPointer(Value buffer) {
    Type pointer = LLVM::LLVMPointerType::get(op->getContext());
    if (!buffer)
      return LLVM::ZeroOp::create(builder, loc, pointer);
    Value address = memref::ExtractAlignedPointerAsIndexOp::create(
        builder, loc, builder.getIndexType(), buffer);
    address = arith::IndexCastOp::create(builder, loc, i64, address);
    return LLVM::IntToPtrOp::create(builder, loc, pointer, address);
  }
  Value getSize(Value buffer, int64_t dim) {
    auto type = cast<MemRefType>(buffer.getType());
    if (!type.isDynamicDim(dim))
      return constant(i64, type.getDimSize(dim));
    return arith::IndexCastOp::create(
        builder, loc, i64, memref::DimOp::create(builder, loc, buffer, dim));
  }
  void replace(StringRef name, ValueRange arguments) {
    LLVM::LLVMFuncOp function =
        declareRuntime(op->getParentOfType<ModuleOp>(), name,
                       LLVM::LLVMVoidType::get(op->getContext()),
                       llvm::to_vector(arguments.getTypes()));
    LLVM::CallOp::create(builder, loc, function, arguments);
    op->erase();
  }

private:
  Operation *op;
  OpBuilder builder;
  Location loc;

public:
  Type i32, i64;
};

} // namespace

/// Rows of a buffer, all its dimensions but the last.
static Value getRows(LibraryCall &call, Operation *op, Value buffer) {
  auto type = cast<MemRefType>(buffer.getType());
  int64_t inner = 1;
  for (int64_t size : type.getShape().drop_front().drop_back())
    inner *= size;
  OpBuilder builder(op);
  return arith::MulIOp::create(builder, op->getLoc(), call.getSize(buffer, 0),
                               call.constant(call.i64, inner));
}

/// As the C API numbers types.
static Value getTypeNumber(LibraryCall &call, Value buffer) {
  Type element = cast<MemRefType>(buffer.getType()).getElementType();
  return call.constant(call.i32, element.isF32()    ? 1
                                 : element.isBF16() ? 2
                                                    : 3);
}

/// A product that the runtime has cuBLASLt do.
static void callLibrary(LibraryProductOp op) {
  LibraryCall call(op);
  auto weight = cast<MemRefType>(op.getWeight().getType());
  Value rows = getRows(call, op, op.getX());
  call.replace("bflyCudaLinear",
               {call.getPointer(op.getX()), call.getPointer(op.getWeight()),
                call.getPointer(op.getBias()), call.getPointer(op.getY()), rows,
                call.constant(call.i64, weight.getDimSize(1)),
                call.constant(call.i64, weight.getDimSize(0)),
                getTypeNumber(call, op.getX()), call.constant(call.i32, 0)});
}

/// The same over the rows.
static void callLibrary(LibraryRowProductOp op) {
  LibraryCall call(op);
  int64_t heads = op.getHeads();
  auto columns = [&](Value buffer) {
    auto type = cast<MemRefType>(buffer.getType());
    return call.constant(call.i64, type.getShape().back() / heads);
  };
  Value rows = getRows(call, op, op.getA());
  call.replace("bflyCudaRowProduct",
               {call.getPointer(op.getA()), call.getPointer(op.getB()),
                call.getPointer(op.getY()), rows, columns(op.getA()),
                columns(op.getB()), call.constant(call.i64, heads),
                getTypeNumber(call, op.getA()),
                getTypeNumber(call, op.getY())});
}

/// A transform that the runtime has cuFFT do.
static void callLibrary(LibraryTransformOp op) {
  LibraryCall call(op);
  // BflyCudaFftKind.
  Type complexType = (op.isRealSource() ? op.getTarget() : op.getSource())
                         .getType()
                         .getElementType();
  bool isWide = cast<ComplexType>(complexType).getElementType().isF64();
  int32_t kind = (op.isRealSource()   ? 1
                  : op.isRealTarget() ? 2
                                      : 0) +
                 (isWide ? 3 : 0);
  call.replace(
      "bflyCudaFft",
      {call.getPointer(op.getSource()), call.getPointer(op.getTarget()),
       call.getSize(op.getSource(), 0), call.constant(call.i64, op.getTokens()),
       call.getSize(op.getSource(), 2), call.constant(call.i32, kind),
       call.constant(call.i32, op.getInverse())});
}

void mlir::bfly::callLibraries(func::FuncOp function) {
  function.walk([](Operation *op) {
    if (auto transform = dyn_cast<LibraryTransformOp>(op))
      callLibrary(transform);
    else if (auto product = dyn_cast<LibraryProductOp>(op))
      callLibrary(product);
    else if (auto product = dyn_cast<LibraryRowProductOp>(op))
      callLibrary(product);
  });
}
