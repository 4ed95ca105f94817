//! The `objsync` program; see `objsync --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    objsync::cli::run()
}
