//! A peer that speaks TLS and answers what a test lays out, and remembers what it was asked.
//!
//! It decides nothing: it is no server of Baton, only the other end of the wire.

use std::collections::{BTreeMap, VecDeque};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex, Once};
use std::{fs, io::Write as _, thread};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode};
use axum_server::tls_rustls::RustlsConfig;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, SupportedProtocolVersion};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const TOKEN: &str = "baton_pat_0123_secret";

/// A running peer; it ends with the test process.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    script: Arc<Mutex<Script>>,
    directory: TempDir,
}

#[derive(Default)]
struct Script {
    answers: BTreeMap<String, VecDeque<Answer>>,
    asked: Vec<Asked>,
}

/// An answer that is given once.
#[derive(Clone)]
pub(crate) struct Answer {
    status: u16,
    etag: Option<&'static str>,
    /// The time of the peer; that of the machine when it is not laid out.
    date: Option<&'static str>,
    body: String,
}

/// A request as the peer saw it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Asked {
    /// `PUT /api/v1/groups/web`, with its query.
    pub(crate) line: String,
    pub(crate) if_match: Option<String>,
    pub(crate) if_none_match: Option<String>,
    pub(crate) authorization: Option<String>,
    pub(crate) body: Value,
}

pub(crate) fn ok(body: Value) -> Answer {
    text(200, &body.to_string())
}

pub(crate) fn with_etag(etag: &'static str, body: Value) -> Answer {
    Answer { etag: Some(etag), ..ok(body) }
}

/// An answer of a peer whose clock says `date`.
pub(crate) fn dated(date: &'static str, body: Value) -> Answer {
    Answer { date: Some(date), ..ok(body) }
}

pub(crate) fn text(status: u16, body: &str) -> Answer {
    Answer { status, etag: None, date: None, body: body.to_owned() }
}

pub(crate) fn problem(status: u16, code: &str, detail: &str, fields: &[(&str, &str)]) -> Answer {
    let errors: Vec<Value> =
        fields.iter().map(|(pointer, detail)| json!({"pointer": pointer, "detail": detail})).collect();
    let body = json!({
        "type": format!("/problems/{code}"), "title": code, "status": status, "code": code, "detail": detail,
        "errors": errors, "request_id": "req-1",
    });
    text(status, &body.to_string())
}

impl Peer {
    /// A peer whose certificate is for `name`, signed by a CA of its own.
    pub(crate) fn named(name: &str) -> Self {
        Self::new(name, rustls::ALL_VERSIONS)
    }

    /// A peer that speaks this version of TLS only.
    pub(crate) fn speaking(version: &'static SupportedProtocolVersion) -> Self {
        Self::new("127.0.0.1", &[version])
    }

    fn new(name: &str, versions: &[&'static SupportedProtocolVersion]) -> Self {
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(|| rustls::crypto::aws_lc_rs::default_provider().install_default().unwrap());

        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &ca).unwrap();

        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("ca.pem"), ca.pem()).unwrap();
        fs::write(directory.path().join("token"), format!("{TOKEN}\n")).unwrap();

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let tls = ServerConfig::builder_with_protocol_versions(versions);
        let tls = tls.with_no_client_auth().with_single_cert(vec![leaf.der().clone()], key).unwrap();
        let script = Arc::new(Mutex::new(Script::default()));
        let app = Router::new().fallback(answer).with_state(Arc::clone(&script));
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let tls = RustlsConfig::from_config(Arc::new(tls));
                let server = axum_server::from_tcp_rustls(listener, tls).unwrap();
                server.serve(app.into_make_service()).await.unwrap();
            });
        });
        Self { address, script, directory }
    }

    pub(crate) fn start() -> Self {
        Self::named("127.0.0.1")
    }

    /// Answers the next request of this line so; further answers to the same line come after it.
    pub(crate) fn answers(&self, line: &str, answer: Answer) -> &Self {
        self.script.lock().unwrap().answers.entry(line.to_owned()).or_default().push_back(answer);
        self
    }

    /// The requests so far, exchanges of the token left out.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        let script = self.script.lock().unwrap();
        script.asked.iter().filter(|asked| asked.line != EXCHANGE).cloned().collect()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }

    /// A file beside the CA and the token.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// `baton`, told by the environment where this peer is, and nothing else from the caller's environment.
    pub(crate) fn baton(&self, arguments: &[&str]) -> Said {
        let mut command = self.bare(arguments);
        command
            .env("BATON_SERVER", self.url())
            .env("BATON_CA", self.path("ca.pem"))
            .env("BATON_TOKEN_FILE", self.path("token"));
        said(&mut command, "")
    }

    /// `baton`, told by the environment to speak to `url` with some token, and to trust whom the machine
    /// trusts.
    pub(crate) fn at(&self, url: &str, arguments: &[&str]) -> Command {
        let mut command = self.bare(arguments);
        command.env("BATON_SERVER", url).env("BATON_TOKEN", TOKEN);
        command
    }

    /// `baton`, told nothing but where its configuration lives.
    pub(crate) fn bare(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_baton"));
        command.args(arguments).env_clear().env("BATON_CONFIG", self.path("config.toml"));
        command
    }
}

const EXCHANGE: &str = "POST /api/v1/auth/token";

async fn answer(State(script): State<Arc<Mutex<Script>>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let line = format!("{} {}", parts.method, parts.uri.path_and_query().unwrap());
    let header = |name: &str| parts.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let (if_match, if_none_match) = (header("if-match"), header("if-none-match"));
    let authorization = header("authorization");
    let octets = to_bytes(body, 1_000_000).await.unwrap();
    let body = serde_json::from_slice(&octets).unwrap_or(Value::Null);

    let mut script = script.lock().unwrap();
    let laid_out = script.answers.get_mut(&line).and_then(VecDeque::pop_front);
    let answer = laid_out.unwrap_or_else(|| {
        if line == EXCHANGE {
            ok(json!({"access_token": "a.jwt", "token_type": "Bearer", "expires_in": 600}))
        } else {
            problem(404, "not_found", "there is no such thing", &[])
        }
    });
    script.asked.push(Asked { line, if_match, if_none_match, authorization, body });

    let mut response = Response::builder().status(StatusCode::from_u16(answer.status).unwrap());
    for (name, value) in [("etag", answer.etag), ("date", answer.date)] {
        if let Some(value) = value {
            response = response.header(name, value);
        }
    }
    response.body(Body::from(answer.body)).unwrap()
}

/// What a run of `baton` said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs a command to its end with `input` on standard input.
pub(crate) fn said(command: &mut Command, input: &str) -> Said {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that reads no input may be gone before all of it is written.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    Said {
        code: status.code().unwrap(),
        out: String::from_utf8(stdout).unwrap(),
        err: String::from_utf8(stderr).unwrap(),
    }
}
