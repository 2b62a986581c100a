# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

# What scripts/build says on the command line, for a build that pip has started (pyproject.toml): before project(), which
# looks for compilers.
foreach(tool clang-22 clang++-22 ld.lld-22)
  find_program(BFLY_TOOL_${tool} ${tool})
  if(NOT BFLY_TOOL_${tool})
    message(FATAL_ERROR "no ${tool} here: building bfly takes LLVM 22 and MLIR 22, which scripts/setup installs")
  endif()
endforeach()
set(CMAKE_C_COMPILER clang-22 CACHE STRING "")
set(CMAKE_CXX_COMPILER clang++-22 CACHE STRING "")
set(LLVM_USE_LINKER lld CACHE STRING "")
list(APPEND CMAKE_PREFIX_PATH /usr/lib/llvm-22)
find_program(BFLY_CCACHE ccache)
if(BFLY_CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ccache CACHE STRING "")
  set(CMAKE_CXX_COMPILER_LAUNCHER ccache CACHE STRING "")
endif()
