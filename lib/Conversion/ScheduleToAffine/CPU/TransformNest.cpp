// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "CPU/TransformNest.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;
using namespace mlir::bfly;

TransformNest::TransformNest(NestBuilder &nest, CpuTransformAttr plan,
                             int64_t tokens, int64_t lanes)
    : nest(nest), tokens(tokens), lanes(lanes), radices(plan.getRadices()) {
  for (int64_t radix : radices)
    length *= radix;
  int64_t rest = length;
  for (int64_t radix : radices) {
    lengths.push_back(rest);
    rest /= radix;
  }
  grouped = plan.getGroups().size() > 1;
  auto table = [&](TableKind kind, int64_t order, int64_t rows) -> Value {
    return TableOp::create(nest.builder, nest.loc,
                           MemRefType::get({rows, 2}, nest.compute), kind,
                           order);
  };
  if (radices.size() > 1)
    roots = table(TableKind::Roots, length, length);
  if (isBluestein()) {
    chirp = table(TableKind::Chirp, tokens, tokens);
    chirpSpectrum = table(TableKind::ChirpSpectrum, tokens, length);
  }
}

void TransformNest::beginSlab() { slab = nest.allocate({length, 2, lanes}); }
void TransformNest::endSlab() { nest.free(slab); }

ComplexPair TransformNest::load(AffineExpr row, AffineExpr lane) {
  AffineExpr zero = nest.constantExpr(0), one = nest.constantExpr(1);
  return {nest.load(slab, {row, zero, lane}),
          nest.load(slab, {row, one, lane})};
}

void TransformNest::store(ComplexPair value, AffineExpr row, AffineExpr lane) {
  AffineExpr zero = nest.constantExpr(0), one = nest.constantExpr(1);
  nest.store(value.re, slab, {row, zero, lane});
  nest.store(value.im, slab, {row, one, lane});
}

AffineExpr TransformNest::position(AffineExpr k, unsigned firstPass) const {
  AffineExpr row = nest.constantExpr(0);
  for (unsigned i = firstPass; i < radices.size(); ++i) {
    int64_t sub = lengths[i] / radices[i];
    row = row + (k % radices[i]) * sub;
    k = k.floorDiv(radices[i]);
  }
  return row;
}

AffineExpr TransformNest::position(AffineExpr k) const {
  return isBluestein() ? k : position(k, 0);
}

AffineExpr TransformNest::mirrorPosition(AffineExpr k, unsigned firstPass,
                                         AffineExpr next) const {
  // M - 1 - m turns every digit of m around.
  int64_t rows = lengths[firstPass];
  return -position((k + next + (rows - 1)) % rows, firstPass) + (rows - 1);
}

AffineExpr TransformNest::mirrorPosition(AffineExpr k) const {
  return isBluestein() || radices.empty()
             ? mirrorBin(k, tokens)
             : mirrorPosition(k, 0, nest.constantExpr(0));
}

void TransformNest::pass(unsigned index, bool inverse, AffineExpr base,
                         int64_t blocks, const Reader &reader,
                         const Writer &writer) {
  int64_t radix = radices[index], block = lengths[index], sub = block / radix;
  int64_t rootStep = length / block;
  auto twiddle = [&](ComplexPair value, AffineExpr j, int64_t q) {
    AffineExpr row = j * (q * rootStep);
    ComplexPair root{nest.load(roots, {row, nest.constantExpr(0)}),
                     nest.load(roots, {row, nest.constantExpr(1)})};
    return nest.mul(value, root, /*conjugate=*/inverse);
  };
  nest.loop(blocks, [&](AffineExpr g) {
    nest.loop(sub, [&](AffineExpr j) {
      nest.lanes(lanes, [&](AffineExpr lane) {
        SmallVector<Value> values(2 * radix);
        for (int64_t q = 0; q < radix; ++q) {
          AffineExpr row = base + g * block + j + q * sub;
          ComplexPair value = reader ? reader(row, lane) : load(row, lane);
          if (inverse && q && sub > 1)
            value = twiddle(value, j, q);
          values[q] = value.re;
          values[radix + q] = value.im;
        }
        auto dft = DftOp::create(nest.builder, nest.loc,
                                 SmallVector<Type>(2 * radix, nest.compute),
                                 values, inverse);
        for (int64_t q = 0; q < radix; ++q) {
          AffineExpr row = base + g * block + j + q * sub;
          ComplexPair value{dft.getResult(q), dft.getResult(radix + q)};
          if (!inverse && q && sub > 1)
            value = twiddle(value, j, q);
          if (writer)
            writer(row, lane, value);
          else
            store(value, row, lane);
        }
      });
    });
  });
}

void TransformNest::passes(unsigned first, bool inverse, AffineExpr base,
                           const Reader &reader, const Writer &writer) {
  unsigned count = radices.size();
  for (unsigned step = first; step < count; ++step) {
    unsigned index = inverse ? count - 1 - (step - first) : step;
    int64_t blocks = lengths[first] / lengths[index];
    // Only the first pass sees tokens in natural order.
    if (index == 0)
      pass(index, inverse, base, blocks, inverse ? nullptr : reader,
           inverse ? writer : nullptr);
    else
      pass(index, inverse, base, blocks);
  }
}

