// The keys of one namespace: pages of them, and their changes while they are shown.
// The list keeps the server's order; changes after its last page are only counted.
"use strict";

const keys = (() => {
  const { $, make } = frame;
  const PAGE = 100;
  // New keys are added to the list up to this number.
  const MOST_ROWS = 2_000;
  const STATES = { live: "live", lost: "connection lost, trying again", ended: "not live" };

  const NONE = "No keys.";
  const NO_NAMESPACE = "The namespace does not exist yet. Its first key creates it.";

  let namespace = null;
  // Whether the namespace exists.
  let exists = true;
  let filter = "";
  let prefix64 = "";
  let cursor = null;
  let watching = null;
  let opened = null;
  let beyond = 0;
  // Sorted by key: `array` its bytes, `key64`, and the row.
  let rows = [];

  // The address of the list, and of a key next to it.
  const home = () => namespaces.address(namespace, filter);
  const address = (key64) => home().replace(/\?|$/, `/${key64}$&`);

  function cells(item, array, key64, mark) {
    const key = make("a", { href: address(key64) }, make("bdi", {}, format.key(array)));
    const cell = (label, child) => make("td", { dataset: { label } }, child);
    const type = make("td", { className: "type", title: item.content_type ?? "" }, item.content_type ?? "");
    const size = make("td", { className: "number" }, item.size === undefined ? "" : format.size(item.size));
    return [
      make("td", { className: "key" }, key, mark ? make("span", { className: "mark" }, mark) : null),
      size,
      type,
      item.modified ? cell("modified", frame.time(item.modified)) : make("td"),
      item.expires ? cell("expires", frame.time(item.expires)) : make("td"),
    ];
  }

  // Returns the index of a key in the list, or the index at which it would be inserted.
  function position(array) {
    let [low, high] = [0, rows.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (bytes.compare(rows[middle].array, array) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  // Puts an item in its place; `change` is its change, if it is not from a page.
  function put(item, change = null) {
    const array = api.keyOf(item);
    const at = position(array);
    let row = rows[at];
    const isNew = !row || bytes.compare(row.array, array) !== 0;
    const isGone = change === "deleted" || change === "expired";
    if (isNew) {
      const isBehind = at === rows.length && cursor !== null;
      if (change && (isGone || isBehind || rows.length >= MOST_ROWS)) {
        if (isBehind || rows.length >= MOST_ROWS) beyond += 1;
        return;
      }
      row = { array, key64: bytes.toBase64(array), element: make("tr") };
      $("keys-rows").insertBefore(row.element, rows[at]?.element ?? null);
      rows.splice(at, 0, row);
    }
    if (isGone) item = { ...row.item, expires: null };
    row.item = item;
    row.element.replaceChildren(...cells(item, array, row.key64, isNew && change ? "new" : change));
    row.element.classList.toggle("changed", Boolean(change));
    row.element.classList.toggle("gone", isGone);
    row.element.classList.toggle("open", row.key64 === opened);
  }

  function tally() {
    $("keys-none").hidden = rows.length > 0 || cursor !== null;
    $("keys-none").textContent = exists ? NONE : NO_NAMESPACE;
    $("keys-new").hidden = !rights.mayChange(namespace);
    $("keys-drop").hidden = !exists || !rights.mayDrop(namespace);
    $("keys-more").hidden = cursor === null;
    $("keys-beyond").hidden = beyond === 0;
    $("keys-beyond").textContent = `${format.count(beyond)} changes of keys outside of this list`;
  }

  async function load() {
    const mine = watching;
    const page = await api.keys(namespace, { prefix64, limit: PAGE, cursor }).catch((error) => {
      if (error.status !== 404) throw error;
      return null;
    });
    if (mine !== watching) return null;
    exists = page !== null;
    cursor = page?.cursor ?? null;
    if (!exists) {
      tally();
      // With all keys once it exists: the first may be stored before the watch begins.
      return 0;
    }
    page.items.forEach((item) => put(item));
    tally();
    return page.revision;
  }

  // Shows changes until another list is shown.
  function follow(since) {
    const mine = watching;
    const onState = (state, error) => {
      if (mine !== watching) return;
      $("keys-live").dataset.state = state;
      $("keys-live").textContent = STATES[state];
      // The server no longer keeps the missed changes: the list is read again.
      if (error?.status === 410) frame.attempt(reload);
      else if (error) frame.showError(error);
    };
    const onChanges = (changes) => {
      if (mine === watching) take(changes);
    };
    api.follow(namespace, { prefix64, since, signal: mine.signal, onChanges, onState }).catch(frame.showError);
  }

  function take(changes) {
    const words = { set: "changed", delete: "deleted", expire: "expired" };
    for (const { kind, item } of changes) {
      if (kind === "reset") {
        frame.attempt(reload);
        return;
      }
      if (kind === "drop") {
        exists = false;
        empty();
        entry.dropped();
        frame.notify("The namespace was dropped.");
      }
      if (words[kind]) {
        exists = true;
        put(item, words[kind]);
        entry.changed(bytes.toBase64(api.keyOf(item)), kind, item);
      }
    }
    tally();
  }

  // Hides the list and ends its watch.
  function clear() {
    watching?.abort();
    watching = new AbortController();
    empty();
    $("keys-live").textContent = "";
    delete $("keys-live").dataset.state;
  }

  function empty() {
    [cursor, beyond, rows] = [null, 0, []];
    $("keys-rows").replaceChildren();
  }

  async function reload() {
    clear();
    const revision = await load();
    if (revision !== null) follow(revision);
  }

  // Shows the keys of a namespace with a prefix; reads them again only if either differs.
  async function show(name, prefix) {
    $("keys").hidden = false;
    if (name === namespace && prefix === filter) return;
    [namespace, filter] = [name, prefix];
    prefix64 = bytes.toBase64(prefix ? bytes.ofText(prefix) : rights.prefix());
    $("keys-filter").elements.prefix.value = prefix;
    $("keys-namespace").textContent = format.name(name);
    await reload();
  }

  function hide() {
    watching?.abort();
    watching = null;
    namespace = null;
    $("keys").hidden = true;
  }

  // Marks the key that is open.
  function select(key64) {
    opened = key64;
    for (const row of rows) row.element.classList.toggle("open", row.key64 === key64);
  }

  // Gives the focus to a key of the list, if it is there.
  function focus(key64) {
    rows.find((row) => row.key64 === key64)?.element.querySelector("a").focus();
  }

  frame.onSubmit($("keys-filter"), async (fields) => {
    const prefix = fields.prefix.value;
    if (prefix === filter) {
      await reload();
      return;
    }
    const path = (opened ? address(opened) : home()).split("?")[0];
    location.hash = prefix ? `${path}?${new URLSearchParams({ prefix })}` : path;
  });
  frame.onClick("keys-more", load);
  frame.onClick("keys-new", () => entry.begin(namespace));
  frame.onClick("keys-drop", async () => {
    if (await namespaces.remove(namespace)) location.hash = "#/";
  });
  return { show, hide, select, focus, home, address };
})();
