// The files of one view in its directory: which generation is live, the kept copies, and what is left over (docs/formats/views.md).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <baton/result.h>

#include "os/file.h"

namespace baton::view {

struct Current {
  std::int64_t live = 0;
  std::int64_t previous = 0;  // 0: none
};

struct KeptCopy {
  std::int64_t generation = 0;
  std::int64_t events = 0;
  std::string path;
};

class Generations {
 public:
  Generations(os::FileSystem& fs, std::string directory) : fs_(fs), directory_(std::move(directory)) {}

  [[nodiscard]] const std::string& directory() const { return directory_; }
  // Nothing where there is no view; corrupt when CURRENT is damaged.
  [[nodiscard]] Result<std::optional<Current>> read_current() const;
  // Durable when it returns: the old content or the new one survives a crash at any moment.
  [[nodiscard]] Status write_current(const Current& current);
  [[nodiscard]] std::string database_path(std::int64_t generation) const;
  [[nodiscard]] std::string error_path(std::int64_t generation) const;
  [[nodiscard]] std::string copy_path(std::int64_t generation, std::int64_t events) const;
  [[nodiscard]] std::string path(std::string_view name) const { return os::join(directory_, name); }

  // Of one generation, oldest first.
  [[nodiscard]] Result<std::vector<KeptCopy>> copies(std::int64_t generation) const;
  // Removes every second copy when there are more than `copies_max`: docs/formats/views.md, 'Kept copies'.
  [[nodiscard]] Status thin_copies(std::int64_t generation, std::int64_t every, std::int64_t copies_max);
  // The event count after which the next copy is due, given those that are there.
  [[nodiscard]] Result<std::int64_t> next_copy_at(std::int64_t generation, std::int64_t every, std::int64_t copies_max) const;

  // Removes what CURRENT does not name, except temporary files that somebody is using.
  [[nodiscard]] Status remove_leftovers(const std::optional<Current>& current);
  [[nodiscard]] Status remove_generation(std::int64_t generation);

  // A temporary file is in use while its user holds this lock on it.
  static constexpr std::uint64_t kInUseByte = std::uint64_t{1} << 40;

 private:
  // The distance between copies, which doubles each time they become too many.
  [[nodiscard]] static std::int64_t distance(const std::vector<KeptCopy>& copies, std::int64_t every, std::int64_t copies_max);
  Status remove_if_there(const std::string& path);

  os::FileSystem& fs_;
  std::string directory_;
};

}  // namespace baton::view
