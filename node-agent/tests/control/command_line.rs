//! The program as people call it: what it prints and what it exits with.

use std::path::Path;
use std::process::Command;

use baton_agent::config::Config;
use tempfile::tempdir;

use crate::agent::{Agent, config};

struct Outcome {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// Runs the program without the environment variables that stand above the configuration.
fn baton_agent(arguments: &[&str], config: &Path) -> Outcome {
    let mut command = Command::new(env!("CARGO_BIN_EXE_baton-agent"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("BATON_AGENT_")) {
        command.env_remove(name);
    }
    let output = command.args(arguments).arg("--config").arg(config).output().unwrap();
    Outcome {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn check_config_prints_what_is_in_effect_or_what_is_wrong() {
    let directory = tempdir().unwrap();
    let file = directory.path().join("agent.toml");
    std::fs::write(&file, "[server]\nurl = \"https://baton.example\"\n").unwrap();
    let outcome = baton_agent(&["--check-config"], &file);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(outcome.stdout.contains("url = \"https://baton.example:443\""), "{}", outcome.stdout);
    let printed = Config::from_sources(&file, &outcome.stdout, |_| None).unwrap();
    assert_eq!(printed, Config::load(&file).unwrap());

    std::fs::write(&file, "[server]\nurl = \"https://baton.example\"\nurls = 1\n").unwrap();
    let outcome = baton_agent(&["run", "--check-config"], &file);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(2), ""));
    for wanted in [file.to_str().unwrap(), "line 3", "unknown field `urls`", "`join_token_file`"] {
        assert!(outcome.stderr.contains(wanted), "{wanted} is not in {}", outcome.stderr);
    }

    let policy = directory.path().join("policy.toml");
    std::fs::write(&policy, "vrids = [51]\nshell = \"sh\"\n").unwrap();
    std::fs::write(&file, format!("policy_file = {policy:?}\n[server]\nurl = \"https://baton.example\"\n"))
        .unwrap();
    let takes_up = ["takes-up", "--layout", "0", "--state-dir", "/"];
    for command in [&["--check-config"][..], &["run"], &takes_up] {
        let outcome = baton_agent(command, &file);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(2), ""), "{command:?}");
        for wanted in [policy.to_str().unwrap(), "line 2", "unknown field `shell`", "`interfaces`"] {
            assert!(outcome.stderr.contains(wanted), "{wanted} is not in {}", outcome.stderr);
        }
    }
    assert_eq!(baton_agent(&["status"], &file).code, Some(1), "who only asks does not read it");

    let outcome = baton_agent(&["--check-config"], &directory.path().join("missing.toml"));
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.contains("missing.toml: No such file"), "{}", outcome.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_shows_a_running_agent_and_says_when_there_is_none() {
    let directory = tempdir().unwrap();
    let config = config(directory.path(), "https://localhost:1", "");
    let file = directory.path().join("agent.toml");
    std::fs::write(&file, config.to_toml().unwrap()).unwrap();

    let outcome = baton_agent(&["status"], &file);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(1), ""));
    assert!(outcome.stderr.contains("no agent answers on"), "{}", outcome.stderr);

    let agent = Agent::start(&config).await;
    crate::eventually::eventually("the socket is there", || config.socket.exists(), |there| *there).await;
    let table = baton_agent(&["status"], &file);
    assert_eq!(table.code, Some(0), "{}", table.stderr);
    assert!(table.stdout.contains(&agent.boot_id.to_string()), "{}", table.stdout);
    let json = baton_agent(&["status", "-o", "json"], &file);
    let status: api_types::agent_status::LocalStatus = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(status.boot_id, agent.boot_id);
    agent.stop().await;
}

#[test]
fn enrol_without_a_token_says_how_to_give_one() {
    let directory = tempdir().unwrap();
    let file = directory.path().join("agent.toml");
    std::fs::write(&file, config(directory.path(), "https://localhost:1", "").to_toml().unwrap()).unwrap();
    let outcome = baton_agent(&["enrol"], &file);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.contains("--join-token-file"), "{}", outcome.stderr);

    let token = directory.path().join("token");
    std::fs::write(&token, "baton_pat_x").unwrap();
    let outcome = baton_agent(&["enrol", "--join-token-file", token.to_str().unwrap()], &file);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.contains("must start with baton_join_"), "{}", outcome.stderr);
}
