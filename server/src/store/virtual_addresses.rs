//! The virtual addresses of groups, as rows, so that one address belongs to one group of a segment.

use std::collections::HashMap;
use std::net::IpAddr;

use api_types::VirtualAddress;
use sqlx::PgConnection;
use uuid::Uuid;

use super::StoreError;

/// The virtual addresses of each of the groups, in the order in which they were written.
pub(super) async fn of_groups(
    conn: &mut PgConnection,
    groups: &[Uuid],
) -> Result<HashMap<Uuid, Vec<VirtualAddress>>, StoreError> {
    let rows = sqlx::query!(
        r#"
        SELECT group_id, address AS "address: IpAddr", prefix_length
        FROM virtual_addresses WHERE group_id = ANY($1) ORDER BY group_id, position
        "#,
        groups,
    )
    .fetch_all(conn)
    .await?;
    let mut found: HashMap<Uuid, Vec<VirtualAddress>> = HashMap::new();
    for row in rows {
        let address = format!("{}/{}", row.address, row.prefix_length)
            .parse()
            .map_err(|error| StoreError::inconsistent("virtual_addresses", row.group_id, error))?;
        found.entry(row.group_id).or_default().push(address);
    }
    Ok(found)
}

/// Gives a group, which has none, its virtual addresses.
pub(super) async fn insert(
    conn: &mut PgConnection,
    group: Uuid,
    segment: Uuid,
    virtual_addresses: &[VirtualAddress],
) -> Result<(), StoreError> {
    let addresses: Vec<ipnet::IpNet> =
        virtual_addresses.iter().map(|virtual_address| virtual_address.address().into()).collect();
    let prefix_lengths: Vec<i16> =
        virtual_addresses.iter().map(|virtual_address| virtual_address.prefix_length().into()).collect();
    sqlx::query!(
        r#"
        INSERT INTO virtual_addresses (group_id, segment_id, position, address, prefix_length)
        SELECT $1, $2, (row.number - 1)::smallint, row.address, row.prefix_length
        FROM unnest($3::inet[], $4::smallint[]) WITH ORDINALITY AS row (address, prefix_length, number)
        "#,
        group,
        segment,
        &addresses,
        &prefix_lengths,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes all its virtual addresses from a group.
pub(super) async fn delete(conn: &mut PgConnection, group: Uuid) -> Result<(), StoreError> {
    sqlx::query!("DELETE FROM virtual_addresses WHERE group_id = $1", group).execute(conn).await?;
    Ok(())
}
