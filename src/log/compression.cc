// Each codec unpacks piece by piece into a buffer that grows with what came out, and stops at the cap: no size that the input
// claims is believed before the bytes are there, except snappy's, whose blocks cannot be unpacked in pieces; there the claim
// is first held against what a block of that size can hold at most.
#include "log/compression.h"

#include <lz4frame.h>
#include <snappy.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <limits>
#include <memory>
#include <string>

#include "base/try.h"

namespace baton::log {
namespace {

constexpr std::array<std::string_view, 5> kNames = {"none", "gzip", "snappy", "lz4", "zstd"};
constexpr int kZstdLevel = 3;  // Kafka's default
constexpr std::size_t kFirstRoomBytes = 4096;

Error corrupt(Codec codec, const std::string& what, std::size_t at) {
  return Error{Code::corrupt, std::string(codec_name(codec)) + " data: " + what + ", at byte " + std::to_string(at)};
}

// Where unpacked bytes go. room() is never empty; it holds one byte more than the cap, by which an overflow shows.
class Output {
 public:
  Output(Codec codec, base::Bytes& out, std::size_t bytes_max, std::size_t packed_bytes)
      : codec_(codec), out_(out), bytes_max_(std::min(bytes_max, std::numeric_limits<std::size_t>::max() / 4)) {
    out_.resize(std::min(std::max(packed_bytes * 4, kFirstRoomBytes), bytes_max_ + 1));
  }
  base::MutableByteView room() {
    if (size_ == out_.size()) out_.resize(std::min(out_.size() * 2, bytes_max_ + 1));
    return base::MutableByteView(out_).subspan(size_);
  }
  [[nodiscard]] std::size_t size() const { return size_; }
  Status wrote(std::size_t count) {
    size_ += count;
    if (size_ <= bytes_max_) return {};
    return over();
  }
  [[nodiscard]] Status over() const {
    return Error{Code::too_large,
                 std::string(codec_name(codec_)) + " data: it unpacks to more than " + std::to_string(bytes_max_) + " bytes"};
  }
  [[nodiscard]] bool fits(std::size_t count) const { return count <= bytes_max_ - size_; }
  // Exactly `count` bytes, which fit.
  base::MutableByteView take(std::size_t count) {
    if (out_.size() - size_ < count) out_.resize(std::max(size_ + count, std::min(out_.size() * 2, bytes_max_)));
    size_ += count;
    return base::MutableByteView(out_).subspan(size_ - count, count);
  }
  void finish() { out_.resize(size_); }

 private:
  Codec codec_;
  base::Bytes& out_;
  std::size_t bytes_max_;
  std::size_t size_ = 0;
};

// ---- gzip (RFC 1952) ----

constexpr int kGzipWindowBits = 15 + 16;  // the largest window; 16: with gzip's header and trailer
constexpr int kZlibMemoryLevel = 8;       // zlib's default

Result<base::Bytes> gzip(base::ByteView in) {
  z_stream stream{};
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzipWindowBits, kZlibMemoryLevel, Z_DEFAULT_STRATEGY) != Z_OK) {
    return Error{Code::resource_exhausted, "gzip: no memory to compress"};
  }
  const std::unique_ptr<z_stream, int (*)(z_stream*)> guard(&stream, deflateEnd);
  const std::size_t bound = deflateBound(&stream, in.size());
  if (in.size() > std::numeric_limits<uInt>::max() || bound > std::numeric_limits<uInt>::max()) {
    return Error{Code::too_large, "gzip: " + std::to_string(in.size()) + " bytes at once"};
  }
  base::Bytes out(bound);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(in.data()));
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(bound);
  if (deflate(&stream, Z_FINISH) != Z_STREAM_END) return Error{Code::internal, "gzip: the bound was too small"};
  out.resize(bound - stream.avail_out);
  return out;
}

