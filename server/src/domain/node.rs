//! The rules of a node.

use api_types::problem::FieldProblem;

use super::faults::{Faults, check_description};

/// Every bad field of a node; what could not be read is `None`.
#[must_use]
pub fn faults_of(description: Option<&str>) -> Vec<FieldProblem> {
    let mut faults = Faults::default();
    if let Some(description) = description {
        check_description(description, &mut faults);
    }
    faults.into_fields()
}
