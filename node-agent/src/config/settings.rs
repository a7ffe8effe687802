//! Everything that the people who run a host say to its agent: the configuration and the policy, read together.
//!
//! A parent reads them once and hands them to each of its workers, which therefore do not depend on what the files
//! hold by then.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Config, ConfigError, ConfigFile};
use crate::policy::{Policy, PolicyError};

/// What is in effect on this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Settings {
    /// The configuration.
    pub config: Config,
    /// What a server may ask.
    pub policy: Policy,
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The policy cannot be used.
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HandedDown {
    config: ConfigFile,
    policy: Policy,
}

impl Settings {
    /// Reads the configuration at `path` and the policy that it names.
    ///
    /// # Errors
    /// [`SettingsError`] says what is wrong with either, where, and what is allowed.
    pub fn load(path: &Path) -> Result<Self, SettingsError> {
        let config = Config::load(path)?;
        let policy = Policy::load(&config.policy_file)?;
        Ok(Self { config, policy })
    }

    /// What a parent hands to its workers.
    ///
    /// # Errors
    /// When a path is not UTF-8.
    pub fn to_hand_down(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }

    /// What a parent has handed down; `path` only names the configuration in messages.
    ///
    /// # Errors
    /// When the text is not what [`Settings::to_hand_down`] makes.
    pub fn handed_down(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let HandedDown { config, policy } = toml::from_str(text)
            .map_err(|source| ConfigError::Parse { path: path.to_owned(), source: Box::new(source) })?;
        // The parent has taken its environment into account.
        let config = Config::from_file(path, config, |_| None)?;
        Ok(Self { config, policy })
    }
}
