//! A backup: all that the store holds, streamed while it goes on working.

use std::io;

use axum::{
    body::Body,
    extract::State,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::mpsc;
use tracing::error;

use super::{
    Shared,
    error::{ApiError, ErrorBody},
};

/// Chunks that wait for the connection: with the store's 64 KiB each, a quarter of a megabyte.
const CHUNKS: usize = 4;

type Chunk = Result<Bytes, io::Error>;

/// Copy the whole store
///
/// The bytes are for `muster backup`, which makes a data directory of them. They hold the apps'
/// secret keys. They are whole if the answer ends as HTTP says it should. One backup at a time.
#[utoipa::path(
    get, path = "/muster/v1/backup", operation_id = "backup", tag = "server",
    responses(
        (
            status = 200, description = "All that the store holds at this moment", body = String,
            content_type = "application/octet-stream"
        ),
        (status = 409, description = "`backup_under_way`", body = ErrorBody)
    )
)]
pub(super) async fn backup(State(Shared(shared)): State<Shared>) -> Result<Response, ApiError> {
    let alone = shared.backing_up.clone().try_lock_owned();
    let alone = alone.map_err(|_| ApiError::backup_under_way())?;
    let (chunks, mut written) = mpsc::channel::<Chunk>(CHUNKS);
    let store = shared.core.store.clone();
    tokio::task::spawn_blocking(move || {
        let mut chunks = Chunks(chunks);
        if let Err(cause) = store.back_up(&mut chunks) {
            error!(%cause, "a backup failed");
            // Cuts the answer off, unless nobody reads it any more.
            let _ = chunks
                .0
                .blocking_send(Err(io::Error::other("the backup failed")));
        }
        drop(alone);
    });
    // What fails at once still gets a proper answer.
    let first = written.recv().await.transpose();
    let first = first.map_err(|_| ApiError::backup_failed())?;
    let rest = stream::poll_fn(move |context| written.poll_recv(context));
    let chunks = stream::StreamExt::chain(stream::iter(first.map(Ok)), rest);
    Ok((
        [(CONTENT_TYPE, "application/octet-stream")],
        Body::from_stream(chunks),
    )
        .into_response())
}

struct Chunks(mpsc::Sender<Chunk>);

impl io::Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Ok(Bytes::copy_from_slice(bytes)));
        sent.map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "the caller went away"))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
