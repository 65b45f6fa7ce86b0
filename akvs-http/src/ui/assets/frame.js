// Shared parts of the page: elements, error notices, dialogs.
// Names and values become text nodes and properties only, so stored data cannot act for the page.
"use strict";

const frame = (() => {
  const $ = (id) => document.getElementById(id);

  // An element with properties, `data-` attributes under `dataset`, and children that are elements or texts.
  function make(tag, { dataset = {}, ...properties } = {}, ...children) {
    const element = Object.assign(document.createElement(tag), properties);
    Object.assign(element.dataset, dataset);
    element.append(...children.filter((child) => child !== null));
    return element;
  }

  function time(text) {
    return text ? make("time", { dateTime: text, title: text }, format.time(text)) : "";
  }

  function notify(title, text = "") {
    $("notice-title").textContent = title;
    $("notice-text").textContent = text;
    $("notice").hidden = false;
  }

  const hush = () => { $("notice").hidden = true; };

  let unanswered = () => {};

  // Called when the server needs a token; `app.js` sets it.
  const hooks = { unauthorized: async () => {} };

  function showError(error) {
    if (error.status === 401) return hooks.unauthorized(error);
    if (!(error instanceof Problem)) console.error(error);
    const status = error.status ? `${error.status} ${error.title}.` : `${error.title ?? "Request failed"}.`;
    notify(status, error.title === error.message ? "" : error.message);
    return undefined;
  }

  // Runs work that the page starts itself, and shows its error.
  async function attempt(work) {
    try {
      await work();
    } catch (error) {
      await showError(error);
    }
  }

  const isThere = (element) => element !== document.body && element?.isConnected && element.getClientRects().length > 0;

  // Returns the focus to its former element, or to the nearest heading if that element is gone.
  function refocus(before) {
    if (isThere(document.activeElement) || !before || before === document.body) return;
    const places = [before, $("entry-title"), ...document.querySelectorAll("main h2")];
    places.find(isThere)?.focus({ preventScroll: true });
  }

  // Runs work that a person starts; of one button, one at a time. The button is never disabled, since it could not get
  // the focus back from a dialog.
  async function run(work, button = null) {
    if (button?.ariaBusy) return;
    const before = button ?? document.activeElement;
    if (button) button.ariaBusy = "true";
    hush();
    await attempt(work);
    if (button) button.ariaBusy = null;
    refocus(before);
  }

  const onClick = (id, work) => $(id).addEventListener("click", () => run(work, $(id)));

  // Forms are read here and never sent by the browser.
  function onSubmit(form, work) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      run(() => work(form.elements), form.querySelector("button:not([type])"));
    });
  }

  // Asks for a text or a confirmation; null if the person cancels. With `exactly`, only this text is accepted.
  function ask({ title, text, label = "", exactly = null, go, type = "text", isDanger = false }) {
    const dialog = $("ask");
    const form = dialog.querySelector("form");
    const input = form.elements.answer;
    const button = form.querySelector("[data-go]");
    $("ask-title").textContent = title;
    $("ask-text").textContent = text;
    $("ask-label").hidden = !label;
    $("ask-label").firstElementChild.textContent = label;
    Object.assign(input, { type, value: "", required: Boolean(label) });
    button.textContent = go;
    button.className = isDanger ? "danger" : "main";
    // A new dialog cancels the previous one.
    unanswered(null);
    const check = () => { button.disabled = exactly !== null && input.value !== exactly; };
    check();
    return new Promise((resolve) => {
      unanswered = resolve;
      input.oninput = check;
      form.onsubmit = (event) => {
        event.preventDefault();
        dialog.close("go");
      };
      form.querySelector("[data-cancel]").onclick = () => dialog.close("");
      dialog.onclose = () => {
        const answer = dialog.returnValue === "go" ? input.value : null;
        // It may be a token.
        input.value = "";
        resolve(answer);
      };
      dialog.returnValue = "";
      if (!dialog.open) dialog.showModal();
    });
  }

  $("notice-close").addEventListener("click", () => {
    hush();
    refocus($("notice-close"));
  });
  return { $, make, time, notify, showError, attempt, run, refocus, onClick, onSubmit, ask, hooks };
})();
