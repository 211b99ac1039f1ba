// Sampling settings of the chat. A value out of range is pulled into it when the field is left.
import { useId } from "preact/hooks";
import type { ChatSettings } from "../lib/types";
import { kDefaultSettings, settings } from "../state/chat";

interface Field {
  key: keyof ChatSettings;
  label: string;
  hint: string;
  min: number;
  max: number;
  step: number;
}

const kFields: Field[] = [
  { key: "temperature", label: "Temperature", hint: "0 always takes the likeliest token", min: 0, max: 2, step: 0.05 },
  { key: "topP", label: "Top p", hint: "1 keeps all", min: 0, max: 1, step: 0.01 },
  { key: "topK", label: "Top k", hint: "0 keeps all", min: 0, max: 1000, step: 1 },
  { key: "maxTokens", label: "Max tokens", hint: "length of an answer", min: 1, max: 8192, step: 1 },
  { key: "seed", label: "Seed", hint: "empty draws afresh", min: 0, max: 2147483647, step: 1 },
];

/** The number in a field, within its range and on whole numbers where those are meant; null for an empty or unreadable seed. */
function readField(field: Field, text: string): number | null {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (!Number.isFinite(value)) return field.key === "seed" ? null : (kDefaultSettings[field.key] as number);
  const inside = Math.min(field.max, Math.max(field.min, value));
  return field.step === 1 ? Math.round(inside) : inside;
}

function NumberField({ field }: { field: Field }) {
  const id = useId();
  const onChange = (event: Event & { currentTarget: HTMLInputElement }) => {
    const value = readField(field, event.currentTarget.value);
    settings.value = { ...settings.value, [field.key]: value };
    event.currentTarget.value = value === null ? "" : String(value);
  };
  return (
    <div class="setting">
      <label for={id}>{field.label}</label>
      <input
        id={id}
        type="number"
        inputMode="decimal"
        min={field.min}
        max={field.max}
        step={field.step}
        aria-describedby={`${id}-hint`}
        placeholder={field.key === "seed" ? "random" : undefined}
        value={settings.value[field.key] ?? ""}
        onChange={onChange}
      />
      <span class="hint" id={`${id}-hint`}>
        {field.hint}
      </span>
    </div>
  );
}

export function ChatSettingsForm() {
  return (
    <div class="settings" role="group" aria-label="Chat settings">
      {kFields.map((field) => (
        <NumberField key={field.key} field={field} />
      ))}
      <button type="button" class="quiet-button" onClick={() => (settings.value = { ...kDefaultSettings })}>
        Back to defaults
      </button>
    </div>
  );
}
