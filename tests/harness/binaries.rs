//! The programs under test: built once per run, from this workspace, as they would be shipped.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, bail, ensure};

/// The environment variable that names a directory with ready programs, so that nothing is built.
pub const READY: &str = "BATON_BIN_DIR";

/// The path of a program of the workspace: `baton-server`, `baton-agent`, `baton`, or `examples/…`.
///
/// The first call builds all of them, so that a test never judges yesterday's program.
///
/// # Errors
/// When the build fails or there is no such program.
pub fn program(name: &str) -> Result<PathBuf> {
    static DIRECTORY: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let directory = DIRECTORY.get_or_init(|| ready_or_built().map_err(|error| format!("{error:#}")));
    let path = match directory {
        Ok(directory) => directory.join(name),
        Err(error) => bail!("there are no programs to test: {error}"),
    };
    ensure!(path.is_file(), "there is no program {}", path.display());
    Ok(path)
}

/// Where this build puts things: the directory above the profile's that the running program is in.
pub(crate) fn target_directory() -> PathBuf {
    let running = std::env::current_exe().unwrap_or_default();
    let profile = running.ancestors().find(|above| above.join(".cargo-lock").exists());
    profile.and_then(Path::parent).map_or_else(|| workspace().join("target"), Path::to_owned)
}

/// The root of the workspace: the nearest directory from the working directory upwards that has a
/// `Cargo.lock`. Cargo and make run programs in the workspace, wherever that was moved after they were built.
#[must_use]
pub fn workspace() -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    let root = here.ancestors().find(|above| above.join("Cargo.lock").is_file());
    root.map(Path::to_owned).unwrap_or(here)
}

fn ready_or_built() -> Result<PathBuf> {
    if let Some(ready) = std::env::var_os(READY) {
        return Ok(PathBuf::from(ready));
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let target = target_directory();
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--workspace", "--bins", "--examples", "--target-dir"])
        .arg(&target)
        .current_dir(workspace())
        // Where tests are timed it is set for the test program alone; here it would compile everything anew.
        .env_remove("RUSTC_BOOTSTRAP")
        .status()
        .context("cannot start cargo")?;
    ensure!(status.success(), "cargo build failed ({status})");
    Ok(target.join("debug"))
}
