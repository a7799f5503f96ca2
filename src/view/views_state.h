// What the parts of ViewManager share (views.cc, views_past.cc, views_rebuild.cc, views_live.cc). Nobody else includes it.
#pragma once

#include <atomic>

#include "view/generations.h"
#include "view/views.h"

namespace baton::view {

// One view. Its map entry is never removed, so that references stay good.
struct ViewManager::View {
  View(os::FileSystem& fs, const std::string& directory, std::string view_name)
      : name(std::move(view_name)), files(fs, os::join(directory, name)) {}

  const std::string name;
  Generations files;
  // Guards what follows. Whoever writes the view holds it for a batch; queries never take it.
  std::mutex mutex;
  std::unique_ptr<os::File> lock;  // holds LOCK once this process writes the view
  Current current;
  // Of the live generation, once it is written here; null again when a swap has failed half-way. Whoever takes the mutex opens it first.
  std::unique_ptr<Projector> projector;
  std::int64_t next_copy_at = 0;         // events; 0: not looked up yet
  std::atomic<bool> rebuilding = false;
  std::shared_ptr<Live> live;
};

// A view whose mutex is held, with its projector open.
struct ViewManager::Held {
  View* view;
  std::unique_lock<std::mutex> lock;
};

// Keeps one view up to date: takes events from a subscription on an executor of its own.
class ViewManager::Live {
 public:
  Live(ViewManager& manager, View& view) : manager_(manager), view_(view) {}
  ~Live() { stop(); }
  void start();
  void stop();
  [[nodiscard]] bool running() const { return running_; }

 private:
  enum class Step { done, busy, absent, ended };  // busy: somebody else writes the view
  void step();
  Step take_batch();
  Step ends(const Error& error);
  Status subscribe();
  // Whether the view has moved, or is to be opened again, without the subscription. The caller holds the view's mutex.
  [[nodiscard]] bool is_behind() const;
  ViewManager& manager_;
  View& view_;
  std::unique_ptr<Subscription> subscription_;
  std::atomic<bool> running_ = false;
  std::atomic<bool> stopping_ = false;
  std::int64_t generation_ = 0;  // that the subscription feeds
  Position expected_;            // the checkpoint that it continues
  os::Executor* runner_ = nullptr;
  std::unique_ptr<os::Executor> executor_;
};

}  // namespace baton::view
