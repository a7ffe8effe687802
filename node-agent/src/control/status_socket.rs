//! The local socket behind `baton-agent status`: whoever connects is sent one [`LocalStatus`] as JSON.
//!
//! The agent's user and group may connect (mode 0660). Nothing is read from the socket, so there is nothing
//! to parse. The directory may lie on a disk that hangs: nothing but the status waits for that.

use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use api_types::agent_status::LocalStatus;
use thiserror::Error;
use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixStream};

use super::error_chain::chain;

/// How long a client may take to read the answer.
const READER: Duration = Duration::from_secs(5);
/// How long the end of the agent waits until the socket is removed.
const REMOVAL: Duration = Duration::from_millis(500);
/// How often a socket that could not be made is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// Why there is no socket.
#[derive(Debug, Error)]
pub enum SocketError {
    /// Another agent answers there.
    #[error("another agent answers on {0}; give each agent its own `socket`")]
    InUse(PathBuf),
    /// Something else has this name.
    #[error("{0} is there and is not a socket")]
    NotASocket(PathBuf),
    /// The system refused.
    #[error("cannot make the socket {path}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Answers until it is dropped. A socket that cannot be made is no reason not to protect addresses: it is
/// reported and tried again.
pub(crate) async fn serve(path: &Path, status: impl Fn() -> LocalStatus) {
    let listener = loop {
        let path = path.to_owned();
        match tokio::task::spawn_blocking(move || bind(&path)).await {
            Ok(Ok(listener)) => break listener,
            Ok(Err(error)) => {
                tracing::error!(error = chain(&error), "`baton-agent status` cannot be answered");
            }
            Err(error) => tracing::error!(%error, "`baton-agent status` cannot be answered"),
        }
        tokio::time::sleep(RETRY).await;
    };
    let _removed = RemoveOnDrop(path);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let Ok(json) = serde_json::to_vec(&status()) else { continue };
                tokio::spawn(answer(stream, json));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept on the status socket");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

async fn answer(mut stream: UnixStream, json: Vec<u8>) {
    let written = async {
        stream.write_all(&json).await?;
        stream.shutdown().await
    };
    // A client that went away or does not read only harms itself.
    let _ = tokio::time::timeout(READER, written).await;
}

/// Makes the socket under another name and renames it, so that it is never there with a wider mode and a
/// stale one is replaced in one step.
fn bind(path: &Path) -> Result<UnixListener, SocketError> {
    let failed = |source| SocketError::Io { path: path.to_owned(), source };
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
        Ok(found) if !found.file_type().is_socket() => return Err(SocketError::NotASocket(path.to_owned())),
        Ok(_) if BlockingStream::connect(path).is_ok() => return Err(SocketError::InUse(path.to_owned())),
        Ok(_) => {}
    }
    if let Some(directory) = path.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o755).create(directory).map_err(failed)?;
    }
    let beside = path.with_extension(std::process::id().to_string());
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(&beside).map_err(failed)?;
    std::fs::set_permissions(&beside, std::fs::Permissions::from_mode(0o660)).map_err(failed)?;
    std::fs::rename(&beside, path).map_err(failed)?;
    Ok(listener)
}

struct RemoveOnDrop<'a>(&'a Path);

impl Drop for RemoveOnDrop<'_> {
    fn drop(&mut self) {
        // A socket that is left behind is stale, and the next start replaces it.
        let (path, (done, removed)) = (self.0.to_owned(), std::sync::mpsc::channel());
        let _ = std::thread::Builder::new().spawn(move || done.send(std::fs::remove_file(path)));
        let _ = removed.recv_timeout(REMOVAL);
    }
}
