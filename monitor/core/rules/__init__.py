"""The rule language: model, parse, expressions, compile, evaluate."""
