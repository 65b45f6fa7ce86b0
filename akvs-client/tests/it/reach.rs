//! The ways to a server: Unix sockets, tokens, the environment.

use std::process::Command;

use akvs_client::Client;

use akvs_testing::scripted::{ScriptedServer, Step};
use akvs_testing::server::block_on;

#[cfg(unix)]
#[test]
fn a_server_at_a_unix_socket_is_reached() {
    use std::io::Write;
    use std::os::unix::net::UnixListener;

    use akvs_testing::scripted::read_request;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("akvs.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let server = std::thread::spawn(move || {
        [(), ()].map(|()| {
            let (mut stream, _) = listener.accept().unwrap();
            let asked = read_request(&mut stream);
            let answer = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\n7";
            stream.write_all(answer.as_bytes()).unwrap();
            asked
        })
    });
    let url = format!("unix:{}", path.display());
    for builder in [
        Client::builder().base_url(url).token("t0ken"),
        Client::builder().unix_socket(&path).base_url("http://h/x"),
    ] {
        let namespace = builder.build().unwrap().namespace("ns").unwrap();
        assert_eq!(block_on(namespace.get_or("k", 0)).unwrap(), 7);
    }
    let [first, second] = server.join().unwrap();
    assert!(first.starts_with("GET /kv/ns/k HTTP/1.1\r\n"), "{first}");
    assert!(first.contains("authorization: Bearer t0ken\r\n"), "{first}");
    assert!(second.starts_with("GET /x/kv/ns/k "), "{second}");
    let unreachable = Client::builder().unix_socket(folder.path().join("none"));
    let unreachable = unreachable.build().unwrap().namespace("ns").unwrap();
    let error = block_on(unreachable.set("k", &1)).unwrap_err();
    assert_eq!(error.to_string(), "the server cannot be reached");
    assert!(!error.is_unknown_outcome());
}

#[test]
fn every_request_has_the_token_and_no_text_shows_it() {
    let refused = Step::problem("401 Unauthorized", "unauthorized", "");
    let server = ScriptedServer::new([refused]);
    let client = server.builder().token("hidden").build().unwrap();
    let namespace = client.namespace("ns").unwrap();
    let mut shown = format!("{client:?} {namespace:?} {:?}", namespace.set("k", &1));
    block_on(async {
        for error in [
            namespace.get_bytes("k").await.unwrap_err(),
            namespace.set("k", &1).await.unwrap_err(),
            namespace.del("k").await.unwrap_err(),
            namespace
                .watch()
                .stream()
                .next()
                .await
                .unwrap()
                .unwrap_err(),
        ] {
            assert!(error.is_unauthorized());
            shown += &format!("{error} {error:?}");
        }
    });
    assert!(!shown.contains("hidden"), "{shown}");
    let asked = server.requests();
    assert_eq!(asked.len(), 4);
    for request in asked {
        let fields = request.matches("authorization: Bearer hidden\r\n");
        assert_eq!(fields.count(), 1, "{request}");
    }
}

#[test]
fn an_error_shows_no_token_password_or_url() {
    let server = ScriptedServer::new([Step::Cut]);
    let url = format!("{:?}", server.builder().token("hidden"));
    assert!(!url.contains("hidden"), "{url}");
    let with_user = server.url().replace("http://", "http://me:hidden@");
    // The path may be a secret of a proxy.
    let with_path = format!("{}/hidden", server.url());
    for builder in [
        server.builder().token("hidden"),
        Client::builder().base_url(with_user),
        Client::builder().base_url(with_path),
        Client::builder().base_url("http://127.0.0.1:1/hidden"),
    ] {
        let namespace = builder.build().unwrap().namespace("ns").unwrap();
        for error in [
            block_on(namespace.set("k", &1)).unwrap_err(),
            block_on(namespace.set("k", &1).if_absent()).unwrap_err(),
        ] {
            let mut shown = format!("{error} {error:?}");
            let mut cause = std::error::Error::source(&error);
            while let Some(error) = cause {
                shown += &format!("{error} {error:?}");
                cause = error.source();
            }
            assert!(!shown.contains("hidden"), "{shown}");
        }
    }
}

/// Runs in a process of its own, started by the test below with a changed environment.
#[test]
fn child_of_the_environment() {
    let Ok(value) = std::env::var("EXPECTED_OF_CHILD") else {
        return;
    };
    let namespace = Client::from_env().unwrap().namespace("ns").unwrap();
    assert_eq!(
        block_on(namespace.get_or("k", 0)).unwrap().to_string(),
        value
    );
}

#[test]
fn the_environment_sets_url_and_token() {
    let server = ScriptedServer::new([Step::answer("200 OK", "", "42")]);
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "reach::child_of_the_environment"])
        .env("EXPECTED_OF_CHILD", "42")
        .env("AKVS_URL", server.url())
        .env("AKVS_TOKEN", "from-outside")
        .env_remove("AKVS_TOKEN_FILE")
        .output()
        .unwrap();
    assert!(child.status.success(), "{child:?}");
    let asked = server.requests().concat();
    assert!(
        asked.contains("authorization: Bearer from-outside\r\n"),
        "{asked}"
    );
}
