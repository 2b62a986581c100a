/* Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * The compiler behind its C API, for programs that are not of MLIR's.
 */

#include "bfly/Engine/CAPI.h"

#include <stdio.h>

int main(void) { return puts(bfly_version()) < 0; }
