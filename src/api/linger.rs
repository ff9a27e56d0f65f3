//! A close that lets the client read the answer: closing with unread bytes resets the connection under the answer.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// A client that was refused while it still sends gets this long to read why.
const PATIENCE: Duration = Duration::from_secs(5);
/// At most this much of what it still sends is read and dropped.
const MAX_DROPPED: usize = 256 * 1024 * 1024;
/// Dropped at a time.
const CHUNK: usize = 16 * 1024;

/// A stream whose shutdown ends its own side first, then drops what still comes until the other side ends too.
pub(super) struct Linger<S> {
    stream: S,
    /// Since this side has ended; when to give up.
    until: Option<Pin<Box<Sleep>>>,
    dropped: usize,
}

impl<S> Linger<S> {
    /// Around a connected stream.
    pub(super) fn new(stream: S) -> Self {
        Self { stream, until: None, dropped: 0 }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Linger<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Linger<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.until.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(context))?;
        }
        let until = this.until.get_or_insert_with(|| Box::pin(tokio::time::sleep(PATIENCE)));
        while until.as_mut().poll(context).is_pending() && this.dropped < MAX_DROPPED {
            let mut bytes = [0; CHUNK];
            let mut buffer = ReadBuf::new(&mut bytes);
            let read = ready!(Pin::new(&mut this.stream).poll_read(context, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                break;
            }
            this.dropped += buffer.filled().len();
        }
        Poll::Ready(Ok(()))
    }
}
