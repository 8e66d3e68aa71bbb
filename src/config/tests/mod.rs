//! The loader as its users meet it: texts in, settings or messages out.

mod section;
