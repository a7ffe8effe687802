use super::*;

const MINIMAL: &str = "[server]\nurl = \"https://baton.example:8443\"\n";

fn load(text: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
    let find =
        |name: &str| environment.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    Config::from_sources(Path::new("/etc/baton/agent.toml"), text, find)
        .map_err(|error| format!("{:#}", anyhow::Error::from(error)))
}

#[test]
fn the_url_of_the_server_is_all_that_must_be_said() {
    let config = load(MINIMAL, &[]).unwrap();
    assert_eq!(config.state_dir, Path::new("/var/lib/baton-agent"));
    assert_eq!(config.socket, Path::new("/run/baton-agent/agent.sock"));
    assert_eq!(config.log_format, LogFormat::Text);
    assert_eq!(config.server.url.authority(), "baton.example:8443");
    assert_eq!((config.metrics, config.server.join_token_file), (None, None));
}

#[test]
fn what_check_config_prints_is_a_configuration_that_says_the_same() {
    let text = "state_dir = \"/srv/a\"\nsocket = \"/srv/a.sock\"\nlog_format = \"json\"\n\
        [server]\nurl = \"https://[2001:db8::1]\"\njoin_token_file = \"/srv/join\"\n\
        [metrics]\nlisten = \"127.0.0.1:9165\"\n[fences]\nguard = false\n";
    let config = load(text, &[]).unwrap();
    assert_eq!(config.server.url.host(), "2001:db8::1");
    assert_eq!(config.server.url.port(), 443);
    assert_eq!(config.fences, FenceSettings { guard: false, ..FenceSettings::default() });
    assert_eq!(load(&config.to_toml().unwrap(), &[]).unwrap(), config);
}

#[test]
fn the_documented_example_is_a_valid_configuration() {
    let example = include_str!("../../agent.example.toml");
    assert_eq!(load(example, &[]).unwrap(), load(MINIMAL, &[]).unwrap(), "what is not commented out");

    let everything: String = example.lines().map(uncommented).collect();
    let config = load(&everything, &[]).unwrap();
    assert!(config.metrics.is_some() && config.server.join_token_file.is_some());
}

/// In the example `#key` is a setting that is left at its default, and `# Text` is prose.
fn uncommented(line: &str) -> String {
    let setting = line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line);
    format!("{setting}\n")
}

#[test]
fn every_fence_stands_unless_it_is_turned_off_by_its_name() {
    let fences = |text: &str| load(&format!("{MINIMAL}[fences]\n{text}"), &[]).map(|config| config.fences);
    assert_eq!(load(MINIMAL, &[]).unwrap().fences, FenceSettings::default());
    let all_off = "guard = false\nnftables_lease = false\naddress_lease = false\nself_check = false\n";
    assert_eq!(fences(all_off).unwrap(), FenceSettings::NONE);
    for (text, wanted) in [
        (
            "gard = false\n",
            "unknown field `gard`, expected one of `guard`, `nftables_lease`, `address_lease`, `self_check`",
        ),
        ("guard = \"no\"\n", "invalid type: string \"no\", expected a boolean"),
    ] {
        let refused = fences(text).unwrap_err();
        assert!(refused.contains(wanted) && refused.contains("line 4"), "{refused}");
    }
}

#[test]
fn the_environment_stands_above_the_file() {
    let config = load(
        MINIMAL,
        &[
            ("BATON_AGENT_STATE_DIR", "/srv/b"),
            ("BATON_AGENT_SOCKET", "/srv/b.sock"),
            ("BATON_AGENT_LOG_FORMAT", "json"),
            ("BATON_AGENT_SERVER_URL", "https://other.example"),
            ("BATON_AGENT_JOIN_TOKEN_FILE", "/srv/join"),
            ("BATON_AGENT_METRICS_LISTEN", "[::1]:9165"),
        ],
    )
    .unwrap();
    assert_eq!(config.state_dir, Path::new("/srv/b"));
    assert_eq!(config.socket, Path::new("/srv/b.sock"));
    assert_eq!(config.log_format, LogFormat::Json);
    assert_eq!(config.server.url.to_string(), "https://other.example:443");
    assert_eq!(config.server.join_token_file.as_deref(), Some(Path::new("/srv/join")));
    assert_eq!(config.metrics.unwrap().listen.port(), 9165);

    assert_eq!(load(MINIMAL, &[("BATON_AGENT_STATE_DIR", "")]), load(MINIMAL, &[]), "empty counts as none");
    let from_the_environment_alone = load("", &[("BATON_AGENT_SERVER_URL", "https://baton.example:8443")]);
    assert_eq!(from_the_environment_alone, load(MINIMAL, &[]));
}

