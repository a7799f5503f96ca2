"""The mutants: small wrongs in the shipped sources, each of which its simulation must find within 200 seeds.

name, what is wrong, and the edits: (path, text that is there exactly once, what takes its place). A mutant whose text is gone has lost its
meaning: the fast test says so, and whoever changed the source says here how the same wrong is done now.
"""

MUTANTS = [
    ("acknowledge-before-sync", "a round is acknowledged without the sync of its journal record", [
        ("src/log/flush.cc", "  return round_.sync ? journal_.sync() : Status();", "  return {};"),
    ]),
    ("sync-ignored", "a failed sync of the journal is taken for a good one", [
        ("src/log/flush.cc", "  return round_.sync ? journal_.sync() : Status();",
         "  if (round_.sync) (void)journal_.sync();\n  return {};"),
    ]),
    ("sync-retried", "a failed sync of the journal is tried again, in another way than the file's own, which fails for ever", [
        ("src/log/flush.cc", "  return round_.sync ? journal_.sync() : Status();",
         "  if (round_.sync && !journal_.sync()) BATON_TRY(fs_.sync_all(round_.directory));\n  return {};"),
    ]),
    ("no-directory-sync", "the name of a new segment is not made durable before its first round counts", [
        ("src/log/flush.cc", "  for (const auto& path : round_.new_directories) BATON_TRY(fs_.sync_directory(path));\n", ""),
        ("src/log/replay.cc", "  for (const auto& name : directories) BATON_TRY(fs_.sync_directory(path(name)));\n", ""),
    ]),
    ("no-crc-on-read", "what a read takes from a segment is believed without a CRC", [
        ("src/log/batch.cc", "  if (crc != header->crc) {\n", "  if (crc != header->crc && batch.empty()) {\n"),
        ("src/log/segment.cc", "    if (base::crc32c(0, bytes) != range.mark.range_crc) {", "    if (bytes.empty()) {"),
    ]),
    ("no-mark-on-read", "the marks, which cover what the batch's CRC does not, are not compared on the first read", [
        ("src/log/segment.cc", "    if (base::crc32c(0, bytes) != range.mark.range_crc) {", "    if (bytes.empty()) {"),
    ]),
    ("resynchronise", "a damaged round of the journal that had been durable is taken for a torn tail", [
        ("src/log/journal_reader.cc", "    if (fixed->round <= missing || fixed->durable_round < missing) continue;", "    if (fixed->round > Round(0)) continue;"),
    ]),
    ("index-passes-durable", "the index takes a round before its sync, and trusts itself after a crash", [
        ("src/store/store_core_rounds.cc", "    flight_->ends = appender_->take_ends();\n", "    flight_->ends = appender_->take_ends();\n    acknowledge_indexes(*flight_);\n"),
        ("src/store/index_recovery.cc", "  if (covered.next <= bounds.log_start || covered.next > log::Offset(bounds.visible.value())) return false;",
         "  if (covered.next <= bounds.log_start) return false;\n  if (covered.next > log::Offset(bounds.visible.value())) return true;"),
        ("src/store/index_recovery.cc", "  return header.next_offset() == covered.next && header.epoch == covered.epoch && header.crc == covered.batch_crc;",
         "  return header.next_offset() >= log::Offset(0);"),
    ]),
    ("next-round-answered", "what was decided beside a flush is answered with it, before it is on the disk itself", [
        ("src/store/store_core_rounds.cc", "  const bool has_next = log_->has_staged();\n",
         "  const bool has_next = log_->has_staged();\n  std::ranges::move(round_, std::back_inserter(flight->requests));\n  round_.clear();\n"),
    ]),
    ("conditions-before-identity", "a retry is judged by its conditions before it is known to be a retry", [
        ("src/store/appender.cc", "  BATON_TRY(check_identity(context, partition, append));\n",
         "  BATON_TRY(load_heads(partition));\n  BATON_TRY(check_streams(append));\n"
         "  BATON_TRY(check_identity(context, partition, append));\n"),
    ]),
    ("visible-before-durable", "what is staged is shown to other processes at once", [
        ("src/log/log_append.cc", "  group.batches.push_back({std::move(batch), header.max_timestamp, staged.next, copied});\n",
         "  group.batches.push_back({std::move(batch), header.max_timestamp, staged.next, copied});\n"
         "  (void)segment.file->write_at(segment.staged_end - group.batches.back().bytes.size(), group.batches.back().bytes);\n"
         "  live_->publish(tail.live_slot, {.key = tail.key, .epoch = epoch_, .log_start = tail.partition->bounds().log_start,\n"
         "                                  .durable = tail.next, .visible = tail.next, .last_stable = tail.next,\n"
         "                                  .segment_base = segment.segment->base(), .end_position = segment.staged_end,\n"
         "                                  .generation = tail.list_changes});\n"),
    ]),
    ("no-lead", "a new journal file does not hold the bytes that share a sector with what comes", [
        ("src/log/log_append.cc", "      out.push_back({key, last->segment->base(), last->end, last->next_offset, tail->edge});",
         "      out.push_back({key, last->segment->base(), last->end, last->next_offset, {}});"),
    ]),
    ("recovery-without-sync", "recovery serves rounds that only the page cache may hold", [
        ("src/log/log_open.cc", "  if (last_round_ == durable_round_) return {};\n  base::Bytes buffer;",
         "  if (last_round_ == durable_round_) return {};\n  durable_round_ = last_round_;\n  return {};\n  base::Bytes buffer;"),
    ]),
    ("epoch-not-raised", "an open goes on in the epoch of the one before", [
        ("src/log/log_open.cc", "  epoch_ = state.epoch.plus(1);", "  epoch_ = state.epoch.value() > 0 ? state.epoch : state.epoch.plus(1);"),
    ]),
    ("epoch-not-checked", "a position is taken without a look at the epoch table", [
        ("src/store/position_codec.cc", "    if (offset >= end) {\n", "    if (offset >= end && end == 0) {\n"),
    ]),
    ("identity-forgotten", "after a restart the index does not know the ids of events that it has not written", [
        ("src/store/index_feed.cc", "id_hash(event.stream, event.source, event.id), event.type,", "id_hash(event.stream, event.source, event.stream), event.type,"),
    ]),
    ("checkpoint-frees-early", "a checkpoint frees the journal before the segments are on the disk", [
        ("src/log/checkpoint.cc", "  BATON_TRY(sync_segments(fs));\n", ""),
    ]),
    ("no-index-crc", "the blocks of an index run are believed without a CRC", [
        ("src/store/index_run.cc", "  if (!check_page(number)) return damaged(number * RunLayout::kBlockBytes, \"the block's CRC does not match\");", ""),
    ]),
    ("view-two-transactions", "a view's rows and its checkpoint are two transactions", [
        ("src/view/projector.cc", "  int rc = sqlite3_step(save_.get());\n",
         "  int rc = sqlite3_step(commit_.get());\n  commit_.reset();\n  (void)sqlite3_step(begin_.get());\n  begin_.reset();\n"
         "  rc = sqlite3_step(save_.get());\n"),
    ]),
    ("view-position-early", "a view's checkpoint passes an event that was not applied", [
        ("src/view/projector.cc", "  pending_.position = position;\n", "  pending_.position = position;\n  ++pending_.events;\n"),
    ]),
    ("retention-too-far", "a retention by size removes one segment more than it may", [
        ("src/log/log_retention.cc", "                bytes - segment.end() >= *tail.config->retention_bytes;", "                bytes > segment.end();"),
    ]),
    ("heads-not-synced", "the heads of streams whose segments go are not durable when they go", [
        ("src/store/heads_snapshot.cc", "    BATON_TRY(file->sync_data());\n    file.reset();", "    file.reset();"),
    ]),
    ("saved-checkpoint-not-synced", "a subscription's checkpoint is told to be saved before it is", [
        ("src/store/checkpoint_store.cc", "    BATON_TRY(file.sync_data());\n    BATON_TRY(fs_.rename(temporary, target));\n    return fs_.sync_directory(directory_);",
         "    return fs_.rename(temporary, target);"),
    ]),
]

