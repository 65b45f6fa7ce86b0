// The page as a whole: the view of the address, the token, the line about the server.
"use strict";

(() => {
  const { $ } = frame;
  const KEPT = "The token stays in this tab until it is closed.";
  let isAsking = false;

  // `#/namespace/key64?prefix=…`; the fragment is never sent.
  function parse(hash) {
    const [path, query = ""] = hash.replace(/^#\/?/, "").split("?");
    const [namespace = "", key64 = ""] = path.split("/");
    const prefix = new URLSearchParams(query).get("prefix") ?? "";
    try {
      return { namespace: decodeURIComponent(namespace), key64: bytes.toBase64(bytes.ofBase64(key64)), prefix };
    } catch {
      return { namespace: "", key64: "", prefix: "" };
    }
  }

  async function show() {
    const { namespace, key64, prefix } = parse(location.hash);
    document.title = namespace ? `${format.name(namespace)} – AKVS` : "AKVS";
    if (!namespace) {
      entry.close();
      keys.hide();
      await namespaces.show(prefix);
      return;
    }
    namespaces.hide();
    if (!key64) entry.close();
    await Promise.all([keys.show(namespace, prefix), key64 ? entry.show(namespace, key64) : null]);
  }

  async function go({ oldURL }) {
    if (!(await entry.leave())) {
      history.replaceState(null, "", oldURL);
      return;
    }
    await frame.run(show);
  }

  async function tellServer() {
    const { version, commit, engine, durability } = await api.version();
    const built = commit === "unknown" ? "" : ` (${commit.slice(0, 12)})`;
    const parts = [`${version}${built}`, `engine ${engine}`, `durability ${durability}`, rights.describe()];
    $("server").textContent = parts.filter(Boolean).join(" · ");
  }

  // Loads everything again, with the current token.
  async function start() {
    entry.close();
    keys.hide();
    namespaces.hide();
    await frame.run(async () => {
      await rights.load();
      await tellServer();
      await show();
    });
  }

  async function askToken(text) {
    if (isAsking) return;
    isAsking = true;
    const typed = await frame.ask({ title: "Token", text, label: "Token", go: "Use token", type: "password" });
    isAsking = false;
    if (typed === null) return;
    if (token.isSane(typed.trim())) {
      token.set(typed.trim());
      await start();
    } else {
      frame.notify("Invalid token.", "A token has letters, digits and punctuation, without spaces.");
    }
  }

  frame.hooks.unauthorized = (error) => {
    frame.notify(`${error.status} ${error.title}.`, error.message);
    // Not awaited: the refused request has ended.
    askToken(`${error.message}. ${KEPT}`);
  };

  frame.onClick("token-change", async () => {
    if (!(await entry.leave())) return;
    const had = token.get() !== null;
    token.forget();
    const forgotten = had ? "The token was removed. " : "";
    await askToken(`${forgotten}A token is needed only if the server has tokens. ${KEPT}`);
  });
  window.addEventListener("hashchange", go);
  window.addEventListener("beforeunload", (event) => {
    if (entry.isDirty()) event.preventDefault();
  });
  start();
})();
