//! The agent's systemd unit, obeyed as systemd obeys it: its own Exec lines, in systemd's order.
//!
//! What is obeyed is what matters to the addresses (systemd.service(5), systemd.kill(5)): `ExecReload=`,
//! `ExecStop=` with `$MAINPID`, `KillMode=` and the signal, then `ExecStart=`. A line that this reader does not
//! know how to obey is an error, so that no restart is judged that systemd would do in another way.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::command::output_of;
use crate::node::Node;

/// What of the `[Service]` section decides how a service starts, reloads and stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    start: String,
    reload: Vec<String>,
    stop: Vec<String>,
    kill_mode: String,
}

impl Unit {
    /// Reads a unit file.
    ///
    /// # Errors
    /// When there is none, it starts nothing, or something in it would change a restart and is not known here.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> Result<Self> {
        let (_, service) = text.split_once("[Service]").context("the unit has no [Service]")?;
        let service = service.split("\n[").next().unwrap_or_default();
        let mut unit =
            Self { start: String::new(), reload: Vec::new(), stop: Vec::new(), kill_mode: String::new() };
        for (name, value) in service.lines().filter_map(|line| line.trim().split_once('=')) {
            let value = value.trim().to_owned();
            match name.trim() {
                "ExecStart" => unit.start = value,
                "ExecReload" => unit.reload.push(value),
                "ExecStop" => unit.stop.push(value),
                "KillMode" => unit.kill_mode = value,
                other if other.starts_with("Exec") || other.ends_with("KillSignal") => {
                    bail!("{other}= is not known here")
                }
                _ => {}
            }
        }
        ensure!(!unit.start.is_empty(), "the unit starts nothing");
        ensure!(unit.kill_mode == "mixed", "KillMode={} is not known here", unit.kill_mode);
        Ok(unit)
    }

    /// Whether `systemctl reload` does something.
    #[must_use]
    pub fn can_reload(&self) -> bool {
        !self.reload.is_empty()
    }

    /// `systemctl restart`: what `ExecStop=` says, SIGTERM to the main process, and after its end `ExecStart=`.
    ///
    /// # Errors
    /// When a line fails, or what runs is not what the unit would start.
    pub fn restart(&self, node: &Node) -> Result<()> {
        ensure!(self.start.contains(" run "), "{} starts no agent", self.start);
        Self::obey(&self.stop, node)?;
        node.stop()?;
        node.restart()
    }

    /// `systemctl reload`: what `ExecReload=` says.
    ///
    /// # Errors
    /// When a line fails.
    pub fn reload(&self, node: &Node) -> Result<()> {
        ensure!(self.can_reload(), "the unit reloads nothing");
        Self::obey(&self.reload, node)
    }

    fn obey(lines: &[String], node: &Node) -> Result<()> {
        for line in lines {
            let line = line.replace("$MAINPID", &node.parent()?.to_string());
            let mut words = line.split_whitespace();
            let program = words.next().context("an empty line")?;
            let mut command = node.host.namespace.command(program);
            let command: &mut Command = command.args(words);
            output_of(command)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_restart_does_is_read_and_what_is_not_known_is_refused() {
        let unit =
            |service: &str| Unit::parse(&format!("[Unit]\nA=b\n[Service]\n{service}\n[Install]\nC=d\n"));
        let known = "ExecStart=/bin/agent run\nKillMode=mixed\nExecReload=/bin/kill -HUP $MAINPID";
        let read = unit(known).unwrap();
        assert_eq!((read.start.as_str(), read.can_reload()), ("/bin/agent run", true));
        assert!(unit("ExecStart=/bin/agent run\nKillMode=process").is_err());
        assert!(unit(&format!("{known}\nExecStopPost=/bin/true")).is_err());
        assert!(unit("KillMode=mixed").is_err());
    }
}
