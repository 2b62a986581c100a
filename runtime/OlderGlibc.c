/* Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * For the static build (bfly_link_portably), which runs where glibc is older
 * than where it was linked: what LLVM, the C++ library and the engine call that
 * glibc 2.34 lacks. Hidden, so that nobody else gets these.
 */

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/random.h>

#define HIDDEN __attribute__((visibility("hidden")))

/* From 2.36 on. LLVM names temporary files by it. */
HIDDEN uint32_t arc4random(void);
uint32_t arc4random(void) {
  uint32_t number;
  ssize_t count;
  /* So few bytes come all at once, or not at all. */
  do
    count = getrandom(&number, sizeof number, 0);
  while (count < 0 && errno == EINTR);
  if (count != sizeof number)
    abort();
  return number;
}

/* From 2.35 on under a version of its own, which does not set errno. */
double older_hypot(double x, double y);
__asm__(".symver older_hypot, hypot@GLIBC_2.2.5");
HIDDEN double hypot(double x, double y);
double hypot(double x, double y) { return older_hypot(x, y); }
