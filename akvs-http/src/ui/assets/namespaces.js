// The list of namespaces: its pages, the form for a new one, the drop of one.
"use strict";

const namespaces = (() => {
  const { $, make } = frame;
  const form = $("namespaces-create");
  let cursor = null;
  // A page that arrives after its list was hidden is not shown.
  let turn = 0;

  let filter = "";

  // The address of a namespace, or of the list; the filter is a part of it, so that it stays.
  function address(name, prefix = "") {
    const query = prefix ? `?${new URLSearchParams({ prefix })}` : "";
    return `#/${encodeURIComponent(name)}${query}`;
  }

  function row(info) {
    const name = make("a", { href: address(info.name) }, make("bdi", {}, format.name(info.name)));
    const number = (label, text) => make("td", { className: "number", dataset: { label } }, text);
    return make("tr", {},
      make("td", { className: "key" }, name, chosen(info.settings)),
      // A token that may not read all of it gets only the name.
      number("keys", info.keys === undefined ? "" : format.count(info.keys)),
      number("bytes", info.bytes === undefined ? "" : format.size(info.bytes)),
      number("revision", info.revision === undefined ? "" : format.count(info.revision)),
      make("td", { dataset: { label: "created" } }, info.created === undefined ? "" : frame.time(info.created)),
      make("td", { className: "number" }, rights.mayDrop(info.name) ? dropButton(info.name) : null));
  }

  function dropButton(name) {
    const drop = make("button", { type: "button", className: "danger" }, "Drop");
    drop.setAttribute("aria-label", `Drop ${format.name(name)}`);
    drop.addEventListener("click", () => frame.run(async () => {
      if (await remove(name)) await reload();
    }, drop));
    return drop;
  }

  // The settings that are set, below the name.
  function chosen(settings = {}) {
    const shown = Object.entries(settings).filter(([, value]) => value !== null);
    if (shown.length === 0) return "";
    return make("small", { className: "settings" }, shown.map(([member, value]) => `${member} ${value}`).join(", "));
  }

  async function load() {
    const mine = turn;
    const page = await api.namespaces({ prefix: filter, cursor });
    if (mine !== turn) return;
    if (!cursor) $("namespaces-rows").replaceChildren();
    $("namespaces-rows").append(...page.namespaces.map(row));
    cursor = page.cursor;
    $("namespaces-more").hidden = !cursor;
    $("namespaces-none").hidden = $("namespaces-rows").rows.length > 0 || Boolean(cursor);
  }

  async function reload() {
    turn += 1;
    cursor = null;
    await load();
  }

  async function show(prefix) {
    filter = prefix;
    $("namespaces-filter").elements.prefix.value = prefix;
    $("namespaces-new").hidden = !rights.mayCreate();
    $("namespaces").hidden = false;
    await reload();
  }

  function hide() {
    turn += 1;
    $("namespaces").hidden = true;
  }

  // Drops a namespace if the person types its name; returns whether it did.
  async function remove(name) {
    const typed = await frame.ask({
      title: "Drop the namespace?",
      text: `“${format.name(name)}” and all of its keys will be deleted. This cannot be undone.`,
      label: "Type the name to confirm",
      exactly: name,
      go: "Drop",
      isDanger: true,
    });
    if (typed === null) return false;
    await api.dropNamespace(name);
    return true;
  }

  // The settings as JSON. Numbers are sent as typed: they may be larger than a script can represent.
  function settings(fields) {
    const ttl = fields.ttl.value.trim();
    const members = ttl ? [`"ttl":${JSON.stringify(ttl)}`] : [];
    for (const name of ["max_value_bytes", "max_keys", "max_bytes"]) {
      const digits = fields[name].value.trim().replace(/^0+(?=\d)/, "");
      if (/^\d+$/.test(digits)) members.push(`"${name}":${digits}`);
    }
    return `{${members.join(",")}}`;
  }

  async function create(fields) {
    const name = fields.name.value;
    const { namespaces: found } = await api.namespaces({ prefix: name, limit: 1 });
    if (found[0]?.name === name) {
      const go = await frame.ask({
        title: "The namespace already exists",
        text: `“${format.name(name)}” keeps its keys. This form replaces its settings; an empty field removes one.`,
        go: "Replace settings",
      });
      if (go === null) return;
    }
    await api.configure(name, settings(fields));
    form.reset();
    form.hidden = true;
    location.hash = address(name);
  }

  $("namespaces-new").addEventListener("click", () => {
    form.hidden = false;
    form.elements.name.focus();
  });
  form.querySelector("[data-cancel]").addEventListener("click", () => {
    form.hidden = true;
    $("namespaces-new").focus();
  });
  frame.onSubmit(form, create);
  frame.onSubmit($("namespaces-filter"), async (fields) => {
    if (fields.prefix.value === filter) await reload();
    else location.hash = address("", fields.prefix.value);
  });
  frame.onClick("namespaces-more", load);
  return { show, hide, remove, address };
})();
