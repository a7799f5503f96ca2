// BATON_TRY and BATON_TRY_ASSIGN: hand an error up without writing the branch each time.
#pragma once

#include <baton/result.h>

#define BATON_CONCAT_INNER(a, b) a##b
#define BATON_CONCAT(a, b) BATON_CONCAT_INNER(a, b)

// Returns the error of `expr` from the enclosing function if it failed.
#define BATON_TRY(expr)                                                                                \
  do {                                                                                                 \
    if (auto baton_try_result = (expr); !baton_try_result) return std::move(baton_try_result).error(); \
  } while (false)

// BATON_TRY_ASSIGN(auto file, fs.open(...)): declares `file`, or returns the error.
#define BATON_TRY_ASSIGN(declaration, expr) BATON_TRY_ASSIGN_INNER(BATON_CONCAT(baton_try_, __LINE__), declaration, expr)
#define BATON_TRY_ASSIGN_INNER(temporary, declaration, expr) \
  auto temporary = (expr);                                   \
  if (!temporary) return std::move(temporary).error();       \
  declaration = *std::move(temporary)
