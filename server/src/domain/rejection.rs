//! Why a request breaks a rule of the domain.

use api_types::problem::FieldProblem;

/// Every field that breaks a rule; not empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// What is wrong, field by field.
    pub errors: Vec<FieldProblem>,
}

impl Rejection {
    /// A rejection because of one field.
    pub fn of(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { errors: vec![FieldProblem { pointer: pointer.into(), detail: detail.into() }] }
    }
}
