//! An operator at a desk on the management network, with nothing but the `baton` command.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::Result;

use crate::binaries;
use crate::command::output_of;
use crate::host::Host;
use crate::lab::{Lab, Ports};
use crate::server::Server;

/// See the module.
#[derive(Debug)]
pub struct Operator {
    host: Host,
    program: PathBuf,
}

impl Operator {
    /// Plugs in a host and logs in with the token that the server's first start wrote.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses the token.
    pub fn log_in(lab: &Lab, server: &Server) -> Result<Self> {
        let host = lab.host("operator", 20, Ports::Management)?;
        let operator = Self { host, program: binaries::program("baton")? };
        let mut login = operator.command(&["login", "--server", &server.url(), "--ca"]);
        login.arg(server.ca_file()).arg("--token-file").arg(server.token_file());
        output_of(&mut login)?;
        Ok(operator)
    }

    /// What `baton <arguments>` prints.
    ///
    /// # Errors
    /// When its exit status is not 0; says what it complained about.
    pub fn baton(&self, arguments: &[&str]) -> Result<String> {
        output_of(&mut self.command(arguments))
    }

    /// What `baton <arguments>` prints, whatever its exit status: `baton status` has another one when
    /// something fails.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn glance(&self, arguments: &[&str]) -> Result<String> {
        let output = self.command(arguments).stdin(Stdio::null()).output()?;
        Ok(String::from_utf8(output.stdout)?)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.host.namespace.command(&self.program);
        command.args(arguments).env("BATON_CONFIG", self.host.directory.join("baton.toml"));
        command.env("NO_COLOR", "1");
        command
    }
}
