// Hidden lines of the examples include this file, so that they run against a server in memory. It has no `//!`, which
// is not allowed where it is included.

/// Starts a server on a free port, which ends with the process, and returns its URL.
fn serve() -> String {
    use std::sync::Arc;

    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let engine = Arc::new(akvs_core::MemoryEngine::new());
    let database = akvs_core::Database::open(engine, Default::default()).expect("a database");
    let clock = Arc::new(akvs_server::SystemClock::new());
    let committer =
        akvs_server::Committer::start(database, Default::default(), clock).expect("a committer");
    std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async {
            let registry = akvs_registry::Registry::new(committer);
            let server = akvs_http::start(vec![listener], registry, &Default::default());
            server.expect("a server").await
        })
    });
    format!("http://{address}")
}
