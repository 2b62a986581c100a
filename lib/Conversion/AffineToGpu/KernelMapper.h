// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Maps the body of one kernel to blocks and threads.

#ifndef BFLY_LIB_CONVERSION_AFFINETOGPU_KERNELMAPPER_H
#define BFLY_LIB_CONVERSION_AFFINETOGPU_KERNELMAPPER_H

#include "bfly/IR/Bfly.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

namespace mlir::bfly {

class KernelMapper {
public:
  /// `function` holds the loops of the kernel as they were at affine level; its
  /// blocks have `threads` threads, and its last argument is the address of the
  /// barrier's counters.
  KernelMapper(gpu::GPUFuncOp function, int64_t threads);

  /// An operation that has no place in a kernel is an error there.
  LogicalResult map();

  /// Dynamic shared memory in bytes.
  int64_t getSharedBytes() const { return sharedBytes; }
  /// Blocks that have something to do in some phase; nullopt where only the
  /// call knows.
  std::optional<int64_t> getMostBlocks() const { return mostBlocks; }
  /// Registers of a thread that the plan itself asks for.
  int64_t getNumRegisters() const { return mostRegisters; }
  /// Whether blocks wait for each other.
  bool isCooperative() const { return cooperative; }

private:
  /// The phases of the kernel's top level, or of a loop around phases.
  LogicalResult mapPhases(Block &block);
  /// Units of work to blocks.
  LogicalResult mapUnits(GridOp phase);
  /// Iterations to the threads of all blocks, and to those of one.
  LogicalResult mapThreadsOfGrid(ThreadsOp phase);
  LogicalResult mapThreads(ThreadsOp scope);
  /// The barrier behind a phase, of whose iterations a block does so many at
  /// once.
  template <typename OpTy>
  LogicalResult endPhase(OpTy phase, int64_t iterationsOfBlock);
  LogicalResult placeShared(memref::AllocOp alloc);
  LogicalResult placeRegisters(memref::AllocOp alloc);
  LogicalResult mapMatrixProduct(MatrixProductOp op);
  LogicalResult mapStreamProduct(StreamProductOp op);

  /// A buffer at the next free place of shared memory.
  Value takeShared(OpBuilder &builder, Location loc, MemRefType type);
  Value index(OpBuilder &builder, Location loc, int64_t value);
  void fenceProxies(OpBuilder &builder, Location loc);

  gpu::GPUFuncOp function;
  int64_t threads;
  Value thread, block, blocks, shared, counters;
  /// Bytes taken for the whole kernel, and by the phase being mapped.
  int64_t sharedForAll = 0, sharedUsed = 0, sharedBytes = 0;
  bool cooperative = false;
  std::optional<int64_t> mostBlocks = 1;
  int64_t phaseRegisters = 0, mostRegisters = 0;
  /// The phase being mapped has operands of matrix units in shared memory, and
  /// the kernel streams what it wrote to memory itself.
  bool phaseHasMatrices = false, kernelStreams = false;
  llvm::DenseMap<Value, Value> registers;
  llvm::DenseMap<Operation *, int64_t> ringBarriers;
};

} // namespace mlir::bfly

#endif // BFLY_LIB_CONVERSION_AFFINETOGPU_KERNELMAPPER_H
