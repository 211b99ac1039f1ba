# attune_library(NAME [DEPS folder...] [LINK target...]): the target of one folder of src/, every .cpp in it and below.
# DEPS are Attune folders (public); LINK are outside libraries (private, so that their headers stay inside the folder).
function(attune_library name)
  cmake_parse_arguments(ARG "" "" "DEPS;LINK" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cpp")
  add_library(attune_${name} STATIC ${sources})
  target_link_libraries(attune_${name} PUBLIC attune_options Threads::Threads)
  foreach(dep ${ARG_DEPS})
    target_link_libraries(attune_${name} PUBLIC attune_${dep})
  endforeach()
  target_link_libraries(attune_${name} PRIVATE ${ARG_LINK})
endfunction()

# attune_test(NAME [DEPS folder...] [LINK target...] [LABELS label...] [TIMEOUT s]): one test binary of tests/NAME, all .cpp below it.
# ctest runs each GoogleTest case as a test of its own.
function(attune_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "DEPS;LINK;LABELS;SOURCES" ${ARGN})
  if(NOT ARG_SOURCES)
    file(GLOB_RECURSE ARG_SOURCES CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cpp")
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  if(NOT ARG_LABELS)
    set(ARG_LABELS unit)
  endif()
  add_executable(test_${name} ${ARG_SOURCES})
  foreach(dep ${ARG_DEPS})
    target_link_libraries(test_${name} PRIVATE attune_${dep})
  endforeach()
  target_link_libraries(test_${name} PRIVATE attune_options GTest::gtest GTest::gtest_main ${ARG_LINK})
  target_include_directories(test_${name} PRIVATE "${CMAKE_SOURCE_DIR}")
  target_compile_definitions(test_${name} PRIVATE ATTUNE_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  gtest_discover_tests(test_${name} TEST_PREFIX "${name}." DISCOVERY_MODE PRE_TEST
    WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}" PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT ${ARG_TIMEOUT})
endfunction()

# attune_test_levels(name FILTER filter TIMEOUT seconds): the tests of test_NAME that the filter names, once more on every instruction set that
# this machine has below the best one (AVX-512).
function(attune_test_levels name)
  cmake_parse_arguments(ARG "" "FILTER;TIMEOUT" "" ${ARGN})
  set(levels scalar)
  if(EXISTS /proc/cpuinfo)
    file(STRINGS /proc/cpuinfo cpu_flags REGEX "^flags" LIMIT_COUNT 1)
    if(cpu_flags MATCHES " avx2 " AND cpu_flags MATCHES " fma " AND cpu_flags MATCHES " f16c ")
      list(APPEND levels avx2)
    endif()
  endif()
  foreach(level ${levels})
    add_test(NAME ${name}.level.${level} COMMAND test_${name} "--gtest_filter=${ARG_FILTER}")
    set_tests_properties(${name}.level.${level} PROPERTIES ENVIRONMENT ATTUNE_ISA=${level} LABELS unit TIMEOUT ${ARG_TIMEOUT}
      WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}")
  endforeach()
endfunction()

# attune_add_folders(PREFIX): every folder beside the caller that holds a CMakeLists.txt, in the order given, then the rest.
function(attune_add_folders)
  foreach(folder ${ARGN})
    if(EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/${folder}/CMakeLists.txt")
      add_subdirectory(${folder})
    endif()
  endforeach()
endfunction()
