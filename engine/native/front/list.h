// A doubly linked list through its elements: constant-time removal from the middle, no allocation.
#pragma once

#include <cstddef>

namespace headrace {

template <typename Element>
struct Link {
  Element* before = nullptr;
  Element* after = nullptr;
};

/// Elements have a member `Link<Element> link`; the list does not own them.
template <typename Element>
class List {
 public:
  [[nodiscard]] bool empty() const { return first_ == nullptr; }
  [[nodiscard]] Element* first() const { return first_; }

  void push_back(Element* element) {
    element->link = {last_, nullptr};
    (last_ ? last_->link.after : first_) = element;
    last_ = element;
  }

  void remove(Element* element) {
    auto& [before, after] = element->link;
    (before ? before->link.after : first_) = after;
    (after ? after->link.before : last_) = before;
    element->link = {};
  }

 private:
  Element* first_ = nullptr;
  Element* last_ = nullptr;
};

}  // namespace headrace
