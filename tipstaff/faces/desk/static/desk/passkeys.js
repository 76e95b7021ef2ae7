// Passkeys: asks the browser, sends its answer. Without it the password and codes still work.
(() => {
  "use strict";
  const $$ = (selector) => [...document.querySelectorAll(selector)];
  const token = () => document.querySelector('meta[name="csrf"]')?.content || "";
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

  const say = (what) => {
    for (const note of $$("[data-passkey-said]")) {
      note.querySelector(".grow").textContent = what;
      note.hidden = !what;
    }
  };

  const post = async (address, body) => {
    const answer = await fetch(address, {
      method: "POST", credentials: "same-origin", body: JSON.stringify(body || {}),
      headers: { "Content-Type": "application/json", "X-CSRFToken": token() },
    });
    const told = (answer.headers.get("Content-Type") || "").includes("json") ? await answer.json() : {};
    if (!answer.ok) throw new Error(told.said || "That did not work. Reload the page and try again.");
    return told;
  };

  const known = (list) => (list || []).map((one) => ({ ...one, id: bytes(one.id) }));

  const register = async (button) => {
    const asked = await post("/me/security/passkeys/options/");
    asked.challenge = bytes(asked.challenge);
    asked.user.id = bytes(asked.user.id);
    asked.excludeCredentials = known(asked.excludeCredentials);
    const made = await navigator.credentials.create({ publicKey: asked });
    const credential = {
      id: made.id, rawId: text(made.rawId), type: made.type, clientExtensionResults: made.getClientExtensionResults(),
      response: {
        clientDataJSON: text(made.response.clientDataJSON), attestationObject: text(made.response.attestationObject),
        transports: made.response.getTransports ? made.response.getTransports() : [],
      },
    };
    return post("/me/security/passkeys/", { credential, name: document.getElementById("passkey-name")?.value || "" });
  };

  const signIn = async (button) => {
    const asked = await post("/login/passkey/options/");
    asked.challenge = bytes(asked.challenge);
    asked.allowCredentials = known(asked.allowCredentials);
    const shown = await navigator.credentials.get({ publicKey: asked });
    const credential = {
      id: shown.id, rawId: text(shown.rawId), type: shown.type, clientExtensionResults: shown.getClientExtensionResults(),
      response: {
        clientDataJSON: text(shown.response.clientDataJSON), authenticatorData: text(shown.response.authenticatorData),
        signature: text(shown.response.signature), userHandle: shown.response.userHandle ? text(shown.response.userHandle) : null,
      },
    };
    return post("/login/passkey/", { credential, next: button.dataset.next || "" });
  };

  if (!window.PublicKeyCredential) return;
  for (const part of $$("[data-needs-passkeys]")) part.hidden = false;
  for (const part of $$("[data-lacks-passkeys]")) part.hidden = true;
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-passkey]");
    if (!button || button.disabled) return;
    say("");
    button.disabled = true;
    try {
      const told = await (button.dataset.passkey === "register" ? register : signIn)(button);
      const there = new URL(told.to, location.href);
      if (there.pathname === location.pathname) { location.hash = there.hash; location.reload(); } else location.assign(there);
    } catch (error) {
      say(error.name === "NotAllowedError" ? "No passkey was used. Try again, or take another way." : error.message);
      button.disabled = false;
    }
  });
})();
