//! Applying manifests to a real server.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::peer::said;
use crate::server::Server;

fn examples() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut examples: Vec<_> =
        files.filter(|file| file.extension().is_some_and(|extension| extension == "yaml")).collect();
    examples.sort();
    assert!(!examples.is_empty());
    examples
}

fn segment(name: &str, prefix: &str) -> String {
    format!("kind: segment\nname: {name}\nprefixes: [{prefix}]\n")
}

#[test]
fn every_example_is_taken_by_a_server_and_changes_nothing_the_second_time() {
    let server = Server::start();
    let readme = fs::read_to_string(examples()[0].with_file_name("README.md")).unwrap();
    for example in examples() {
        let file = example.file_name().unwrap().to_str().unwrap();
        assert!(readme.contains(&format!("]({file})")), "{file} is not in examples/README.md");
        let path = example.to_str().unwrap();
        let first = server.done(&["apply", "-f", path]);
        assert!(first.contains("group/") && first.lines().all(|line| line.ends_with("  created")), "{first}");
        let second = server.done(&["apply", "-f", path]);
        assert_eq!(second, first.replace("  created", "  unchanged"), "{file}");

        let groups = first.lines().filter_map(|line| line.strip_prefix("group/"));
        for group in groups.map(|line| line.split(' ').next().unwrap()) {
            let group = server.done(&["get", "group", group, "-o", "json"]);
            let group: Value = serde_json::from_str(&group).unwrap();
            assert!(group["members"].as_array().unwrap().len() >= 2, "{file}: a group of one moves nothing");
        }
        // Examples need not fit together: each begins on a server without the ones before.
        for line in first.lines().rev() {
            let (kind, name) = line.split(' ').next().unwrap().split_once('/').unwrap();
            server.done(&["delete", kind, name]);
        }
    }
    assert_eq!(server.done(&["get", "groups", "-o", "json"]), "[]\n");
}

#[test]
fn one_wrong_document_in_any_file_leaves_the_server_as_it_was() {
    let server = Server::shared();
    let good = server.path("untouched.yaml");
    fs::write(&good, segment("untouched", "10.31.0.0/24")).unwrap();
    let nowhere = server.path("nowhere.yaml");
    let wrong = server.path("wrong.yaml");
    let double = segment("untouched", "10.32.0.0/24");
    for (text, wanted) in [
        (None, "nowhere.yaml cannot be read"),
        (Some(""), "wrong.yaml holds no object"),
        (
            Some("kind: segment\nname: other\nprefixes: 10.33.0.0/24\n"),
            "wrong.yaml:3 (document 1): prefixes: ",
        ),
        (Some("kind: node\nname: a\n---\nkind: vip\n"), "wrong.yaml:4 (document 2): kind: \"vip\""),
        (Some(&double), "wrong.yaml:2 (document 1): segment untouched is also at "),
        (Some("kind: node\nname: [a\n"), "wrong.yaml:3 (document 1): it is no YAML"),
    ] {
        let bad = if let Some(text) = text {
            fs::write(&wrong, text).unwrap();
            &wrong
        } else {
            &nowhere
        };
        let said = server.baton(&["apply", "-f", good.to_str().unwrap(), "-f", bad.to_str().unwrap()]);
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{}", said.err);
        assert!(said.err.contains(wanted), "{wanted}: {}", said.err);
    }
    let get = server.baton(&["get", "segment", "untouched"]);
    assert_eq!(get.code, 3, "{}", get.out);
}

