//! Which groups the dataplane has let go of, and the server is to tell others about.

use api_types::assist::LetGo;
use tokio::sync::broadcast;

/// What was let go of next; never returns while the server does not pass it on.
pub(super) async fn next(let_go: &mut Option<broadcast::Receiver<Vec<LetGo>>>) -> Vec<LetGo> {
    if let Some(let_go) = let_go {
        loop {
            match let_go.recv().await {
                Ok(mut groups) => {
                    groups.extend(waiting(let_go));
                    return groups;
                }
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => break,
            }
        }
    }
    std::future::pending().await
}

/// What was let go of already: each group says so by itself, and the server takes only so many messages.
pub(super) fn waiting(let_go: &mut broadcast::Receiver<Vec<LetGo>>) -> Vec<LetGo> {
    let mut waiting = Vec::new();
    loop {
        match let_go.try_recv() {
            Ok(groups) => waiting.extend(groups),
            Err(broadcast::error::TryRecvError::Lagged(_)) => {}
            Err(broadcast::error::TryRecvError::Empty | broadcast::error::TryRecvError::Closed) => {
                return waiting;
            }
        }
    }
}
