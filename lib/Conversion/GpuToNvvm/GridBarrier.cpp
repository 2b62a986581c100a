// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The barrier of a whole grid: atomics on counters in global memory.

#include "Lowering.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace mlir::bfly;

/// How long a block that waits for others lets its scheduler alone, in ns.
static constexpr int64_t kNap = 32;

namespace {

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

} // namespace

void mlir::bfly::populateGridBarrierLowering(RewritePatternSet &patterns) {
  patterns.add<LowerGridBarrier>(patterns.getContext());
}
