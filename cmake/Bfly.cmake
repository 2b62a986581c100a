# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

# bfly_add_library(NAME sources... DEPENDS tablegen-targets...): one static library of the compiler. LLVM and MLIR are
# linked once, by the final tools (bfly_link_llvm), so that a tool never holds two copies of them; who finds it installed
# gets the shared ones with it. With BFLY_UNITY several files are compiled as one, which reads MLIR's headers once: they
# are four fifths of what a file costs.
function(bfly_add_library name)
  cmake_parse_arguments(ARG "" "" "DEPENDS;LINK_LIBS" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
  add_dependencies(${name} bfly-headers)
  if(BFLY_UNITY)
    set_target_properties(${name} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 6)
  endif()
  if(ARG_LINK_LIBS)
    target_link_libraries(${name} PUBLIC ${ARG_LINK_LIBS})
  endif()
  target_include_directories(${name} INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_link_libraries(${name} INTERFACE $<INSTALL_INTERFACE:MLIR> $<INSTALL_INTERFACE:LLVM>)
  target_compile_features(${name} INTERFACE cxx_std_17)
endfunction()

# bfly_link_portably(TARGET options...): with nothing of the system's but what any Linux with glibc 2.34 has. The unwinder is
# the system's, since the one in GCC's archive asks glibc 2.35 where functions are; pointers are not relocated from a bitmap,
# which glibc reads from 2.36 on.
function(bfly_link_portably target)
  target_sources(${target} PRIVATE ${CMAKE_SOURCE_DIR}/runtime/OlderGlibc.c)
  target_link_options(${target} PRIVATE -static-libstdc++ -Wl,--gc-sections,--as-needed,--strip-all ${ARGN})
endfunction()

# bfly_link_llvm(TARGET static MLIR libraries...): with the shared libMLIR, plus the few archives that it leaves out;
# statically (BFLY_STATIC), every MLIR archive in one group, since MLIR's own CMake targets drag in the shared LLVM.
# llvm-config names Z3 and libxml2 as well, which nothing linked here calls. Functions with the same code become one, a sixth
# of it all; LLVM and MLIR are used to that from Windows, where linkers do it unasked.
function(bfly_link_llvm target)
  if(BFLY_STATIC)
    file(GLOB archives ${LLVM_LIBRARY_DIR}/libMLIR*.a)
    list(FILTER archives EXCLUDE REGEX "Test|CAPI|MLIRMlirOptMain|Shared")
    execute_process(
      COMMAND ${LLVM_TOOLS_BINARY_DIR}/llvm-config --link-static --libs
              orcjit native x86 nvptx passes frontendopenmp perfjitevents jitlink supportlsp
      OUTPUT_VARIABLE llvm_libs OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
    separate_arguments(llvm_libs)
    target_link_libraries(${target} PRIVATE -L${LLVM_LIBRARY_DIR} ${archives} ${llvm_libs}
      -l:libz.a -l:libzstd.a -lrt -ldl -lm)
    bfly_link_portably(${target} -Wl,-O2,--icf=all)
  else()
    set(archives)
    foreach(lib ${ARGN})
      list(APPEND archives ${LLVM_LIBRARY_DIR}/lib${lib}.a)
    endforeach()
    target_link_libraries(${target} PRIVATE ${archives} MLIR LLVM)
  endif()
endfunction()

# bfly_add_doc(NAME definitions.td generators...): what mlir-tblgen writes about the definitions, as build/docs/NAME.md,
# under the target bfly-docs.
function(bfly_add_doc name definitions)
  set(output ${CMAKE_BINARY_DIR}/docs/${name}.md)
  file(GLOB_RECURSE depends CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/dialect/*.td)
  add_custom_command(
    OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/docs
    COMMAND ${MLIR_TABLEGEN_EXE} ${ARGN} -I ${CMAKE_SOURCE_DIR}/dialect -I ${MLIR_INCLUDE_DIRS}
            ${CMAKE_CURRENT_SOURCE_DIR}/${definitions} -o ${output}
    DEPENDS ${depends}
    VERBATIM)
  add_custom_target(bfly-docs-${name} DEPENDS ${output})
  add_dependencies(bfly-docs bfly-docs-${name})
endfunction()
