//! The reference of reads and of writes without a disk: an actix-web server that answers a constant.
//!
//! Its answers have the header fields of AKVS's, so that the difference to AKVS is what AKVS does, not what it says.

use std::io;

use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, rt::System, web};
use clap::Args as ClapArgs;

use crate::result::Result;

/// As long as the values of AKVS in all comparisons.
static VALUE: [u8; 100] = [b'v'; 100];
const TAG: &str = "\"1839180819310592\"";
const KEEP_ALIVE: std::time::Duration = std::time::Duration::from_secs(75);

/// Arguments of `akvs-bench reference`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// The number of threads that serve connections
    #[arg(long, default_value_t = 1)]
    workers: usize,
}

/// Serves until it is killed; prints its port first.
pub(crate) fn reference(args: &Args) -> Result {
    let workers = args.workers;
    System::new().block_on(serve(workers))?;
    Ok(())
}

async fn serve(workers: usize) -> io::Result<()> {
    // Without a route: the least that the framework can do.
    let server = HttpServer::new(|| App::new().default_service(web::to(answer)));
    let server = server
        .workers(workers)
        .keep_alive(KEEP_ALIVE)
        .backlog(4_096)
        .bind(("127.0.0.1", 0))?;
    for address in server.addrs() {
        println!("http://{address}");
    }
    server.run().await
}

async fn answer(request: HttpRequest, content: web::Payload) -> actix_web::Result<HttpResponse> {
    if request.method() == Method::POST {
        let value = content.to_bytes().await?;
        std::hint::black_box(value.len());
        return Ok(created());
    }
    Ok(found())
}

fn found() -> HttpResponse {
    let value = web::Bytes::from_static(&VALUE);
    let mut response = HttpResponse::with_body(StatusCode::OK, value).map_into_boxed_body();
    let date = HeaderValue::from_static("Mon, 30 Nov 2026 07:55:16 GMT");
    let policy = HeaderValue::from_static("sandbox; default-src 'none'");
    let octets = HeaderValue::from_static("application/octet-stream");
    let headers = response.headers_mut();
    headers.insert(header::ETAG, HeaderValue::from_static(TAG));
    headers.insert(header::LAST_MODIFIED, date);
    headers.insert(header::CONTENT_TYPE, octets);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    standing(headers);
    response
}

fn created() -> HttpResponse {
    let text = web::Bytes::from_static(b"Created");
    let mut response = HttpResponse::with_body(StatusCode::CREATED, text).map_into_boxed_body();
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    let existed = HeaderName::from_static("akvs-existed");
    let headers = response.headers_mut();
    headers.insert(header::ETAG, HeaderValue::from_static(TAG));
    headers.insert(existed, HeaderValue::from_static("?1"));
    headers.insert(header::CONTENT_TYPE, plain);
    standing(headers);
    response
}

/// Inserts the fields that every answer of AKVS has.
fn standing(headers: &mut header::HeaderMap) {
    let resources = HeaderName::from_static("cross-origin-resource-policy");
    headers.insert(resources, HeaderValue::from_static("same-origin"));
    let nosniff = HeaderValue::from_static("nosniff");
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
}
