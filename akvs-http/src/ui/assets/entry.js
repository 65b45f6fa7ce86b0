// One entry: view, edit, create, delete. A change is made only if the key is still as it was read, so no other change
// is lost; the typed text is kept until it is saved or discarded.
"use strict";

const entry = (() => {
  const { $, make } = frame;
  // Larger values are downloaded, not shown.
  const SHOWN_BYTES = 1 << 20;
  const DUMPED_BYTES = 16 << 10;
  const form = $("entry-form");
  const fields = form.elements;

  // `namespace`, `key64`, and of an existing key `item`, `value` (its bytes, if they are shown) and `text`.
  let now = null;
  // The initial state of the form; null if it is not open.
  let begun = null;
  // An entry that arrives after another one was opened is not shown.
  let turn = 0;

  const same = (namespace, key64) => now?.namespace === namespace && now.key64 === key64;
  const isDirty = () => begun !== null && (begun !== draft() || fields.file.files.length > 0);
  const draft = () => JSON.stringify([fields.key.value, fields.type.value, fields.ttl.value, fields.text.value]);

  function open(title) {
    $("entry").hidden = false;
    $("entry").parentElement.classList.add("with-entry");
    $("entry-title").textContent = title;
    $("entry-stale").hidden = true;
    $("entry-conflict").hidden = true;
  }

  function close() {
    turn += 1;
    now = null;
    begun = null;
    $("entry").hidden = true;
    $("entry").parentElement.classList.remove("with-entry");
    keys.select(null);
  }

  // Shows a key, unless it is shown already.
  async function show(namespace, key64) {
    if (same(namespace, key64)) return;
    close();
    now = { namespace, key64, item: null };
    keys.select(key64);
    await read();
    $("entry-title").focus();
  }

  // Reads the key again and shows it.
  async function read() {
    turn += 1;
    const mine = turn;
    const { namespace, key64 } = now;
    let item = await api.item(namespace, key64);
    const isShown = item !== null && item.size <= SHOWN_BYTES;
    if (isShown) item = await api.item(namespace, key64, true);
    if (mine !== turn) return;
    let value = null;
    if (item?.value !== undefined) value = bytes.ofText(item.value);
    else if (item?.value64 !== undefined) value = bytes.ofBase64(item.value64);
    const text = value && !item.content_encoding ? bytes.asText(value) : null;
    now = { namespace, key64, item, value, text };
    look();
  }

  function look() {
    const hadFocus = $("entry").contains(document.activeElement);
    fill();
    // A hidden button cannot keep the focus.
    if (hadFocus) frame.refocus($("entry-title"));
  }

  function fill() {
    const mayChange = rights.mayChangeKey(now.namespace, bytes.ofBase64(now.key64));
    begun = null;
    open(format.key(bytes.ofBase64(now.key64)));
    form.hidden = true;
    $("entry-view").hidden = false;
    const { item, value, text } = now;
    for (const id of ["entry-value", "entry-download"]) $(id).hidden = !item;
    for (const id of ["entry-delete", "entry-expiry"]) $(id).hidden = !item || !mayChange;
    $("entry-edit").hidden = !mayChange;
    $("entry-edit").textContent = item ? "Edit" : "Create";
    $("entry-about").replaceChildren(...(item ? about(item) : []));
    note(item ? hint() : "The key does not exist.");
    if (!item) return;
    $("entry-forever").hidden = !item.expires;
    $("entry-value").hidden = value === null;
    if (value === null) return;
    $("entry-value").classList.toggle("dump", text === null);
    const shown = text === null ? format.dump(value.subarray(0, DUMPED_BYTES)) : format.json(text) ?? text;
    $("entry-value").textContent = shown;
  }

  function about(item) {
    const rows = [
      ["Size", `${format.size(item.size)}${item.size >= 1024 ? ` (${format.count(item.size)} bytes)` : ""}`],
      ["Type", item.content_type],
      ["Encoding", item.content_encoding],
      ["Revision", String(item.revision)],
      ["Modified", frame.time(item.modified)],
      ["Expires", item.expires ? frame.time(item.expires) : "never"],
    ];
    const present = rows.filter(([, value]) => value);
    return present.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]);
  }

  function note(text) {
    $("entry-note").textContent = text;
    $("entry-note").hidden = !text;
  }

  function hint() {
    const { value, text, item } = now;
    if (value === null) return "The value is too large to show. Download it.";
    const json = text === null ? null : format.json(text);
    if (json !== null && json !== text) return "JSON, shown with indentation; the stored bytes are unchanged.";
    if (text !== null) return "";
    const stored = item.content_encoding ? "Encoded value" : "Binary value";
    const part = value.length > DUMPED_BYTES ? `; the first ${format.size(DUMPED_BYTES)}` : "";
    return `${stored}, shown in hexadecimal${part}.`;
  }

  // A text field changes all line ends to one form; this returns the original form, or null if they differ.
  function lineEnd(text) {
    if (!text.includes("\r")) return "\n";
    return /\r(?!\n)|(^|[^\r])\n/.test(text) ? null : "\r\n";
  }

  function edit() {
    const { item, text } = now;
    form.reset();
    const isNew = item === null;
    const isText = isNew || (text !== null && lineEnd(text) !== null);
    fields.key.value = now.key64 ? format.key(bytes.ofBase64(now.key64)) : "";
    fields.type.value = item?.content_type ?? "text/plain; charset=utf-8";
    fields.text.value = text ?? "";
    $("entry-name").hidden = Boolean(now.key64);
    $("entry-ttl").hidden = !isNew;
    $("entry-text").hidden = !isText;
    $("entry-indent").hidden = !isText;
    $("entry-file-label").textContent = isText
      ? "Or a file"
      : "The value is not editable text. Replace it with a file";
    $("entry-view").hidden = true;
    $("entry-conflict").hidden = true;
    form.hidden = false;
    begun = draft();
    (now.key64 ? (isText ? fields.text : fields.file) : fields.key).focus();
  }

  // Opens the form for a new key.
  async function begin(namespace) {
    if (!(await leave())) return;
    close();
    history.replaceState(null, "", keys.home());
    now = { namespace, key64: null, item: null, value: null, text: null };
    open("New key");
    edit();
  }

  async function contents() {
    if (fields.file.files.length > 0) return fields.file.files[0].arrayBuffer();
    if ($("entry-text").hidden) return now.value;
    const text = fields.text.value;
    return bytes.ofText(lineEnd(now.text ?? "") === "\r\n" ? text.replace(/\n/g, "\r\n") : text);
  }

  async function save(revision) {
    const mine = turn;
    const { namespace, item } = now;
    const key64 = now.key64 ?? bytes.toBase64(bytes.ofText(fields.key.value));
    if (!key64) throw new Problem({ title: "A key must have at least one character" });
    const value = await contents();
    if (value === null) throw new Problem({ title: "Choose a file first" });
    const ttl = item && revision ? "keep" : fields.ttl.value.trim();
    // Unchanged bytes keep their encoding.
    const encoding = value === now.value ? item?.content_encoding : null;
    try {
      await api.store(namespace, key64, { value, type: fields.type.value.trim(), encoding, ttl, revision });
    } catch (error) {
      if (error.status !== 412) throw error;
      if (mine === turn) conflict(key64, error.context.revision ?? null);
      return;
    }
    // The person may have opened another view meanwhile.
    if (mine === turn) await saved(namespace, key64);
  }

  async function saved(namespace, key64) {
    begun = null;
    now = { namespace, key64, item: null };
    keys.select(key64);
    await read();
    history.replaceState(null, "", keys.address(key64));
    $("entry-title").focus();
  }

  // The key was changed meanwhile: the typed text stays until the person decides.
  function conflict(key64, revision) {
    const what = revision === null ? "The key was deleted meanwhile." : now.item
      ? `The key was changed meanwhile: it is at revision ${revision}, and you edited revision ${now.item.revision}.`
      : "The key already exists.";
    $("entry-conflict").hidden = false;
    $("entry-conflict").firstElementChild.textContent = `${what} Nothing was saved.`;
    $("entry-theirs").onclick = () => frame.run(() => saved(now.namespace, key64));
    $("entry-mine").onclick = () => frame.run(() => save(revision), $("entry-mine"));
    $("entry-mine").focus();
  }

  // Receives each change of a key of the shown namespace.
  function changed(key64, kind, item) {
    if (now?.key64 !== key64 || now.item?.revision >= item.revision) return;
    if (begun === null) {
      frame.attempt(read);
      return;
    }
    $("entry-stale").hidden = false;
    $("entry-stale").textContent = kind === "set" ? "The key was changed meanwhile." : "The key was deleted meanwhile.";
  }

  // Receives the drop of the namespace; the typed text stays.
  function dropped() {
    if (begun === null) {
      leaveKey();
      return;
    }
    $("entry-stale").hidden = false;
    $("entry-stale").textContent = "The key was deleted meanwhile.";
  }

  // Returns whether the view may be left: nothing was typed, or the person discards it.
  async function leave() {
    if (!isDirty()) return true;
    const answer = await frame.ask({ title: "Discard your changes?", text: "They are not saved.", go: "Discard" });
    return answer !== null;
  }

  // Changes the key if it is still as shown; otherwise says so and shows the current state.
  async function change(work) {
    try {
      await work(now.item.revision);
    } catch (error) {
      if (error.status !== 412 && error.status !== 404) throw error;
      await read();
      frame.notify("The key was changed meanwhile.", "Nothing was done. This is its current state.");
      return;
    }
    await read();
  }

  const touch = (ttl) => change((revision) => api.touch(now.namespace, now.key64, { ttl, revision }));

  async function remove() {
    const name = format.key(bytes.ofBase64(now.key64));
    const text = `“${name}” and its value will be deleted.`;
    const answer = await frame.ask({ title: "Delete the key?", text, go: "Delete", isDanger: true });
    if (answer !== null) await change((revision) => api.remove(now.namespace, now.key64, revision));
  }

  async function download() {
    const value = now.value ?? (await api.download(now.namespace, now.key64));
    // A stored page must never open as a page of this site.
    const url = URL.createObjectURL(new Blob([value], { type: "application/octet-stream" }));
    make("a", { href: url, download: format.key(bytes.ofBase64(now.key64)) }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  }

  async function cancel() {
    if (!(await leave())) return;
    if (now.item) {
      await read();
      $("entry-edit").focus();
    } else {
      leaveKey();
    }
  }

  // Closes it, and shows the list alone.
  function leaveKey() {
    if (!now) return;
    const { key64 } = now;
    const hadFocus = $("entry").contains(document.activeElement);
    close();
    history.replaceState(null, "", keys.home());
    if (hadFocus) keys.focus(key64);
  }

  frame.onSubmit(form, () => save(now.item?.revision ?? null));
  frame.onSubmit($("entry-expiry"), ({ ttl }) => {
    if (!ttl.value.trim()) throw new Problem({ title: "Enter a time, such as 5m" });
    return touch(ttl.value.trim()).then(() => $("entry-expiry").reset());
  });
  frame.onClick("entry-forever", () => touch(""));
  frame.onClick("entry-edit", edit);
  frame.onClick("entry-delete", remove);
  frame.onClick("entry-download", download);
  frame.onClick("entry-close", async () => { if (await leave()) leaveKey(); });
  frame.onClick("entry-indent", () => {
    const shown = format.json(fields.text.value);
    if (shown === null) throw new Problem({ title: "The value is not JSON" });
    fields.text.value = shown;
  });
  form.querySelector("[data-cancel]").addEventListener("click", () => frame.run(cancel));
  return { show, close, begin, changed, dropped, leave, isDirty };
})();
