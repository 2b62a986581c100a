# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

# Everything of the project's is instrumented; libMLIR and libLLVM come as they are. So what looks into their objects has
# to go: vptr and function need type information that a library without RTTI checks does not share. The runtime is the
# shared one, which libbfly finds in Python too, where it is preloaded (scripts/sanitized).
execute_process(COMMAND ${CMAKE_CXX_COMPILER} -print-file-name=libclang_rt.asan.so
  OUTPUT_VARIABLE BFLY_ASAN_RUNTIME OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
if(NOT EXISTS ${BFLY_ASAN_RUNTIME})
  execute_process(COMMAND ${CMAKE_CXX_COMPILER} -print-file-name=libclang_rt.asan-x86_64.so
    OUTPUT_VARIABLE BFLY_ASAN_RUNTIME OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
endif()
if(NOT EXISTS ${BFLY_ASAN_RUNTIME})
  message(FATAL_ERROR "BFLY_SANITIZE: no AddressSanitizer here; scripts/setup installs libclang-rt-22-dev")
endif()
get_filename_component(asan_folder ${BFLY_ASAN_RUNTIME} DIRECTORY)
add_compile_options(-fsanitize=address,undefined -fno-sanitize=vptr,function -fno-sanitize-recover=undefined
  -shared-libsan -fno-omit-frame-pointer -gline-tables-only)
add_link_options(-fsanitize=address,undefined -fno-sanitize=vptr,function -shared-libsan -Wl,-rpath,${asan_folder})
file(WRITE ${CMAKE_BINARY_DIR}/asan-runtime ${BFLY_ASAN_RUNTIME})