Status gunzip(base::ByteView in, Output& out) {
  z_stream stream{};
  if (inflateInit2(&stream, kGzipWindowBits) != Z_OK) return Error{Code::resource_exhausted, "gzip: no memory to unpack"};
  const std::unique_ptr<z_stream, int (*)(z_stream*)> guard(&stream, inflateEnd);
  if (in.size() > std::numeric_limits<uInt>::max()) return Error{Code::too_large, "gzip data: more than 4 GiB"};
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(in.data()));
  stream.avail_in = static_cast<uInt>(in.size());
  while (true) {
    const base::MutableByteView room = out.room();
    const auto given = static_cast<uInt>(std::min<std::size_t>(room.size(), std::numeric_limits<uInt>::max()));
    stream.next_out = reinterpret_cast<Bytef*>(room.data());
    stream.avail_out = given;
    const int result = inflate(&stream, Z_NO_FLUSH);
    BATON_TRY(out.wrote(given - stream.avail_out));
    const std::size_t at = in.size() - stream.avail_in;
    if (result == Z_STREAM_END) {
      if (stream.avail_in == 0) return {};
      if (inflateReset(&stream) != Z_OK) return Error{Code::internal, "gzip: reset"};  // a file of several members
      continue;
    }
    if (result == Z_MEM_ERROR) return Error{Code::resource_exhausted, "gzip: no memory to unpack"};
    if (result != Z_OK && result != Z_BUF_ERROR)
      return corrupt(Codec::gzip, stream.msg != nullptr ? stream.msg : "not gzip", at);
    if (stream.avail_in == 0 && stream.avail_out != 0) return corrupt(Codec::gzip, "it ends before its end mark", at);
  }
}

// ---- snappy: raw blocks, and the framing of snappy-java ----

constexpr std::array<unsigned char, 8> kSnappyMagic = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0};
constexpr std::size_t kSnappyHeaderBytes = 16;  // magic, version i32, lowest version that can read it i32
constexpr std::int32_t kSnappyVersion = 1;
constexpr std::size_t kSnappyBlockBytes = 32u << 10;
// The densest element is a copy of 64 bytes in 3.
constexpr std::size_t kSnappyRatioMax = 22;

const char* chars(const std::byte* p) { return reinterpret_cast<const char*>(p); }

base::Bytes snappy_pack(base::ByteView in) {
  base::Bytes out;
  out.reserve(kSnappyHeaderBytes + snappy::MaxCompressedLength(in.size()));
  base::put_bytes(out, std::as_bytes(std::span(kSnappyMagic)));
  base::put_be<std::int32_t>(out, kSnappyVersion);
  base::put_be<std::int32_t>(out, kSnappyVersion);
  while (!in.empty()) {
    const base::ByteView block = in.first(std::min(in.size(), kSnappyBlockBytes));
    in = in.subspan(block.size());
    const std::size_t at = out.size();
    out.resize(at + 4 + snappy::MaxCompressedLength(block.size()));
    std::size_t packed = 0;
    snappy::RawCompress(chars(block.data()), block.size(), reinterpret_cast<char*>(out.data() + at + 4), &packed);
    base::store_be<std::int32_t>(out.data() + at, static_cast<std::int32_t>(packed));
    out.resize(at + 4 + packed);
  }
  return out;
}

Status snappy_block(base::ByteView block, std::size_t at, Output& out) {
  std::size_t size = 0;
  if (!snappy::GetUncompressedLength(chars(block.data()), block.size(), &size)) {
    return corrupt(Codec::snappy, "a block without its size", at);
  }
  if (size > block.size() * kSnappyRatioMax) {
    return corrupt(Codec::snappy, "a block of " + std::to_string(block.size()) + " bytes that claims " + std::to_string(size),
                   at);
  }
  if (!out.fits(size)) return out.over();
  const base::MutableByteView to = out.take(size);
  if (!snappy::RawUncompress(chars(block.data()), block.size(), reinterpret_cast<char*>(to.data()))) {
    return corrupt(Codec::snappy, "a damaged block", at);
  }
  return {};
}

