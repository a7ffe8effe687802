//! Why the server refused, in a form that people can read.

use std::fmt;

use api_types::problem::{FieldProblem, Problem};
use reqwest::{Response, StatusCode};

/// How much of an answer that is no problem document is shown.
const EXCERPT: usize = 200;

/// A request that the server refused.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// `PUT /api/v1/groups/web`.
    asked: String,
    status: StatusCode,
    /// `None` when the answer was not from Baton, for example from a proxy on the way.
    problem: Option<Problem>,
    excerpt: String,
}

pub(super) async fn refusal(asked: String, response: Response) -> Refusal {
    let status = response.status();
    // An answer that breaks off still has a status to report.
    let text = response.text().await.unwrap_or_default();
    let problem = serde_json::from_str(&text).ok();
    Refusal { asked, status, problem, excerpt: text.chars().take(EXCERPT).collect() }
}

impl Refusal {
    pub(crate) const fn status(&self) -> StatusCode {
        self.status
    }

    /// The stable word of the problem, where the answer has one.
    pub(crate) fn code(&self) -> Option<&str> {
        self.problem.as_ref().map(|problem| problem.code.as_str())
    }

    /// What was wrong, in the words of the server; the status alone where the answer was not from Baton.
    pub(crate) fn detail(&self) -> String {
        let Some(problem) = &self.problem else { return self.status.to_string() };
        match problem.errors.as_slice() {
            [] => problem.detail.clone(),
            fields => fields.iter().map(|field| field.detail.as_str()).collect::<Vec<_>>().join("; "),
        }
    }

    /// The fields that were wrong.
    pub(crate) fn fields(&self) -> &[FieldProblem] {
        self.problem.as_ref().map_or(&[], |problem| &problem.errors)
    }

    /// What was wrong, without the fields: these say in full what the detail sums up.
    pub(crate) fn headline(&self) -> String {
        match &self.problem {
            Some(problem) if problem.errors.is_empty() => format!("{} ({})", problem.detail, problem.code),
            Some(problem) => format!("{} ({})", problem.title, problem.code),
            None if self.excerpt.trim().is_empty() => format!("the answer was {}", self.status),
            None => format!("the answer was {}, not from Baton: {}", self.status, self.excerpt.trim()),
        }
    }

    /// Names the request in the server's log, where the answer says it.
    pub(crate) fn request_id(&self) -> Option<&str> {
        self.problem.as_ref().and_then(|problem| problem.request_id.as_deref())
    }

    /// What to do next, where that can be said.
    pub(crate) fn hint(&self) -> Option<String> {
        let hint = match self.status {
            StatusCode::FORBIDDEN => {
                "your role does not allow this: an admin makes another token with `baton token create NAME \
                 --role ROLE`"
            }
            StatusCode::PRECONDITION_FAILED => {
                "somebody changed it meanwhile: look with `baton get`, then run the command again"
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                "the server cannot reach its database: VIPs go on being served; try again when it is back"
            }
            _ if self.code() == Some("agent_behind") => {
                "`baton get node NAME` shows whether its agent is connected; --force removes the node all the same"
            }
            _ if self.code() == Some("no_ready_member") => {
                "`baton describe group NAME` shows how its members stand; --force drains the node all the same"
            }
            _ if self.code() == Some("not_ready") => {
                "`baton describe group NAME` shows how its members stand"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} was refused: {}", self.asked, self.headline())?;
        for field in self.fields() {
            write!(f, "\n  {}: {}", place(&field.pointer), field.detail)?;
        }
        if let Some(id) = self.request_id() {
            write!(f, "\n  request {id}")?;
        }
        Ok(())
    }
}

/// A pointer as people read it; the empty one means the whole body.
pub(crate) fn place(pointer: &str) -> &str {
    if pointer.is_empty() { "the whole object" } else { pointer }
}
