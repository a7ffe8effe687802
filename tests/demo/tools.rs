//! The programs of the distribution that the demo runs, and the packages that have them.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

/// Where Debian keeps the programs of each version of Postgres, apart from every other one.
const POSTGRES: &str = "/usr/lib/postgresql";
const NEEDED: [(&str, &str); 4] =
    [("ip", "iproute2"), ("nft", "nftables"), ("haproxy", "haproxy"), ("postgres", "postgresql")];

/// Says which packages are missing, before anything is built.
pub(crate) fn check() -> Result<()> {
    let versions = Path::new(POSTGRES).read_dir().into_iter().flatten().flatten();
    let mut directories: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    directories.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
    let is_there = |program: &str| directories.iter().any(|directory| directory.join(program).is_file());
    let missing: Vec<_> = NEEDED.iter().filter(|(program, _)| !is_there(program)).collect();
    let programs: Vec<_> = missing.iter().map(|(program, _)| *program).collect();
    let packages: Vec<_> = missing.iter().map(|(_, package)| *package).collect();
    ensure!(
        missing.is_empty(),
        "not found in PATH: {}; Debian: apt install {}",
        programs.join(", "),
        packages.join(" ")
    );
    Ok(())
}
