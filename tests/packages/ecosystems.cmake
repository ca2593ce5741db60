# What the CMake scripts of the packages call in ESP-IDF, Zephyr and vcpkg, for a machine that has
# none of these: the same names and arguments, with the effect that their documents promise, and the
# machine's own compiler. So the scripts run here, and the files that they name are compiled.

# ---- ESP-IDF

macro(idf_component_register)
    cmake_parse_arguments(component "" "" "SRCS;INCLUDE_DIRS;REQUIRES" ${ARGN})
    if(component_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR "idf_component_register: ${component_UNPARSED_ARGUMENTS}?")
    endif()
    set(COMPONENT_LIB __idf_opensandbox)
    add_library(${COMPONENT_LIB} STATIC ${component_SRCS})
    target_include_directories(${COMPONENT_LIB} PUBLIC ${component_INCLUDE_DIRS})
endmacro()

# ---- Zephyr

function(zephyr_include_directories)
    include_directories(${ARGN})
    set_property(GLOBAL PROPERTY zephyr_includes "${CMAKE_CURRENT_SOURCE_DIR}/${ARGN}")
endfunction()

macro(zephyr_library_named name)
    set(ZEPHYR_CURRENT_LIBRARY ${name})
    add_library(${name} STATIC "")
endmacro()

function(zephyr_library_sources)
    target_sources(${ZEPHYR_CURRENT_LIBRARY} PRIVATE ${ARGN})
endfunction()

function(zephyr_library_compile_definitions_ifdef condition)
    if(${${condition}})
        target_compile_definitions(${ZEPHYR_CURRENT_LIBRARY} PRIVATE ${ARGN})
    endif()
endfunction()

# ---- vcpkg: cmake -DPORT=... -DVERSION=... -DCURRENT_PACKAGES_DIR=... -DBUILD=... -P

function(run)
    execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY OUTPUT_QUIET)
endfunction()

function(vcpkg_download_distfile archive)
    cmake_parse_arguments(file "" "URLS;FILENAME;SHA512" "" ${ARGN})
    file(DOWNLOAD ${file_URLS} "${BUILD}/${file_FILENAME}" EXPECTED_HASH SHA512=${file_SHA512})
    set(${archive} "${BUILD}/${file_FILENAME}" PARENT_SCOPE)
endfunction()

function(vcpkg_extract_source_archive source)
    cmake_parse_arguments(file "" "ARCHIVE" "" ${ARGN})
    file(ARCHIVE_EXTRACT INPUT "${file_ARCHIVE}" DESTINATION "${BUILD}/unpacked")
    file(GLOB top "${BUILD}/unpacked/*")
    set(${source} "${top}" PARENT_SCOPE)
endfunction()

function(vcpkg_cmake_configure)
    cmake_parse_arguments(project "" "SOURCE_PATH" "" ${ARGN})
    run(${CMAKE_COMMAND} -S "${project_SOURCE_PATH}" -B "${BUILD}/cmake")
endfunction()

function(vcpkg_cmake_install)
    run(${CMAKE_COMMAND} --install "${BUILD}/cmake" --prefix "${CURRENT_PACKAGES_DIR}")
    run(${CMAKE_COMMAND} --install "${BUILD}/cmake" --prefix "${CURRENT_PACKAGES_DIR}/debug")
endfunction()

# Moves the release's files to share/PORT, which is one directory less deep than usual, and mends
# the one kind of line that knows how deep they were.
function(vcpkg_cmake_config_fixup)
    cmake_parse_arguments(fixup "" "CONFIG_PATH" "" ${ARGN})
    set(share "${CURRENT_PACKAGES_DIR}/share/${PORT}")
    file(RENAME "${CURRENT_PACKAGES_DIR}/${fixup_CONFIG_PATH}" "${share}")
    file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/share/cmake" "${CURRENT_PACKAGES_DIR}/debug/share")
    file(GLOB configs "${share}/*.cmake")
    foreach(config ${configs})
        file(READ "${config}" text)
        string(REGEX REPLACE
            "(get_filename_component\\(PACKAGE_PREFIX_DIR \"\\\${CMAKE_CURRENT_LIST_DIR})(/\\.\\.)+\" ABSOLUTE\\)"
            "\\1/../..\" ABSOLUTE)" text "${text}")
        file(WRITE "${config}" "${text}")
    endforeach()
endfunction()

function(vcpkg_install_copyright)
    cmake_parse_arguments(copyright "" "" "FILE_LIST" ${ARGN})
    file(INSTALL ${copyright_FILE_LIST} DESTINATION "${CURRENT_PACKAGES_DIR}/share/${PORT}"
         RENAME copyright)
endfunction()

if(CMAKE_SCRIPT_MODE_FILE AND PORT)
    include("${PORTFILE}")
endif()
