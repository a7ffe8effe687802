//! Schemas of the OpenAPI document that cannot be derived from the types they describe.

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::group::{ExternalMember, Member, MemberSpec, NodeMember, NodeMemberSpec};

/// The words of [`vrrp::Family`]; the protocol crate knows no schemas.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case", description = "An address family.")]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl ToSchema for Member {}

impl PartialSchema for Member {
    fn schema() -> RefOr<Schema> {
        one_of_kinds::<NodeMember>("One member of a group.")
    }
}

impl ToSchema for MemberSpec {}

impl PartialSchema for MemberSpec {
    fn schema() -> RefOr<Schema> {
        one_of_kinds::<NodeMemberSpec>("One member of a group, as it is written.")
    }
}

/// Each kind as one closed object. The derived form, `allOf` of a closed object and the `kind`, accepts nothing.
fn one_of_kinds<Node: PartialSchema>(description: &str) -> RefOr<Schema> {
    let one_of = OneOfBuilder::new()
        .description(Some(description))
        .item(of_kind::<Node>("node", "A host with an agent."))
        .item(of_kind::<ExternalMember>(
            "external",
            "A router without an agent, for example a keepalived: a peer that is never commanded.",
        ));
    RefOr::T(Schema::OneOf(one_of.build()))
}

fn of_kind<T: PartialSchema>(kind: &str, description: &str) -> RefOr<Schema> {
    let mut schema = T::schema();
    if let RefOr::T(Schema::Object(object)) = &mut schema {
        let word = ObjectBuilder::new().schema_type(Type::String).enum_values(Some([kind])).build();
        object.properties.insert("kind".to_owned(), word.into());
        object.required.insert(0, "kind".to_owned());
        object.description = Some(description.to_owned());
    }
    schema
}
