//! An answer as frames, within the client's flow-control windows (RFC 9113, section 5.2).

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, UNIX_EPOCH};

use actix_http::Response;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, SendStream};
use http::header::{
    CONNECTION, CONTENT_LENGTH, DATE, HeaderName, HeaderValue, TRANSFER_ENCODING, UPGRADE,
};

use super::Outcome;
use super::data::{DataPiece, Unsent};
use super::memory::ConnectionMemory;
use crate::transport::connection::{Refusal, Timeouts};
use crate::transport::resources::Resources;

/// The maximum bytes that are reserved in the window at once.
const PART: usize = 64 << 10;

/// The kind of a request.
#[derive(Clone, Copy)]
pub(super) struct RequestKind {
    pub(super) is_head: bool,
    /// Whether the request changed nothing, so that an error may replace the answer.
    pub(super) is_read: bool,
}

/// The answers of a connection.
pub(super) struct ResponseSender<'a> {
    pub(super) timeouts: Timeouts,
    pub(super) resources: &'a Resources,
    pub(super) memory: &'a Rc<ConnectionMemory>,
}

impl ResponseSender<'_> {
    /// Sends an answer. Returns after the client has read all of it or ended the stream. If no memory is left for the unsent
    /// part, a read gets an error in its place.
    pub(super) async fn send<B: MessageBody>(
        &self,
        respond: SendResponse<DataPiece>,
        answer: Response<B>,
        kind: RequestKind,
    ) -> Outcome {
        let bytes = match answer.body().size() {
            BodySize::Sized(bytes) if !kind.is_head => bytes.min(PART as u64),
            // A stream has a reservation of its own.
            BodySize::Sized(_) | BodySize::None | BodySize::Stream => 0,
        };
        match self.memory.reserve_answer(bytes as usize) {
            Err(error) if kind.is_read => {
                let answer: Response<BoxBody> = Refusal::overloaded(error).response().into();
                self.transmit(respond, answer, false).await
            }
            // The result of a write is always sent.
            _held => self.transmit(respond, answer, kind.is_head).await,
        }
    }

    async fn transmit<B: MessageBody>(
        &self,
        mut respond: SendResponse<DataPiece>,
        answer: Response<B>,
        is_head: bool,
    ) -> Outcome {
        let (answer, body) = answer.into_parts();
        let size = body.size();
        let now = UNIX_EPOCH + Duration::from_millis(self.resources.registry.now().as_millis());
        let head = head(&answer, size, &httpdate::fmt_http_date(now));
        let is_whole = is_head || size.is_eof();
        let Ok(mut stream) = respond.send_response(head, is_whole) else {
            return Outcome::Cancelled;
        };
        if !is_whole && let Err(reason) = send_body(&mut stream, body, self.timeouts.stall).await {
            stream.send_reset(reason);
        }
        Outcome::Answered
    }
}

fn head<B>(answer: &Response<B>, size: BodySize, date: &str) -> http::Response<()> {
    let mut head = http::Response::new(());
    *head.version_mut() = http::Version::HTTP_2;
    let status = http::StatusCode::from_u16(answer.status().as_u16());
    *head.status_mut() = status.unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    let headers = head.headers_mut();
    for (name, value) in answer.headers() {
        let name = HeaderName::from_bytes(name.as_str().as_bytes());
        let value = HeaderValue::from_bytes(value.as_bytes());
        if let (Ok(name), Ok(value)) = (name, value)
            // These fields are only for HTTP/1.1 (RFC 9113, section 8.2.2).
            && ![CONNECTION, TRANSFER_ENCODING, UPGRADE].contains(&name)
        {
            headers.append(name, value);
        }
    }
    if let BodySize::Sized(bytes) = size
        && answer.status() != actix_web::http::StatusCode::NO_CONTENT
    {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes));
    }
    if !headers.contains_key(DATE)
        && let Ok(date) = HeaderValue::from_str(date)
    {
        headers.insert(DATE, date);
    }
    head
}

/// Sends a body; the error is the reason of a reset of the stream.
async fn send_body(
    stream: &mut SendStream<DataPiece>,
    body: impl MessageBody,
    stall: Duration,
) -> Result<(), Reason> {
    let unsent = Rc::<Unsent>::default();
    // The body holds its memory until all of it is sent.
    let mut body = pin!(body);
    loop {
        let next = poll_fn(|context| {
            if stream.poll_reset(context).is_ready() {
                return Poll::Ready(Err(Reason::CANCEL));
            }
            body.as_mut().poll_next(context).map(Ok)
        });
        match next.await? {
            None => break,
            Some(Ok(part)) => send_part(stream, part, &unsent, stall).await?,
            // The answer is incomplete.
            Some(Err(_)) => return Err(Reason::INTERNAL_ERROR),
        }
    }
    stream
        .send_data(DataPiece::end(), true)
        .map_err(|_| Reason::CANCEL)?;
    unsent.wait(stream, stall).await
}

/// Sends a part of a body in pieces that fit into the windows.
async fn send_part(
    stream: &mut SendStream<DataPiece>,
    mut part: Bytes,
    unsent: &Rc<Unsent>,
    stall: Duration,
) -> Result<(), Reason> {
    while !part.is_empty() {
        stream.reserve_capacity(part.len().min(PART));
        let room = poll_fn(|context| stream.poll_capacity(context));
        let room = tokio::time::timeout(stall, room).await;
        // The client reads nothing, has closed the connection or has cancelled the request.
        let Ok(Some(Ok(room))) = room else {
            return Err(Reason::CANCEL);
        };
        let piece = DataPiece::new(part.split_to(room.min(part.len())), unsent);
        stream.send_data(piece, false).map_err(|_| Reason::CANCEL)?;
    }
    Ok(())
}
