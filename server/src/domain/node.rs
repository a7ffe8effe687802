//! The rules of a node.

use api_types::node::NodeSpec;
use api_types::problem::FieldProblem;

use super::faults::{Faults, check_description};

/// Every bad field of a node.
#[must_use]
pub fn faults_of(spec: &NodeSpec) -> Vec<FieldProblem> {
    let mut faults = Faults::default();
    check_description(&spec.description, &mut faults);
    faults.into_fields()
}
