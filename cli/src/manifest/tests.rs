use std::fs;

use super::*;

const GOOD: &str = "\
# A pair.
kind: group
name: web
segment: lan
vrid: 51
virtual_addresses: [10.77.0.100/24]
members:
  - kind: node
    node: lb1
    interface: eth0
    priority: 240
---
# Only a comment: no object.
---
kind: node
name: lb1
---
kind: segment
name: lan
prefixes: [10.77.0.0/24]
";

fn read_texts(texts: &[(&str, &str)]) -> Result<Vec<Document>, ManifestError> {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in texts {
        fs::write(directory.path().join(name), text).unwrap();
    }
    read(&[directory.path().to_owned()])
}

/// The mistakes of one file, without the directory in front.
fn mistakes(text: &str) -> Vec<String> {
    match read_texts(&[("f.yaml", text)]) {
        Err(ManifestError::Documents(mistakes)) => mistakes
            .iter()
            .map(|mistake| mistake.to_string().split_once("/f.yaml").unwrap().1.to_owned())
            .collect(),
        other => panic!("{other:?}"),
    }
}

fn subjects(documents: &[Document]) -> Vec<(&str, &str)> {
    documents.iter().map(|document| subject(&document.manifest)).collect()
}

#[test]
fn segments_come_before_nodes_and_nodes_before_groups() {
    let documents = read_texts(&[("f.yaml", GOOD)]).unwrap();
    assert_eq!(subjects(&documents), [("segment", "lan"), ("node", "lb1"), ("group", "web")]);
    assert_eq!(documents[2].origin.place("/members/0/priority").to_string().rsplit_once('/').unwrap().1, {
        "f.yaml:11 (document 1)"
    });
}

#[test]
fn files_of_a_directory_are_read_by_name_and_other_files_are_not() {
    let documents = read_texts(&[
        ("2.yml", "{kind: node, name: b}"),
        ("1.yaml", "{kind: node, name: a}"),
        ("notes.txt", "not: [yaml"),
    ])
    .unwrap();
    assert_eq!(subjects(&documents), [("node", "a"), ("node", "b")]);
}

#[test]
fn an_unknown_field_is_refused_with_its_name_and_its_line() {
    let found = mistakes("---\nkind: node\nname: lb1\n---\nkind: node\nname: lb2\ncolour: red\n");
    assert_eq!(found, [":7 (document 2): unknown field `colour`, expected `name` or `description`"]);
}

#[test]
fn an_unknown_field_of_a_member_is_refused_with_its_line() {
    let found = mistakes(&GOOD.replace("    priority: 240", "    priority: 240\n    weight: 3"));
    assert_eq!(
        found,
        [":12 (document 1): members[0]: unknown field `weight`, expected one of `node`, `interface`, \
             `priority`"]
    );
}

#[test]
fn a_value_out_of_range_is_refused_with_what_is_allowed_and_its_line() {
    let found = mistakes(&GOOD.replace("240", "256").replace("51", "0"));
    assert_eq!(
        found,
        [":11 (document 1): members[0]: priority: 256 is not a priority: allowed are 1 to 254, \
          and 255 for the owner of the addresses"]
    );
    let found = mistakes(&GOOD.replace("51", "0"));
    assert_eq!(found, [":5 (document 1): vrid: 0 is not a VRID: allowed are 1 to 255"]);
}

#[test]
fn a_check_is_written_like_everything_else_and_comes_before_the_groups() {
    let check = "kind: check\nname: nginx\nprobe: {kind: http, url: http://127.0.0.1/health}\n";
    let documents = read_texts(&[("f.yaml", &format!("{GOOD}---\n{check}"))]).unwrap();
    assert_eq!(subjects(&documents).last(), Some(&("group", "web")));
    assert!(subjects(&documents).contains(&("check", "nginx")));
    for (wrong, said) in [
        ("kind: exec", "unknown variant `exec`"),
        ("kind: tcp, port: 0", "0 is not a port: allowed are 1 to 65535"),
        ("kind: script, script: x, args: [-c]", "unknown field `args`"),
        ("kind: http", "missing field `url`"),
    ] {
        let found = mistakes(&format!("kind: check\nname: nginx\nprobe: {{{wrong}}}\n"));
        assert!(found[0].starts_with(":3 (document 1): ") && found[0].contains(said), "{found:?}");
    }
    let found = mistakes("kind: check\nname: nginx\nprobe: {kind: process, process: x}\nrise: 0\n");
    assert_eq!(found, [":4 (document 1): rise: 0 is not a number of runs in a row: allowed are 1 to 100"]);
}

#[test]
fn a_missing_field_is_named() {
    let found = mistakes(&GOOD.replace("vrid: 51\n", ""));
    assert_eq!(found, [":2 (document 1): missing field `vrid`"]);
}

#[test]
fn every_wrong_document_is_named_not_only_the_first() {
    let found = mistakes("kind: vip\nname: a\n---\nname: b\n---\n- 1\n");
    assert_eq!(
        found,
        [
            ":1 (document 1): kind: \"vip\" is not known: allowed are segment, node, check, group and sync-group",
            ":4 (document 2): there is no `kind`: allowed are segment, node, check, group and sync-group",
            ":6 (document 3): a document must be an object with `kind` and `name`",
        ]
    );
}

