// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What feeds the matrix units, an instruction each: barriers in shared memory,
// bulk copies of the copy engine, and wgmma.

#include "Lowering.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace mlir::bfly;

/// The address of a memref's first element as a number.
static Value getAddress(ImplicitLocOpBuilder &builder, Value buffer) {
  auto type = cast<MemRefType>(buffer.getType());
  int64_t elementBytes = type.getElementTypeBitWidth() / 8;
  Value base = memref::ExtractAlignedPointerAsIndexOp::create(builder, buffer);
  auto metadata = memref::ExtractStridedMetadataOp::create(builder, buffer);
  Value bytes = arith::MulIOp::create(
      builder, metadata.getOffset(),
      arith::ConstantIndexOp::create(builder, elementBytes));
  Value address = arith::AddIOp::create(builder, base, bytes);
  return arith::IndexCastOp::create(builder, builder.getI64Type(), address);
}

static Value getPointer(ImplicitLocOpBuilder &builder, Value buffer,
                        unsigned space) {
  return LLVM::IntToPtrOp::create(builder, getPointerType(builder, space),
                                  getAddress(builder, buffer));
}

/// The address of one barrier.
static Value getMbarrier(ImplicitLocOpBuilder &builder, Value barriers,
                         Value index) {
  Value number =
      arith::IndexCastOp::create(builder, builder.getI64Type(), index);
  return LLVM::GEPOp::create(
      builder, getPointerType(builder, kShared), builder.getI64Type(),
      getPointer(builder, barriers, kShared), ArrayRef<LLVM::GEPArg>{number});
}

namespace {

struct LowerMbarrierInit : Lowering<MbarrierInitOp> {
  using Lowering::Lowering;

  void lower(MbarrierInitOp op, ImplicitLocOpBuilder &builder) const override {
    NVVM::MBarrierInitOp::create(
        builder, getMbarrier(builder, op.getBarriers(), op.getIndex()),
        getI32(builder, op.getCount()), /*predicate=*/Value());
  }
};

struct LowerMbarrierArrive : Lowering<MbarrierArriveOp> {
  using Lowering::Lowering;

  void lower(MbarrierArriveOp op,
             ImplicitLocOpBuilder &builder) const override {
    Value barrier = getMbarrier(builder, op.getBarriers(), op.getIndex());
    if (std::optional<uint32_t> bytes = op.getBytes())
      NVVM::MBarrierArriveExpectTxOp::create(
          builder, Type(), barrier, getI32(builder, *bytes),
          NVVM::MemScopeKind::CTA, /*relaxed=*/false, /*predicate=*/Value());
    else
      NVVM::MBarrierArriveOp::create(builder, builder.getI64Type(), barrier,
                                     /*count=*/Value());
  }
};

struct LowerMbarrierWait : Lowering<MbarrierWaitOp> {
  using Lowering::Lowering;

  void lower(MbarrierWaitOp op, ImplicitLocOpBuilder &builder) const override {
    Value barrier = getMbarrier(builder, op.getBarriers(), op.getIndex());
    Value yes = arith::ConstantIntOp::create(builder, 1, 1);
    scf::WhileOp::create(
        builder, TypeRange(), ValueRange(),
        [&](OpBuilder &inner, Location loc, ValueRange) {
          Value done = NVVM::MBarrierTryWaitOp::create(
              inner, loc, inner.getI1Type(), barrier, op.getParity(),
              /*ticks=*/Value());
          Value again = arith::XOrIOp::create(inner, loc, done, yes);
          scf::ConditionOp::create(inner, loc, again, ValueRange());
        },
        [&](OpBuilder &inner, Location loc, ValueRange) {
          scf::YieldOp::create(inner, loc);
        });
  }
};

struct LowerBulkCopy : Lowering<BulkCopyOp> {
  using Lowering::Lowering;

  void lower(BulkCopyOp op, ImplicitLocOpBuilder &builder) const override {
    auto type = cast<MemRefType>(op.getTarget().getType());
    int64_t bytes = type.getNumElements() * type.getElementTypeBitWidth() / 8;
    Value target = getPointer(builder, op.getTarget(), kShared);
    // The instruction wants an address in the cluster's shared memory, of which
    // the block's own is a part.
    Value generic = LLVM::AddrSpaceCastOp::create(
        builder, getPointerType(builder, 0), target);
    Value inCluster = LLVM::AddrSpaceCastOp::create(
        builder, getPointerType(builder, 7), generic);
    NVVM::CpAsyncBulkGlobalToSharedClusterOp::create(
        builder, inCluster, getPointer(builder, op.getSource(), kGlobal),
        getMbarrier(builder, op.getBarriers(), op.getIndex()),
        getI32(builder, bytes), /*multicastMask=*/Value(),
        /*l2CacheHint=*/Value());
  }
};

/// One instruction for 16 of the depth. A descriptor holds, in units of 16
/// bytes, the start, the distance of core matrices along the depth and that
/// along the rows (PTX ISA, matrix descriptor).
struct LowerWgmma : Lowering<WgmmaOp> {
  using Lowering::Lowering;