#[test]
fn every_refusal_says_where_what_and_what_is_allowed() {
    let long = format!("socket = \"/{}\"\n{MINIMAL}", "x".repeat(99));
    let cases: &[(&str, &[&str])] = &[
        ("", &["server.url is missing", "https://baton.example:8443"]),
        ("[server]\n", &["server.url is missing"]),
        ("[server]\nurl = 5\n", &["line 2", "expected a string"]),
        ("[server]\nurl = \"http://a\"\n", &["line 2", "TLS only", "https://host:port"]),
        ("[server]\nurl = \"baton.example:8443\"\n", &["line 2", "https://host:port"]),
        ("[server]\nurl = \"https://a/api\"\n", &["line 2", "something behind the host"]),
        ("[server]\nurl = \"https://u:p@a\"\n", &["line 2", "credentials"]),
        ("statedir = \"/x\"\n", &["line 1", "unknown field `statedir`", "`state_dir`"]),
        (
            "[server]\nurl = \"https://a\"\ntoken = \"x\"\n",
            &["line 3", "unknown field `token`", "`join_token_file`"],
        ),
        ("[metrics]\n", &["missing field `listen`"]),
        ("[metrics]\nlisten = \"9165\"\n", &["line 2", "write it like 127.0.0.1:9165"]),
        ("[policy]\nfile = \"/etc/policy.toml\"\n", &["line 1", "unknown field `policy`"]),
        ("state_dir = \"here\"\n", &["line 1", "not an absolute path"]),
        ("log_format = \"xml\"\n", &["line 1", "unknown variant `xml`", "`text`", "`json`"]),
        ("state_dir = \n", &["line 1"]),
        (&long, &["line 1", "too long for a socket", "99"]),
    ];
    for (text, wanted) in cases {
        let error = load(text, &[]).expect_err(text);
        assert!(error.contains("/etc/baton/agent.toml"), "{error}");
        for part in *wanted {
            assert!(error.contains(part), "{text:?}: {part:?} is not in {error:?}");
        }
    }
}

#[test]
fn a_refused_variable_is_named() {
    for (name, value, wanted) in [
        ("BATON_AGENT_STATE_DIR", "x", "absolute path"),
        ("BATON_AGENT_LOG_FORMAT", "xml", "text and json"),
        ("BATON_AGENT_SERVER_URL", "http://a", "TLS only"),
        ("BATON_AGENT_METRICS_LISTEN", "9165", "127.0.0.1:9165"),
    ] {
        let error = load(MINIMAL, &[(name, value)]).expect_err(name);
        assert!(error.contains(name) && error.contains(wanted), "{error}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let error = Config::load(Path::new("/nonexistent/agent.toml")).expect_err("there is no such file");
    assert!(error.to_string().contains("/nonexistent/agent.toml"), "{error}");
}

#[test]
fn a_worker_gets_what_its_parent_has_read_whatever_the_files_hold_by_then() {
    let config = load(MINIMAL, &[("BATON_AGENT_POLICY_FILE", "/nowhere/policy.toml")]).unwrap();
    assert_eq!(config.policy_file, Path::new("/nowhere/policy.toml"));
    let policy = toml::from_str("vrids = [51]\n[scripts.x]\npath = \"/nowhere/x\"\n").unwrap();
    let settings = Settings { config, policy };
    let text = settings.to_hand_down().unwrap();
    assert_eq!(Settings::handed_down(Path::new("agent.toml"), &text).unwrap(), settings);
}
