// Vocabularies out of the two tokenizer files of an HF checkpoint, and tokenizer.json out of a vocabulary. All work on bytes in memory;
// files are the caller's.
// Both files come from outside: sizes are checked before use, nesting and counts are limited, every breach is a named kCorruptData error.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "text/vocab.h"

namespace attune::text {

/// Limits of both readers.
struct TokenizerFileLimits {
  size_t max_pieces = size_t{1} << 21;
  size_t max_merges = size_t{1} << 23;
  size_t max_piece_bytes = 4096;
  int max_depth = 64;  ///< nesting of the JSON document
};

/// Reads HF's `tokenizer.json` with a BPE model.
/// `model.vocab` gives the pieces, `added_tokens` the control pieces (special: true) and user-defined ones (false), with byte fallback the
/// pieces <0x00> to <0xFF> become byte pieces. Merges (as "a b" or ["a", "b"]) become scores: minus the lowest rank that makes the piece,
/// so that merging by score picks the same pairs. This is exact if each piece has all its splits in the merges list and these are
/// neighbours, as in lists converted from a sentencepiece model (Gemma's). A piece of several characters without any merge is kUnused:
/// never produced. BOS, EOS, unknown and padding are found as <bos>, <eos>, <unk> (or model.unk_token) and <pad>, -1 if absent; add_bos is
/// set if the post-processor mentions BOS.
/// Throws kCorruptData for malformed content, kUnsupported for another model type, a normaliser other than " " -> U+2581, a pre-tokenizer
/// other than a split on " ", or ignore_merges, dropout and word affixes.
Vocab vocab_from_tokenizer_json(std::string_view json, const TokenizerFileLimits& limits = {});

/// Reads a sentencepiece ModelProto (`tokenizer.model`): a BPE model with the identity normaliser, no dummy prefix and white space kept.
/// Throws kCorruptData for malformed bytes, kUnsupported for other model types and normalisers.
Vocab vocab_from_sentencepiece(std::string_view bytes, const TokenizerFileLimits& limits = {});

/// A vocabulary as HF's tokenizer.json.
struct TokenizerJson {
  std::string text;
  int64_t num_merges = 0;
  /// What a list of merges cannot say, both 0 for Gemma: pieces of several characters that no two pieces make up (the reader takes them
  /// for unused), and pieces whose score another one has too (here the place in the text decides, there the order of the list).
  int64_t num_unreachable = 0;
  int64_t num_tied = 0;
};

/// Inverse of `vocab_from_tokenizer_json`: pieces with their ids; as merges all ways to make a normal piece of two normal pieces, by falling
/// score; control and unknown pieces as special added tokens, user-defined ones as added tokens; " " -> U+2581 and back; BOS in front if
/// add_bos. Unused pieces stay in the list of pieces. Throws kUnsupported for a piece that is no UTF-8.
/// Time and memory: 1 s and 200 MB for 262,144 pieces (580,000 merges, 33 MB of text).
TokenizerJson tokenizer_json_from_vocab(const Vocab& vocab);

}  // namespace attune::text
