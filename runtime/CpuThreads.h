// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Whether threads are to be had, before OpenMP asks for them: without them it
// ends the process.

#ifndef BFLY_RUNTIME_CPUTHREADS_H
#define BFLY_RUNTIME_CPUTHREADS_H

/// Nothing if this thread can have a team of so many threads, itself counted,
/// else what is wrong. Costs nothing for a team as large as one that was proven
/// before.
const char *bflyProveThreads(int count);

#endif // BFLY_RUNTIME_CPUTHREADS_H
