// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Scratch memory next to pages that nobody may touch, for tests: compiled code
// that reads or writes outside of its scratch memory faults there and then.
//
// BFLY_GUARD=end: every block ends at such a page (the bytes that its alignment
// leaves before it hold a pattern that is checked when the block is freed).
// BFLY_GUARD=begin: every block begins right after one. Either way it is filled
// with NaN. The variable is read at every call of compiled code.

#ifndef BFLY_RUNTIME_GUARDPAGES_H
#define BFLY_RUNTIME_GUARDPAGES_H

#include <cstdint>

/// Reads BFLY_GUARD.
void readGuardMode();

/// A block, or null where BFLY_GUARD is not set or there is no memory.
void *allocateGuarded(uint64_t alignment, uint64_t bytes);

/// Whether `pointer` was one of those, which is now freed.
bool freeGuarded(void *pointer);

#endif // BFLY_RUNTIME_GUARDPAGES_H