# Of the log by itself (src/log/log_simulation.h): what only plain topics do.
LOG_MUTANTS = [
    ("direct-without-lead", "a write past the page cache puts zeros before its data, into the sector that it shares with acknowledged data", [
        ("src/log/log_append.cc", "    if (part.direct) part.lead = tail.edge;\n", "    if (part.direct) part.lead = base::Bytes(tail.edge.size());\n"),
    ]),
]

# Of consumer groups (src/broker/groups_simulation.h).
GROUP_MUTANTS = [
    ("assignment-before-durable", "members are assigned before the generation is durable", [
        ("src/broker/group_members.cc", "  group.members_recorded = true;\n", "  group.members_recorded = true;\n  on_stored(group, assignments, {});\n"),
    ]),
    ("generation-not-reserved", "members hear of a generation whose number is not durable", [
        ("src/broker/group_rebalance.cc", "  group.reserving = true;\n", "  group.reserved = group.told.plus(1);\n  return;\n"),
    ]),
    ("reservation-not-read", "after a restart the numbers that members may have heard of are given out again", [
        ("src/broker/group_load.cc", "  group.told = std::max(group.told, record.generation);\n  group.reserved = group.told;\n", "  (void)group;\n"),
    ]),
    ("commit-before-durable", "a commit is acknowledged before it is durable", [
        ("src/broker/group_offsets.cc", "  const bool fits = store_offsets(", "  finish(errors, GroupError::none, *kept);\n  const bool fits = store_offsets("),
    ]),
    ("failed-commit-acknowledged", "a commit whose write failed is acknowledged", [
        ("src/broker/group_offsets.cc", "finish(errors, ok ? GroupError::none : GroupError::coordinator_not_available, *kept)", "finish(errors, GroupError::none, *kept)"),
    ]),
    ("failed-commit-kept", "a commit whose write failed is seen all the same", [
        ("src/broker/group_offsets.cc", "          if (status) {\n            for (auto& [partition, offset]", "          {\n            for (auto& [partition, offset]"),
    ]),
    ("left-before-durable", "who leaves last is told so before the log knows that the group is empty", [
        ("src/broker/group_members.cc", "    if (std::exchange(group->when_empty, {}).empty()) return;", "    group->when_empty.clear();"),
    ]),
    ("old-generation-commits", "a commit of an old generation is taken", [
        ("src/broker/group_offsets.cc", "  if (request.generation != group->generation) return GroupError::illegal_generation;\n", ""),
    ]),
    ("old-generation-syncs", "a member of an old generation is given the assignment of the new one", [
        ("src/broker/group_members.cc", "  if (request.generation != group->generation) return refuse(GroupError::illegal_generation);\n", ""),
    ]),
    ("snapshot-passes-writes", "the state is written again before what was on its way to the log", [
        ("src/broker/group_compaction.cc", "      if (group.in_flight == 0) {\n", "      if (group.in_flight < 1'000) {\n"),
    ]),
    ("snapshot-of-a-rebalance", "the state that is written again has a generation that is not complete", [
        ("src/broker/group_compaction.cc", "add(group.recorded_generation);", "add(encode_group_record(group.generation_record()));"),
    ]),
    ("sessions-never-end", "a member that is gone is waited for for ever", [
        ("src/broker/group_members.cc", "  if (left_ns > 0) {\n", "  if (left_ns > 0 || member->is_new == member->is_new) {\n    touch(group, *member);\n"),
    ]),
]
