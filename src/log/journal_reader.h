// Reads a journal back (docs/formats/journal.md, "Recovery", step 1). Changes nothing.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <baton/result.h>

#include "log/journal_format.h"
#include "os/file.h"

namespace baton::log {

class JournalReader {
 public:
  struct JournalFile {
    std::uint64_t generation = 0;
    std::string name;  // relative to the data directory
    std::shared_ptr<os::File> file;
    std::uint64_t size = 0;
    JournalHeader header;
    RecordFixed base;
  };
  // corrupt, with file and position; unsupported_format. `clean_round`: the catalogue says that the store was closed after it.
  static Result<JournalReader> open(os::FileSystem& fs, const std::string& directory, const StoreId& store_id,
                                    std::optional<Round> clean_round);

  struct Place {
    const JournalFile* file = nullptr;
    std::uint64_t position = 0;
    bool base = false;        // a base record: extents, no round
    bool oldest = false;      // in the first file
  };
  using Visit = std::function<Status(const Place&, const ParsedRecord&)>;
  // Base records and rounds, in order. Rounds that were written again by an earlier recovery come twice. May be called again.
  [[nodiscard]] Status for_each(const Visit& visit);

  // After for_each.
  struct Torn {
    std::string name;
    std::uint64_t position = 0;
    bool bytes_there = false;  // something other than zeros or old records was cut
  };
  [[nodiscard]] const std::optional<Torn>& torn() const { return torn_; }
  [[nodiscard]] Round last_round() const { return last_; }
  [[nodiscard]] std::uint32_t last_crc() const { return last_crc_; }
  [[nodiscard]] Round durable_round() const { return durable_; }  // the newest that a later record says to be durable
  [[nodiscard]] std::int64_t last_append_ms() const { return last_append_ms_; }

  [[nodiscard]] const std::vector<JournalFile>& files() const { return files_; }
  [[nodiscard]] const std::vector<std::string>& ignored() const { return ignored_; }  // relative; never became a generation

 private:
  // Reads through a buffer: `length` bytes at `position`; fewer at the end of the file. Valid until the next call.
  [[nodiscard]] Result<base::ByteView> bytes(const JournalFile& file, std::uint64_t position, std::uint64_t length);
  // The valid record of this file at `position`, whatever its round; false: none.
  [[nodiscard]] Result<bool> record(const JournalFile& file, std::uint64_t position, ParsedRecord& out);
  [[nodiscard]] Result<bool> load_file(JournalFile& file, const StoreId& store_id);
  [[nodiscard]] Result<bool> holds_own_record(const JournalFile& file);
  [[nodiscard]] Status read_rounds(std::size_t index, const Visit& visit);
  [[nodiscard]] Status judge_end(std::size_t index, std::uint64_t position, Round missing);

  std::vector<JournalFile> files_;
  std::vector<std::string> ignored_;
  std::optional<Round> clean_round_;
  std::optional<Torn> torn_;
  Round last_;
  Round durable_;
  std::uint32_t last_crc_ = 0;
  std::int64_t last_append_ms_ = 0;

  base::Bytes buffer_;
  const os::File* buffer_of_ = nullptr;
  std::uint64_t buffer_at_ = 0;
};

}  // namespace baton::log
