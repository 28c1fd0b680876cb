//! One direction of a relay: bytes that came in, how far they were looked at, and how far they went out.

use std::cell::RefCell;
use std::io;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::stream::Stream;

/// Size of a pooled buffer. Large enough that a bulk result moves in few system calls, small enough that a
/// thousand busy clients take tens of megabytes.
pub const BUFFER_BYTES: usize = 32 * 1024;

/// Buffers that a thread keeps for reuse; the rest go back to the allocator.
const SPARE_BUFFERS_MAX: usize = 64;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Bytes on their way through, in three parts: `..sent` are gone, `sent..scanned` may go, `scanned..end` are yet to
/// be looked at. What lies behind `end` is room.
///
/// An empty buffer owns no memory: storage is taken from a per-thread pool when bytes arrive and given back when the
/// last of them is written, so an idle connection costs nothing.
#[derive(Debug, Default)]
pub struct Buffer {
    /// Initialised in its whole length, so that reading into it needs neither unsafe code nor zeroing.
    data: Vec<u8>,
    sent: usize,
    scanned: usize,
    end: usize,
    /// Bytes of the current frame that have yet to arrive and will pass without a look.
    blind: usize,
    /// Bytes of the current frame that have yet to arrive and will be dropped.
    doomed: usize,
}

impl Buffer {
    /// Nothing is held: neither bytes to send nor bytes to look at, nor the rest of a frame to come.
    #[inline]
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.sent == self.end && !self.is_mid_frame()
    }

    /// The bytes that have yet to be looked at.
    #[inline]
    #[must_use]
    pub fn unscanned(&self) -> &[u8] {
        &self.data[self.scanned..self.end]
    }

    /// Whether something may be written.
    #[inline]
    #[must_use]
    pub fn has_output(&self) -> bool {
        self.sent < self.scanned
    }

    /// Bytes that may be written and have not been.
    #[must_use]
    pub fn unsent_bytes(&self) -> usize {
        self.scanned - self.sent
    }

    /// Whether the rest of a frame is still to come, to be passed or dropped unseen.
    #[inline]
    #[must_use]
    pub fn is_mid_frame(&self) -> bool {
        self.blind > 0 || self.doomed > 0
    }

    /// Lets the next `count` bytes pass, as many as have arrived now and the rest as it arrives.
    #[inline]
    pub fn pass(&mut self, count: usize) {
        let here = count.min(self.end - self.scanned);
        self.scanned += here;
        self.blind += count - here;
    }

    /// Drops the next `count` bytes, as many as have arrived now and the rest as it arrives.
    pub fn discard(&mut self, count: usize) {
        let here = count.min(self.end - self.scanned);
        self.replace(here, &[]);
        self.doomed += count - here;
        self.give_back_if_empty();
    }

    /// Puts `bytes` behind what may go and before what is yet to be looked at.
    pub fn insert(&mut self, bytes: &[u8]) {
        self.replace(0, bytes);
    }

    /// Replaces the next `count` bytes, all of which have arrived, by `bytes`, which may then go.
    pub fn replace(&mut self, count: usize, bytes: &[u8]) {
        let tail = self.scanned + count..self.end;
        let end = self.scanned + bytes.len() + tail.len();
        self.make_room(end);
        self.data.copy_within(tail, self.scanned + bytes.len());
        self.data[self.scanned..self.scanned + bytes.len()].copy_from_slice(bytes);
        self.scanned += bytes.len();
        self.end = end;
    }

    /// Reads once, and makes room first for an unscanned frame of `frame_bytes_wanted` bytes.
    ///
    /// Storage is taken only once the stream is ready. Call only when nothing waits to be written, so that a slow
    /// reader on one side stops the reading on the other.
    ///
    /// # Errors
    /// What the stream returns; end of file is `Ok(0)`.
    pub fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut Stream,
        frame_bytes_wanted: usize,
    ) -> Poll<io::Result<usize>> {
        if self.data.is_empty() {
            ready!(stream.poll_read_ready(cx))?;
        }
        self.compact();
        // A frame that must be seen whole grows the buffer as it arrives, not as it announces itself: a client that
        // claims a gigabyte and sends nothing takes nothing.
        self.make_room(frame_bytes_wanted.min(self.end * 2).max(self.end + 1));
        let mut read = ReadBuf::new(&mut self.data[self.end..]);
        let polled = Pin::new(stream).poll_read(cx, &mut read);
        let count = read.filled().len();
        self.end += count;
        match polled {
            Poll::Pending => {
                self.give_back_if_empty();
                Poll::Pending
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) => {
                let pass = self.blind.min(count);
                self.blind -= pass;
                self.scanned += pass;
                if self.doomed > 0 {
                    let drop = self.doomed.min(self.end - self.scanned);
                    self.doomed -= drop;
                    self.replace(drop, &[]);
                }
                Poll::Ready(Ok(count))
            }
        }
    }

    /// Writes what may go, as far as the stream takes it; ready when all of it is written.
    ///
    /// # Errors
    /// What the stream returns; a stream that takes nothing is `WriteZero`.
    pub fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut Stream,
    ) -> Poll<io::Result<()>> {
        while self.sent < self.scanned {
            let written =
                ready!(Pin::new(&mut *stream).poll_write(cx, &self.data[self.sent..self.scanned]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += written;
        }
        self.give_back_if_empty();
        Poll::Ready(Ok(()))
    }

    /// Forgets everything and gives the storage back.
    pub fn clear(&mut self) {
        self.blind = 0;
        self.doomed = 0;
        self.sent = self.end;
        self.give_back_if_empty();
    }

    fn compact(&mut self) {
        if self.sent > 0 {
            self.data.copy_within(self.sent..self.end, 0);
            self.scanned -= self.sent;
            self.end -= self.sent;
            self.sent = 0;
        }
    }

    fn make_room(&mut self, bytes: usize) {
        if self.data.is_empty() {
            self.data = take_spare();
        }
        if self.data.len() < bytes {
            self.data.resize(bytes.max(self.data.len() * 2), 0);
        }
    }

    fn give_back_if_empty(&mut self) {
        if self.sent == self.end {
            self.sent = 0;
            self.scanned = 0;
            self.end = 0;
            give_spare(mem::take(&mut self.data));
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        give_spare(mem::take(&mut self.data));
    }
}

fn take_spare() -> Vec<u8> {
    SPARE
        .with_borrow_mut(Vec::pop)
        .unwrap_or_else(|| vec![0; BUFFER_BYTES])
}

fn give_spare(data: Vec<u8>) {
    if data.len() == BUFFER_BYTES {
        SPARE.with_borrow_mut(|spare| {
            if spare.len() < SPARE_BUFFERS_MAX {
                spare.push(data);
            }
        });
    }
}
