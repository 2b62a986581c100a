# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

# What `cmake --install` puts where. From a static build: what the wheel has beside the Python module (pyproject.toml), as the
# component `wheel`. From any other: the tools, libbfly, and for find_package(Bfly) the headers, the definitions (.td) and the
# libraries of the dialect and its passes.
if(BFLY_STATIC)
  install(TARGETS bfly LIBRARY DESTINATION bfly COMPONENT wheel EXCLUDE_FROM_ALL)
  get_target_property(kind bfly_torch TYPE)
  if(kind STREQUAL SHARED_LIBRARY)
    install(TARGETS bfly_torch LIBRARY DESTINATION bfly COMPONENT wheel EXCLUDE_FROM_ALL)
  endif()
  install(TARGETS bfly-opt bfly-run bfly-lsp-server
          RUNTIME DESTINATION bfly/bin COMPONENT wheel EXCLUDE_FROM_ALL)
  get_filename_component(libomp ${BFLY_LIBOMP} REALPATH)
  install(FILES ${libomp} DESTINATION bfly RENAME libomp.so.5 COMPONENT wheel EXCLUDE_FROM_ALL)
  # Beside LICENSE in the wheel's metadata.
  set(metadata "${SKBUILD_METADATA_DIR}")
  if(metadata STREQUAL "")
    set(metadata .)
  endif()
  set(third_party ${CMAKE_BINARY_DIR}/THIRD-PARTY)
  install(CODE "
    execute_process(COMMAND ${CMAKE_SOURCE_DIR}/scripts/third-party ${BFLY_LIBOMP}
                    OUTPUT_FILE ${third_party} COMMAND_ERROR_IS_FATAL ANY)" COMPONENT wheel EXCLUDE_FROM_ALL)
  install(FILES ${third_party} DESTINATION ${metadata}/licenses COMPONENT wheel EXCLUDE_FROM_ALL)
  return()
endif()

include(CMakePackageConfigHelpers)

set(libraries BflyDialect BflyAnalysis BflySchedule BflyTransforms BflyConversion BflyTarget BflyPipelines)
install(TARGETS ${libraries} bfly bfly-opt bfly-run bfly-lsp-server EXPORT BflyTargets)
# Without the engine in C++, which links archives of LLVM's that are where they are; its C API is libbfly's.
install(DIRECTORY ${CMAKE_SOURCE_DIR}/dialect/bfly ${CMAKE_BINARY_DIR}/dialect/bfly
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        FILES_MATCHING PATTERN "*.h" PATTERN "*.td" PATTERN "*.h.inc" PATTERN "*.cpp.inc"
        PATTERN CMakeFiles EXCLUDE PATTERN Arrays EXCLUDE PATTERN Engine EXCLUDE)
install(FILES ${CMAKE_SOURCE_DIR}/dialect/bfly/Engine/CAPI.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/bfly/Engine)
install(FILES ${CMAKE_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

set(config ${CMAKE_INSTALL_LIBDIR}/cmake/bfly)
install(EXPORT BflyTargets NAMESPACE Bfly:: DESTINATION ${config})
set(BFLY_LIBRARIES ${libraries})
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/BflyConfig.cmake.in ${CMAKE_BINARY_DIR}/BflyConfig.cmake
  INSTALL_DESTINATION ${config} PATH_VARS CMAKE_INSTALL_INCLUDEDIR)
# Before 1.0, a minor version may change what is in the headers.
write_basic_package_version_file(${CMAKE_BINARY_DIR}/BflyConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/BflyConfig.cmake ${CMAKE_BINARY_DIR}/BflyConfigVersion.cmake DESTINATION ${config})
