//! The page in a real browser, where one is installed: its policy allows its own scripts, stored data is shown and
//! never executed, and the page works by keyboard.

use akvs_http::{Right, Token};

use super::driver::{Browser, Page};
use crate::tokens;
use akvs_testing::server::TestServer;

/// The listed keys.
const ROWS: &str =
    "[...document.querySelectorAll('#keys-rows tr:not(.gone) a')].map((a) => a.innerText).join()";
const HAS_FOCUS: &str = "document.activeElement.id";

fn is_shown(id: &str) -> String {
    format!("document.getElementById('{id}').getClientRects().length > 0")
}

/// Opens the page at a fragment, and waits until it has loaded the status.
fn open(page: &mut Page<'_>, app: &TestServer, fragment: &str) {
    page.open(&format!("{}/{fragment}", app.url()));
    page.until("document.getElementById('server').innerText.includes('durability none')");
}

#[test]
fn stored_values_are_shown_and_never_executed() {
    let app = TestServer::start();
    let script = "<script>document.title='obeyed'</script>";
    let escaped = script.replace('<', "%3C").replace('>', "%3E");
    let escaped = escaped.replace('/', "%2F").replace('\'', "%27");
    let path = format!("/kv/{escaped}/{escaped}");
    assert_eq!(app.post(&path, script).status, 201);
    let key64 = "PHNjcmlwdD5kb2N1bWVudC50aXRsZT0nb2JleWVkJzwvc2NyaXB0Pg";
    let Some(browser) = Browser::start() else {
        return;
    };
    let mut page = browser.page();
    for (fragment, places) in [
        ("#/".to_owned(), &["#namespaces-rows bdi"][..]),
        (
            format!("#/{escaped}"),
            &["#keys-namespace", "#keys-rows bdi"],
        ),
        (
            format!("#/{escaped}/{key64}"),
            &["#entry-title", "#entry-value"],
        ),
    ] {
        open(&mut page, &app, &fragment);
        for place in places {
            page.until(&format!(
                "document.querySelector('{place}')?.innerText === {script:?}"
            ));
        }
        assert_ne!(page.run("document.title"), "obeyed");
    }
}

#[test]
fn the_page_asks_for_a_missing_token_and_shows_no_data() {
    let secret = tokens::token("secret", &[Right::Admin], &["*"]);
    let app = TestServer::with(tokens::options(vec![secret]));
    let stored = tokens::ask(&app, "secret", "POST", "/kv/hidden/k", "v");
    assert_eq!(stored.status, 201);
    let Some(browser) = Browser::start() else {
        return;
    };
    let mut page = browser.page();
    page.open(&format!("{}/#/", app.url()));
    page.until("document.querySelector('dialog').open");
    let text = page.run("document.body.innerText");
    let text = text.as_str().expect("a text");
    assert!(text.contains("missing token"), "{text}");
    assert!(
        !text.contains("hidden") && !text.contains("durability"),
        "{text}"
    );
    page.run("document.querySelector('dialog input').value = 'secret'");
    page.click("dialog [data-go]");
    page.until("document.querySelector('#namespaces-rows bdi')?.innerText === 'hidden'");
}

#[test]
fn a_list_is_updated_before_its_namespace_exists_and_after_a_drop() {
    let app = TestServer::start();
    let Some(browser) = Browser::start() else {
        return;
    };
    let mut page = browser.page();
    open(&mut page, &app, "#/new");
    page.until("document.getElementById('keys-none').innerText.includes('does not exist yet')");
    page.until("document.getElementById('keys-live').dataset.state === 'live'");
    assert_eq!(page.run(&is_shown("notice")), false);
    assert_eq!(page.run(&is_shown("keys-drop")), false);
    for round in ["one", "other"] {
        app.post(&format!("/kv/new/{round}"), "v");
        page.until(&format!("{ROWS} === '{round}'"));
        assert_eq!(page.run(&is_shown("keys-drop")), true);
        assert_eq!(app.ask("DELETE", "/kv/new?confirm=new").status, 200);
        page.until(&format!("{ROWS} === ''"));
        page.until("document.getElementById('notice').innerText.includes('was dropped')");
        page.until("document.getElementById('keys-live').dataset.state === 'live'");
    }
    // Text in an input stays, whatever happens to the namespace.
    page.click("#keys-new");
    page.run("document.querySelector('#entry-form [name=key]').value = 'mine'");
    app.post("/kv/new/third", "v");
    app.ask("DELETE", "/kv/new?confirm=new");
    app.post("/kv/new/last", "v");
    page.until(&format!("{ROWS} === 'last'"));
    page.click("#entry-form .main");
    page.until(&format!("{ROWS} === 'last,mine'"));
}

