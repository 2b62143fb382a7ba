// The floor of a C++ gRPC server: every call of every method is answered with the same bytes, and nothing is computed.
// gRPC's generic callback service, one reactor a call; the answer is as long as a ModelInferResponse of one score.
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>

#include <iostream>
#include <memory>
#include <string>

namespace {

constexpr std::size_t kAnswerBytes = 70;

const grpc::Slice& answer() {
  static const grpc::Slice bytes(std::string(kAnswerBytes, 'x'));
  return bytes;
}

class Call final : public grpc::ServerGenericBidiReactor {
 public:
  Call() { StartRead(&request_); }

  void OnReadDone(bool ok) override {
    if (!ok) return Finish(grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "no message"));
    response_ = grpc::ByteBuffer(&answer(), 1);
    StartWriteAndFinish(&response_, grpc::WriteOptions(), grpc::Status::OK);
  }

  void OnDone() override { delete this; }

 private:
  grpc::ByteBuffer request_;
  grpc::ByteBuffer response_;
};

class Echo final : public grpc::CallbackGenericService {
  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext* /*context*/) override {
    return new Call;
  }
};

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) {
    std::cerr << "echo HOST:PORT\n";
    return 2;
  }
  Echo service;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(arguments[1], grpc::InsecureServerCredentials());
  builder.RegisterCallbackGenericService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (!server) return 1;
  server->Wait();
}
