// Target: the reader of plain requests, the lane that takes them, the answers written for them, timeouts and escapes.
#include <cstdint>
#include <string>
#include <string_view>

#include "grpc.h"
#include "infer_request.h"
#include "lane_world.h"
#include "protobuf.h"

namespace headrace::fuzz {
namespace {

void append_parameter(std::string& out, std::string_view name, std::uint32_t kind, std::string_view text) {
  if (text.empty()) return;
  std::string value;
  append_bytes(value, kind, text);
  std::string entry;
  append_bytes(entry, 1, name);
  append_bytes(entry, 2, value);
  append_bytes(out, 4, entry);
}

void append_parameter(std::string& out, std::string_view name, std::uint32_t kind, std::uint64_t number) {
  if (number == 0) return;
  std::string value;
  append_tag(value, kind, WireType::kVarint);
  append_varint(value, number);
  std::string entry;
  append_bytes(entry, 1, name);
  append_bytes(entry, 2, value);
  append_bytes(out, 4, entry);
}

/// Write what was read in the canonical form; reading it again has to give the same.
std::string canonical(const InferRequest& read) {
  std::string out;
  append_bytes(out, 1, read.model);
  append_bytes(out, 2, read.version);
  append_bytes(out, 3, read.id);
  append_parameter(out, "ids", 3, read.ids);
  append_parameter(out, "routing_key", 3, read.routing_key);
  append_parameter(out, "priority", 5, read.priority);
  append_parameter(out, "timeout", 2, static_cast<std::uint64_t>(read.timeout_us));
  for (std::size_t i = 0; i < read.input_count; ++i) {
    std::string shape;
    for (std::size_t d = 0; d < read.inputs[i].dimensions; ++d)
      append_varint(shape, static_cast<std::uint64_t>(read.inputs[i].shape[d]));
    std::string tensor;
    append_bytes(tensor, 1, read.inputs[i].name);
    append_bytes(tensor, 2, read.inputs[i].datatype);
    append_bytes(tensor, 3, shape);
    append_bytes(out, 5, tensor);
  }
  for (std::size_t i = 0; i < read.output_count; ++i) {
    std::string output;
    append_bytes(output, 1, read.outputs[i]);
    append_bytes(out, 6, output);
  }
  for (std::size_t i = 0; i < read.raw_count; ++i) append_bytes(out, 7, read.raw[i]);
  return out;
}

void check_canonical(const InferRequest& read) {
  for (std::size_t i = 0; i < read.input_count; ++i) {
    for (std::size_t d = 0; d < read.inputs[i].dimensions; ++d)
      if (read.inputs[i].shape[d] < 0) return;  // unpacked negative extents: read, and refused by every lane
  }
  const std::string written = canonical(read);
  InferRequest again;
  HEADRACE_MUST(read_plain(written, again));
  HEADRACE_MUST(canonical(again) == written);
}

void check_answer(const std::string& frame) {
  HEADRACE_MUST(frame.size() >= kFrameHeaderBytes && frame_length(frame.data()) == frame.size() - kFrameHeaderBytes);
  FieldReader field(std::string_view(frame).substr(kFrameHeaderBytes));
  while (field.next()) {
  }
  HEADRACE_MUST(field.ok());
}

void check_lane(const InferRequest& read) {
  const auto lane = small_lane();
  lane->parameters.max_batch_rows = 40;
  std::size_t taken = 0;
  for (int i = 0; i < 3; ++i) taken += lane->submit(read, nullptr, i, i) == Admission::kTaken;
  HEADRACE_MUST(taken == 0 || (read.input_count == 1 && read.raw[0].size() == 16 * lane->waiting_rows() / taken));
  if (taken == 3) lane->withdraw(lane->last);
  while (lane->waiting_rows() != 0) {
    const auto batch = lane->take(10);
    const Outputs outputs(batch->rows);
    std::size_t row = 0;
    for (const auto& member : batch->members) {
      HEADRACE_MUST(std::string_view(member->slab->row(0, member->first), member->rows * 16) == read.raw[0]);
      std::string answer;
      append_answer(answer, lane->spec, *member, outputs.views(), row);
      check_answer(answer);
      row += member->rows;
    }
    HEADRACE_MUST(row == batch->rows);
    lane->ended();
  }
}

void check_texts(std::string_view text) {
  const auto timeout = parse_timeout(text);
  HEADRACE_MUST(!timeout || *timeout >= 0);
  std::string escaped;
  escape_message(text, escaped);
  HEADRACE_MUST(escaped.size() >= text.size() && escaped.size() <= 3 * text.size());
  for (const char c : escaped) HEADRACE_MUST(c >= 0x20 && c <= 0x7e);
}

}  // namespace
}  // namespace headrace::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace headrace;
  const std::string_view message(reinterpret_cast<const char*>(data), size);
  if (size < 32) fuzz::check_texts(message);
  InferRequest read;
  if (!read_plain(message, read)) return 0;
  fuzz::check_canonical(read);
  fuzz::check_lane(read);
  return 0;
}
