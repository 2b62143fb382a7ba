// The native queue of one model version: rows are written where the batch that holds them will be read.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "infer_request.h"
#include "list.h"
#include "policy.h"
#include "statistics.h"
#include "monotonic.h"

namespace headrace {

class Lane;
struct Stream;

struct TensorSpec {
  std::string name;
  std::string datatype;
  std::vector<std::int64_t> trailing;  // extents after the first
  std::size_t row_bytes = 0;           // inputs only
};

struct LaneSpec {
  std::uint64_t key = 0;  // Python's number for the version
  std::string model;
  std::string version;
  std::vector<TensorSpec> inputs;
  std::vector<TensorSpec> outputs;
  std::size_t max_request_rows = 0;
  std::size_t slab_rows = 0;
  std::size_t levels = 1;         // priorities 1 to this
  std::size_t default_level = 1;  // of requests that name none
  bool members = false;           // Python wants to know who was in each batch
  std::string full_text;          // what a client is told that finds the queue full
  std::string late_text;          // and whose answer would come too late
  std::vector<Nanos> bounds;      // of the histograms
};

/// Row-major memory for every input; several batches lie in one slab, one after the other.
struct Slab {
  Slab(const LaneSpec& spec, std::size_t rows);
  [[nodiscard]] char* row(std::size_t input, std::size_t index) const { return data[input].get() + index * width[input]; }

  std::size_t capacity;
  std::size_t used = 0;
  std::vector<std::size_t> width;
  std::vector<std::unique_ptr<char[]>> data;
};

/// One request that waits or runs. `stream` is null once nobody wants the answer any more.
struct Request {
  Link<Request> link;
  Stream* stream = nullptr;
  std::shared_ptr<Slab> slab;
  std::size_t first = 0;
  std::size_t rows = 0;
  std::size_t level = 0;
  Nanos enqueued = 0;
  Nanos taken = 0;
  std::uint32_t wanted = 0;  // outputs in the order asked for, four bits each; 0: all
  std::uint8_t wanted_count = 0;
  std::string id;
  std::string ids;  // one a row, joined by newlines, where the client gave them
};

/// Requests that run together over rows that lie together.
struct Batch {
  std::shared_ptr<Lane> lane;
  std::vector<std::unique_ptr<Request>> members;
  std::shared_ptr<Slab> slab;
  std::size_t first = 0;
  std::size_t rows = 0;
  Nanos taken = 0;
  Nanos oldest = 0;               // when the first member came
  std::uint64_t arrived_rows = 0;  // rows that had come to the lane so far, refused ones included
};

/// Not locked: the front is. Invariants: `waiting_rows` is the sum of rows of the waiting requests; each of them is in
/// the list of its level once and its rows are in its slab; `running` counts batches taken and not yet completed.
class Lane : public std::enable_shared_from_this<Lane> {
 public:
  explicit Lane(LaneSpec given);
  ~Lane();
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  /// Check a request that arrived some time ago against the signature and put it at the end of its level, rows copied;
  /// nothing where it is not what this lane takes.
  std::optional<Admission> submit(const InferRequest& read, Stream* stream, Nanos arrived, Nanos now);

  /// Take a waiting request out of the queue.
  std::unique_ptr<Request> withdraw(Request* request);

  /// When a batch may be taken: `kFiresNow`, a time, or `kNever`.
  [[nodiscard]] Nanos fires() const;

  /// Take the next batch; something must be waiting.
  std::unique_ptr<Batch> take(Nanos now);

  /// Note that a batch taken from here has ended.
  void ended() { --running_; }

  /// Divide a batch that was taken into two; both count as running.
  std::pair<std::unique_ptr<Batch>, std::unique_ptr<Batch>> halve(std::unique_ptr<Batch> batch);

  [[nodiscard]] std::size_t waiting_rows() const { return waiting_rows_; }
  [[nodiscard]] std::size_t running() const { return running_; }

  const LaneSpec spec;
  const std::string full_message;  // `full_text` and `late_text` as they go over the wire
  const std::string late_message;
  BatchParameters parameters;
  LaneStatistics statistics;
  Request* last = nullptr;  // the request that `submit` took last

 private:
  [[nodiscard]] bool fits(const InferRequest& read, std::size_t& rows, std::array<std::uint8_t, kMaxTensors>& order) const;
  [[nodiscard]] std::optional<std::uint32_t> wanted_outputs(const InferRequest& read) const;
  std::shared_ptr<Slab> room(std::size_t rows);
  void lay_together(Batch& batch);
  [[nodiscard]] Nanos oldest() const;

  std::vector<List<Request>> levels_;
  std::size_t waiting_rows_ = 0;
  std::size_t running_ = 0;
  std::uint64_t arrived_rows_ = 0;
  std::shared_ptr<Slab> open_;
  std::vector<std::shared_ptr<Slab>> spare_;
};

}  // namespace headrace
