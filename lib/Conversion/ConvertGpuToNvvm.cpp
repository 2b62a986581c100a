// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Gpu to nvvm: the named operations of bfly's gpu level.
//
// Before: a gpu.module of gpu.func with upstream's dialects and bfly's gpu
// level. After: no operation of bfly is left in it; upstream's
// -convert-gpu-to-nvvm, which has to follow, knows all that is.

#include "bfly/Conversion/Passes.h"

#include "bfly/IR/Bfly.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Transforms/WalkPatternRewriteDriver.h"

namespace mlir::bfly {
#define GEN_PASS_DEF_CONVERTGPUTONVVMPASS
#include "bfly/Conversion/Passes.h.inc"
} // namespace mlir::bfly

using namespace mlir;
using namespace mlir::bfly;

/// NVVM's address spaces.
static constexpr unsigned kGlobal = 1, kShared = 3;
static constexpr StringLiteral kDynamicShared = "bfly_dynamic_shared_memory";
/// How long a block that waits for others lets its scheduler alone, in ns.
static constexpr int64_t kNap = 32;

static LLVM::LLVMPointerType getPointerType(OpBuilder &builder,
                                            unsigned space) {
  return LLVM::LLVMPointerType::get(builder.getContext(), space);
}

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

static Value getI32(ImplicitLocOpBuilder &builder, int64_t value) {
  return arith::ConstantIntOp::create(builder, value, 32);
}

namespace {

template <typename OpType> struct Lowering : OpRewritePattern<OpType> {
  using OpRewritePattern<OpType>::OpRewritePattern;

  LogicalResult matchAndRewrite(OpType op,
                                PatternRewriter &rewriter) const final {
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    lower(op, builder);
    if (op->getNumResults() == 0)
      rewriter.eraseOp(op);
    return success();
  }

  virtual void lower(OpType op, ImplicitLocOpBuilder &builder) const = 0;
};

struct LowerSharedMemory : OpRewritePattern<SharedMemoryOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(SharedMemoryOp op,
                                PatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    auto module = op->getParentOfType<gpu::GPUModuleOp>();
    auto global = module.lookupSymbol<LLVM::GlobalOp>(kDynamicShared);
    if (!global) {
      OpBuilder::InsertionGuard guard(rewriter);
      rewriter.setInsertionPointToStart(module.getBody());
      global = LLVM::GlobalOp::create(
          rewriter, op.getLoc(),
          LLVM::LLVMArrayType::get(rewriter.getI8Type(), 0),
          /*isConstant=*/false, LLVM::Linkage::External, kDynamicShared,
          Attribute(), /*alignment=*/1024, kShared);
    }
    // A descriptor by hand: there is no operation for a memref of a pointer.
    Type pointer = getPointerType(builder, kShared), i64 = builder.getI64Type();
    Type sizes = LLVM::LLVMArrayType::get(i64, 1);
    Type type = LLVM::LLVMStructType::getLiteral(
        builder.getContext(), {pointer, pointer, i64, sizes, sizes});
    Value address = LLVM::AddressOfOp::create(builder, global);
    Value zero = LLVM::ConstantOp::create(builder, i64, 0);
    Value one = LLVM::ConstantOp::create(builder, i64, 1);
    // More than any block has; nothing reads it.
    Value bytes = LLVM::ConstantOp::create(builder, i64, 1 << 18);
    Value descriptor = LLVM::PoisonOp::create(builder, type);
    auto insert = [&](Value value, ArrayRef<int64_t> position) {
      descriptor =
          LLVM::InsertValueOp::create(builder, descriptor, value, position);
    };
    insert(address, {0});
    insert(address, {1});
    insert(zero, {2});
    insert(bytes, {3, 0});
    insert(one, {4, 0});
    rewriter.replaceOpWithNewOp<UnrealizedConversionCastOp>(op, op.getType(),
                                                            descriptor);
    return success();
  }
};

/// Counts tickets: every block draws one and waits until as many as there are
/// blocks were drawn in its round. The last round's drawer of the last ticket
/// puts both counters back to zero.
struct LowerGridBarrier : Lowering<GridBarrierOp> {
  using Lowering::Lowering;

  void lower(GridBarrierOp op, ImplicitLocOpBuilder &builder) const override {
    Value thread = gpu::ThreadIdOp::create(builder, gpu::Dimension::x);
    Value zero = arith::ConstantIndexOp::create(builder, 0);
    Value isFirst =
        arith::CmpIOp::create(builder, arith::CmpIPredicate::eq, thread, zero);
    gpu::BarrierOp::create(builder);
    scf::IfOp::create(builder, isFirst, [&](OpBuilder &inner, Location loc) {
      ImplicitLocOpBuilder inside(loc, inner);
      if (op.getLast())
        leave(op, inside);
      else
        wait(op, inside);
      scf::YieldOp::create(inside);
    });
    if (!op.getLast())
      gpu::BarrierOp::create(builder);
  }

private:
  static Value getBlocks(ImplicitLocOpBuilder &builder) {
    Value blocks = gpu::GridDimOp::create(builder, gpu::Dimension::x);
    return arith::IndexCastOp::create(builder, builder.getI32Type(), blocks);
  }

