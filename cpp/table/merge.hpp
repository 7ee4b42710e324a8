// RecordSink: where the records of a resolved layer go. Merger: the sink that lays them over a
// stack as they come, so that the delta itself need not exist.
#pragma once

#include <span>
#include <string_view>

#include "table/table.hpp"

namespace fastlayers::table {

class RecordSink {
 public:
  virtual ~RecordSink() = default;
  virtual void begin(std::span<const digest::DiffId> layers, std::uint32_t link_groups) = 0;
  // In path order. The views need only live as long as the call.
  virtual void add(const Entry& entry, std::string_view path, std::string_view link,
                   std::string_view xattrs) = 0;
  virtual void end() {}
};

class Merger final : public RecordSink {
 public:
  Merger(const Table* below, TableBuilder& out) : below_(below), out_(out) {}

  void begin(std::span<const digest::DiffId> layers, std::uint32_t link_groups) override;
  void add(const Entry& entry, std::string_view path, std::string_view link,
           std::string_view xattrs) override;
  void end() override;  // what is left of the stack

 private:
  bool more_below() const { return below_ != nullptr && next_ < below_->size(); }
  void take_below();

  const Table* below_;
  TableBuilder& out_;
  std::size_t next_ = 0;  // record of below_
};

}  // namespace fastlayers::table
