// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Transforms of the rows of a slab in a block's shared memory, in place, a
// loop over threads each pass.
//
// As in TransformNest forward passes decimate in frequency and inverse ones in
// time, and nothing is ever reordered. A slab may hold several transforms, one
// after the other: its parts.

#ifndef BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_GPU_SLABTRANSFORM_H
#define BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_GPU_SLABTRANSFORM_H

#include "NestBuilder.h"

namespace mlir::bfly {

/// The roots of unity that follow the butterflies of one pass, in tables.
class Twiddles {
public:
  /// For a pass of `radix` over blocks of `block` rows. Emits the tables at the
  /// insertion point, which must be outside of units of work.
  Twiddles(NestBuilder &nest, int64_t radix, int64_t block);

  /// w^(j q) of w = e^(-2 pi i / block), q = 0 ... radix - 1; the first is
  /// null.
  SmallVector<ComplexPair> load(AffineExpr j);

private:
  NestBuilder *nest;
  int64_t radix;
  /// Of w^1, w^2, w^4, ...
  SmallVector<Value> tables;
};

/// The radix-R transform of `values` in registers, after the roots of row `j`
/// if inverse, before them if not (`twiddles` null: none).
void transformInRegisters(NestBuilder &nest,
                          MutableArrayRef<ComplexPair> values, bool inverse,
                          Twiddles *twiddles, AffineExpr j);

class SlabTransform {
public:
  using Reader = function_ref<ComplexPair(AffineExpr row, AffineExpr lane)>;
  using Writer =
      function_ref<void(AffineExpr row, AffineExpr lane, ComplexPair)>;

  /// `radices` of each part's passes.
  SlabTransform(NestBuilder &nest, ArrayRef<int64_t> radices, int64_t parts,
                int64_t lanes);

  /// The slab of one unit of work.
  void allocate();

  /// Rows come from `reader` (null: are in the slab) in natural order.
  /// `toLastPass`: all passes but the last. Where a thread has read the rows of
  /// an item, as many as the first radix, `afterItem` is called.
  void forward(
      Reader reader, bool toLastPass,
      function_ref<void(AffineExpr item, AffineExpr lane)> afterItem = nullptr);
  /// Rows go to `writer` (null: stay in the slab) in natural order.
  /// `fromLastPass`: the one that undoes the last pass was done.
  void inverse(Writer writer, bool fromLastPass);

  ArrayRef<int64_t> getRadices() const { return radices; }
  int64_t getParts() const { return parts; }
  int64_t getLanes() const { return lanes; }
  /// Rows of a part.
  int64_t getRows() const { return rows; }
  /// Row of bin m of a part's transform, of its mirror image M-m (mod M) or,
  /// where `next` is 1, M-1-m; and the bin of a row.
  AffineExpr position(AffineExpr m) const;
  AffineExpr mirrorPosition(AffineExpr m, AffineExpr next) const;
  AffineExpr bin(AffineExpr row) const;
  /// Of a block of the last pass, which is a part's rows at `block` times the
  /// last radix: the bin of its first row. The others' are the number of blocks
  /// apart.
  AffineExpr blockBin(AffineExpr block) const;
  ComplexPair load(AffineExpr row, AffineExpr lane);
  void store(ComplexPair value, AffineExpr row, AffineExpr lane);

private:
  void pass(unsigned index, bool inverse, Reader reader, Writer writer,
            function_ref<void(AffineExpr, AffineExpr)> afterItem = nullptr);
  static int64_t getPadding(ArrayRef<int64_t> radices, int64_t lanes);
  AffineExpr physical(AffineExpr row) const;

  NestBuilder &nest;
  SmallVector<int64_t> radices, lengths;
  SmallVector<std::optional<Twiddles>> twiddles;
  int64_t parts, lanes, rows = 1;
  /// A row is skipped after so many, so that the threads of a warp find theirs
  /// in different banks; 0 for none.
  int64_t padding;
  Value slab;
};

} // namespace mlir::bfly

#endif // BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_GPU_SLABTRANSFORM_H
