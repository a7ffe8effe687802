//! Takes in what a refused request still sends, so that its caller gets to read the answer: a connection that is
//! closed while the caller is writing shows it a broken connection instead.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::StreamExt;
use futures_util::stream::{Fuse, poll_fn};

/// How long the rest of a body may take to arrive; whoever is slower reads a broken connection.
const LIMIT: Duration = Duration::from_secs(5);

/// Middleware around every route.
pub async fn take(request: Request, next: Next) -> Response {
    // A caller that waits to be told to send will not send.
    if request.body().is_end_stream() || request.headers().contains_key(header::EXPECT) {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let body = Shared(Arc::new(Mutex::new(body.into_data_stream().fuse())));
    let reader = body.clone();
    let request = Request::from_parts(parts, Body::from_stream(poll_fn(move |context| reader.poll(context))));
    let response = next.run(request).await;
    if response.status() != StatusCode::REQUEST_TIMEOUT {
        let rest = poll_fn(|context| body.poll(context)).for_each(async |_| {});
        // Late or not, the answer is the same.
        let _ = tokio::time::timeout(LIMIT, rest).await;
    }
    response
}

/// A body that can be read on when its reader has given up.
#[derive(Clone)]
struct Shared(Arc<Mutex<Fuse<BodyDataStream>>>);

impl Shared {
    fn poll(&self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, axum::Error>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).poll_next_unpin(context)
    }
}
