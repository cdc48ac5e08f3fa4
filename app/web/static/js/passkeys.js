// Making passkeys and signing in with them. Pages that can hold a form for it say so with data-passkey.
"use strict";

(() => {
  const forms = [...document.querySelectorAll("form[data-passkey]")];
  const able = window.PublicKeyCredential && PublicKeyCredential.parseRequestOptionsFromJSON;

  const say = (form, key) => {
    const place = form.querySelector("[data-passkey-error]");
    place.textContent = key ? place.dataset[key] : "";
    place.hidden = !key;
  };

  const post = async (form, address, body) => {
    const answer = await fetch(address, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRFToken": form.elements.csrf_token.value },
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(String(answer.status));
    return answer.json();
  };

  const made = async (form, options) => {
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
    const credential = await navigator.credentials.create({ publicKey });
    return { credential: credential.toJSON(), name: form.elements.name.value };
  };

  const answered = async (form, options) => {
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
    const credential = await navigator.credentials.get({ publicKey });
    return { credential: credential.toJSON(), next: form.elements.next.value };
  };

  for (const form of forms) {
    if (!able) {
      form.querySelector("button").disabled = true;
      say(form, "unable");
      continue;
    }
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      say(form, "");
      const button = form.querySelector("button");
      button.disabled = true;
      try {
        const options = await post(form, form.dataset.options, {});
        const body = await (form.dataset.passkey === "make" ? made : answered)(form, options);
        location.assign((await post(form, form.action, body)).location);
      } catch (error) {
        say(form, { NotAllowedError: "cancelled", InvalidStateError: "known" }[error.name] || "refused");
        button.disabled = false;
      }
    });
  }
})();
