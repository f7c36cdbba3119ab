// Result<T>: a value or an Error. For failures of the host and mistakes of the user only:
// guest faults are values of their own (core/cpu/fault.h), own bugs are ensure().
#pragma once

#include <string>
#include <utility>
#include <variant>

namespace tandem {

// Who has to do something about it; decides the exit status (docs: 2 and 3).
enum class ErrorKind { User, Host };

struct Error {
  ErrorKind kind = ErrorKind::User;
  std::string message;  // one line, names the file or option

  // The same error, with what was being done put in front: "context: message".
  Error in(std::string_view context) && {
    message = std::string(context) + ": " + message;
    return std::move(*this);
  }
};

inline Error user_error(std::string message) { return {ErrorKind::User, std::move(message)}; }
inline Error host_error(std::string message) { return {ErrorKind::Host, std::move(message)}; }

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : v_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : v_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return v_.index() == 0; }
  explicit operator bool() const { return ok(); }
  T& value() { return std::get<0>(v_); }
  const T& value() const { return std::get<0>(v_); }
  T take() { return std::move(std::get<0>(v_)); }
  Error& error() { return std::get<1>(v_); }
  const Error& error() const { return std::get<1>(v_); }

 private:
  std::variant<T, Error> v_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)), ok_(false) {}

  bool ok() const { return ok_; }
  explicit operator bool() const { return ok_; }
  Error& error() { return error_; }
  const Error& error() const { return error_; }

 private:
  Error error_;
  bool ok_ = true;
};

}  // namespace tandem

// Returns the error of a Result from the enclosing function. A macro, since only one can return.
#define TANDEM_TRY(expr)                                                                                  \
  do {                                                                                                    \
    if (auto tandem_try_result = (expr); !tandem_try_result) return std::move(tandem_try_result.error()); \
  } while (false)
// Declares `name` with the value of a Result, or returns its error.
#define TANDEM_TRY_ASSIGN(name, expr)                          \
  auto name##_result = (expr);                                 \
  if (!name##_result) return std::move(name##_result.error()); \
  auto name = name##_result.take()