Status snappy_unpack(base::ByteView in, Output& out) {
  const base::ByteView magic = std::as_bytes(std::span(kSnappyMagic));
  if (in.size() < kSnappyHeaderBytes || !std::ranges::equal(in.first(magic.size()), magic)) return snappy_block(in, 0, out);
  if (base::load_be<std::int32_t>(in.data() + 12) > kSnappyVersion) {
    return corrupt(Codec::snappy, "a framing version that is not known", 12);
  }
  std::size_t at = kSnappyHeaderBytes;
  while (at < in.size()) {
    if (in.size() - at < 4) return corrupt(Codec::snappy, "it ends within a block's length", at);
    const auto length = base::load_be<std::uint32_t>(in.data() + at);
    if (length > in.size() - at - 4) return corrupt(Codec::snappy, "a block's length reaches past the end", at);
    BATON_TRY(snappy_block(in.subspan(at + 4, length), at, out));
    at += 4 + std::size_t{length};
  }
  return {};
}

// ---- lz4: the frame format; blocks are independent, since Kafka's own reader knows no others ----

Result<base::Bytes> lz4_pack(base::ByteView in) {
  LZ4F_preferences_t preferences{};
  preferences.frameInfo.blockSizeID = LZ4F_max64KB;
  preferences.frameInfo.blockMode = LZ4F_blockIndependent;
  base::Bytes out(LZ4F_compressFrameBound(in.size(), &preferences));
  const std::size_t size = LZ4F_compressFrame(out.data(), out.size(), in.data(), in.size(), &preferences);
  if (LZ4F_isError(size) != 0) return Error{Code::internal, std::string("lz4: ") + LZ4F_getErrorName(size)};
  out.resize(size);
  return out;
}

Status lz4_unpack(base::ByteView in, Output& out) {
  LZ4F_dctx* created = nullptr;
  if (LZ4F_isError(LZ4F_createDecompressionContext(&created, LZ4F_VERSION)) != 0) {
    return Error{Code::resource_exhausted, "lz4: no memory to unpack"};
  }
  const std::unique_ptr<LZ4F_dctx, decltype(&LZ4F_freeDecompressionContext)> context(created, LZ4F_freeDecompressionContext);
  LZ4F_decompressOptions_t options{};
  std::size_t at = 0;
  while (true) {
    const base::MutableByteView room = out.room();
    std::size_t took = in.size() - at;
    std::size_t gave = room.size();
    const std::size_t result = LZ4F_decompress(context.get(), room.data(), &gave, in.data() + at, &took, &options);
    if (LZ4F_isError(result) != 0) return corrupt(Codec::lz4, LZ4F_getErrorName(result), at);
    at += took;
    BATON_TRY(out.wrote(gave));
    if (result == 0) break;
    if (took == 0 && gave == 0) return corrupt(Codec::lz4, "it ends before its end mark", at);
  }
  if (at != in.size()) return corrupt(Codec::lz4, "bytes follow its end mark", at);
  return {};
}

// ---- zstd (RFC 8878) ----

// Making a context costs more than unpacking a small batch, so each thread keeps one; not the memory of an unusual frame, though.
constexpr std::size_t kZstdKeepBytes = 16u << 20;

Result<base::Bytes> zstd_pack(base::ByteView in) {
  thread_local std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context(nullptr, ZSTD_freeCCtx);
  if (!context) context.reset(ZSTD_createCCtx());
  if (!context) return Error{Code::resource_exhausted, "zstd: no memory to compress"};
  base::Bytes out(ZSTD_compressBound(in.size()));
  const std::size_t size = ZSTD_compressCCtx(context.get(), out.data(), out.size(), in.data(), in.size(), kZstdLevel);
  if (ZSTD_sizeof_CCtx(context.get()) > kZstdKeepBytes) context.reset();
  if (ZSTD_isError(size) != 0) return Error{Code::resource_exhausted, std::string("zstd: ") + ZSTD_getErrorName(size)};
  out.resize(size);
  return out;
}

