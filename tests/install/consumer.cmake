# The consumer as a CMake project: run.sh copies it beside consumer.c as CMakeLists.txt.
cmake_minimum_required(VERSION 3.21)
project(consumer C)

find_package(interloop 0.2 REQUIRED COMPONENTS ${BACKENDS})
get_target_property(type interloop::interloop TYPE)

foreach(backend IN LISTS BACKENDS)
  add_executable(${backend} consumer.c)
  target_link_libraries(${backend} PRIVATE interloop::${backend})
  target_compile_definitions(${backend} PRIVATE
    CONSUMER_ACCESSOR=il_${backend} "CONSUMER_HEADER=<interloop/${backend}.h>")
  if(type STREQUAL STATIC_LIBRARY)
    target_compile_definitions(${backend} PRIVATE CONSUMER_STATIC)
  endif()
endforeach()
if(NOT type STREQUAL STATIC_LIBRARY)
  foreach(program consumer large_frame)
    add_executable(by_name_${program} ${program}.c)
    target_link_libraries(by_name_${program} PRIVATE interloop::interloop)
  endforeach()
endif()
