//! The boundary at which a panic stops: one call fails, the server goes on.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
};

/// Runs `work` to its end, or until it panics; then the text of the panic is the error.
///
/// What the work shared with others has to be sound after a panic. Here that is: atomics, caches
/// whose locks do not poison, and the store, which answers for itself.
pub(crate) async fn catch<T>(work: impl Future<Output = T>) -> Result<T, String> {
    let mut work = pin!(work);
    std::future::poll_fn(
        |cx| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
            Ok(polled) => polled.map(Ok),
            Err(payload) => Poll::Ready(Err(text_of(payload.as_ref()))),
        },
    )
    .await
}

fn text_of(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        return (*text).to_owned();
    }
    payload
        .downcast_ref::<String>()
        .cloned()
        .unwrap_or_else(|| "no text".to_owned())
}