#[test]
fn a_filter_survives_a_reload_and_an_open_key() {
    let app = TestServer::start();
    for path in ["/kv/n/a1", "/kv/n/b1", "/kv/n/b2", "/kv/other/k"] {
        app.post(path, "v");
    }
    let Some(browser) = Browser::start() else {
        return;
    };
    let mut page = browser.page();
    let filter = |page: &Page<'_>, list: &str, prefix: &str| {
        let form = format!("document.getElementById('{list}-filter')");
        page.run(&format!(
            "{form}.elements.prefix.value = '{prefix}'; {form}.requestSubmit()"
        ));
    };
    open(&mut page, &app, "#/n");
    page.until(&format!("{ROWS} === 'a1,b1,b2'"));
    filter(&page, "keys", "b");
    page.until(&format!("{ROWS} === 'b1,b2'"));
    page.click("#keys-rows a");
    page.until(&format!(
        "{} && location.hash.endsWith('?prefix=b')",
        is_shown("entry")
    ));
    page.reload();
    page.until(&format!("{ROWS} === 'b1,b2' && {}", is_shown("entry")));
    assert_eq!(
        page.run("document.getElementById('keys-filter').elements.prefix.value"),
        "b"
    );
    page.click("#entry-close");
    page.until("location.hash === '#/n?prefix=b'");
    page.run("history.go(-2)");
    page.until(&format!("{ROWS} === 'a1,b1,b2'"));

    let names = "[...document.querySelectorAll('#namespaces-rows bdi')].map((name) => name.innerText).join()";
    open(&mut page, &app, "#/");
    page.until(&format!("{names} === 'n,other'"));
    filter(&page, "namespaces", "o");
    page.until(&format!("{names} === 'other'"));
    page.reload();
    page.until(&format!("{names} === 'other'"));
}

#[test]
fn the_focus_returns_after_a_dialog() {
    let app = TestServer::start();
    for path in ["/kv/n/a", "/kv/n/b", "/kv/m/k"] {
        app.post(path, "v");
    }
    let Some(browser) = Browser::start() else {
        return;
    };
    let mut page = browser.page();
    let cancelled = |page: &Page<'_>, opener: &str| {
        page.click(opener);
        page.until("document.getElementById('ask').open");
        page.click("#ask [data-cancel]");
        page.until("!document.getElementById('ask').open");
        page.until(&format!(
            "document.activeElement === document.querySelector({opener:?})"
        ));
    };
    open(&mut page, &app, "#/n/YQ");
    page.until(&format!("{HAS_FOCUS} === 'entry-title'"));
    for opener in ["#keys-drop", "#entry-delete", "#token-change"] {
        cancelled(&page, opener);
    }
    // A removed element gives the focus to the next one.
    page.click("#entry-edit");
    page.click("#entry-form [data-cancel]");
    page.until(&format!("{HAS_FOCUS} === 'entry-edit'"));
    page.click("#entry-delete");
    page.click("#ask [data-go]");
    page.until(&format!("{HAS_FOCUS} === 'entry-title'"));
    page.click("#entry-close");
    page.until(
        "document.activeElement.innerText === 'a' || document.activeElement.tagName === 'H2'",
    );
    open(&mut page, &app, "#/");
    cancelled(&page, "#namespaces-rows .danger");
    page.click("#namespaces-rows .danger");
    page.run("const input = document.querySelector('#ask input'); input.value = 'm'; input.dispatchEvent(new Event('input'))");
    page.click("#ask [data-go]");
    page.until("document.querySelectorAll('#namespaces-rows tr').length === 1");
    page.until("document.activeElement.tagName === 'H2'");
}

#[test]
fn the_page_offers_only_what_the_token_allows() {
    let both = [Right::Read, Right::Write];
    let app = TestServer::with(tokens::options(vec![
        tokens::token("admin", &[Right::Admin], &["*"]),
        tokens::token("a-reader", &[Right::Read], &["*"]),
        tokens::token("the-writer", &both, &["n?[a-c]*"]),
        Token {
            key_prefix: "in/".into(),
            ..tokens::token("of-a-prefix", &both, &["*"])
        },
    ]));
    for path in ["/kv/n-b/in%2Fk", "/kv/n-b/out", "/kv/other/k"] {
        assert_eq!(tokens::ask(&app, "admin", "POST", path, "v").status, 201);
    }
    let Some(browser) = Browser::start() else {
        return;
    };
    // The offers: create a namespace, drop one, create a key, edit one.
    for (secret, keys, offered) in [
        ("admin", "in/k,out", [true; 4]),
        ("a-reader", "in/k,out", [false; 4]),
        ("the-writer", "in/k,out", [false, false, true, true]),
        ("of-a-prefix", "in/k", [false, false, true, true]),
    ] {
        let mut page = browser.page();
        page.open(&format!("{}/#/", app.url()));
        page.until("document.getElementById('ask').open");
        page.run(&format!("sessionStorage.setItem('akvs-token', '{secret}')"));
        page.reload();
        page.until("document.querySelector('#namespaces-rows bdi')?.innerText === 'n-b'");
        let found = page.run(&is_shown("namespaces-new"));
        assert_eq!(found, offered[0], "{secret}: a new namespace");
        let drop = "document.querySelector('#namespaces-rows .danger') !== null";
        assert_eq!(page.run(drop), offered[1], "{secret}: to drop one");
        // `in/k`
        page.run("location.hash = '#/n-b/aW4vaw'");
        page.until(&format!(
            "{ROWS} === '{keys}' && {}",
            is_shown("entry-value")
        ));
        for (id, expected) in [
            ("keys-drop", offered[1]),
            ("keys-new", offered[2]),
            ("entry-edit", offered[3]),
            ("entry-delete", offered[3]),
            ("entry-expiry", offered[3]),
            ("entry-download", true),
        ] {
            assert_eq!(page.run(&is_shown(id)), expected, "{secret}: {id}");
        }
    }
}
