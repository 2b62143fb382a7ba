// gRPC's C++ client without generated code: calls the methods named on standard input, says what came as JSON lines.
//
//     generic_client HOST:PORT [AUTHORITY.pem KEY.pem CERTIFICATE.pem] < lines of "PATH HEX"
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <sstream>

namespace {

std::string content_of(const char* path) {
  std::ifstream file(path);
  std::stringstream content;
  content << file.rdbuf();
  return content.str();
}

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return bytes;
}

std::string to_hex(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  if (!buffer.Valid() || !buffer.Dump(&slices).ok()) return "";
  std::string hex;
  char digits[3];
  for (const auto& slice : slices) {
    for (const unsigned char byte : slice) {
      std::snprintf(digits, sizeof digits, "%02x", byte);
      hex += digits;
    }
  }
  return hex;
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  char escape[8];
  for (const unsigned char c : text) {
    if (c < 0x20 || c == '"' || c == '\\') {
      std::snprintf(escape, sizeof escape, "\\u%04x", c);
      out += escape;
    } else {
      out += static_cast<char>(c);
    }
  }
  return out + '"';
}

std::shared_ptr<grpc::ChannelCredentials> credentials(int count, char** arguments) {
  if (count < 5) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = content_of(arguments[2]);
  options.pem_private_key = content_of(arguments[3]);
  options.pem_cert_chain = content_of(arguments[4]);
  return grpc::SslCredentials(options);
}

}  // namespace

int main(int count, char** arguments) {
  grpc::GenericStub stub(grpc::CreateChannel(arguments[1], credentials(count, arguments)));
  std::string line;
  while (std::getline(std::cin, line)) {
    const auto space = line.find(' ');
    const grpc::Slice slice(from_hex(line.substr(space + 1)));
    const grpc::ByteBuffer request(&slice, 1);
    grpc::ByteBuffer answer;
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    grpc::CompletionQueue queue;
    grpc::Status status;
    auto call = stub.PrepareUnaryCall(&context, line.substr(0, space), request, &queue);
    call->StartCall();
    call->Finish(&answer, &status, &queue);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    std::cout << "{\"status\": " << status.error_code() << ", \"text\": " << quoted(status.error_message())
              << ", \"answer\": \"" << to_hex(answer) << "\"}" << std::endl;
  }
  return 0;
}
