/* Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * main() of every tool, under names of their own: the relocatable package has
 * all of them in libbfly.so.
 */

#ifndef BFLY_TOOLS_ENTRYPOINTS_H
#define BFLY_TOOLS_ENTRYPOINTS_H

#ifdef __cplusplus
extern "C" {
#endif

#define BFLY_TOOL __attribute__((visibility("default")))

BFLY_TOOL int bflyLspServerMain(int argc, char **argv);
BFLY_TOOL int bflyOptMain(int argc, char **argv);
BFLY_TOOL int bflyRunMain(int argc, char **argv);

#undef BFLY_TOOL

#ifdef __cplusplus
}
#endif

#endif /* BFLY_TOOLS_ENTRYPOINTS_H */
