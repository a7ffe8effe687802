//! The last lines of `make test`: what cargo says of each test program, added up, and nothing made better.

use std::process::Command;

use anyhow::{Result, ensure};
use e2e::binaries;

const GOOD: &str = "test a::b ... ok <0.100s>
test c ... ignored, needs a kernel of 6.1: really
test d ... ignored
test result: ok. 1 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.00s
test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 1 filtered out; finished in 9.00s
";
const BAD: &str =
    "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1s
";

/// What the summary of `log` says when `failed_steps` have failed, and whether it succeeds.
fn summary(log: &str, failed_steps: &[&str]) -> Result<(String, bool)> {
    let file = std::env::temp_dir().join(format!("baton-test-log-{}", std::process::id()));
    std::fs::write(&file, log)?;
    let mut command = Command::new(binaries::workspace().join("scripts/sum-tests.sh"));
    let output = command.arg(&file).args(failed_steps).output()?;
    std::fs::remove_file(&file)?;
    Ok((String::from_utf8(output.stdout)?, output.status.success()))
}

#[test]
fn it_adds_up_every_program_and_names_what_did_not_run_or_failed() -> Result<()> {
    let ignored = "IGNORED: c: needs a kernel of 6.1: really\nIGNORED: d: no reason given\n";
    let cases = [
        (GOOD.to_owned(), &[][..], format!("{ignored}test result: ok. 13 passed; 0 failed; 2 ignored\n")),
        (
            format!("{GOOD}{BAD}"),
            &["tests"],
            format!("{ignored}FAILED: tests\ntest result: FAILED. 16 passed; 2 failed; 2 ignored\n"),
        ),
        (
            GOOD.to_owned(),
            &["lints, checked queries"],
            format!(
                "{ignored}FAILED: lints, checked queries\ntest result: FAILED. 13 passed; 0 failed; 2 ignored\n"
            ),
        ),
        (BAD.to_owned(), &[], "test result: FAILED. 3 passed; 2 failed; 0 ignored\n".to_owned()),
        (String::new(), &[], "test result: FAILED. 0 passed; 0 failed; 0 ignored\n".to_owned()),
    ];
    for (log, failed_steps, expected) in cases {
        let (said, succeeds) = summary(&log, failed_steps)?;
        ensure!(said == expected, "{said}");
        ensure!(succeeds == expected.contains("result: ok"), "it succeeds: {succeeds}: {said}");
    }
    Ok(())
}
