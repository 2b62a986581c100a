# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Operations that change how much a type says of sizes, for generate.py: each method adds one to the program, or gives
None."""

from batches import batch_of, equal, number
from program import is_complex, type_text


class Sizes:
    def cast(self):
        """To the size that the run has, away from it, or away from all sizes and back."""
        x = self.pick(lambda v: v.rank in (2, 3))
        if x is None:
            return None
        if self.rng.random() < 0.3 and not is_complex(x.of):
            wide, after = self.p.fresh("w"), self.p.fresh("w")
            loose = type_text((None,) * x.rank, x.of)
            self.p.emit(f"{wide} = tensor.cast {x.name} : {x.type} to {loose}")
            self.p.emit(f"{after} = arith.negf {wide} : {loose}")
            return self.p.add(
                f"tensor.cast {after} : {loose} to {x.type}", x.shape, x.sizes, x.of, lambda x: -x, x, batch=x.batch
            )
        if x.shape[0] is None:
            return self.to_static(x)
        shape = (None, *x.shape[1:])
        text = f"tensor.cast {x.name} : {x.type} to {type_text(shape, x.of)}"
        return self.p.add(text, shape, x.sizes, x.of, lambda x: x, x, batch=batch_of(x))

    def to_static(self, x):
        """Right for one size, and an error of the call for any other."""
        text = f"tensor.cast {x.name} : {x.type} to {type_text(x.sizes, x.of)}"
        value = self.p.add(text, x.sizes, x.sizes, x.of, lambda x: x, x)
        value.needs += equal(batch_of(x), number(x.sizes[0]))
        return value

    def total(self):
        """The sum over the batch, of which the result's type says nothing."""
        x = self.pick(lambda v: v.rank in (2, 3) and v.of == self.of and None not in v.shape[1:])
        if x is None or self.of in ("bf16", "f16"):
            return None
        shape = x.sizes[1:]
        out, zero = type_text(shape, x.of), self.p.fresh("c")
        self.p.emit(f"{zero} = arith.constant dense<0.0> : {out}")
        text = f"linalg.reduce {{ arith.addf }} ins({x.name} : {x.type}) outs({zero} : {out}) dimensions = [0]"
        return self.p.add(text, shape, shape, x.of, lambda x: x.sum(axis=0), x)

    def settle(self, results):
        """The results of a function whose types say all of their sizes."""
        return [self.to_static(x) if x.rank and x.shape[0] is None else x for x in results]
