//! The binary as people run it: one command, TLS, a private Postgres, an orderly end and a sudden one.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::harness::eventually;

struct Server {
    dir: tempfile::TempDir,
    url: String,
    child: Child,
}

impl Server {
    async fn start() -> Self {
        Self::start_with("").await
    }

    /// With more in its configuration.
    async fn start_with(more: &str) -> Self {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::Builder::new()
            .prefix("baton-server-")
            .permissions(std::fs::Permissions::from_mode(0o711))
            .tempdir_in("/tmp")
            .unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let text =
            format!("listen = \"127.0.0.1:{port}\"\nstate_dir = {:?}\n{more}", dir.path().join("state"));
        std::fs::write(dir.path().join("server.toml"), text).unwrap();
        let child = spawn(dir.path());
        let server = Self { dir, url: format!("https://127.0.0.1:{port}"), child };
        server.wait_until_ready().await;
        server
    }

    fn state(&self, name: &str) -> PathBuf {
        self.dir.path().join("state").join(name)
    }

    async fn wait_until_ready(&self) {
        eventually("the server is ready", async || {
            self.state("ca.pem").exists()
                && self.get("/readyz").await.is_some_and(|(status, _)| status == 200)
        })
        .await;
    }

    /// A client that trusts the server's own authority and nobody else.
    fn client(&self) -> reqwest::Client {
        self.builder().build().unwrap()
    }

    fn builder(&self) -> reqwest::ClientBuilder {
        let ca = reqwest::Certificate::from_pem(&std::fs::read(self.state("ca.pem")).unwrap()).unwrap();
        reqwest::Client::builder().tls_certs_only([ca])
    }

    async fn get(&self, path: &str) -> Option<(u16, Value)> {
        let token = std::fs::read_to_string(self.state("admin-token")).unwrap_or_default();
        let request = self.client().get(format!("{}{path}", self.url)).bearer_auth(token.trim());
        let response = request.send().await.ok()?;
        Some((response.status().as_u16(), response.json().await.unwrap_or_default()))
    }

    fn postgres(&self) -> i32 {
        let file = std::fs::read_to_string(self.state("postgres/data/postmaster.pid")).unwrap();
        file.lines().next().unwrap().parse().unwrap()
    }

    async fn end(&mut self, signal: Signal) -> ExitStatus {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
        let mut status = None;
        eventually("the server has ended", async || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        })
        .await;
        status.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended; then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_baton-server"));
    command.args(arguments).env_remove("BATON_SERVER_DATABASE_URL");
    command
}

fn spawn(dir: &Path) -> Child {
    let log = std::fs::File::options().create(true).append(true).open(dir.join("log")).unwrap();
    command(&["run", "--config"])
        .arg(dir.join("server.toml"))
        .stderr(log)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn is_alive(pid: i32) -> bool {
    kill(Pid::from_raw(pid), None).is_ok()
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn one_command_serves_and_sigterm_ends_it_with_its_postgres() {
    let mut server = Server::start().await;
    assert_eq!(mode(&server.state("admin-token")), 0o600);
    assert_eq!(mode(&server.state("server.key")), 0o600);
    let (status, me) = server.get("/api/v1/auth/self").await.unwrap();
    assert_eq!((status, &me["role"]), (200, &json!("admin")));

    let stranger = reqwest::Client::builder().build().unwrap();
    assert!(
        stranger.get(format!("{}/livez", server.url)).send().await.is_err(),
        "nobody else vouches for it"
    );

    let postgres = server.postgres();
    let status = server.end(Signal::SIGTERM).await;
    assert!(status.success(), "{status}");
    assert!(!is_alive(postgres));
    assert!(!server.state("postgres/data/postmaster.pid").exists());

    let token = std::fs::read_to_string(server.state("admin-token")).unwrap();
    server.child = spawn(server.dir.path());
    server.wait_until_ready().await;
    let (status, again) = server.get("/api/v1/auth/self").await.unwrap();
    assert_eq!((status, again), (200, me), "the same token still counts, by the same authority");
    assert_eq!(std::fs::read_to_string(server.state("admin-token")).unwrap(), token);
    assert!(server.end(Signal::SIGINT).await.success());
}

#[tokio::test]
async fn a_start_and_a_stop_in_order_alarm_nobody() {
    let mut server = Server::start().await;
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        assert!(server.end(signal).await.success(), "{signal}");
        let log = std::fs::read_to_string(server.dir.path().join("log")).unwrap();
        let alarms: Vec<_> =
            log.lines().filter(|line| line.contains(" WARN ") || line.contains(" ERROR ")).collect();
        assert_eq!(alarms, Vec::<&str>::new(), "{signal}");
        server.child = spawn(server.dir.path());
        server.wait_until_ready().await;
    }
}

#[tokio::test]
async fn a_killed_server_leaves_no_postgres_behind_and_starts_again() {
    let mut server = Server::start().await;
    let postgres = server.postgres();
    server.end(Signal::SIGKILL).await;
    eventually("Postgres has ended", async || !is_alive(postgres)).await;
    server.child = spawn(server.dir.path());
    server.wait_until_ready().await;
    assert_eq!(server.get("/api/v1/auth/self").await.unwrap().0, 200);
}

#[tokio::test]
async fn a_killed_postgres_costs_some_answers_and_not_the_server() {
    let server = Server::start().await;
    let killed = server.postgres();
    kill(Pid::from_raw(killed), Signal::SIGKILL).unwrap();
    let mut seen = Vec::new();
    eventually("requests are served again", async || {
        let Some((status, body)) = server.get("/api/v1/auth/self").await else { return false };
        assert!(status == 200 || (status == 503 && body["code"] == "unavailable"), "{status} {body}");
        seen.push(status);
        status == 200 && !is_alive(killed)
    })
    .await;
    assert_eq!(seen.last(), Some(&200));
}

#[test]
fn a_configuration_is_checked_without_a_start() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("server.toml");
    let check = |text: &str| {
        std::fs::write(&file, text).unwrap();
        command(&["run", "--check-config", "--config"]).arg(&file).output().unwrap()
    };
    let good = check("listen = \"127.0.0.1:1\"");
    assert!(good.status.success());
    assert!(String::from_utf8(good.stdout).unwrap().contains("state_dir"), "it prints what is in force");

    let bad = check("listen = \"127.0.0.1:1\"\nstate_dri = \"/x\"");
    assert_eq!(bad.status.code(), Some(2));
    let said = String::from_utf8(bad.stderr).unwrap();
    assert!(said.contains("state_dri") && said.contains("line 2"), "{said}");
}

