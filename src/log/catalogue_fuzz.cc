// Any bytes as a catalogue, and any bytes as the records of one whose frames are right: type u8, size u8, payload.
#include <algorithm>
#include <cstdint>

#include "base/check.h"
#include "log/catalogue_records.h"

namespace {

using namespace baton;

log::CatalogueState load(base::ByteView bytes) {
  log::CatalogueState state;
  log::CataloguePosition position;
  const auto left = log::load_records(bytes, position, state, "fuzz");
  BATON_CHECK(position.end <= bytes.size() && (!left.ok() || position.end + *left == bytes.size()), "the position");
  // What was taken in is a whole catalogue by itself.
  log::CatalogueState again;
  log::CataloguePosition from_start;
  const auto none = log::load_records(bytes.first(position.end), from_start, again, "fuzz");
  BATON_CHECK(none.ok() && *none == 0 && again == state, "the same records, another state");
  return state;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  base::ByteView in = std::as_bytes(std::span(data, size));
  (void)load(in);

  base::Bytes file;
  log::CatalogueState state;
  log::CataloguePosition position;
  while (in.size() >= 2) {
    const auto type = static_cast<std::uint16_t>(in[0]);
    const base::ByteView payload = in.subspan(2, std::min(in.size() - 2, static_cast<std::size_t>(in[1])));
    in = in.subspan(2 + payload.size());
    const log::CatalogueState before = state;
    const bool fits = log::apply_record(state, type, payload, false).ok();
    BATON_CHECK(state == before, "a trial changed the state");
    BATON_CHECK(log::apply_record(state, type, payload, true).ok() == fits, "a trial said something else");
    if (!fits) BATON_CHECK(state == before, "what was refused changed the state");
    const auto record = log::encode_record(position, static_cast<log::CatalogueRecord>(type), payload);
    log::move_behind(position, record);
    base::put_bytes(file, record);
  }
  (void)load(file);
  return 0;
}
