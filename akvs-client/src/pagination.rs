//! Streams over pages, and the named stream types of the client.
//!
//! It owns that a stream ends after its first error and is `Send` and `Unpin`. It does not know the elements.
//! Invariant: nothing is sent before a stream is polled.

use std::collections::VecDeque;
use std::pin::Pin;

use futures_util::Stream;
use futures_util::stream::try_unfold;

use crate::error::{Result, protocol_error};

/// A boxed stream.
pub(crate) type Boxed<T> = Pin<Box<dyn Stream<Item = Result<T>> + Send>>;

/// The elements of a page, and the cursor of the next page.
pub(crate) type Fetched<T> = (Vec<T>, Option<String>);

/// Returns a stream of the elements of all pages. A page is requested when its first element is polled.
pub(crate) fn paged<T, F>(page: impl Fn(Option<String>) -> F + Send + 'static) -> Boxed<T>
where
    T: Send + 'static,
    F: Future<Output = Result<Fetched<T>>> + Send + 'static,
{
    let state = (VecDeque::new(), Some(None::<String>), page);
    Box::pin(try_unfold(state, async |(mut elements, mut next, page)| {
        loop {
            if let Some(element) = elements.pop_front() {
                return Ok(Some((element, (elements, next, page))));
            }
            let Some(cursor) = next else {
                return Ok(None);
            };
            let (fetched, next_cursor) = page(cursor.clone()).await?;
            if next_cursor.is_some() && next_cursor == cursor {
                return Err(protocol_error(
                    "invalid answer: the cursor of the list does not advance",
                ));
            }
            elements = fetched.into();
            next = next_cursor.map(Some);
        }
    }))
}

/// Implements `Stream` for a struct around a [`Boxed`], and `next`, which needs no extension trait. `$make` creates
/// one, for the example.
macro_rules! stream {
    ($stream:ident => $item:ty, $make:literal) => {
        impl $stream {
            /// Returns the next element; `None` at the end and after an error. It is cancel safe: a dropped future
            /// (`select!`, a timeout) loses nothing.
            ///
            /// ```no_run
            /// # async fn example(client: akvs_client::Client, namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
            #[doc = concat!("let mut stream = ", $make, ";")]
            /// let first = stream.next().await.transpose()?;
            /// # Ok(()) }
            /// ```
            pub async fn next(&mut self) -> Option<$crate::error::Result<$item>> {
                std::future::poll_fn(|context| self.0.as_mut().poll_next(context)).await
            }
        }

        impl futures_util::Stream for $stream {
            type Item = $crate::error::Result<$item>;

            fn poll_next(
                mut self: std::pin::Pin<&mut Self>,
                context: &mut std::task::Context<'_>,
            ) -> std::task::Poll<Option<Self::Item>> {
                self.0.as_mut().poll_next(context)
            }
        }

        impl std::fmt::Debug for $stream {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($stream)).finish_non_exhaustive()
            }
        }
    };
}

pub(crate) use stream;

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::StreamExt;

    fn block_on<F: Future>(future: F) -> F::Output {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(future)
    }

    #[test]
    fn an_empty_page_is_not_the_end() {
        let pages = paged(async |cursor: Option<String>| {
            Ok(match cursor.as_deref() {
                None => (vec![1, 2], Some("a".into())),
                Some("a") => (vec![], Some("b".into())),
                _ => (vec![3], None),
            })
        });
        let fetched: Vec<_> = block_on(pages.map(Result::unwrap).collect());
        assert_eq!(fetched, [1, 2, 3]);
    }

    #[test]
    fn a_repeated_cursor_and_a_failed_page_end_the_stream() {
        let circle = paged(async |_| Ok((vec![1], Some("a".into()))));
        let fetched: Vec<_> = block_on(circle.map(|fetched| fetched.ok()).collect());
        assert_eq!(fetched, [Some(1), None]);
        let failing = paged(async |_| Err::<Fetched<u8>, _>(protocol_error("no")));
        assert_eq!(block_on(failing.count()), 1);
    }
}