#[test]
fn a_break_of_the_syntax_is_named_with_its_line() {
    let found = mistakes("kind: node\nname: [lb1\n");
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with(":3 (document 1): it is no YAML: "), "{found:?}");
}

#[test]
fn a_repeated_key_is_named_with_its_own_line_and_hides_no_other_mistake() {
    let repeated = "kind: node\ndescription: a\nname: a\nname: b\n---\nkind: vip\n";
    let found = mistakes(repeated);
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(found[0], ":4 (document 1): the key `name` stands twice in one object");
    assert!(found[1].starts_with(":6 (document 2): kind: "), "{found:?}");
    let found = mistakes(&GOOD.replace("    priority: 240", "    priority: 240\n    node: lb2"));
    assert_eq!(found, [":12 (document 1): members[0]: the key `node` stands twice in one object"]);
}

#[test]
fn a_number_of_any_size_is_refused_by_its_field_with_what_is_allowed() {
    for number in ["99999999999999999999999", "18446744073709551615", "-99999999999999999999999"] {
        let found = mistakes(&GOOD.replace("51", number));
        assert_eq!(found, [format!(":5 (document 1): vrid: {number} is not a VRID: allowed are 1 to 255")]);
    }
    let found = mistakes(&GOOD.replace("51", &"9".repeat(60)));
    assert!(found[0].starts_with(":5 (document 1): vrid: it is "), "{found:?}");
}

#[test]
fn an_object_that_is_written_twice_is_refused_with_both_places() {
    let found = mistakes("kind: node\nname: a\n---\nkind: node\nname: a\n");
    assert!(found[0].starts_with(":5 (document 2): node a is also at "), "{found:?}");
    assert!(found[0].ends_with("f.yaml:2 (document 1): an object is written once"), "{found:?}");
}

#[test]
fn a_source_without_objects_is_refused_by_name_even_beside_one_with_objects() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let (full, empty) = (file("full.yaml", GOOD), file("empty.yaml", ""));
    for empty in [empty, file("comments.yaml", "# nothing\n---\n---\n")] {
        let error = read(&[full.clone(), empty.clone()]).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{} holds no object", empty.display())), "{error}");
    }
    assert!(matches!(read_texts(&[]), Err(ManifestError::EmptyDirectory { .. })));
    let error = read(&["/nonexistent.yaml".into()]).unwrap_err().to_string();
    assert_eq!(error, "/nonexistent.yaml cannot be read");
}

#[test]
fn a_value_of_the_wrong_type_is_refused_with_its_field_its_document_and_the_type() {
    let text = "it must be text (in quotation marks where YAML reads it as something else)";
    let cases = [
        (
            "vrid: 51",
            "vrid: \"51\"",
            ":5 (document 1): vrid: it is the text \"51\": it must be a whole number".into(),
        ),
        (
            "vrid: 51",
            "vrid: 5.5",
            ":5 (document 1): vrid: it is the number `5.5`: it must be a whole number".into(),
        ),
        ("vrid: 51", "vrid:", ":5 (document 1): vrid: it is empty: it must be a whole number".into()),
        (
            "vrid: 51",
            "vrid: 51\npreempt_mode: 1",
            ":6 (document 1): preempt_mode: it is the number `1`: it must be true or false".into(),
        ),
        ("name: web", "name: 5", format!(":3 (document 1): name: it is the number `5`: {text}")),
        (
            "virtual_addresses: [10.77.0.100/24]",
            "virtual_addresses: 10.77.0.100/24",
            ":6 (document 1): virtual_addresses: it is the text \"10.77.0.100/24\": it must be a list".into(),
        ),
        (
            "    node: lb1",
            "    node: [lb1]",
            format!(":9 (document 1): members[0]: node: it is a list: {text}"),
        ),
    ];
    for (good, bad, wanted) in cases {
        assert_eq!(mistakes(&GOOD.replace(good, bad)), [wanted]);
    }
    assert_eq!(
        mistakes(&GOOD.replace("[10.77.0.0/24]", "[10.77.0.0/24, lan]")),
        [":20 (document 4): prefixes[1]: invalid IP address syntax"]
    );
}

#[test]
fn what_only_the_server_writes_is_passed_over() {
    let owned = "id: x\ngeneration: 3\ncreated_at: x\nupdated_at: x\nstatus: {groups: 1}\n";
    let documents = read_texts(&[("f.yaml", &format!("kind: node\nname: lb1\n{owned}"))]).unwrap();
    assert_eq!(subjects(&documents), [("node", "lb1")]);
}

#[test]
fn a_field_that_is_not_there_is_placed_at_what_is_around_it() {
    let documents = read_texts(&[("f.yaml", GOOD)]).unwrap();
    let group = &documents[2].origin;
    let line = |pointer: &str| group.place(pointer).line;
    assert_eq!(line("/members/0/missing"), line("/members/0"));
    assert_eq!(line("/members/0"), Some(8));
    assert_eq!(line("/preempt_mode"), Some(2));
    assert_eq!(line("/virtual_addresses/0"), Some(6));
}
