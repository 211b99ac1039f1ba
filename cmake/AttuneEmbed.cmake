# Files into a binary, with CMake alone.
#
# attune_embed(TARGET FOLDER NAME): every file below FOLDER becomes an entry of the table that
#   std::span<const EmbeddedFile> attune::serve::NAME()
# returns (src/serve/page.h); the table is empty if FOLDER is absent. Generated at build time, again whenever a file changes.
set(ATTUNE_EMBED_SCRIPT "${CMAKE_CURRENT_LIST_DIR}/embed_files.cmake")

function(attune_embed target folder name)
  file(GLOB_RECURSE files CONFIGURE_DEPENDS "${folder}/*")
  set(output "${CMAKE_CURRENT_BINARY_DIR}/${name}.cpp")
  add_custom_command(
    OUTPUT "${output}"
    COMMAND "${CMAKE_COMMAND}" "-DFOLDER=${folder}" "-DOUTPUT=${output}" "-DNAME=${name}" -P "${ATTUNE_EMBED_SCRIPT}"
    DEPENDS ${files} "${ATTUNE_EMBED_SCRIPT}"
    COMMENT "Embedding ${folder}"
    VERBATIM)
  target_sources(${target} PRIVATE "${output}")
endfunction()
