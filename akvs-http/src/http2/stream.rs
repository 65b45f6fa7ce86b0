//! One request, from its head to the end of its answer.

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
use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;

use super::{Outcome, Served, request, response};
use crate::expect;

/// Answers a request. It ends as soon as its client takes it back.
pub(super) async fn serve<S, B>(
    served: Rc<Served<S>>,
    request: http::Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) -> Outcome
where
    S: Service<Request>,
    S::Response: Into<Response<B>>,
    S::Error: Into<Response<BoxBody>>,
    B: MessageBody,
{
    let is_head = request.method() == Method::HEAD.as_str();
    let mut request = match request::request(request, &served) {
        Ok(request) => request,
        Err(refusal) => {
            let answer = refusal.response().into();
            return response::send(&served, respond, answer, is_head).await;
        }
    };
    if is_waiting(&request) {
        request = match expect::invite(request, Arc::clone(&served.state)).await {
            Ok(request) => request,
            Err(refused) => return response::send(&served, respond, refused.into(), is_head).await,
        };
        let mut go_on = http::Response::new(());
        *go_on.status_mut() = http::StatusCode::CONTINUE;
        if respond.send_informational(go_on).is_err() {
            return Outcome::TakenBack;
        }
    }
    let Some(answered) = unless_reset(&mut respond, served.app.call(request)).await else {
        return Outcome::TakenBack;
    };
    match answered {
        Ok(answer) => response::send(&served, respond, answer.into(), is_head).await,
        Err(error) => response::send(&served, respond, error.into(), is_head).await,
    }
}

/// Whether its client waits to be asked for the body.
fn is_waiting(request: &Request) -> bool {
    let mut expected = request.headers().get_all(EXPECT);
    expected.any(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// What comes of this, or none where the client takes the request back before.
async fn unless_reset<T>(
    respond: &mut SendResponse<Bytes>,
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