  static Value getDescriptor(ImplicitLocOpBuilder &builder, Value matrix) {
    auto [strides, offset] =
        cast<MemRefType>(matrix.getType()).getStridesAndOffset();
    auto units = [](int64_t elements) { return elements * 2 / 16; };
    Type i64 = builder.getI64Type();
    Value address = getAddress(builder, matrix);
    Value start = arith::AndIOp::create(
        builder,
        arith::ShRUIOp::create(builder, address,
                               arith::ConstantIntOp::create(builder, i64, 4)),
        arith::ConstantIntOp::create(builder, i64, 0x3FFF));
    int64_t distances = units(strides[1]) << 16 | units(strides[0]) << 32;
    return arith::OrIOp::create(
        builder, start, arith::ConstantIntOp::create(builder, i64, distances));
  }

  void lower(WgmmaOp op, ImplicitLocOpBuilder &builder) const override {
    MLIRContext *context = builder.getContext();
    auto a = cast<MemRefType>(op.getA().getType());
    auto b = cast<MemRefType>(op.getB().getType());
    int64_t registers = cast<MemRefType>(op.getC().getType()).getDimSize(0);
    Type type = LLVM::LLVMStructType::getLiteral(
        context, SmallVector<Type>(registers, builder.getF32Type()));
    Value c = LLVM::PoisonOp::create(builder, type);
    Value zero = arith::ConstantOp::create(builder, builder.getF32FloatAttr(0));
    SmallVector<Value> indices;
    for (int64_t i = 0; i < registers; ++i) {
      indices.push_back(arith::ConstantIndexOp::create(builder, i));
      Value value = zero;
      if (op.getAccumulate())
        value = memref::LoadOp::create(builder, op.getC(), indices[i]);
      c = LLVM::InsertValueOp::create(builder, c, value, i);
    }
    Value startA = getDescriptor(builder, op.getA());
    Value startB = getDescriptor(builder, op.getB());
    auto element = NVVM::WGMMATypesAttr::get(
        context, a.getElementType().isBF16() ? NVVM::WGMMATypes::bf16
                                             : NVVM::WGMMATypes::f16);
    auto shape = NVVM::MMAShapeAttr::get(context, 64, 8 * b.getDimSize(0), 16);
    auto advance = [&](Value start, MemRefType matrix, int64_t step) -> Value {
      int64_t units = matrix.getStridesAndOffset().first[1] * 2 / 16 * 2 * step;
      return arith::AddIOp::create(
          builder, start,
          arith::ConstantIntOp::create(builder, builder.getI64Type(), units));
    };
    for (int64_t step = 0; step < a.getDimSize(1) / 2; ++step) {
      bool fresh = step == 0 && !op.getAccumulate();
      c = NVVM::WgmmaMmaAsyncOp::create(
          builder, type, c, advance(startA, a, step), advance(startB, b, step),
          shape, element, element,
          NVVM::WGMMATypesAttr::get(context, NVVM::WGMMATypes::f32),
          NVVM::WGMMAScaleOutAttr::get(context, fresh
                                                    ? NVVM::WGMMAScaleOut::zero
                                                    : NVVM::WGMMAScaleOut::one),
          NVVM::WGMMAScaleInAttr::get(context, op.getNegate()
                                                   ? NVVM::WGMMAScaleIn::neg
                                                   : NVVM::WGMMAScaleIn::one),
          NVVM::WGMMAScaleInAttr::get(context, NVVM::WGMMAScaleIn::one),
          NVVM::MMALayoutAttr::get(context, NVVM::MMALayout::row),
          NVVM::MMALayoutAttr::get(context, NVVM::MMALayout::col),
          /*satfinite=*/NVVM::MMAIntOverflowAttr());
    }
    for (int64_t i = 0; i < registers; ++i)
      memref::StoreOp::create(builder,
                              LLVM::ExtractValueOp::create(builder, c, i),
                              op.getC(), indices[i]);
  }
};

} // namespace

void mlir::bfly::populateMatrixUnitLowerings(RewritePatternSet &patterns) {
  patterns.add<LowerMbarrierInit, LowerMbarrierArrive, LowerMbarrierWait,
               LowerBulkCopy, LowerWgmma>(patterns.getContext());
}
