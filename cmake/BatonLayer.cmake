# How a directory of src/ describes itself. Each layer owns its CMakeLists.txt, which calls:
#
#   baton_layer(log SOURCES segment.cc reader.cc DEPS base os baton::dep::zstd)
#       The static library baton_log (alias baton::log). DEPS are layers by their short name, or whole target names.
#       Includes are written from src/ and include/: "log/segment.h", <baton/store.h>. No SOURCES: headers only.
#
#   baton_test(log SOURCES segment_test.cc DEPS log [LABELS long] [TIMEOUT 60] [SERIAL])
#       The GoogleTest program test_log, one entry of ctest. LABELS: core (the default), sim, crash, clients, long. What
#       is labelled long runs with ./test --long only; clients, not with ./test --core. SERIAL: nothing else runs beside it (it measures something).
#       BATON_SOURCE_DIR is the source tree, as a string.
#
#   baton_fuzz(segment SOURCES segment_fuzz.cc DEPS log [CORPUS segment_corpus])
#       The libFuzzer program fuzz_segment in the preset fuzz. In every other preset, the same source with a driver
#       that replays the corpus directory as a test.
#
#   baton_check(tidy COMMAND ... [LABELS long] [TIMEOUT 60] [SERIAL])
#       Any other program as a test: it fails when it ends with anything but 0.

function(baton_compile_options target)
  target_include_directories(${target} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                                              $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src>)
  target_compile_options(${target} PRIVATE ${BATON_WARNINGS})
endfunction()

function(baton_expand_deps out)
  set(result)
  foreach(dep IN LISTS ARGN)
    if(NOT dep MATCHES "::")
      set(dep baton_${dep})
    endif()
    list(APPEND result ${dep})
  endforeach()
  set(${out} ${result} PARENT_SCOPE)
endfunction()

function(baton_layer name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;DEPS")
  baton_expand_deps(deps ${arg_DEPS})
  if(arg_SOURCES)
    add_library(baton_${name} STATIC ${arg_SOURCES})
    baton_compile_options(baton_${name})
    target_link_libraries(baton_${name} PUBLIC ${deps})
  else()
    add_library(baton_${name} INTERFACE)
    target_include_directories(baton_${name} INTERFACE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
    target_link_libraries(baton_${name} INTERFACE ${deps})
  endif()
  add_library(baton::${name} ALIAS baton_${name})
  set_property(GLOBAL APPEND PROPERTY BATON_LAYERS ${name})
  set_property(GLOBAL PROPERTY BATON_LAYER_DEPS_${name} ${arg_DEPS})
endfunction()

function(baton_check name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "SERIAL" "TIMEOUT" "COMMAND;LABELS")
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  if(NOT arg_LABELS)
    set(arg_LABELS core)
  endif()
  add_test(NAME ${name} COMMAND ${arg_COMMAND})
  # Sanitizers slow a program down several times; its time limit says 'stuck', not 'slow'.
  if(BATON_SANITIZE)
    math(EXPR arg_TIMEOUT "${arg_TIMEOUT} * 8")
  endif()
  set_tests_properties(${name} PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS "${arg_LABELS}" RUN_SERIAL ${arg_SERIAL}
    ENVIRONMENT "${BATON_TEST_ENVIRONMENT}")
endfunction()

function(baton_test name)
  if(BATON_SANITIZE STREQUAL fuzz)
    return()
  endif()
  cmake_parse_arguments(PARSE_ARGV 1 arg "SERIAL" "TIMEOUT" "SOURCES;DEPS;LABELS")
  baton_expand_deps(deps ${arg_DEPS})
  if(NOT TARGET baton_test_main)
    add_library(baton_test_main STATIC ${PROJECT_SOURCE_DIR}/cmake/test_main.cc)
    target_link_libraries(baton_test_main PUBLIC baton::dep::gtest)
  endif()
  add_executable(test_${name} ${arg_SOURCES})
  baton_compile_options(test_${name})
  target_compile_definitions(test_${name} PRIVATE BATON_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  target_link_libraries(test_${name} PRIVATE ${deps} baton_test_main)
  set(serial)
  if(arg_SERIAL)
    set(serial SERIAL)
  endif()
  baton_check(${name} COMMAND test_${name} TIMEOUT ${arg_TIMEOUT} LABELS ${arg_LABELS} ${serial})
  # tools/count-tests reads it, so that ./test counts tests, not programs.
  set_property(TEST ${name} APPEND PROPERTY ENVIRONMENT GTEST_OUTPUT=xml:${PROJECT_BINARY_DIR}/results/${name}.xml)
endfunction()

function(baton_fuzz name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "CORPUS;TIMEOUT" "SOURCES;DEPS;LABELS")
  baton_expand_deps(deps ${arg_DEPS})
  add_executable(fuzz_${name} ${arg_SOURCES})
  baton_compile_options(fuzz_${name})
  target_link_libraries(fuzz_${name} PRIVATE ${deps})
  set(corpus)
  if(arg_CORPUS)
    get_filename_component(corpus ${arg_CORPUS} ABSOLUTE)
  endif()
  if(BATON_SANITIZE STREQUAL fuzz)
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    set_property(GLOBAL APPEND_STRING PROPERTY BATON_FUZZ_TARGETS "${name} $<TARGET_FILE:fuzz_${name}> ${corpus}\n")
  else()
    target_sources(fuzz_${name} PRIVATE ${PROJECT_SOURCE_DIR}/cmake/fuzz_replay_main.cc)
    baton_check(fuzz_${name} COMMAND fuzz_${name} ${corpus} TIMEOUT ${arg_TIMEOUT} LABELS ${arg_LABELS})
  endif()
endfunction()
