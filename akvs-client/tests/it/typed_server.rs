//! The state of a server, and its distinction from other programs.

use akvs_client::Client;

use akvs_testing::scripted::{ScriptedServer, Step};
use akvs_testing::server::{TestServer, block_on};

#[test]
fn a_server_reports_version_and_limits() {
    for (app, engine, durability) in [
        (TestServer::start(), "memory", "none"),
        (TestServer::on_disk(), "disk", "fsync"),
    ] {
        let client = app.client();
        block_on(async {
            client.ping().await.unwrap();
            assert!(client.is_ready().await.unwrap());
            let version = client.version().await.unwrap();
            assert!(!version.version.is_empty());
            assert_eq!(version.durability, durability, "{engine}");
            assert_eq!(version.limits.max_txn_ops, Some(1_000));
            assert_eq!(version.limits.max_list_items, Some(1_000));
            assert!(version.limits.request_timeout.is_some());
            let metrics = client.metrics().await.unwrap();
            assert!(metrics.contains("# TYPE akvs_"), "{metrics}");
        });
    }
}

#[test]
fn another_program_or_none_is_an_error() {
    let app = TestServer::start();
    let unreachable = Client::new("http://127.0.0.1:1").unwrap();
    // The server has no route below this path.
    let lost = Client::new(&format!("{}/lost", app.url())).unwrap();
    block_on(async {
        for client in [unreachable, lost] {
            assert!(client.ping().await.is_err());
            assert!(client.is_ready().await.is_err());
            assert!(client.version().await.is_err());
            assert!(client.metrics().await.is_err());
        }
    });
}

#[test]
fn a_stopping_server_is_not_ready_without_an_error() {
    let server = ScriptedServer::new([Step::answer("503 Service Unavailable", "", "")]);
    let client = Client::new(&server.url()).unwrap();
    assert!(!block_on(client.is_ready()).unwrap());
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].starts_with("GET /readyz HTTP/1.1\r\n"));
}