void TransformNest::convolve(bool inverse, const Reader &reader,
                             const Writer &writer) {
  auto entry = [&](Value table, AffineExpr row) {
    return ComplexPair{nest.load(table, {row, nest.constantExpr(0)}),
                       nest.load(table, {row, nest.constantExpr(1)})};
  };
  nest.loop(tokens, [&](AffineExpr n) {
    nest.lanes(lanes, [&](AffineExpr lane) {
      ComplexPair value = reader ? reader(n, lane) : load(n, lane);
      store(nest.mul(value, entry(chirp, n), inverse), n, lane);
    });
  });
  nest.loop(length - tokens, [&](AffineExpr n) {
    nest.lanes(lanes, [&](AffineExpr lane) {
      Value zero = nest.constant(0);
      store({zero, zero}, n + tokens, lane);
    });
  });
  AffineExpr origin = nest.constantExpr(0);
  passes(0, /*inverse=*/false, origin);
  nest.loop(length, [&](AffineExpr k) {
    nest.lanes(lanes, [&](AffineExpr lane) {
      AffineExpr row = position(k, 0);
      store(nest.mul(load(row, lane), entry(chirpSpectrum, k), inverse), row,
            lane);
    });
  });
  passes(0, /*inverse=*/true, origin);
  nest.loop(tokens, [&](AffineExpr k) {
    nest.lanes(lanes, [&](AffineExpr lane) {
      ComplexPair value = nest.mul(load(k, lane), entry(chirp, k), inverse);
      if (writer)
        writer(k, lane, value);
      else
        store(value, k, lane);
    });
  });
}

void TransformNest::visit(const BinVisitor &visitBins,
                          const PairVisitor &visitPairs) {
  if (visitBins)
    nest.loop(tokens, [&](AffineExpr k) { visitBins(k, position(k)); });
  if (visitPairs)
    nest.loop(tokens / 2 + 1, [&](AffineExpr k) {
      visitPairs(k, position(k), mirrorPosition(k));
    });
}

void TransformNest::runInGroups(const Reader &reader,
                                const BinVisitor &visitBins,
                                const PairVisitor &visitPairs,
                                const Writer &writer) {
  AffineExpr origin = nest.constantExpr(0);
  int64_t radix = radices[0], sub = length / radix;
  pass(0, /*inverse=*/false, origin, 1, reader);
  if (visitPairs) {
    // Sub-transform q holds the bins q mod R; the mirror images of its bins are
    // in R-q. Only q = 0 and q = R/2 are their own mirrors: they are done once,
    // and half of their bins stand for all.
    int64_t half = radix / 2;
    nest.loop(half + 1, [&](AffineExpr q) {
      AffineExpr notFirst = (q + radix - 1).floorDiv(radix);
      AffineExpr paired =
          radix % 2 ? notFirst : ((q % half) + half - 1).floorDiv(half);
      AffineExpr mirrorQ = notFirst * radix - q;
      auto both = [&](bool inverse) {
        passes(1, inverse, q * sub);
        nest.loopTo({paired},
                    [&](AffineExpr) { passes(1, inverse, mirrorQ * sub); });
      };
      both(/*inverse=*/false);
      // Of q the bins up to N/2 are m = 0 … sub/2 for q = 0, and
      // 0 … (sub-1)/2 for others. The other bins of a pair are mirror images of
      // those of R-q, m = 0 … sub/2 - 1.
      AffineExpr count =
          notFirst * ((sub + 1) / 2 - (sub / 2 + 1)) + (sub / 2 + 1);
      nest.loopTo({count}, [&](AffineExpr m) {
        visitPairs(m * radix + q, q * sub + position(m, 1),
                   mirrorQ * sub + mirrorPosition(m, 1, notFirst));
      });
      nest.loopTo({paired * (sub / 2)}, [&](AffineExpr m) {
        AffineExpr one = nest.constantExpr(1);
        visitPairs(m * radix + mirrorQ, mirrorQ * sub + position(m, 1),
                   q * sub + mirrorPosition(m, 1, one));
      });
      both(/*inverse=*/true);
    });
  } else {
    nest.loop(radix, [&](AffineExpr q) {
      passes(1, /*inverse=*/false, q * sub);
      if (visitBins)
        nest.loop(sub, [&](AffineExpr m) {
          visitBins(m * radix + q, q * sub + position(m, 1));
        });
      passes(1, /*inverse=*/true, q * sub);
    });
  }
  pass(0, /*inverse=*/true, origin, 1, nullptr, writer);
}

void TransformNest::run(const Reader &reader, const BinVisitor &visitBins,
                        const PairVisitor &visitPairs, const Writer &writer) {
  AffineExpr origin = nest.constantExpr(0);
  Writer scaled = nullptr;
  if (writer)
    scaled = [&](AffineExpr row, AffineExpr lane, ComplexPair value) {
      if (tokens != 1) {
        Value scale = nest.constant(1.0 / tokens);
        value = {nest.mul(value.re, scale), nest.mul(value.im, scale)};
      }
      writer(row, lane, value);
    };
  if (grouped && reader && writer)
    return runInGroups(reader, visitBins, visitPairs, scaled);
  if (radices.empty()) {
    // One token is its own transform.
    if (reader)
      nest.lanes(lanes, [&](AffineExpr lane) {
        store(reader(origin, lane), origin, lane);
      });
    visit(visitBins, visitPairs);
    if (writer)
      nest.lanes(lanes, [&](AffineExpr lane) {
        scaled(origin, lane, load(origin, lane));
      });
    return;
  }
  if (isBluestein()) {
    if (reader)
      convolve(/*inverse=*/false, reader, nullptr);
    visit(visitBins, visitPairs);
    if (writer)
      convolve(/*inverse=*/true, nullptr, scaled);
    return;
  }
  if (reader)
    passes(0, /*inverse=*/false, origin, reader);
  visit(visitBins, visitPairs);
  if (writer)
    passes(0, /*inverse=*/true, origin, nullptr, scaled);
}
