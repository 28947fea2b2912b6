# interloop_probe_stacks(<target>): who links the target is compiled so that a large frame touches each of its
# pages in order, and so cannot jump over the guard below a task's stack. Only where the compiler can.
include(CheckCompilerFlag)

function(interloop_probe_stacks target)
  get_property(languages GLOBAL PROPERTY ENABLED_LANGUAGES)
  foreach(language C CXX)
    if(language IN_LIST languages)
      check_compiler_flag(${language} -fstack-clash-protection INTERLOOP_PROBES_STACKS_${language})
      if(INTERLOOP_PROBES_STACKS_${language})
        set_property(TARGET ${target} APPEND PROPERTY INTERFACE_COMPILE_OPTIONS
          $<BUILD_INTERFACE:$<$<COMPILE_LANGUAGE:${language}>:-fstack-clash-protection>>)
      endif()
    endif()
  endforeach()
endfunction()
