# What is made of the layers: libbaton.a for those who embed Baton, the program `baton`, and the installed package.
get_property(layers GLOBAL PROPERTY BATON_LAYERS)

# libbaton: one archive of the objects of the lower layers, so that users link one file.
set(objects)
set(wanted)
foreach(layer IN LISTS BATON_LIBRARY_LAYERS)
  if(layer IN_LIST layers)
    get_target_property(type baton_${layer} TYPE)
    if(type STREQUAL STATIC_LIBRARY)
      list(APPEND objects $<TARGET_OBJECTS:baton_${layer}>)
    endif()
    get_property(deps GLOBAL PROPERTY BATON_LAYER_DEPS_${layer})
    foreach(dep IN LISTS deps)
      if(dep MATCHES "^baton::dep::(.*)")
        list(APPEND wanted ${CMAKE_MATCH_1})
      endif()
    endforeach()
  endif()
endforeach()
list(REMOVE_DUPLICATES wanted)

if(objects)
  include(GNUInstallDirs)
  include(CMakePackageConfigHelpers)
  add_library(baton_library STATIC ${objects})
  add_library(baton::baton ALIAS baton_library)
  set_target_properties(baton_library PROPERTIES OUTPUT_NAME baton EXPORT_NAME baton LINKER_LANGUAGE CXX)
  target_include_directories(baton_library INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                                                     $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_compile_features(baton_library INTERFACE cxx_std_20)
  list(TRANSFORM wanted PREPEND baton::dep:: OUTPUT_VARIABLE wanted_targets)
  target_link_libraries(baton_library PRIVATE ${wanted_targets} Threads::Threads)

  set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/baton)
  configure_package_config_file(cmake/baton-config.cmake.in ${PROJECT_BINARY_DIR}/package/baton-config.cmake
                                INSTALL_DESTINATION ${package_dir})
  write_basic_package_version_file(${PROJECT_BINARY_DIR}/package/baton-config-version.cmake
                                   COMPATIBILITY SameMinorVersion)
  install(TARGETS baton_library EXPORT baton ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(EXPORT baton FILE baton-targets.cmake NAMESPACE baton:: DESTINATION ${package_dir})
  install(FILES ${PROJECT_BINARY_DIR}/package/baton-config.cmake ${PROJECT_BINARY_DIR}/package/baton-config-version.cmake
                cmake/Dependencies.cmake
          DESTINATION ${package_dir})
  install(DIRECTORY include/baton DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
endif()

# The program. Everything but the C library is linked statically, so that one file runs on any Debian 12 or newer.
foreach(main IN ITEMS src/server/main.cc src/cli/main.cc)
  if(EXISTS ${PROJECT_SOURCE_DIR}/${main} AND NOT TARGET baton_program)
    add_executable(baton_program ${main})
    baton_compile_options(baton_program)
    set_target_properties(baton_program PROPERTIES OUTPUT_NAME baton)
    target_compile_definitions(baton_program PRIVATE BATON_VERSION="${PROJECT_VERSION}")
    list(TRANSFORM layers PREPEND baton_ OUTPUT_VARIABLE layer_targets)
    target_link_libraries(baton_program PRIVATE ${layer_targets})
    if(NOT BATON_SANITIZE)
      target_link_options(baton_program PRIVATE -static-libstdc++ -static-libgcc)
    endif()
    install(TARGETS baton_program RUNTIME)
  endif()
endforeach()
