// The reject file: rows that did not fit, as CSV with the columns row, column, reason, raw. Written beside its name and renamed at the end,
// so that it is always that of one whole import.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <baton/result.h>

#include "cli/map_row.h"
#include "os/file.h"

namespace baton::cli {

class RejectFile {
 public:
  static constexpr std::string_view kHeader = "row,column,reason,raw\n";

  // invalid_argument: there is something at `path` that is no reject file.
  [[nodiscard]] static Result<RejectFile> open(os::FileSystem& fs, std::string path);
  // Whether a file can be made there; leaves none.
  [[nodiscard]] Status try_place() const;
  [[nodiscard]] Status add(std::uint64_t row, const Rejection& rejection, std::string_view raw);
  // Makes the file, or removes one of an earlier import when no row was rejected. True: it is there.
  [[nodiscard]] Result<bool> finish();

 private:
  RejectFile(os::FileSystem& fs, std::string path) : fs_(&fs), path_(std::move(path)) {}
  [[nodiscard]] std::string part() const { return path_ + ".part"; }
  [[nodiscard]] Result<std::unique_ptr<os::File>> make_part() const;
  [[nodiscard]] Status flush();
  os::FileSystem* fs_;
  std::string path_;
  std::unique_ptr<os::File> file_;
  std::string buffer_;
  std::uint64_t offset_ = 0;
};

}  // namespace baton::cli
