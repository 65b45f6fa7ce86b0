// Requests with the token, problem documents as errors, and the watch.
// This file knows the HTTP contract, and no element of the page. The token stays in this tab and is in no URL.
"use strict";

// The error of a request: a problem document, or the status alone.
class Problem extends Error {
  constructor({ status = 0, title = "Request failed", detail = "", ...rest }) {
    super(detail || title);
    Object.assign(this, { status, title, detail, context: rest });
  }
}

const token = {
  NAME: "akvs-token",
  get: () => sessionStorage.getItem(token.NAME),
  set: (text) => sessionStorage.setItem(token.NAME, text),
  forget: () => sessionStorage.removeItem(token.NAME),
  // Anything else could not be sent.
  isSane: (text) => /^[\x21-\x7e]+$/.test(text),
};

const api = (() => {
  const JSON_ONLY = "application/json, application/problem+json";
  const LONGEST_PAUSE_MS = 15_000;

  async function send(method, path, { headers = {}, body, signal } = {}) {
    const all = { Accept: JSON_ONLY, ...headers };
    if (token.get()) all.Authorization = `Bearer ${token.get()}`;
    let response;
    try {
      response = await fetch(path, { method, body, signal, headers: all, cache: "no-store", redirect: "error" });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Problem({ title: "No response", detail: "The server could not be reached." });
    }
    if (!response.ok) throw await problemOf(response);
    return response;
  }

  async function problemOf(response) {
    const text = await response.text().catch(() => "");
    try {
      return new Problem({ ...JSON.parse(text), status: response.status });
    } catch {
      // A proxy answered in place of the server.
      return new Problem({ status: response.status, title: response.statusText, detail: text.slice(0, 300) });
    }
  }

  const get = async (path) => (await send("GET", path)).json();

  // A namespace as a part of a path.
  function part(namespace) {
    if (namespace === "." || namespace === "..") {
      const detail = "Browsers resolve this name as a part of the path. Use another client for this namespace.";
      throw new Problem({ title: "Unsupported name", detail });
    }
    return encodeURIComponent(namespace);
  }

  const place = (namespace, key64) => `/kv/${part(namespace)}/~64/${key64}`;
  const query = (params) => new URLSearchParams(Object.entries(params).filter(([, value]) => value)).toString();
  const condition = (revision) => (revision ? { "If-Match": `"${revision}"` } : { "If-None-Match": "*" });
  const namespaces = (params) => get(`/kv?${query(params)}`);
  const keys = (namespace, params) => get(`/kv/${part(namespace)}?${query(params)}`);

  // Returns the item of a key, or null if it does not exist.
  async function item(namespace, key64, values) {
    // A key comes before all longer keys that begin with it.
    const page = await keys(namespace, { prefix64: key64, limit: 1, values }).catch((error) => {
      if (error.status !== 404) throw error;
      return { items: [] };
    });
    const found = page.items[0];
    return found && bytes.compare(keyOf(found), bytes.ofBase64(key64)) === 0 ? found : null;
  }

  const prefixOf = (source) => (source.key_prefix64 === undefined ? bytes.ofText(source.key_prefix) : bytes.ofBase64(source.key_prefix64));
  const keyOf = (source) => (source.key64 === undefined ? bytes.ofText(source.key) : bytes.ofBase64(source.key64));

  // Creates a namespace, or replaces its settings.
  const configure = (namespace, settings) => send("PUT", `/kv/${part(namespace)}`, { body: settings });

  function dropNamespace(namespace) {
    return send("DELETE", `/kv/${part(namespace)}?${query({ confirm: namespace })}`);
  }

  // Stores a value if the key is at this revision; without a revision, if it does not exist.
  function store(namespace, key64, { value, type, encoding, ttl, revision }) {
    if (!/^[\x20-\x7e]*$/.test(type)) throw new Problem({ title: "A content type must be ASCII" });
    const headers = { ...condition(revision), "Content-Type": type || "application/octet-stream" };
    if (encoding) headers["Content-Encoding"] = encoding;
    return send("POST", `${place(namespace, key64)}?${query({ ttl })}`, { headers, body: value });
  }

  function touch(namespace, key64, { ttl, revision }) {
    return send("POST", `${place(namespace, key64)}?${query({ op: "touch", ttl })}`, { headers: condition(revision) });
  }

  function remove(namespace, key64, revision) {
    return send("DELETE", place(namespace, key64), { headers: condition(revision) });
  }

  async function download(namespace, key64) {
    return new Uint8Array(await (await send("GET", place(namespace, key64), { headers: { Accept: "*/*" } })).arrayBuffer());
  }

  // Reads server-sent events, all events of a chunk together. EventSource cannot send the token.
  async function* events(path, lastId, signal) {
    const headers = { Accept: "text/event-stream" };
    if (lastId) headers["Last-Event-ID"] = lastId;
    const response = await send("GET", path, { headers, signal });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      yield blocks.map(eventOf).filter((event) => event.kind);
    }
  }

  function eventOf(block) {
    const fields = Object.fromEntries(block.split("\n").map((line) => {
      const colon = line.indexOf(": ");
      return [line.slice(0, colon), line.slice(colon + 2)];
    }));
    return { kind: fields.event, id: fields.id, item: fields.data ? JSON.parse(fields.data) : {} };
  }

  // Reports the changes after a revision, also over lost connections, until it is aborted or the server refuses.
  async function follow(namespace, { prefix64, since, signal, onChanges, onState }) {
    const path = `/watch/${part(namespace)}?${query({ prefix64, since: String(since) })}`;
    let lastId = null;
    let pause = 1_000;
    while (!signal.aborted) {
      try {
        for await (const changes of events(path, lastId, signal)) {
          onState("live");
          pause = 1_000;
          lastId = changes.findLast((change) => change.id)?.id ?? lastId;
          onChanges(changes);
        }
      } catch (error) {
        if (signal.aborted) return;
        if (error.status >= 400 && error.status < 500) return onState("ended", error);
      }
      if (signal.aborted) return;
      onState("lost");
      await new Promise((resume) => { setTimeout(resume, pause); });
      pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
    }
  }

  return {
    version: () => get("/version"),
    whoami: () => get("/whoami"),
    prefixOf, namespaces, configure, dropNamespace, keys, keyOf, item, store, touch, remove, download, follow,
  };
})();
