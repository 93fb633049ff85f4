# How every part of the tree is built: one static library a folder, whose include root holds its
# public headers and nothing else, so that an include against the arrows does not compile.

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(OPENSSL REQUIRED IMPORTED_TARGET openssl)
pkg_check_modules(URCU REQUIRED IMPORTED_TARGET liburcu)
pkg_check_modules(LIBCONFIG REQUIRED IMPORTED_TARGET libconfig)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
# Debian's libunbound.pc asks for development files that its package does not bring.
find_path(UNBOUND_INCLUDE unbound.h REQUIRED)
find_library(UNBOUND_LIBRARY unbound REQUIRED)
add_library(unbound INTERFACE)
target_include_directories(unbound SYSTEM INTERFACE ${UNBOUND_INCLUDE})
target_link_libraries(unbound INTERFACE ${UNBOUND_LIBRARY})
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(JEMALLOC REQUIRED IMPORTED_TARGET jemalloc)
pkg_check_modules(CUNIT REQUIRED IMPORTED_TARGET cunit)
pkg_check_modules(SYSTEMD IMPORTED_TARGET libsystemd)

add_library(mailrace_options INTERFACE)
target_compile_definitions(mailrace_options INTERFACE _GNU_SOURCE)
target_compile_options(mailrace_options INTERFACE
    -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wformat=2
    -Werror -fno-common -fstack-protector-strong)
target_link_libraries(mailrace_options INTERFACE Threads::Threads)
if(MAILRACE_KILL_POINTS)
    target_compile_definitions(mailrace_options INTERFACE MAILRACE_KILL_POINTS)
endif()
if(MAILRACE_SANITIZE)
    target_compile_options(mailrace_options INTERFACE
        -fsanitize=${MAILRACE_SANITIZE} -fno-omit-frame-pointer)
    target_link_options(mailrace_options INTERFACE -fsanitize=${MAILRACE_SANITIZE})
    if(MAILRACE_SANITIZE MATCHES "undefined")
        target_compile_options(mailrace_options INTERFACE -fno-sanitize-recover=undefined)
    endif()
    if(MAILRACE_SANITIZE MATCHES "thread")
        target_compile_definitions(mailrace_options INTERFACE MAILRACE_TSAN)
        target_compile_options(mailrace_options INTERFACE -Wno-tsan)
    endif()
else()
    target_compile_options(mailrace_options INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
endif()
if(MAILRACE_FUZZ)
    target_compile_options(mailrace_options INTERFACE -fsanitize=fuzzer-no-link -Wno-gnu)
endif()

# An include root ROOT/FOLDER/ made of links to HEADERS: an include path is the file's path.
function(mailrace_include_root root folder)
    file(REMOVE_RECURSE ${root})
    file(MAKE_DIRECTORY ${root}/${folder})
    foreach(header ${ARGN})
        get_filename_component(base ${header} NAME)
        file(CREATE_LINK ${header} ${root}/${folder}/${base} SYMBOLIC)
    endforeach()
endfunction()

# mailrace_library(NAME DEPENDS library... LIBRARIES target...)
# All *.c of the current folder but main.c; all *.h are public but *_private.h, which only the
# folder sees.
function(mailrace_library name)
    cmake_parse_arguments(ARG "" "" "DEPENDS;LIBRARIES" ${ARGN})
    file(RELATIVE_PATH folder ${CMAKE_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
    file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.c)
    list(FILTER sources EXCLUDE REGEX "/main\\.c$")
    file(GLOB public CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.h)
    file(GLOB private CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*_private.h)
    list(FILTER public EXCLUDE REGEX "_private\\.h$")
    mailrace_include_root(${CMAKE_BINARY_DIR}/include/${name} ${folder} ${public})
    mailrace_include_root(${CMAKE_BINARY_DIR}/include/${name}-private ${folder} ${private})
    add_library(${name} STATIC ${sources})
    target_include_directories(${name} PUBLIC ${CMAKE_BINARY_DIR}/include/${name}
                                       PRIVATE ${CMAKE_BINARY_DIR}/include/${name}-private)
    target_link_libraries(${name} PUBLIC mailrace_options ${ARG_DEPENDS} PRIVATE ${ARG_LIBRARIES})
endfunction()

# mailrace_unit_tests(FOLDER LIBRARY): tests/unit/FOLDER/test_<module>.c, each a program with that
# library (and so its declared dependencies) and nothing else; they may see its private headers.
# The folder's other *.c are its rigs, which each of them may use; but a fake_*.c takes the place of
# functions of the product, and is given to its programs by mailrace_test_fake().
function(mailrace_unit_tests folder library)
    set(here ${CMAKE_CURRENT_SOURCE_DIR}/unit/${folder})
    file(GLOB tests CONFIGURE_DEPENDS ${here}/test_*.c)
    file(GLOB rigs CONFIGURE_DEPENDS ${here}/*.c)
    list(FILTER rigs EXCLUDE REGEX "/(test|fake)_[^/]*\\.c$")
    set(private ${CMAKE_BINARY_DIR}/include/${library}-private)
    if(rigs)
        add_library(unit_${library}_rigs STATIC ${rigs})
        target_link_libraries(unit_${library}_rigs PUBLIC ${library} test_support)
        target_include_directories(unit_${library}_rigs PUBLIC ${here} PRIVATE ${private})
    endif()
    foreach(source ${tests})
        get_filename_component(module ${source} NAME_WE)
        set(target unit_${library}_${module})
        add_executable(${target} ${source})
        if(rigs)
            target_link_libraries(${target} PRIVATE unit_${library}_rigs)
        endif()
        target_link_libraries(${target} PRIVATE ${library} test_support)
        target_include_directories(${target} PRIVATE ${private})
        set_target_properties(${target} PROPERTIES
            RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests/unit)
        add_test(NAME ${target} COMMAND ${target})
    endforeach()
endfunction()

# mailrace_test_fake(FOLDER FAKE test...): unit/FOLDER/FAKE.c in the place of the product's functions.
function(mailrace_test_fake folder fake)
    string(REPLACE "/" "_" library ${folder})
    foreach(test ${ARGN})
        target_sources(unit_${library}_${test} PRIVATE unit/${folder}/${fake}.c)
    endforeach()
endfunction()
