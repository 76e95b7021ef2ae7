// Keys, palette, theme, undo countdown. Every page reads and works without it.
(() => {
  "use strict";
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const body = document.body;
  const token = () => $('meta[name="csrf"]')?.content || "";
  const keysOn = () => body.dataset.keys === "on";
  let pending = "", pendingTimer = 0;

  body.addEventListener("htmx:configRequest", (event) => { event.detail.headers["X-CSRFToken"] = token(); });
  body.addEventListener("htmx:beforeSwap", (event) => {
    // A refusal is an answer too: show it where the answer would have stood.
    if ([403, 404, 409, 422].includes(event.detail.xhr.status)) { event.detail.shouldSwap = true; event.detail.isError = false; }
  });

  const typing = (node) => node.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(node.tagName) && !/^(checkbox|radio|button|submit)$/.test(node.type);
  const go = (address) => { location.href = address; };

  // ----- lists -----
  const rows = () => $$("[data-row]");
  let at = -1;
  const remembered = () => sessionStorage.getItem("at:" + location.pathname + location.search);
  const place = (number, focus = true) => {
    const all = rows();
    if (!all.length) return;
    at = Math.max(0, Math.min(number, all.length - 1));
    all.forEach((row, n) => row.classList.toggle("at", n === at));
    const link = $("a[data-open]", all[at]) || $("a", all[at]);
    if (focus && link) { link.focus({ preventScroll: true }); all[at].scrollIntoView({ block: "nearest" }); }
    sessionStorage.setItem("at:" + location.pathname + location.search, all[at].dataset.row);
  };
  const current = () => rows()[at];
  const selected = () => $$('[data-row] input[name="case"]:checked');
  const recount = () => {
    const bar = $("#bulk");
    if (!bar) return;
    const count = selected().length;
    bar.classList.toggle("idle", !count);
    const shown = $("[data-count]", bar);
    if (shown) shown.textContent = count ? `${count} selected` : "None selected";
  };
  const press = (name) => { const button = $(`[data-key="${name}"]:not([disabled])`); if (button) { button.click(); button.focus(); return true; } return false; };
  const openFold = (name) => {
    const fold = $(`[data-fold="${name}"]`);
    if (!fold) return false;
    fold.open = true;
    $("select, textarea, input:not([type=hidden])", fold)?.focus();
    return true;
  };
  const remember = () => {
    const cases = rows().map((row) => row.dataset.case).filter(Boolean);
    if (cases.length) { sessionStorage.setItem("list", JSON.stringify(cases)); sessionStorage.setItem("list-at", location.pathname + location.search); }
  };
  const step = (by) => {
    const list = JSON.parse(sessionStorage.getItem("list") || "[]");
    const place = list.indexOf(body.querySelector("[data-this-case]")?.dataset.thisCase);
    const next = list[place + by];
    if (place >= 0 && next) go(`/cases/${next}/`);
  };

  // ----- a refused step: its address takes no reload -----
  const refused = $("#step-refused"), whose = $("[data-this-case]")?.dataset.thisCase;
  if (refused && whose) history.replaceState(null, "", `/cases/${whose}/`);
  refused?.focus();

  // ----- a line of places that scrolls on a narrow window: the present one is in sight -----
  $$(".nav, .views").forEach((line) => {
    const here = $("[aria-current]", line);
    if (!here || line.scrollWidth <= line.clientWidth) return;
    const whole = line.getBoundingClientRect(), own = here.getBoundingClientRect();
    line.scrollLeft += own.left + own.width / 2 - whole.left - whole.width / 2;
  });

  // ----- theme -----
  const themes = ["auto", "light", "dark"];
  const theme = () => {
    const now = document.documentElement.dataset.theme || "auto";
    const dark = now === "dark" || (now === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
    const next = dark ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    $("#theme-toggle")?.setAttribute("aria-label", `Theme: ${next}. Change`);
    fetch("/me/theme/", { method: "POST", headers: { "X-CSRFToken": token(), "Content-Type": "application/x-www-form-urlencoded", "HX-Request": "true" }, body: `theme=${next}` });
  };
  $("#theme-toggle")?.closest("form").addEventListener("submit", (event) => { event.preventDefault(); theme(); });

  // ----- dialogs -----
  const keysSheet = $("#keys"), palette = $("#palette"), pinput = $("#pq");
  $("#keys-open")?.addEventListener("click", () => keysSheet.showModal());
  const places = () => $$("#plist > li").filter((item) => !item.hidden);
  const filter = () => {
    const text = pinput.value.trim().toLowerCase();
    $$("#plist > li").forEach((item) => { item.hidden = text !== "" && !item.textContent.toLowerCase().includes(text); });
  };
  const openPalette = () => { if (!palette || palette.open) return; pinput.value = ""; filter(); palette.showModal(); pinput.focus(); };
  pinput?.addEventListener("input", filter);
  palette?.addEventListener("keydown", (event) => {
    const typed = pinput.value.trim().toLowerCase();
    const meant = event.key === "Enter" && event.target === pinput && typed && places().find((item) => item.textContent.trim().toLowerCase().startsWith(typed));
    if (meant) { event.preventDefault(); $("a", meant).click(); return; }
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    event.preventDefault();
    const links = places().map((item) => $("a", item));
    const next = links.indexOf(document.activeElement) + (event.key === "ArrowDown" ? 1 : -1);
    (next < 0 ? pinput : links[Math.min(next, links.length - 1)])?.focus();
  });
  $$("dialog.sheet").forEach((dialog) => dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); }));

  // ----- keys -----
  const places2 = { h: "/", q: "/queue/", i: "/intake/", c: "/customers/", e: "/rules/", o: "/outbox/" };
  const single = {
    "/": () => { $("#q")?.focus(); $("#q")?.select(); return true; },
    "?": () => { keysSheet?.showModal(); return true; },
    d: () => { theme(); return true; },
    n: () => { go("/cases/new/"); return true; },
    u: () => { const undo = $("#toasts form"); if (undo) undo.submit(); return Boolean(undo); },
    j: () => { if (!rows().length) return false; place(at + 1); return true; },
    k: () => { if (!rows().length) return false; place(at - 1); return true; },
    x: () => { const box = current() && $('input[type="checkbox"]', current()); if (box) { box.click(); return true; } return false; },
    a: () => { const boxes = $$('[data-row] input[name="case"]'); const every = boxes.every((box) => box.checked); boxes.forEach((box) => { box.checked = !every; }); recount(); return boxes.length > 0; },
    t: () => {
      if (rows().length && current() && !selected().length) { const box = $('input[name="case"]', current()); if (box) { box.checked = true; recount(); } }
      return press("t");
    },
    c: () => openFold("c"), w: () => openFold("w"), m: () => { const note = $$("textarea[data-draft]").find((area) => area.offsetParent); note?.focus(); return Boolean(note) || openFold("m"); },
    o: () => press("o") || openFold("o"), s: () => press("s"), r: () => press("r"),
    "[": () => { step(-1); return true; }, "]": () => { step(1); return true; },
    Enter: () => { const link = current() && ($("a[data-open]", current()) || $("a", current())); if (link && document.activeElement === body) { link.click(); return true; } return false; },
  };
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "k") { event.preventDefault(); openPalette(); return; }
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.key === "Escape") { const fold = $("details.drop[open]"); if (fold) { fold.open = false; $("summary", fold).focus(); } else if (typing(event.target)) event.target.blur(); return; }
    if (!keysOn() || typing(event.target) || $("dialog[open]")) return;
    if (pending === "g") {
      pending = "";
      if (places2[event.key]) { event.preventDefault(); go(places2[event.key]); }
      return;
    }
    if (event.key === "g") { pending = "g"; clearTimeout(pendingTimer); pendingTimer = setTimeout(() => { pending = ""; }, 1500); return; }
    if (/^[1-9]$/.test(event.key)) { if (press(event.key)) event.preventDefault(); return; }
    const action = single[event.key];
    if (action && action()) event.preventDefault();
  });

  // ----- undo counts down, drafts are kept, the first row is marked -----
  const count = $("#toasts form");
  if (count) {
    let left = Number(count.dataset.seconds);
    const timer = setInterval(() => { left -= 1; $(".left", count).textContent = `${left} s`; if (left <= 0) { clearInterval(timer); count.remove(); } }, 1000);
  }
  document.addEventListener("change", (event) => { if (event.target.name === "case") recount(); if (event.target.matches("[data-submit]")) event.target.form.requestSubmit(); });
  document.addEventListener("click", (event) => { if (event.target.matches("[data-clear]")) { $$('input[name="case"]').forEach((box) => { box.checked = false; }); recount(); } });
  document.addEventListener("click", (event) => { $$("details.drop[open]").forEach((fold) => { if (!fold.contains(event.target)) fold.open = false; }); });
  const mark = () => {
    const known = remembered(), all = rows(), found = all.findIndex((row) => row.dataset.row === known);
    at = found >= 0 ? found : all.findIndex((row) => row.hasAttribute("data-here"));
    all.forEach((row, n) => row.classList.toggle("at", n === at));
    if (found >= 0 && document.activeElement === body) $("a[data-open]", all[found])?.focus({ preventScroll: true });
  };
  body.addEventListener("htmx:afterSettle", () => { remember(); recount(); });
  remember(); recount(); mark();
  $$("textarea[data-draft]").forEach((note) => {
    let timer = 0;
    const keep = () => {
      fetch(note.dataset.draft, { method: "POST", headers: { "X-CSRFToken": token(), "Content-Type": "application/x-www-form-urlencoded" }, body: new URLSearchParams({ text: note.value, audience: note.dataset.audience }) })
        .then((answer) => { const said = $("[data-kept]", note.form); if (answer.ok && said) said.textContent = "Draft kept"; });
    };
    note.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(keep, 800); });
  });
})();
