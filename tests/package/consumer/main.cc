// A program outside Baton that embeds it: opens a store, appends under a condition, and reads back.
#include <baton/store.h>

#include <iostream>
#include <string>
#include <utility>

namespace {

int fail(const char* what, const std::string& why) {
  std::cerr << what << ": " << why << "\n";
  return 1;
}

baton::Append ride_started() {
  baton::NewEvent event;
  event.type = "RideStarted";
  event.data = R"({"bike":17})";
  baton::StreamAppend stream;
  stream.stream = "ride-7";
  stream.condition = baton::Expect::no_stream();
  stream.events.push_back(std::move(event));
  baton::Append append;
  append.context = "rides";
  append.streams.push_back(std::move(stream));
  return append;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return fail("usage", "consumer DIRECTORY");
  auto store = baton::Store::open(argv[1]);
  if (!store) return fail("open", store.error().to_string());

  auto first = (*store)->append(ride_started());
  if (!first) return fail("append", first.error().to_string());
  const auto second = (*store)->append(ride_started());
  if (second) return fail("second append", "the stream exists, and yet 'no stream' held");
  if (second.error().code != baton::Code::wrong_version) return fail("second append", second.error().to_string());

  baton::ReadStream request;
  request.context = "rides";
  request.stream = "ride-7";
  const auto page = (*store)->read_stream(request);
  if (!page) return fail("read", page.error().to_string());
  if (page->events.size() != 1 || page->events[0].type != "RideStarted" || page->last_version != 0 ||
      page->events[0].data != R"({"bike":17})") {
    return fail("read", "not what was appended");
  }
  if (auto closed = (*store)->close(); !closed.ok()) return fail("close", closed.error().to_string());
  std::cout << "appended and read " << page->events[0].id << "\n";
  return 0;
}
