// Derived: what hangs on the log in one process of a Run: a subscription with a checkpoint, snapshots of aggregates, a view.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <baton/store.h>

#include "engine/engine.h"
#include "run.h"
#include "view/views.h"

namespace baton::simulation {

class Derived {
 public:
  explicit Derived(Run& run) : run_(run) {}
  ~Derived();

  void open();
  void do_something();

 private:
  void subscribe();
  void follow();
  void load_or_save();
  void open_views();
  void use_views();
  void check_view(const Result<view::QueryResult>& dump, std::int64_t events);
  [[nodiscard]] bool view_may_be_spoiled(const Error& error);

  Run& run_;
  std::unique_ptr<Subscription> subscription_;
  std::int64_t next_ = 0;  // the offset that the subscription hands out next
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<view::ViewManager> views_;
};

}  // namespace baton::simulation
