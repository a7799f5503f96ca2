// One run of the external sorter, written and read from front to back. sort.h has the format.
#pragma once

#include <zstd.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <baton/result.h>

#include "cli/sort.h"
#include "os/file.h"

namespace baton::cli {

class RunWriter {
 public:
  [[nodiscard]] static Result<std::unique_ptr<RunWriter>> create(os::FileSystem& fs, const std::string& path, std::size_t block_bytes);
  ~RunWriter() { ZSTD_freeCCtx(zstd_); }
  RunWriter(const RunWriter&) = delete;
  RunWriter& operator=(const RunWriter&) = delete;
  [[nodiscard]] Status add(SortKey key, std::string_view payload);
  [[nodiscard]] Status finish();

 private:
  RunWriter() : zstd_(ZSTD_createCCtx()) {}
  [[nodiscard]] Status flush();
  ZSTD_CCtx* zstd_;
  std::unique_ptr<os::File> file_;
  std::size_t block_bytes_ = 0;
  std::string block_;
  std::vector<std::byte> packed_;
  std::uint64_t offset_ = 0;
};

// What the readers of a merge share: one decoder, one buffer for packed bytes.
struct RunDecoder {
  RunDecoder() : zstd(ZSTD_createDCtx()) {}
  ~RunDecoder() { ZSTD_freeDCtx(zstd); }
  RunDecoder(const RunDecoder&) = delete;
  RunDecoder& operator=(const RunDecoder&) = delete;
  ZSTD_DCtx* zstd;
  std::vector<std::byte> packed;
};

class RunReader {
 public:
  [[nodiscard]] static Result<std::unique_ptr<RunReader>> open(os::FileSystem& fs, const std::string& path, RunDecoder& decoder);
  // False at the end; else key() and payload() are the record's, until the next call.
  [[nodiscard]] Result<bool> next();
  [[nodiscard]] const SortKey& key() const { return key_; }
  [[nodiscard]] std::string_view payload() const { return payload_; }

 private:
  RunReader(std::string path, RunDecoder& decoder) : path_(std::move(path)), decoder_(decoder) {}
  [[nodiscard]] Result<bool> read_block();
  [[nodiscard]] Error damaged() const;
  std::string path_;
  RunDecoder& decoder_;
  std::unique_ptr<os::File> file_;
  std::uint64_t offset_ = 0;
  std::string block_;
  std::size_t at_ = 0;
  SortKey key_;
  std::string_view payload_;
};

}  // namespace baton::cli
