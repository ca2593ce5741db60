# find_package(opensandbox): the target opensandbox::opensandbox. Found by its place, so that the
# whole tree may be moved.
if(NOT TARGET opensandbox::opensandbox)
    get_filename_component(osb_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
    add_library(opensandbox::opensandbox INTERFACE IMPORTED)
    set_target_properties(opensandbox::opensandbox PROPERTIES
        INTERFACE_INCLUDE_DIRECTORIES "${osb_prefix}/include/opensandbox")
    unset(osb_prefix)
endif()
