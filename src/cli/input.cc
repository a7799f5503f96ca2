#include "cli/input.h"

#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/try.h"

namespace baton::cli {

namespace {

constexpr std::size_t kBufferBytes = 256u << 10;
constexpr std::uint64_t kXzMemoryBytes = 128u << 20;
constexpr std::size_t kMagicBytes = 6;  // the longest of them, xz's

// The packed bytes, refilled from the file.
class Source {
 public:
  Source(std::unique_ptr<os::File> file, std::string path, std::uint64_t total)
      : file_(std::move(file)), path_(std::move(path)), total_(total), buffer_(kBufferBytes) {}

  // Makes at least `bytes` available (a few), unless the file is at its end. A pipe gives them bit by bit, and says once that it has ended: a
  // terminal would be read again.
  [[nodiscard]] Status fill(std::size_t bytes = 1) {
    if (begin_ == end_) begin_ = end_ = 0;
    while (end_ - begin_ < bytes && !ended_) {
      BATON_TRY_ASSIGN(const auto got, file_->read_at(offset_, base::MutableByteView(buffer_).subspan(end_)));
      ended_ = got == 0;
      offset_ += got;
      end_ += got;
    }
    return {};
  }
  [[nodiscard]] base::ByteView available() const { return {buffer_.data() + begin_, end_ - begin_}; }
  void consume(std::size_t n) { begin_ += n; }
  [[nodiscard]] bool empty() const { return begin_ == end_; }
  [[nodiscard]] std::uint64_t consumed() const { return offset_ - (end_ - begin_); }
  [[nodiscard]] std::uint64_t total() const { return total_; }
  [[nodiscard]] Error damaged(std::string_view what) const {
    return {Code::corrupt, path_ + ": " + std::string(what) + " near byte " + std::to_string(consumed()) +
                               " of the file; get the file again, it cannot be unpacked"};
  }

 private:
  std::unique_ptr<os::File> file_;
  std::string path_;
  std::uint64_t total_;
  std::uint64_t offset_ = 0;  // of the file, behind the buffer
  base::Bytes buffer_;
  std::size_t begin_ = 0, end_ = 0;
  bool ended_ = false;
};

class StreamBase : public InputStream {
 public:
  explicit StreamBase(Source source) : source_(std::move(source)) {}
  [[nodiscard]] std::uint64_t consumed() const override { return source_.consumed(); }
  [[nodiscard]] std::uint64_t total() const override { return source_.total(); }

 protected:
  Source source_;
};

class PlainStream final : public StreamBase {
 public:
  using StreamBase::StreamBase;
  [[nodiscard]] Packing packing() const override { return Packing::none; }
  [[nodiscard]] Result<std::size_t> read(base::MutableByteView out) override {
    BATON_TRY(source_.fill());
    const auto part = source_.available();
    const auto n = std::min(part.size(), out.size());
    std::memcpy(out.data(), part.data(), n);
    source_.consume(n);
    return n;
  }
};

// gzip: several members may follow one another.
class GzipStream final : public StreamBase {
 public:
  explicit GzipStream(Source source) : StreamBase(std::move(source)) { inflateInit2(&z_, 15 + 16); }
  ~GzipStream() override { inflateEnd(&z_); }
  GzipStream(const GzipStream&) = delete;
  GzipStream& operator=(const GzipStream&) = delete;
  [[nodiscard]] Packing packing() const override { return Packing::gzip; }
  [[nodiscard]] Result<std::size_t> read(base::MutableByteView out) override {
    z_.next_out = reinterpret_cast<Bytef*>(out.data());
    z_.avail_out = static_cast<uInt>(out.size());
    while (z_.avail_out > 0 && !(source_.empty() && z_.avail_out < out.size())) {
      BATON_TRY(source_.fill());
      const auto part = source_.available();
      if (part.empty()) {
        if (!between_members_) return source_.damaged("gzip data ends too early");
        break;
      }
      // Zeros behind a member are padding, of tapes and blocks.
      if (between_members_ && (padding_ || (begun_ && part.front() == std::byte{0}))) {
        padding_ = true;
        const auto zeros = static_cast<std::size_t>(std::ranges::find_if(part, [](std::byte b) { return b != std::byte{0}; }) - part.begin());
        if (zeros < part.size()) return source_.damaged("there is something behind the padding of the gzip data");
        source_.consume(zeros);
        continue;
      }
      between_members_ = false;
      begun_ = true;
      z_.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(part.data()));
      z_.avail_in = static_cast<uInt>(part.size());
      const int rc = inflate(&z_, Z_NO_FLUSH);
      source_.consume(part.size() - z_.avail_in);
      if (rc == Z_STREAM_END) {
        inflateReset(&z_);
        between_members_ = true;
      } else if (rc != Z_OK && rc != Z_BUF_ERROR) {
        return source_.damaged("damaged gzip data");
      }
    }
    return out.size() - z_.avail_out;
  }

