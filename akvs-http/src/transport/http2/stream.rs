//! One stream: a request from its head to the end of its answer.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use actix_http::{HttpMessage, Request, Response};
use actix_service::Service;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::http::Method;
use actix_web::http::header::EXPECT;
use h2::RecvStream;
use h2::server::SendResponse;

use super::data::DataPiece;
use super::memory::ConnectionMemory;
use super::response::{RequestKind, ResponseSender};
use super::{Http2Service, Outcome, request};
use crate::transport::connection::Refusal;
use crate::transport::expect_continue;

/// Answers a request, whose target may be too long. Ends as soon as the client cancels it.
pub(super) async fn serve<S, B>(
    served: Rc<Http2Service<S>>,
    memory: Rc<ConnectionMemory>,
    (request, is_long): (http::Request<RecvStream>, bool),
    mut respond: SendResponse<DataPiece>,
) -> Outcome
where
    S: Service<Request>,
    S::Response: Into<Response<B>>,
    S::Error: Into<Response<BoxBody>>,
    B: MessageBody,
{
    let kind = RequestKind {
        is_head: request.method() == Method::HEAD.as_str(),
        is_read: request.method() == Method::GET.as_str()
            || request.uri().path().starts_with("/get/"),
    };
    let answers = ResponseSender {
        timeouts: served.timeouts,
        resources: &served.resources,
        memory: &memory,
    };
    let accepted = if is_long {
        Err(Refusal::long_target())
    } else {
        request::convert(request, &served)
            .and_then(|(request, bytes)| Ok((request, memory.reserve_request(bytes)?)))
    };
    // Held until the stream ends, also while the answer goes out.
    let (mut request, _held) = match accepted {
        Ok(accepted) => accepted,
        Err(refusal) => {
            let answer = refusal.response().into();
            return answers.send(respond, answer, kind).await;
        }
    };
    if is_waiting(&request) {
        request = match expect_continue::accept_body(request, Arc::clone(&served.resources)).await {
            Ok(request) => request,
            Err(refused) => return answers.send(respond, refused.into(), kind).await,
        };
        let mut interim = http::Response::new(());
        *interim.status_mut() = http::StatusCode::CONTINUE;
        if respond.send_informational(interim).is_err() {
            return Outcome::Cancelled;
        }
    }
    let Some(answered) = unless_reset(&mut respond, served.app.call(request)).await else {
        return Outcome::Cancelled;
    };
    match answered {
        Ok(answer) => answers.send(respond, answer.into(), kind).await,
        Err(error) => answers.send(respond, error.into(), kind).await,
    }
}

/// Returns whether the client waits for `100 Continue`.
fn is_waiting(request: &Request) -> bool {
    let mut expected = request.headers().get_all(EXPECT);
    expected.any(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// Returns the output of a future, or none if the client cancels the request before.
async fn unless_reset<T>(
    respond: &mut SendResponse<DataPiece>,
    answer: impl Future<Output = T>,
) -> Option<T> {
    let mut answer = pin!(answer);
    poll_fn(|context| {
        if respond.poll_reset(context).is_ready() {
            return Poll::Ready(None);
        }
        answer.as_mut().poll(context).map(Some)
    })
    .await
}
