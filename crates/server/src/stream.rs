//! A connection's byte stream that does not wait for ever.
//!
//! hyper has one timeout for a request's head, and it runs while the connection is idle as well. The
//! protocol needs two: an idle connection stays open for at least 60 s (wire §1.2), while a head
//! that has begun has to end soon. So the times are kept here, below hyper: a read that waits too
//! long fails with `TimedOut`, and hyper closes the connection.
//!
//! [`Exchange`] is what this stream needs to know from above: whether a request is being answered
//! (then nothing is timed here; the body and the answer have limits of their own), and whether the
//! caller may still be sending when the connection is closed.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep},
};

use crate::Limits;

/// How long and how much a closing connection still takes in, so that a caller who is busy sending
/// reads the answer: closing with unread bytes makes TCP discard the answer on the other side.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 8 * 1024 * 1024;

/// Where one connection stands, shared between its stream and its service.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    // Grows at the start and at the end of every answer, so it is odd while one is made, and each
    // wait for a request has a number of its own.
    turn: AtomicU64,
    lingers: AtomicBool,
}

/// A request is being answered as long as this lives.
pub(crate) struct Answering(Arc<Exchange>);

impl Exchange {
    /// Says that a request's head is complete.
    pub(crate) fn begin(self: &Arc<Self>) -> Answering {
        self.turn.fetch_add(1, Ordering::Relaxed);
        Answering(self.clone())
    }

    /// Says that an answer is given although the caller may not have sent all of the request, and
    /// that the connection closes after it.
    pub(crate) fn linger(&self) {
        self.lingers.store(true, Ordering::Relaxed);
    }

    /// The number of this wait for a request, or `None` while a request is being answered.
    fn waiting(&self) -> Option<u64> {
        let turn = self.turn.load(Ordering::Relaxed);
        turn.is_multiple_of(2).then_some(turn)
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.turn.fetch_add(1, Ordering::Relaxed);
    }
}

/// A TCP stream with the waiting times of [`Limits`].
pub(crate) struct TimedStream {
    stream: TcpStream,
    exchange: Arc<Exchange>,
    header_timeout: Duration,
    idle_timeout: Duration,
    write_timeout: Duration,
    /// The wait for a request in whose course a byte came last.
    head_begun: Option<u64>,
    /// Set for the wait of this number, and for whether its head had begun.
    read_timer: Timer<(u64, bool)>,
    write_timer: Timer<()>,
    linger: Option<Linger>,
}

struct Linger {
    end: Pin<Box<Sleep>>,
    left_bytes: usize,
    buffer: Box<[u8]>,
}

/// A timeout for one thing at a time, which keeps its place in the runtime's timer wheel.
struct Timer<T> {
    waits_for: Option<T>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl<T: PartialEq> Timer<T> {
    fn new() -> Self {
        Self {
            waits_for: None,
            sleep: None,
        }
    }

    /// Fails once `what` has been waited for, without anything else in between, for `timeout`.
    fn check(&mut self, cx: &mut Context<'_>, what: T, timeout: Duration) -> Poll<io::Error> {
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep(timeout)));
        if self.waits_for.as_ref() != Some(&what) {
            sleep.as_mut().reset(Instant::now() + timeout);
            self.waits_for = Some(what);
        }
        ready!(sleep.as_mut().poll(cx));
        Poll::Ready(io::ErrorKind::TimedOut.into())
    }

    /// What was waited for has come.
    fn clear(&mut self) {
        self.waits_for = None;
    }
}

impl TimedStream {
    pub(crate) fn new(stream: TcpStream, exchange: Arc<Exchange>, limits: &Limits) -> Self {
        Self {
            stream,
            exchange,
            header_timeout: Duration::from_secs(limits.header_timeout_s),
            idle_timeout: Duration::from_secs(limits.idle_timeout_s),
            write_timeout: Duration::from_secs(limits.write_timeout_s),
            head_begun: None,
            read_timer: Timer::new(),
            write_timer: Timer::new(),
            linger: None,
        }
    }

    /// The first byte, which stays to be read.
    pub(crate) async fn first_byte(&self) -> io::Result<u8> {
        let mut first = [0];
        match self.stream.peek(&mut first).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(first[0]),
        }
    }

    /// Gives a caller who may be busy sending a last answer.
    pub(crate) async fn close_with(mut self, answer: &[u8]) -> io::Result<()> {
        self.exchange.linger();
        self.write_all(answer).await?;
        self.shutdown().await
    }

    /// Begins the wait for a request again: what came so far was a TLS handshake, and, if `head_begun`,
    /// the first bytes of a head after it.
    pub(crate) fn wait_anew(&mut self, head_begun: bool) {
        self.head_begun = self.exchange.waiting().filter(|_| head_begun);
        self.read_timer.clear();
    }

    fn watch_write<T>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.write_timer.clear();
            return polled;
        }
        let error = ready!(self.write_timer.check(cx, (), self.write_timeout));
        Poll::Ready(Err(error))
    }
}

impl AsyncRead for TimedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(cx, buf);
        let Some(turn) = this.exchange.waiting() else {
            return polled;
        };
        // A head of which a first part came together with the end of the body before it counts as
        // begun with the next byte; until then the idle time bounds it.
        if polled.is_ready() {
            if buf.filled().len() > before {
                this.head_begun = Some(turn);
            }
            return polled;
        }
        let head_begun = this.head_begun == Some(turn);
        let timeout = if head_begun {
            this.header_timeout
        } else {
            this.idle_timeout
        };
        let error = ready!(this.read_timer.check(cx, (turn, head_begun), timeout));
        Poll::Ready(Err(error))
    }
}

impl AsyncWrite for TimedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.watch_write(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.watch_write(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.linger.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
            if !this.exchange.lingers.load(Ordering::Relaxed) {
                return Poll::Ready(Ok(()));
            }
        }
        let linger = this.linger.get_or_insert_with(|| Linger {
            end: Box::pin(sleep(LINGER)),
            left_bytes: LINGER_BYTES,
            buffer: vec![0; 16 * 1024].into(),
        });
        loop {
            if linger.end.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let mut discarded = ReadBuf::new(&mut linger.buffer);
            let read = ready!(Pin::new(&mut this.stream).poll_read(cx, &mut discarded));
            let bytes = discarded.filled().len();
            if read.is_err() || bytes == 0 || bytes > linger.left_bytes {
                return Poll::Ready(Ok(()));
            }
            linger.left_bytes -= bytes;
        }
    }
}
