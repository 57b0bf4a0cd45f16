//! Tests of `terms`.