  static Value toGlobal(GridBarrierOp op, ImplicitLocOpBuilder &builder,
                        int32_t word) {
    Value pointer = LLVM::AddrSpaceCastOp::create(
        builder, getPointerType(builder, kGlobal), op.getCounters());
    return LLVM::GEPOp::create(builder, getPointerType(builder, kGlobal),
                               builder.getI32Type(), pointer,
                               ArrayRef<LLVM::GEPArg>{word});
  }

  static void fence(ImplicitLocOpBuilder &builder) {
    LLVM::FenceOp::create(builder, LLVM::AtomicOrdering::acq_rel, "device");
  }

  /// Draws a ticket. The fence before it publishes what the block wrote.
  static Value draw(ImplicitLocOpBuilder &builder, Value counter) {
    fence(builder);
    return LLVM::AtomicRMWOp::create(builder, LLVM::AtomicBinOp::add, counter,
                                     getI32(builder, 1),
                                     LLVM::AtomicOrdering::monotonic, "device");
  }

  static void wait(GridBarrierOp op, ImplicitLocOpBuilder &builder) {
    Value counter = toGlobal(op, builder, 0);
    Value ticket = draw(builder, counter);
    Value blocks = getBlocks(builder), one = getI32(builder, 1);
    Value round = arith::DivUIOp::create(builder, ticket, blocks);
    Value next = arith::AddIOp::create(builder, round, one);
    Value target = arith::MulIOp::create(builder, next, blocks);
    scf::WhileOp::create(
        builder, TypeRange(), ValueRange(),
        [&](OpBuilder &inner, Location loc, ValueRange) {
          ImplicitLocOpBuilder inside(loc, inner);
          Value count = LLVM::LoadOp::create(
              inside, inside.getI32Type(), counter, /*alignment=*/4,
              /*isVolatile=*/false, /*isNonTemporal=*/false,
              /*isInvariant=*/false, /*isInvariantGroup=*/false,
              LLVM::AtomicOrdering::acquire, "device");
          Value early = arith::CmpIOp::create(inside, arith::CmpIPredicate::ult,
                                              count, target);
          scf::ConditionOp::create(inside, early, ValueRange());
        },
        [&](OpBuilder &inner, Location loc, ValueRange) {
          ImplicitLocOpBuilder inside(loc, inner);
          NVVM::NanosleepOp::create(inside, getI32(inside, kNap));
          scf::YieldOp::create(inside);
        });
    fence(builder);
  }

  static void leave(GridBarrierOp op, ImplicitLocOpBuilder &builder) {
    Value ticket = draw(builder, toGlobal(op, builder, 1));
    Value last =
        arith::SubIOp::create(builder, getBlocks(builder), getI32(builder, 1));
    Value isLast =
        arith::CmpIOp::create(builder, arith::CmpIPredicate::eq, ticket, last);
    scf::IfOp::create(builder, isLast, [&](OpBuilder &inner, Location loc) {
      ImplicitLocOpBuilder inside(loc, inner);
      Value zero = getI32(inside, 0);
      LLVM::StoreOp::create(inside, zero, toGlobal(op, inside, 0));
      LLVM::StoreOp::create(inside, zero, toGlobal(op, inside, 1));
      scf::YieldOp::create(inside);
    });
  }
};

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
          NVVM::WGMMAScaleInAttr::get(context, NVVM::WGMMAScaleIn::one),
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

/// Functions that are instructions: upstream would call libdevice, which not
/// every machine has.
template <typename OpType> struct LowerMath : OpRewritePattern<OpType> {
  LowerMath(MLIRContext *context, StringRef intrinsic)
      : OpRewritePattern<OpType>(context), intrinsic(intrinsic) {}

  LogicalResult matchAndRewrite(OpType op,
                                PatternRewriter &rewriter) const override {
    if (!op.getType().isF32() && !op.getType().isF64())
      return failure();
    StringRef suffix = op.getType().isF32() ? ".f32" : ".f64";
    auto call = LLVM::CallIntrinsicOp::create(
        rewriter, op.getLoc(), op.getType(),
        rewriter.getStringAttr(intrinsic + suffix), op->getOperands());
    rewriter.replaceOp(op, call);
    return success();
  }

  StringRef intrinsic;
};

struct ConvertGpuToNvvmPass
    : public bfly::impl::ConvertGpuToNvvmPassBase<ConvertGpuToNvvmPass> {
  void runOnOperation() override {
    // Every sigmoid's exponential, as on a CPU; what it becomes is lowered
    // below.
    RewritePatternSet exponentials(&getContext());
    populateMathPolynomialApproximationPatterns(
        exponentials,
        [](StringRef name) { return name == math::ExpOp::getOperationName(); });
    walkAndApplyPatterns(getOperation(), std::move(exponentials));
    RewritePatternSet patterns(&getContext());
    patterns
        .add<LowerSharedMemory, LowerGridBarrier, LowerMbarrierInit,
             LowerMbarrierArrive, LowerMbarrierWait, LowerBulkCopy, LowerWgmma>(
            &getContext());
    patterns.add<LowerMath<math::SqrtOp>>(&getContext(), "llvm.sqrt");
    patterns.add<LowerMath<math::AbsFOp>>(&getContext(), "llvm.fabs");
    patterns.add<LowerMath<math::FloorOp>>(&getContext(), "llvm.floor");
    patterns.add<LowerMath<math::FmaOp>>(&getContext(), "llvm.fma");
    walkAndApplyPatterns(getOperation(), std::move(patterns));
  }
};

} // namespace
