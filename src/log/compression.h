// The four codecs of Kafka record batches, each with a cap on what it unpacks to (S16).
#pragma once

#include <string_view>

#include <baton/result.h>

#include "base/bytes.h"
#include "log/types.h"

namespace baton::log {

[[nodiscard]] std::string_view codec_name(Codec codec);
[[nodiscard]] Result<Codec> parse_codec(std::string_view name);

// Packs `in`. snappy uses the block framing that Java clients read (magic 0x82 "SNAPPY" 0, 32 KiB blocks); lz4 is the frame format.
[[nodiscard]] Result<base::Bytes> compress(Codec codec, base::ByteView in);
// Unpacks, streaming, and stops with too_large once `bytes_max` is passed. snappy accepts framed and raw blocks.
[[nodiscard]] Result<base::Bytes> decompress(Codec codec, base::ByteView in, std::size_t bytes_max);
// The same into `out`, whose content is replaced and whose memory is used again. After an error `out` holds anything.
[[nodiscard]] Status decompress_into(Codec codec, base::ByteView in, std::size_t bytes_max, base::Bytes& out);

}  // namespace baton::log
