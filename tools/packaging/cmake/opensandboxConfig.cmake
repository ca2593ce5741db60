# find_package(opensandbox): the target opensandbox::opensandbox. Found by its place, so that the
# whole tree may be moved. vcpkg moves this file alone, and then mends the line that sets
# PACKAGE_PREFIX_DIR, which it knows by this name.
if(NOT TARGET opensandbox::opensandbox)
    get_filename_component(PACKAGE_PREFIX_DIR "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
    add_library(opensandbox::opensandbox INTERFACE IMPORTED)
    set_target_properties(opensandbox::opensandbox PROPERTIES
        INTERFACE_INCLUDE_DIRECTORIES "${PACKAGE_PREFIX_DIR}/include/opensandbox")
    unset(PACKAGE_PREFIX_DIR)
endif()
