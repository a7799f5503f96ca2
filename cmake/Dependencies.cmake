# What Baton links, found once. A layer names what it needs: DEPS baton::dep::zstd
#
#   baton::dep::zlib     gzip batches and gzip imports     <zlib.h>
#   baton::dep::zstd     zstd batches, zstd imports        <zstd.h>
#   baton::dep::lz4      lz4 batches                       <lz4.h>, <lz4frame.h>
#   baton::dep::snappy   snappy batches                    <snappy.h>
#   baton::dep::lzma     xz imports                        <lzma.h>
#   baton::dep::xxhash   hashes in indexes (header only)   <xxhash.h>, defines XXH_INLINE_ALL
#   baton::dep::crypto   SHA-256 (OpenSSL libcrypto)       <openssl/evp.h>
#   baton::dep::sqlite3  views                             <sqlite3.h>
#   baton::dep::yaml     view and map files (yaml-cpp)     <yaml-cpp/yaml.h>
#   baton::dep::cli11    the command line (header only)    <CLI/CLI.hpp>
#   baton::dep::fmt      text formatting (header only)     <fmt/format.h>
#   baton::dep::json     Boost.JSON 1.81                   <boost/json.hpp>
#   baton::dep::asio     sockets: Boost.Asio 1.81         <boost/asio/...>, never <boost/asio.hpp>
#   baton::dep::time     time zones (absl::time)           <absl/time/time.h>
#   baton::dep::rdkafka  the command line's Kafka client    <librdkafka/rdkafka.h>; the program only
#   baton::dep::threads  the C library's threads
#   baton::dep::gtest    tests: GoogleTest and GoogleMock  <gtest/gtest.h>, <gmock/gmock.h>
#
# The static archive is taken wherever there is one, since the released binary may need nothing but the C library.
# This file is installed beside baton-config.cmake, which sets BATON_WANTED to the few that libbaton.a links; so the
# list of dependencies is written once. tools/install-deps names the Debian package of each.

# baton_dependency(NAME HEADER file [LIBS lib...] [LINK target...] [DEFINES macro...])
function(baton_dependency name)
  if(TARGET baton::dep::${name} OR (DEFINED BATON_WANTED AND NOT name IN_LIST BATON_WANTED))
    return()
  endif()
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "HEADER" "LIBS;LINK;DEFINES")
  find_path(BATON_DEP_${name}_INCLUDE ${arg_HEADER})
  mark_as_advanced(BATON_DEP_${name}_INCLUDE)
  if(NOT BATON_DEP_${name}_INCLUDE)
    message(FATAL_ERROR "Baton needs <${arg_HEADER}>: run tools/install-deps, or install the package of ${name}")
  endif()
  add_library(baton::dep::${name} INTERFACE IMPORTED)
  target_include_directories(baton::dep::${name} INTERFACE ${BATON_DEP_${name}_INCLUDE})
  foreach(lib IN LISTS arg_LIBS)
    find_library(BATON_DEP_LIB_${lib} NAMES lib${lib}.a ${lib})
    mark_as_advanced(BATON_DEP_LIB_${lib})
    if(NOT BATON_DEP_LIB_${lib})
      message(FATAL_ERROR "Baton needs lib${lib}: run tools/install-deps, or install the package of ${name}")
    endif()
    target_link_libraries(baton::dep::${name} INTERFACE ${BATON_DEP_LIB_${lib}})
  endforeach()
  target_link_libraries(baton::dep::${name} INTERFACE ${arg_LINK})
  target_compile_definitions(baton::dep::${name} INTERFACE ${arg_DEFINES})
endfunction()

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

baton_dependency(threads HEADER pthread.h LINK Threads::Threads)
baton_dependency(zlib HEADER zlib.h LIBS z)
baton_dependency(zstd HEADER zstd.h LIBS zstd LINK Threads::Threads)
baton_dependency(lz4 HEADER lz4frame.h LIBS lz4)
baton_dependency(snappy HEADER snappy.h LIBS snappy)
baton_dependency(lzma HEADER lzma.h LIBS lzma LINK Threads::Threads)
baton_dependency(xxhash HEADER xxhash.h DEFINES XXH_INLINE_ALL)
baton_dependency(crypto HEADER openssl/evp.h LIBS crypto LINK ${CMAKE_DL_LIBS} Threads::Threads)
baton_dependency(sqlite3 HEADER sqlite3.h LIBS sqlite3 LINK ${CMAKE_DL_LIBS} Threads::Threads m)
baton_dependency(yaml HEADER yaml-cpp/yaml.h LIBS yaml-cpp)
baton_dependency(cli11 HEADER CLI/CLI.hpp)
baton_dependency(json HEADER boost/json.hpp LIBS boost_json boost_container)
# Compiled by the project, in cmake/fmt_compiled.cc; libbaton.a carries it along.
baton_dependency(fmt HEADER fmt/format.h LINK baton_fmt)
# The same, in cmake/asio_compiled.cc, which sees the headers alone.
baton_dependency(asio_headers HEADER boost/asio/io_context.hpp LINK Threads::Threads
  DEFINES BOOST_ASIO_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED)
baton_dependency(asio HEADER boost/asio/io_context.hpp LINK baton_asio baton::dep::asio_headers)
# TLS is OpenSSL's libssl. What it calls of Cyrus SASL, src/cli/no_kerberos.cc answers: Debian has no static archive of it.
baton_dependency(rdkafka HEADER librdkafka/rdkafka.h LIBS rdkafka ssl
  LINK baton::dep::crypto baton::dep::lz4 baton::dep::zstd baton::dep::zlib ${CMAKE_DL_LIBS} m Threads::Threads)
baton_dependency(gtest HEADER gmock/gmock.h LIBS gmock gtest LINK Threads::Threads)
# The parts of Abseil that its time library needs, in link order: its own CMake package offers shared libraries only.
baton_dependency(time HEADER absl/time/time.h LINK Threads::Threads
  LIBS absl_time absl_time_zone absl_civil_time absl_strings absl_strings_internal absl_int128 absl_base
       absl_spinlock_wait absl_throw_delegate absl_raw_logging_internal absl_log_severity)
