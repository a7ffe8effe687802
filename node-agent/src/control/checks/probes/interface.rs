//! Whether an interface is up and has a carrier. The dataplane hears of every change, and tells control.

use tokio::sync::watch;

use super::Outcome;
use crate::control::overview::Overview;

#[derive(Debug)]
pub(in super::super) struct Interface {
    name: String,
    overview: watch::Receiver<Overview>,
    /// What the last run found.
    last: Option<Outcome>,
}

impl Interface {
    pub(super) const fn new(name: String, overview: watch::Receiver<Overview>) -> Self {
        Self { name, overview, last: None }
    }

    pub(super) async fn run(&mut self) -> Outcome {
        // An agent that ends needs no answer.
        let _ended = self.overview.wait_for(|overview| overview.snapshot_seen).await.map(drop);
        let outcome = look(&self.name, &self.overview.borrow());
        self.last = Some(outcome.clone());
        outcome
    }

    /// Completes when the interface stands otherwise than at the last run.
    pub(super) async fn news(&mut self) {
        let (name, last) = (self.name.as_str(), self.last.as_ref());
        if self.overview.wait_for(|overview| last != Some(&look(name, overview))).await.is_err() {
            std::future::pending().await
        }
    }
}

fn look(name: &str, overview: &Overview) -> Outcome {
    match overview.snapshot.interfaces.iter().find(|interface| interface.name == name) {
        None => Err(format!("there is no interface {name}")),
        Some(interface) if !interface.up => Err(format!("interface {name} is down")),
        Some(interface) if !interface.carrier => Err(format!("interface {name} has no carrier")),
        Some(_) => Ok(format!("interface {name} is up")),
    }
}
