// The display of bytes, texts and numbers, without knowledge of the server or the page.
"use strict";

const bytes = {
  ofText: (text) => new TextEncoder().encode(text),

  // Returns the text, or null if the bytes are not text that a person can edit.
  asText(array) {
    try {
      const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(array);
      return text.includes("\0") ? null : text;
    } catch {
      return null;
    }
  },

  toBase64(array) {
    const letters = Array.from(array, (byte) => String.fromCharCode(byte)).join("");
    return btoa(letters).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  },

  ofBase64(text) {
    const letters = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
  },

  begins: (array, prefix) => prefix.every((byte, at) => array[at] === byte),

  // The server's order: by unsigned bytes.
  compare(a, b) {
    const length = Math.min(a.length, b.length);
    for (let at = 0; at < length; at += 1) {
      if (a[at] !== b[at]) return a[at] - b[at];
    }
    return a.length - b.length;
  },
};

const format = (() => {
  // Invisible characters, and those that change the direction of text.
  const HIDDEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu;
  const escaped = (character) => `\\u{${character.codePointAt(0).toString(16)}}`;
  const hex = (byte) => byte.toString(16).padStart(2, "0");
  const printable = (byte) => byte > 0x1f && byte < 0x7f;

  // Returns a name without hidden characters.
  function name(text) {
    return text.replace(HIDDEN, escaped);
  }

  // Returns a key, which may be any bytes, as text.
  function key(array) {
    const text = bytes.asText(array);
    if (text !== null) return name(text);
    const shown = (byte) => (printable(byte) ? String.fromCharCode(byte) : `\\x${hex(byte)}`);
    return Array.from(array, shown).join("");
  }

  function size(count) {
    if (count < 1024) return `${count} B`;
    const units = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    let unit = -1;
    do {
      count /= 1024;
      unit += 1;
    } while (count >= 1024 && unit < units.length - 1);
    return `${count.toFixed(count < 10 ? 1 : 0)} ${units[unit]}`;
  }

  const count = (number) => number.toLocaleString();

  function time(text) {
    const date = new Date(text);
    return Number.isNaN(date.getTime()) ? text : date.toLocaleString();
  }

  // Offset, bytes and ASCII characters; eight bytes a line, which fits the narrowest screen.
  function dump(array) {
    const lines = [];
    for (let at = 0; at < array.length; at += 8) {
      const part = Array.from(array.subarray(at, at + 8));
      const ascii = part.map((byte) => (printable(byte) ? String.fromCharCode(byte) : ".")).join("");
      const numbers = part.map(hex).join(" ").padEnd(23);
      lines.push(`${at.toString(16).padStart(6, "0")}  ${numbers}  ${ascii}`);
    }
    return lines.join("\n");
  }

  // Returns JSON with line ends and indentation, or null if the text is not JSON. Only white space changes: parsing and
  // writing it again would change large numbers and lose repeated members.
  function json(text) {
    try {
      JSON.parse(text);
    } catch {
      return null;
    }
    const parts = text.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g) ?? [];
    let shown = "";
    let depth = 0;
    const line = () => `\n${"  ".repeat(depth)}`;
    parts.forEach((part, at) => {
      const opens = part === "{" || part === "[";
      const closes = part === "}" || part === "]";
      const wasOpened = parts[at - 1] === "{" || parts[at - 1] === "[";
      if (closes) depth -= 1;
      if ((closes && !wasOpened) || (!closes && wasOpened)) shown += line();
      shown += part;
      if (opens) depth += 1;
      if (part === ",") shown += line();
      if (part === ":") shown += " ";
    });
    return shown;
  }

  return { name, key, size, count, time, dump, json };
})();