#[test]
fn what_changes_is_told_field_by_field() {
    let server = Server::shared();
    let group = |more: &str, lb1: u8, addresses: &str, members: &str| {
        format!(
            "{}---\nkind: node\nname: told1\n---\nkind: node\nname: told2\n---\nkind: group\nname: told\n\
             segment: told\nvrid: 34\n{more}virtual_addresses: [{addresses}]\nmembers:\n  \
             - {{kind: node, node: told1, interface: eth0, priority: {lb1}}}\n{members}",
            segment("told", "10.34.0.0/24")
        )
    };
    server.applied(&group("description: old\n", 240, "10.34.0.1/24", ""));
    let second = "  - {kind: node, node: told2, interface: eth1, priority: 200}\n";
    let more = "advertisement_interval_ms: 200\npreempt_mode: false\n";
    assert_eq!(
        server.applied(&group(more, 230, "10.34.0.1/24, 10.34.0.2/24", second)),
        "\
segment/told  unchanged
node/told1    unchanged
node/told2    unchanged
group/told    updated
    advertisement_interval_ms: 100 -> 200
    description: \"old\" -> \"\"
    members[told1].priority: 240 -> 230
    members: + {\"interface\":\"eth1\",\"kind\":\"node\",\"node\":\"told2\",\"priority\":200}
    preempt_mode: true -> false
    virtual_addresses: + \"10.34.0.2/24\"
"
    );
}

#[test]
fn what_the_server_advises_against_is_told_and_applied_all_the_same() {
    let server = Server::shared();
    let manifest = format!(
        "{}---\nkind: node\nname: doubt\n---\nkind: group\nname: doubt\nsegment: doubt\nvrid: 37\nversion: 2\n\
         authentication: {{type: simple_text, text: s3cret}}\nvirtual_addresses: [10.37.0.1/24]\nmembers:\n  \
         - {{kind: node, node: doubt, interface: eth0, priority: 240}}\n",
        segment("doubt", "10.37.0.0/24")
    );
    for outcome in ["created", "unchanged"] {
        let said = server.baton_with(&["apply", "-f", "-"], &manifest);
        assert!(
            said.code == 0 && said.out.ends_with(&format!("group/doubt    {outcome}\n")),
            "{}{}",
            said.out,
            said.err
        );
        let warning = "warning: group/doubt: authentication_insecure: ";
        assert!(said.err.starts_with(warning) && said.err.lines().count() == 1, "{}", said.err);
    }
    let described = server.done(&["describe", "group", "doubt"]);
    assert!(described.contains("authentication  simple text, which keeps nobody out\n"), "{described}");
    assert!(server.done(&["describe", "node", "doubt"]).contains("agent     not joined\n"));
    assert_eq!(server.baton(&["describe", "group", "nobody"]).code, 3);
}

#[test]
fn priorities_that_are_left_out_are_given_once_and_shown() {
    let server = Server::shared();
    let manifest = |more: &str| {
        format!(
            "{}---\nkind: node\nname: rank1\n---\nkind: node\nname: rank2\n---\nkind: group\nname: rank\n\
             segment: rank\nvrid: 38\n{more}virtual_addresses: [10.38.0.1/24]\nmembers:\n  \
             - {{kind: node, node: rank1, interface: eth0}}\n  - {{kind: node, node: rank2, interface: eth0}}\n",
            segment("rank", "10.38.0.0/24")
        )
    };
    for outcome in ["created", "unchanged"] {
        let said = server.applied(&manifest(""));
        assert!(said.ends_with(&format!("group/rank    {outcome}\n")), "{said}");
    }
    let shown = server.done(&["get", "group", "rank", "-o", "yaml"]);
    assert!(shown.contains("priority: 240\n") && shown.contains("priority: 232\n"), "{shown}");
    assert!(server.applied(&shown).ends_with("group/rank  unchanged\n"), "what is shown is what was given");
    let described = server.done(&["describe", "group", "rank"]);
    let line =
        |name: &str| described.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
    assert!(line("rank1").contains(" 240 ") && line("rank2").contains(" 232 "), "{described}");

    let shorter = server.applied(&manifest("advertisement_interval_ms: 10\n"));
    assert!(shorter.ends_with("members[rank2].priority: 232 -> 163\n"), "{shorter}");
    let crowd: String =
        (3..6).map(|n| format!("  - {{kind: node, node: rank{n}, interface: eth0}}\n")).collect();
    let said =
        server.baton_with(&["apply", "-f", "-"], &(manifest("advertisement_interval_ms: 10\n") + &crowd));
    assert_eq!((said.code, said.out.as_str()), (2, ""), "{}", said.err);
    assert!(
        said.err.contains("5 members have no priority written, and at 10 ms there is room for 4"),
        "{}",
        said.err
    );
}

#[test]
fn each_way_to_fail_has_its_exit_status_and_says_what_was_applied() {
    let server = Server::shared();
    let manifest = format!(
        "{}---\nkind: group\nname: fails\nsegment: fails\nvrid: 35\nvirtual_addresses: [192.0.2.1/24]\n\
         members:\n  - {{kind: node, node: nobody, interface: eth0, priority: 240}}\n",
        segment("fails", "10.35.0.0/24")
    );
    let refused = server.baton_with(&["apply", "-f", "-"], &manifest);
    assert_eq!((refused.code, refused.out.as_str()), (3, "segment/fails  created\n"), "{}", refused.err);
    for wanted in [
        "1 of 2 applied; not applied: group/fails",
        "standard input:9 (document 2): /virtual_addresses/0: ",
        "standard input:11 (document 2): /members/0/node: ",
    ] {
        assert!(refused.err.contains(wanted), "{wanted}: {}", refused.err);
    }

    let viewer = server.done(&["token", "create", "looks", "--role", "viewer", "--quiet"]);
    let mut command = server.command(&["apply", "-f", "-"]);
    let denied = said(command.env("BATON_TOKEN", viewer.trim()), &segment("denied", "10.36.0.0/24"));
    assert_eq!((denied.code, denied.out.as_str()), (5, ""), "{}", denied.err);
    assert!(denied.err.contains("0 of 1 applied; not applied: segment/denied"), "{}", denied.err);

    let mut command = server.command(&["apply", "-f", "-"]);
    command.env("BATON_SERVER", "https://127.0.0.1:1").env("BATON_TOKEN", viewer.trim());
    let unreachable = said(&mut command, &segment("denied", "10.36.0.0/24"));
    assert_eq!((unreachable.code, unreachable.out.as_str()), (4, ""), "{}", unreachable.err);
    assert_eq!(server.baton(&["get", "segment", "denied"]).code, 3);
}
