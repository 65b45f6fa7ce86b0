//! The end of a connection after an error: closing it at once could discard the error on its way to the client.

use std::cell::RefCell;
use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::task::Poll;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Instant, sleep_until};

use super::LINGER;

/// The maximum bytes that are read.
const MAX_BYTES: usize = 32 << 20;

/// Reads and discards what a client still sends, until it has closed its side or a short time is over.
pub(super) async fn linger<T: AsyncRead + Unpin>(stream: &RefCell<T>) {
    let (end, mut bytes) = (Instant::now() + LINGER, 0);
    let mut tick = pin!(sleep_until(end));
    poll_fn(|context| {
        let mut space = [MaybeUninit::uninit(); 4 << 10];
        loop {
            let mut some = ReadBuf::uninit(&mut space);
            match Pin::new(&mut *stream.borrow_mut()).poll_read(context, &mut some) {
                Poll::Ready(Ok(())) if !some.filled().is_empty() => {
                    bytes += some.filled().len();
                    // Without the timer, which is not polled while a fast client keeps the stream readable.
                    if bytes > MAX_BYTES || end <= Instant::now() {
                        return Poll::Ready(());
                    }
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return tick.as_mut().poll(context),
            }
        }
    })
    .await;
}
