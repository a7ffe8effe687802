use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};

use tempfile::TempDir;
use vrrp::{AdvertisementInterval, Version};

use super::*;
use crate::control::test_data;

/// A directory that everybody may enter, with a program in it.
fn place() -> TempDir {
    let place = tempfile::tempdir().unwrap();
    set_mode(place.path(), 0o755);
    fs::write(place.path().join("program"), "#!/bin/sh\n").unwrap();
    set_mode(&place.path().join("program"), 0o755);
    place
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn load(place: &TempDir, text: &str) -> Result<Policy, String> {
    let file = place.path().join("policy.toml");
    fs::write(&file, text).unwrap();
    set_mode(&file, 0o644);
    said(&file)
}

fn said(file: &Path) -> Result<Policy, String> {
    Policy::load(file).map_err(|error| format!("{:#}", anyhow::Error::from(error)))
}

fn full(place: &TempDir) -> String {
    format!(
        "interfaces = [\"eth0\", \"bond*\"]\naddresses = [\"192.0.2.0/24\", \"2001:db8::1\"]\n\
         vrids = [\"1-99\", 120]\nminimum_interval_ms = 100\nvirtual_routes = false\n\
         check_targets = [\"10.0.0.0/8\"]\ncheck_files = [\"/run/app/\", \"/run/flag\"]\n\
         [scripts.pg-is-primary]\npath = {program:?}\nargs = [\"--port\", \"5432\"]\nuser = \"root\"\n\
         [hooks.conntrackd-primary]\npath = {program:?}\n",
        program = place.path().join("program"),
    )
}

#[test]
fn without_a_file_any_group_is_allowed_and_no_program_or_file() {
    let place = place();
    let policy = Policy::load(&place.path().join("policy.toml")).unwrap();
    assert_eq!(policy, Policy::default());
    assert_eq!(policy.forbids(&test_data::group().desired), [""; 0]);
    assert!(policy.scripts.is_empty() && policy.place_of_file("/etc/passwd").is_none());
    assert!(policy.allows_target("127.0.0.9".parse().unwrap()));
    assert!(!policy.allows_target("192.0.2.1".parse().unwrap()));
}

#[test]
fn a_policy_that_is_handed_down_says_the_same() {
    let place = place();
    let policy = load(&place, &full(&place)).unwrap();
    assert_eq!(toml::from_str::<Policy>(&toml::to_string(&policy).unwrap()).unwrap(), policy);
    assert_eq!(policy.hooks.values().next().map(Program::user), Some("nobody"));
}

#[test]
fn a_group_that_asks_for_everything_beyond_it_is_told_each_field_and_what_is_allowed() {
    let place = place();
    let policy = load(&place, &full(&place)).unwrap();
    let allowed = test_data::group().desired;
    assert_eq!(policy.forbids(&allowed), [""; 0]);
    let mut greedy = DesiredGroup { interface: "eth00".to_owned(), ..allowed };
    greedy.virtual_addresses = ["192.0.2.10/24", "198.51.100.1/24"].map(|text| text.parse().unwrap()).into();
    greedy.vrid = Vrid::new(100).unwrap();
    greedy.advertisement_interval_ms = AdvertisementInterval::from_millis(Version::V3, 90).unwrap();
    greedy.options.virtual_routes = vec![serde_json::from_str(r#"{"destination": "0.0.0.0/0"}"#).unwrap()];
    assert_eq!(
        policy.forbids(&greedy),
        [
            "interface: the policy of this host does not allow eth00: allowed are eth0, bond*",
            "virtual_addresses: the policy of this host does not allow 198.51.100.1: allowed are 192.0.2.0/24, \
             2001:db8::1/128",
            "vrid: the policy of this host does not allow 100: allowed are 1-99, 120",
            "advertisement_interval_ms: the policy of this host does not allow 90: allowed are 100 and more",
            "virtual_routes: the policy of this host does not allow any",
        ]
    );
    let none = Policy { interfaces: Some(Vec::new()), ..Policy::default() };
    assert_eq!(
        none.forbids(&greedy),
        ["interface: the policy of this host does not allow eth00: it allows none"]
    );
}

#[test]
fn a_pattern_covers_the_names_that_it_stands_for_and_no_others() {
    let matches =
        |pattern: &str, name: &str| InterfacePattern::try_from(pattern.to_owned()).unwrap().matches(name);
    for (pattern, name, wanted) in [
        ("eth0", "eth0", true),
        ("eth0", "eth00", false),
        ("bond*", "bond", true),
        ("bond*", "bond0.5", true),
        ("bond*", "xbond0", false),
        ("*", "lo", true),
        ("*.5", "eth0.5", true),
        ("e*0*5", "eth0.5", true),
        ("e*0*5", "eth5.0", false),
        ("a*a", "a", false),
    ] {
        assert_eq!(matches(pattern, name), wanted, "{pattern} {name}");
    }
}

#[test]
fn files_are_allowed_one_by_one_or_below_a_directory() {
    let place = place();
    let policy = load(&place, &full(&place)).unwrap();
    let allowed = |path: &str| policy.place_of_file(path);
    assert_eq!(allowed("/run/app/up"), Some((PathBuf::from("/run/app/"), PathBuf::from("up"))));
    assert_eq!(allowed("/run/flag"), Some((PathBuf::from("/run"), PathBuf::from("flag"))));
    for outside in [
        "/run/app",
        "/run/app/",
        "/run/application",
        "/run/app/../../etc/shadow",
        "/run/app/./up",
        "/run/app//up",
        "run/app/up",
        "/run/flag/",
        "/run/flagged",
        "",
    ] {
        assert_eq!(allowed(outside), None, "{outside}");
    }
}

#[test]
fn what_is_wrong_is_told_with_its_line_its_field_and_what_is_allowed() {
    let place = place();
    let program = place.path().join("program").display().to_string();
    for (text, wanted) in [
        ("interfaces = []\nshell = \"/bin/sh\"", &["line 2", "unknown field `shell`"][..]),
        ("addresses = [\"192.0.2.1/24\"]", &["line 1", "write \"192.0.2.0/24\""]),
        ("\nvrids = [0]", &["line 2", "\"0\" is no VRID", "allowed are 1 to 255"]),
        ("vrids = [\"9-1\"]", &["\"9-1\" is no VRID and no range"]),
        ("minimum_interval_ms = 5", &["line 1: minimum_interval_ms", "allowed are 10 to 255000"]),
        ("check_files = [\"/run/../etc/\"]", &["is no absolute path"]),
        ("[scripts.\"../x\"]\npath = \"/x\"", &["line 1", "is not a name"]),
        ("[scripts.x]\npath = \"x.sh\"", &["line 2", "is no absolute path"]),
        ("[scripts.x]\npath = \"/x\"\ncommand = \"id\"", &["line 3", "unknown field `command`"]),
        ("[scripts.x]\npath = \"/nowhere/x\"", &["line 2: scripts.x.path: /nowhere", "No such file"]),
        (
            &format!("[hooks.x]\npath = {program:?}\nuser = \"who-is-this\"\n"),
            &["line 3: hooks.x.user: there is no user \"who-is-this\""],
        ),
    ] {
        let error = load(&place, text).unwrap_err();
        for part in wanted {
            assert!(error.contains(part), "{part} is not in {error}");
        }
        assert!(error.contains("policy.toml"), "{error}");
    }
}

/// The tests run as root or as somebody who owns the file; both are trusted, and nobody else is.
const STRANGER: u32 = 12_345;

#[test]
fn a_file_that_others_could_change_is_refused() {
    let place = place();
    let file = place.path().join("policy.toml");
    fs::write(&file, "").unwrap();
    for (mode, may) in [(0o600, true), (0o644, true), (0o664, false), (0o646, false)] {
        set_mode(&file, mode);
        assert_eq!(said(&file).is_ok(), may, "{mode:o}");
    }
    set_mode(&file, 0o644);

    set_mode(place.path(), 0o777);
    let error = said(&file).unwrap_err();
    assert!(error.contains("mode 0777"), "{error}");
    set_mode(place.path(), 0o1777);
    assert!(said(&file).is_ok(), "with the sticky bit nobody replaces it");
    set_mode(place.path(), 0o755);

    let link = place.path().join("link.toml");
    symlink(&file, &link).unwrap();
    assert!(said(&link).unwrap_err().contains("is a symbolic link"));
    let around = place.path().join("around");
    symlink(place.path(), &around).unwrap();
    assert!(said(&around.join("policy.toml")).unwrap_err().contains("around is a symbolic link"));
    assert!(said(place.path()).unwrap_err().contains("is no regular file"));

    if nix::unistd::geteuid().is_root() {
        chown(&file, Some(STRANGER), None).unwrap();
        assert!(said(&file).unwrap_err().contains("belongs to user 12345: it must belong to root"));
    }
}

#[test]
fn a_program_that_others_could_change_or_nobody_can_run_is_refused() {
    let place = place();
    let program = place.path().join("program");
    let refused = || trust::of_program(&program).unwrap_err().to_string();
    assert!(trust::of_program(&program).is_ok());
    set_mode(&program, 0o644);
    assert!(refused().contains("is not executable: chmod +x"));
    set_mode(&program, 0o775);
    assert!(refused().contains("can be written by its group or by others (mode 0775)"));
    set_mode(&program, 0o755);
    set_mode(place.path(), 0o775);
    assert!(refused().contains("mode 0775"));
    set_mode(place.path(), 0o755);
    let real = place.path().join("real");
    fs::rename(&program, &real).unwrap();
    assert!(refused().contains("No such file"));
    symlink(&real, &program).unwrap();
    assert!(refused().contains("is a symbolic link"));
}
