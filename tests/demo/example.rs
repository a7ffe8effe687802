//! The example that the demo applies, read as `baton apply` reads it, so that the laboratory fits it.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use api_types::group::{GroupSpec, Member, NodeMember};
use api_types::manifest::Manifest;
use api_types::segment::SegmentSpec;
use e2e::Subnets;
use serde::Deserialize;

const MANAGEMENT: [u8; 3] = [10, 99, 0];

/// One segment, and one group with nodes as members.
pub(crate) struct Example {
    pub(crate) path: PathBuf,
    pub(crate) group: GroupSpec,
    segment: SegmentSpec,
}

impl Example {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let (mut segments, mut groups) = (Vec::new(), Vec::new());
        for document in serde_yaml_ng::Deserializer::from_str(&text) {
            match Manifest::deserialize(document)? {
                Manifest::Segment(segment) => segments.push(segment),
                Manifest::Group(group) => groups.push(group),
                Manifest::Node(_) | Manifest::Check(_) | Manifest::SyncGroup(_) => {}
            }
        }
        let segment = segments.pop().context("the example has no segment")?;
        let group = groups.pop().context("the example has no group")?;
        ensure!(segments.is_empty() && groups.is_empty(), "the demo shows one segment and one group");
        ensure!(group.preempt_mode, "the demo shows how the address is taken back");
        Ok(Self { path: path.to_owned(), group, segment })
    }

    /// The LAN of the example: its segment's first prefix, a /24.
    pub(crate) fn subnets(&self) -> Result<Subnets> {
        let prefix = self.segment.prefixes.first().context("the segment has no prefix")?;
        let IpAddr::V4(network) = prefix.network() else { bail!("{prefix} is not an IPv4 prefix") };
        ensure!(prefix.prefix_len() == 24, "{prefix} is not a /24, as the laboratory's LAN is");
        let [a, b, c, _] = network.octets();
        Ok(Subnets { lan: [a, b, c], management: MANAGEMENT })
    }

    /// The virtual address.
    pub(crate) fn address(&self) -> Result<Ipv4Addr> {
        match self.group.virtual_addresses.first().map(|address| address.address()) {
            Some(IpAddr::V4(address)) => Ok(address),
            other => bail!("{other:?} is not an IPv4 address"),
        }
    }

    /// The members that are nodes, the one that shall hold the address first.
    pub(crate) fn nodes(&self) -> Vec<&NodeMember> {
        let mut nodes: Vec<&NodeMember> = self
            .group
            .members
            .iter()
            .filter_map(|member| match member {
                Member::Node(node) => Some(node),
                Member::External(_) => None,
            })
            .collect();
        nodes.sort_by_key(|node| std::cmp::Reverse(node.priority));
        nodes
    }

    /// The virtual router.
    pub(crate) fn vrid(&self) -> u8 {
        self.group.vrid.get()
    }
}
