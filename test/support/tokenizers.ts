/** @file Small tokenizers, as tokenizer.json. */

/** A byte-pair encoding as most tools write it: GPT-2's 256 characters that stand for bytes, and merges in their order. */
export function tokenizerJson(merges: readonly (readonly [string, string])[]): string {
  const plain = (byte: number) => (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
  let others = 256;
  const bytes = Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(plain(byte) ? byte : others++));
  const vocab = Object.fromEntries([...bytes, ...merges.map((pair) => pair.join(""))].map((piece, id) => [piece, id]));
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };
  return JSON.stringify({
    ...{ version: "1.0", truncation: null, padding: null, added_tokens: [], normalizer: null, post_processor: null },
    ...{ pre_tokenizer: byteLevel, decoder: byteLevel },
    model: {
      ...{ type: "BPE", dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null },
      ...{ fuse_unk: false, vocab, merges: merges.map((pair) => pair.join(" ")) },
    },
  });
}

/** A tokenizer as SentencePiece's come: a space is part of the word behind it, one stands before the text, and bytes fall back. */
export function metaspaceJson(words: readonly string[]): string {
  const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
  const letters = [...new Set([..."▁", ...words.join("")])];
  // Every beginning of a word is a piece that its next letter is merged to.
  const beginnings = words
    .flatMap((word) => [...word].map((_, i) => word.slice(0, i + 1)))
    .filter((piece) => piece.length > 1);
  const pieces = [...new Set(["<unk>", ...bytes, ...letters, ...beginnings])];
  const replaced = (from: string, content: string) => ({ type: "Replace", pattern: { String: from }, content });
  return JSON.stringify({
    ...{ version: "1.0", truncation: null, padding: null, added_tokens: [], pre_tokenizer: null, post_processor: null },
    normalizer: { type: "Sequence", normalizers: [{ type: "Prepend", prepend: "▁" }, replaced(" ", "▁")] },
    decoder: {
      type: "Sequence",
      decoders: [
        replaced("▁", " "),
        { type: "ByteFallback" },
        { type: "Fuse" },
        { type: "Strip", content: " ", start: 1, stop: 0 },
      ],
    },
    model: {
      ...{ type: "BPE", dropout: null, unk_token: "<unk>", continuing_subword_prefix: null, end_of_word_suffix: null },
      ...{ fuse_unk: true, byte_fallback: true, vocab: Object.fromEntries(pieces.map((piece, id) => [piece, id])) },
      merges: [...new Set(beginnings)].map((piece) => `${piece.slice(0, -1)} ${piece.slice(-1)}`),
    },
  });
}