#[tokio::test]
async fn only_tls_1_3_is_spoken() {
    let server = Server::start().await;
    let ca = reqwest::Certificate::from_pem(&std::fs::read(server.state("ca.pem")).unwrap()).unwrap();
    let get = async |version| {
        let builder = reqwest::Client::builder().tls_certs_only([ca.clone()]);
        let client = builder.tls_version_max(version).timeout(Duration::from_secs(5)).build().unwrap();
        client.get(format!("{}/livez", server.url)).send().await
    };
    assert!(get(reqwest::tls::Version::TLS_1_3).await.is_ok());
    assert!(get(reqwest::tls::Version::TLS_1_2).await.is_err());
}

#[tokio::test]
async fn a_configured_certificate_is_served_and_its_authority_handed_to_agents() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = params.self_signed(&ca_key).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let leaf = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &rcgen::Issuer::new(params, &ca_key)).unwrap();
    let files = format!(
        "[tls]\ncertificate = {:?}\nkey = {:?}\nca = {:?}\n",
        write("leaf.pem", leaf.pem()),
        write("key.pem", key.serialize_pem()),
        write("ca.pem", ca.pem()),
    );
    let server = Server::start_with(&files).await;
    assert_eq!(std::fs::read_to_string(server.state("ca.pem")).unwrap(), ca.pem());
    assert_eq!(server.get("/api/v1/auth/self").await.unwrap().0, 200, "who trusts that authority is served");

    let token = std::fs::read_to_string(server.state("admin-token")).unwrap();
    let request =
        server.client().post(format!("{}/api/v1/join-tokens", server.url)).bearer_auth(token.trim());
    let answer: Value = request.json(&json!({"node": "lb1"})).send().await.unwrap().json().await.unwrap();
    let parsed = webpki::EndEntityCert::try_from(ca.der()).unwrap();
    let pin = baton_server::auth::sha256(&parsed.subject_public_key_info());
    let pin = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, pin);
    let secret = answer["secret"].as_str().unwrap();
    assert!(secret.ends_with(&format!("_{pin}")), "a join token pins the configured authority: {secret}");
}

#[test]
fn a_certificate_that_cannot_be_used_is_named_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("server.toml");
    let nowhere = dir.path().join("leaf.pem");
    let text = format!(
        "listen = \"127.0.0.1:0\"\nstate_dir = {:?}\n[tls]\ncertificate = {nowhere:?}\nkey = \"k\"\nca = \"c\"\n",
        dir.path().join("state"),
    );
    std::fs::write(&file, text).unwrap();
    let check = command(&["run", "--check-config", "--config"]).arg(&file).output().unwrap();
    let said = String::from_utf8(check.stderr).unwrap();
    assert_eq!(check.status.code(), Some(2), "{said}");
    assert!(said.contains("leaf.pem"), "{said}");
}

#[tokio::test]
async fn who_sends_too_much_reads_why_it_was_refused() {
    let server = Server::start().await;
    let token = std::fs::read_to_string(server.state("admin-token")).unwrap();
    let much = vec![b'x'; 16 << 20];
    for (path, method, credential, status) in [
        ("/api/v1/segments", reqwest::Method::POST, token.trim(), 413),
        ("/api/v1/segments", reqwest::Method::POST, "nobody", 401),
        ("/api/v1/segments", reqwest::Method::PUT, token.trim(), 405),
        ("/api/v1/nothing", reqwest::Method::PUT, token.trim(), 404),
    ] {
        for http1 in [true, false] {
            let client = if http1 { server.builder().http1_only() } else { server.builder() };
            let request = client.build().unwrap().request(method.clone(), format!("{}{path}", server.url));
            let request = request.bearer_auth(credential).header("content-type", "application/json");
            let answer = request.body(much.clone()).send().await.unwrap();
            assert_eq!(answer.status().as_u16(), status, "{path}, http1: {http1}");
            assert_eq!(answer.json::<Value>().await.unwrap()["status"], status);
        }
    }
}