 private:
  z_stream z_{};
  bool between_members_ = false;
  bool begun_ = false;
  bool padding_ = false;
};

class XzStream final : public StreamBase {
 public:
  explicit XzStream(Source source) : StreamBase(std::move(source)) {
    ready_ = lzma_stream_decoder(&z_, kXzMemoryBytes, LZMA_CONCATENATED);
  }
  ~XzStream() override { lzma_end(&z_); }
  XzStream(const XzStream&) = delete;
  XzStream& operator=(const XzStream&) = delete;
  [[nodiscard]] Packing packing() const override { return Packing::xz; }
  [[nodiscard]] Result<std::size_t> read(base::MutableByteView out) override {
    if (ready_ != LZMA_OK) return Error{Code::internal, "the xz library could not be started"};
    z_.next_out = reinterpret_cast<std::uint8_t*>(out.data());
    z_.avail_out = out.size();
    while (z_.avail_out > 0 && !ended_ && !(source_.empty() && z_.avail_out < out.size())) {
      BATON_TRY(source_.fill());
      const auto part = source_.available();
      z_.next_in = reinterpret_cast<const std::uint8_t*>(part.data());
      z_.avail_in = part.size();
      const auto rc = lzma_code(&z_, part.empty() ? LZMA_FINISH : LZMA_RUN);
      source_.consume(part.size() - z_.avail_in);
      if (rc == LZMA_STREAM_END) ended_ = true;
      else if (rc == LZMA_MEMLIMIT_ERROR) return Error{Code::too_large, "this xz file needs more than 128 MiB to unpack; pack it with a smaller preset"};
      else if (rc == LZMA_BUF_ERROR) return source_.damaged("xz data ends too early");
      else if (rc != LZMA_OK) return source_.damaged("damaged xz data");
    }
    return out.size() - z_.avail_out;
  }

 private:
  lzma_stream z_ = LZMA_STREAM_INIT;
  lzma_ret ready_ = LZMA_PROG_ERROR;
  bool ended_ = false;
};

class ZstdStream final : public StreamBase {
 public:
  explicit ZstdStream(Source source) : StreamBase(std::move(source)), z_(ZSTD_createDStream()) {
    ZSTD_DCtx_setParameter(z_, ZSTD_d_windowLogMax, 27);
  }
  ~ZstdStream() override { ZSTD_freeDStream(z_); }
  ZstdStream(const ZstdStream&) = delete;
  ZstdStream& operator=(const ZstdStream&) = delete;
  [[nodiscard]] Packing packing() const override { return Packing::zstd; }
  [[nodiscard]] Result<std::size_t> read(base::MutableByteView out) override {
    ZSTD_outBuffer to{out.data(), out.size(), 0};
    while (to.pos < to.size && !(source_.empty() && to.pos > 0)) {
      BATON_TRY(source_.fill());
      const auto part = source_.available();
      if (part.empty() && !in_frame_) break;
      ZSTD_inBuffer from{part.data(), part.size(), 0};
      const auto before = to.pos;
      const auto rc = ZSTD_decompressStream(z_, &to, &from);
      if (ZSTD_isError(rc)) return source_.damaged(std::string("zstd: ") + ZSTD_getErrorName(rc));
      source_.consume(from.pos);
      if (part.empty() && rc != 0 && to.pos == before) return source_.damaged("zstd data ends too early");
      in_frame_ = rc != 0;
    }
    return to.pos;
  }

 private:
  ZSTD_DStream* z_;
  bool in_frame_ = false;
};

// Of zstd: a frame that says something of those behind it (0x184D2A50 to 5F, little-endian).
bool is_skippable(base::ByteView head) {
  constexpr std::uint32_t kMagic = 0x184D2A50;
  return head.size() >= 4 && (base::load_le<std::uint32_t>(head.data()) & ~0xfu) == kMagic;
}

}  // namespace

Result<std::unique_ptr<InputStream>> InputStream::open(os::Env& env, const std::string& path) {
  BATON_TRY_ASSIGN(auto file, env.fs().open(path, {}));
  BATON_TRY_ASSIGN(const auto total, file->size());
  Source source(std::move(file), path, total);
  BATON_TRY(source.fill(kMagicBytes));
  const base::ByteView head = source.available();
  const auto starts = [&](std::string_view magic) { return base::as_text(head).starts_with(magic); };
  using namespace std::string_view_literals;
  std::unique_ptr<InputStream> stream;
  if (starts("\x1f\x8b"sv)) stream = std::make_unique<GzipStream>(std::move(source));
  else if (starts("\xfd\x37zXZ\0"sv)) stream = std::make_unique<XzStream>(std::move(source));
  else if (starts("\x28\xb5\x2f\xfd"sv) || is_skippable(head)) stream = std::make_unique<ZstdStream>(std::move(source));
  else stream = std::make_unique<PlainStream>(std::move(source));
  return stream;
}

}  // namespace baton::cli
