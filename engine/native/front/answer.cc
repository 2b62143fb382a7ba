#include "answer.h"

#include "grpc.h"
#include "protobuf.h"

namespace headrace {
namespace {

std::size_t field_size(std::size_t content) { return 1 + varint_size(content) + content; }  // field numbers below 16

struct Tensor {
  const TensorSpec* spec;
  const OutputView* view;
  std::size_t shape_size;
  std::size_t size;
};

Tensor measure(const TensorSpec& spec, const OutputView& view, std::size_t rows) {
  std::size_t shape = varint_size(rows);
  for (const auto extent : view.trailing) shape += varint_size(static_cast<std::uint64_t>(extent));
  return {&spec, &view, shape, field_size(spec.name.size()) + field_size(spec.datatype.size()) + field_size(shape)};
}

}  // namespace

void append_answer(std::string& out, const LaneSpec& spec, const Request& request,
                   const std::vector<OutputView>& outputs, std::size_t row) {
  Tensor tensors[kMaxTensors];
  std::size_t count = request.wanted_count;
  if (count == 0) count = spec.outputs.size();
  std::size_t size = field_size(spec.model.size()) + field_size(spec.version.size()) + field_size(request.id.size());
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t position = request.wanted_count == 0 ? i : (request.wanted >> (4 * i)) & 15;
    tensors[i] = measure(spec.outputs[position], outputs[position], request.rows);
    size += field_size(tensors[i].size) + field_size(request.rows * tensors[i].view->row_bytes);
  }
  out.reserve(out.size() + kFrameHeaderBytes + size);
  append_frame_header(out, size);
  append_bytes(out, 1, spec.model);
  append_bytes(out, 2, spec.version);
  append_bytes(out, 3, request.id);
  for (std::size_t i = 0; i < count; ++i) {
    const Tensor& tensor = tensors[i];
    append_tag(out, 5, WireType::kBytes);
    append_varint(out, tensor.size);
    append_bytes(out, 1, tensor.spec->name);
    append_bytes(out, 2, tensor.spec->datatype);
    append_tag(out, 3, WireType::kBytes);
    append_varint(out, tensor.shape_size);
    append_varint(out, request.rows);
    for (const auto extent : tensor.view->trailing) append_varint(out, static_cast<std::uint64_t>(extent));
  }
  for (std::size_t i = 0; i < count; ++i) {
    const OutputView& view = *tensors[i].view;
    append_bytes(out, 6, {view.data + row * view.row_bytes, request.rows * view.row_bytes});
  }
}

}  // namespace headrace
