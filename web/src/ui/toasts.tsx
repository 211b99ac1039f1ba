// The corner where messages appear, and the question for the API key.
import { useState } from "preact/hooks";
import { giveApiKey } from "../state/session";
import { dismissToast, keyWanted, toasts } from "../state/toasts";
import { Dialog } from "./dialog";
import { CloseIcon } from "./icons";

export function Toasts() {
  return (
    <div class="toasts" role="region" aria-label="Messages">
      {toasts.value.map((toast) => (
        <div key={toast.id} class={`toast ${toast.kind}`} role={toast.kind === "error" ? "alert" : "status"}>
          <p>{toast.text}</p>
          <button type="button" class="icon-button" aria-label="Dismiss" onClick={() => dismissToast(toast.id)}>
            <CloseIcon />
          </button>
        </div>
      ))}
    </div>
  );
}

export function KeyDialog() {
  const [key, setKey] = useState("");
  if (!keyWanted.value) return null;
  return (
    <Dialog title="API key" onClose={() => (keyWanted.value = false)}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (key !== "") giveApiKey(key);
        }}
      >
        <p>This server was started with an API key. It is kept in this tab only.</p>
        <label class="field-label" for="api-key">
          Key
        </label>
        <input
          id="api-key"
          class="text-input"
          type="password"
          autocomplete="off"
          value={key}
          onInput={(event) => setKey(event.currentTarget.value)}
        />
        <div class="dialog-actions">
          <button type="submit" class="button primary">
            Use this key
          </button>
        </div>
      </form>
    </Dialog>
  );
}
