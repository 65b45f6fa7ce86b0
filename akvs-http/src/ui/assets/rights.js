// The rights of the caller: the page does not offer what the server would refuse. The server checks every request.
"use strict";

const rights = (() => {
  // Until the rights are known, everything is offered.
  let identity = null;

  async function load() {
    identity = null;
    identity = await api.whoami();
  }

  const escaped = (text) => text.replace(/[\\^$.*+?()[\]{}|/]/gu, "\\$&");

  // Returns whether a pattern matches a name: `*`, `?`, and `[…]`, negated by `!`.
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

  const holds = (right) => !identity || identity.rights.includes(right);
  const reaches = (name) => !identity || identity.namespaces.some((pattern) => matches(pattern, name));
  const prefix = () => (identity ? api.prefixOf(identity) : new Uint8Array());
  const isAll = () => prefix().length === 0;

  // The page changes a key only if it is still as it was read, which needs both rights.
  const mayChange = (name) => holds("read") && holds("write") && reaches(name);

  return {
    load,
    mayChange,
    mayChangeKey: (name, array) => mayChange(name) && bytes.begins(array, prefix()),
    mayDrop: (name) => holds("admin") && reaches(name) && isAll(),
    mayCreate: () => holds("admin") && isAll(),
    // The prefix that every list must have.
    prefix,
    // A line about the caller; empty without tokens.
    describe: () => (identity?.token ? `token “${format.name(identity.token)}”: ${identity.rights.join(", ")}` : ""),
  };
})();
