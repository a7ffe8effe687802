//! How patient a server is with an agent.

use std::time::Duration;

/// How long a session waits for its agent. A test makes them short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long a new connection may take to say hello.
    pub hello: Duration,
    /// How often the agent is pinged.
    pub ping: Duration,
    /// How often the database hears that the agent answers, when nobody wants to know.
    pub note: Duration,
    /// An agent that was not heard for this long cannot be counted on: two pings were not answered.
    pub silent: Duration,
    /// An agent that was not heard for this long is gone.
    pub idle: Duration,
    /// How long an agent may take to accept a message.
    pub send: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            hello: Duration::from_secs(10),
            ping: Duration::from_millis(750),
            note: Duration::from_secs(5),
            silent: Duration::from_millis(1_600),
            idle: Duration::from_secs(15),
            send: Duration::from_secs(10),
        }
    }
}
