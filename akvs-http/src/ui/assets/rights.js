// What the caller may do, as the server tells it: what would be refused is not offered. The server judges all the same.
"use strict";

const rights = (() => {
  // Until it is known, everything is offered.
  let told = null;

  async function load() {
    told = null;
    told = await api.whoami();
  }

  const escaped = (text) => text.replace(/[\\^$.*+?()[\]{}|/]/gu, "\\$&");

  // Whether a pattern of the server's is one of this name: `*`, `?`, and `[…]` with `!` for none of them.
  function matches(pattern, name) {
    const parts = pattern.match(/\[!?\]?[^\]]*\]|[^]/gu) ?? [];
    const source = parts.map((part) => {
      if (part === "*") return "[^]*";
      if (part === "?") return "[^]";
      if (part.length < 3) return escaped(part);
      const inner = part.slice(1, -1).replace(/[\\\]^[]/gu, "\\$&");
      return inner.startsWith("!") ? `[^${inner.slice(1)}]` : `[${inner}]`;
    });
    try {
      return new RegExp(`^${source.join("")}$`, "u").test(name);
    } catch {
      return false;
    }
  }

  const holds = (right) => !told || told.rights.includes(right);
  const reaches = (name) => !told || told.namespaces.some((pattern) => matches(pattern, name));
  const prefix = () => (told ? api.prefixOf(told) : new Uint8Array());
  const isAll = () => prefix().length === 0;

  // The page changes a key only where it is as it was read, which takes both rights.
  const mayChange = (name) => holds("read") && holds("write") && reaches(name);

  return {
    load,
    mayChange,
    mayChangeKey: (name, array) => mayChange(name) && bytes.begins(array, prefix()),
    mayDrop: (name) => holds("admin") && reaches(name) && isAll(),
    mayCreate: () => holds("admin") && isAll(),
    // What every list has to begin with.
    prefix,
    // A line about the caller; empty where nobody is told apart.
    tell: () => (told?.token ? `token “${format.name(told.token)}”: ${told.rights.join(", ")}` : ""),
  };
})();
