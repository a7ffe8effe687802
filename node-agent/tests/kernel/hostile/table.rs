//! `docs/hostile-packets.md`: what each packet did, as the run saw it.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::packet::{Fate, Hostile};

/// Set to write the table rather than to compare with it.
const WRITE: &str = "BATON_WRITE_DOCS";

const HEAD: &str = "# Hostile packets

Each of these was sent as a frame to an agent that is Active and to one that is Backup, by a test that
writes this table (`make hostile-packets`) and fails when anything differs from it. What is dropped would
have won if it had been believed; what is heard claims a priority that loses. None of them made an agent
change its state, and no address came or went.

- **dropped, `cause`**: the counter of that name grew by exactly one, in what the dataplane reports; no
  other counter moved. All of them together were sent to a real agent as well, whose `baton-agent status` and
  `baton_vrrp_invalid_packets_total` then showed the sum of this table for each cause, and nothing else.
- **heard**: it is an advertisement, and counted as one.
- **not seen**: the kernel does not hand it to the agent; no counter moved.

## A flood

`make fuzz` ends with 10^6 random packets, half of them valid ones with some octets changed, through the
sockets of three agents, one of which is a real one, parent and worker; every test run sends 50,000. The run
fails when a role changes, an address moves, the counters do not account for every packet, or memory grows by
more than 2 MiB after the first tenth. A run on a machine with two processors that did other work besides:

```text
$ BATON_HOSTILE_PACKETS=1000000 cargo test --package baton-agent --test kernel hostile::flood -- --nocapture
1000000 packets, 931804 of protocol 112, in 87 s; role changes: 0; memory grew by 1236992 octets in this
process and by 118784 octets in the worker of the real agent; dropped: {\"auth\": 1, \"checksum\": 220350,
\"destination\": 25381, \"family\": 191979, \"length\": 368926, \"source\": 3200, \"ttl\": 1977,
\"type\": 718, \"version\": 5961, \"vrid\": 2}
```
";

/// A packet, and what became of it on the Active router and on the Backup.
pub(super) type Seen = (Hostile, [Fate; 2]);

/// Compares the table with what was seen, or writes it.
pub(super) fn keep(families: &[(&str, Vec<Seen>)]) {
    let mut text = HEAD.to_owned();
    for (family, rows) in families {
        write!(
            text,
            "\n## {family}: {} packets\n\n| Packet | Active | Backup | Why |\n|---|---|---|---|\n",
            rows.len()
        )
        .expect("a string takes all");
        for (packet, [active, backup]) in rows {
            writeln!(text, "| {} | {} | {} | {} |", packet.what, say(*active), say(*backup), packet.why)
                .expect("a string takes all");
        }
    }
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(path(), text).expect("written");
        return;
    }
    let kept = std::fs::read_to_string(path()).expect("docs/hostile-packets.md");
    let differs = kept.lines().zip(text.lines()).find(|(kept, seen)| kept != seen);
    assert!(
        kept == text,
        "docs/hostile-packets.md is not what was seen: {differs:?}; make hostile-packets writes it anew"
    );
}

fn say(fate: Fate) -> String {
    match fate {
        Fate::Dropped(cause) => format!("dropped, `{cause}`"),
        Fate::Heard => "heard".to_owned(),
        Fate::Unseen => "not seen".to_owned(),
    }
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the checkout").join("docs/hostile-packets.md")
}
