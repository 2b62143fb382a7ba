#include "infer_request.h"

#include <algorithm>

#include "protobuf.h"

namespace headrace {
namespace {

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

/// A field that proto3 lets come twice (the last one counts) is plain only once.
bool read_text(const FieldReader& field, std::string_view& text) {
  if (field.type() != WireType::kBytes || !text.empty() || !is_ascii(field.bytes())) return false;
  text = field.bytes();
  return true;
}

bool add_dimension(TensorView& tensor, std::uint64_t extent) {
  if (tensor.dimensions == kMaxDimensions) return false;
  tensor.shape[tensor.dimensions++] = static_cast<std::int64_t>(extent);
  return true;
}

bool read_shape(const FieldReader& field, TensorView& tensor) {
  if (field.type() == WireType::kVarint) return add_dimension(tensor, field.varint());
  const std::string_view packed = field.bytes();
  std::size_t at = 0;
  while (at < packed.size()) {
    std::uint64_t extent = 0;
    unsigned shift = 0;
    while (true) {
      if (at == packed.size() || shift > 56) return false;  // extents of 2^63 and more are for the service to refuse
      const auto byte = static_cast<std::uint8_t>(packed[at++]);
      extent |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) break;
      shift += 7;
    }
    if (!add_dimension(tensor, extent)) return false;
  }
  return true;
}

bool read_input(std::string_view message, TensorView& tensor) {
  FieldReader field(message);
  while (field.next()) {
    switch (field.number()) {
      case 1:
        if (!read_text(field, tensor.name)) return false;
        break;
      case 2:
        if (!read_text(field, tensor.datatype)) return false;
        break;
      case 3:
        if (!read_shape(field, tensor)) return false;
        break;
      default:
        return false;  // parameters, typed contents, fields of later protocols
    }
  }
  return field.ok();
}

bool read_output(std::string_view message, std::string_view& name) {
  FieldReader field(message);
  while (field.next()) {
    if (field.number() != 1 || !read_text(field, name)) return false;
  }
  return field.ok();
}

bool read_number(std::string_view key, std::uint32_t kind, std::uint64_t number, InferRequest& request) {
  if (key == "priority" && kind == 5 && number != 0 && request.priority == 0) {
    request.priority = number;
    return true;
  }
  if (key == "timeout" && kind == 2 && number != 0 && number <= INT64_MAX && request.timeout_us == 0) {
    request.timeout_us = static_cast<std::int64_t>(number);
    return true;
  }
  return false;
}

bool read_string(std::string_view key, std::uint32_t kind, std::string_view text, InferRequest& request) {
  if (kind != 3 || text.empty() || !is_ascii(text)) return false;
  std::string_view* const target = key == "ids" ? &request.ids : key == "routing_key" ? &request.routing_key : nullptr;
  if (target == nullptr || !target->empty()) return false;
  *target = text;
  return true;
}

/// One entry of the map of request parameters: key = 1, value = 2 {int64_param = 2, string_param = 3, uint64_param = 5}.
bool read_parameter(std::string_view entry, InferRequest& request) {
  std::string_view key;
  std::string_view value;
  FieldReader field(entry);
  while (field.next()) {
    if (field.type() != WireType::kBytes) return false;
    std::string_view& target = field.number() == 1 ? key : value;
    if (field.number() > 2 || !target.empty()) return false;
    target = field.bytes();
  }
  if (!field.ok()) return false;
  FieldReader choice(value);
  if (!choice.next()) return false;
  const std::uint32_t kind = choice.number();
  const bool known = choice.type() == WireType::kVarint ? read_number(key, kind, choice.varint(), request)
                                                        : read_string(key, kind, choice.bytes(), request);
  return known && !choice.next() && choice.ok();
}

}  // namespace

bool read_plain(std::string_view message, InferRequest& request) {
  FieldReader field(message);
  while (field.next()) {
    if (field.type() != WireType::kBytes) return false;
    switch (field.number()) {
      case 1:
        if (!read_text(field, request.model)) return false;
        break;
      case 2:
        if (!read_text(field, request.version)) return false;
        break;
      case 3:
        if (!read_text(field, request.id)) return false;
        break;
      case 4:
        if (!read_parameter(field.bytes(), request)) return false;
        break;
      case 5:
        if (request.input_count == kMaxTensors || !read_input(field.bytes(), request.inputs[request.input_count++]))
          return false;
        break;
      case 6:
        if (request.output_count == kMaxTensors || !read_output(field.bytes(), request.outputs[request.output_count++]))
          return false;
        break;
      case 7:
        if (request.raw_count == kMaxTensors) return false;
        request.raw[request.raw_count++] = field.bytes();
        break;
      default:
        return false;
    }
  }
  return field.ok();
}

}  // namespace headrace
