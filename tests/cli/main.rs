//! The program itself: what each command answers on standard output with `--json`, what it says on standard error, and its
//! exit code.

mod check;
mod commands;
mod decisions;
mod demo;
mod install;
mod nodes;
mod stop;
mod track;