Status zstd_unpack_with(ZSTD_DCtx* context, base::ByteView in, Output& out) {
  ZSTD_inBuffer from{in.data(), in.size(), 0};
  while (true) {
    const base::MutableByteView room = out.room();
    ZSTD_outBuffer to{room.data(), room.size(), 0};
    const std::size_t at = from.pos;
    const std::size_t result = ZSTD_decompressStream(context, &to, &from);
    if (ZSTD_isError(result) != 0) return corrupt(Codec::zstd, ZSTD_getErrorName(result), at);
    BATON_TRY(out.wrote(to.pos));
    if (result == 0 && from.pos == from.size) return {};
    if (from.pos == at && to.pos == 0) return corrupt(Codec::zstd, "it ends before its end mark", from.pos);
  }
}

Status zstd_unpack(base::ByteView in, Output& out) {
  thread_local std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context(nullptr, ZSTD_freeDCtx);
  if (!context) context.reset(ZSTD_createDCtx());
  if (!context) return Error{Code::resource_exhausted, "zstd: no memory to unpack"};
  ZSTD_DCtx_reset(context.get(), ZSTD_reset_session_only);
  // The library refuses windows above 128 MiB. What a frame claims below that is reserved, but only touched as bytes come out.
  Status status = zstd_unpack_with(context.get(), in, out);
  if (ZSTD_sizeof_DCtx(context.get()) > kZstdKeepBytes) context.reset();
  return status;
}

}  // namespace

std::string_view codec_name(Codec codec) {
  const auto index = static_cast<std::size_t>(codec);
  return index < kNames.size() ? kNames[index] : "unknown";
}

Result<Codec> parse_codec(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<Codec>(i);
  }
  return Error{Code::invalid_argument,
               "codec '" + std::string(name.substr(0, 32)) + "' is unknown: use none, gzip, snappy, lz4 or zstd"};
}

Result<base::Bytes> compress(Codec codec, base::ByteView in) {
  switch (codec) {
    case Codec::none: return base::Bytes(in.begin(), in.end());
    case Codec::gzip: return gzip(in);
    case Codec::snappy: return snappy_pack(in);
    case Codec::lz4: return lz4_pack(in);
    case Codec::zstd: return zstd_pack(in);
  }
  return Error{Code::invalid_argument, "codec " + std::to_string(static_cast<int>(codec)) + " is unknown"};
}

Result<base::Bytes> decompress(Codec codec, base::ByteView in, std::size_t bytes_max) {
  base::Bytes out;
  BATON_TRY(decompress_into(codec, in, bytes_max, out));
  return out;
}

Status decompress_into(Codec codec, base::ByteView in, std::size_t bytes_max, base::Bytes& out) {
  if (codec == Codec::none) {
    if (in.size() > bytes_max) {
      return Error{Code::too_large, "data that is not compressed: " + std::to_string(in.size()) + " bytes, more than " +
                                        std::to_string(bytes_max)};
    }
    out.assign(in.begin(), in.end());
    return {};
  }
  if (in.empty()) return corrupt(codec, "it is empty", 0);
  Output output(codec, out, bytes_max, in.size());
  Status status = Error{Code::corrupt, "codec " + std::to_string(static_cast<int>(codec)) + " is unknown"};
  switch (codec) {
    case Codec::none: break;
    case Codec::gzip: status = gunzip(in, output); break;
    case Codec::snappy: status = snappy_unpack(in, output); break;
    case Codec::lz4: status = lz4_unpack(in, output); break;
    case Codec::zstd: status = zstd_unpack(in, output); break;
  }
  output.finish();
  return status;
}

}  // namespace baton::log
