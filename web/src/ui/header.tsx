// Top of the page: mark, model, user, theme; below it what must be known about the model or the server.
import { isGuest, model, panel, pickerOpen, recommends, server, theme, user, type Panel, type Theme } from "../state/session";
import { AutoIcon, ChatIcon, ListIcon, Mark, MoonIcon, PersonIcon, SunIcon } from "./icons";

const kNextTheme: Record<Theme, Theme> = { auto: "light", light: "dark", dark: "auto" };
const kThemeIcon = { auto: AutoIcon, light: SunIcon, dark: MoonIcon };
const kServerText = { connecting: "Connecting", loading: "Loading the model", unreachable: "Server not reachable", ready: "" };

function ThemeButton() {
  const Icon = kThemeIcon[theme.value];
  return (
    <button
      type="button"
      class="icon-button"
      aria-label={`Colours: ${theme.value}`}
      title={`Colours: ${theme.value}`}
      onClick={() => (theme.value = kNextTheme[theme.value])}
    >
      <Icon />
    </button>
  );
}

function UserButton() {
  if (user.value === null || !recommends.value) return null;
  return (
    <button type="button" class="user-button" aria-haspopup="dialog" onClick={() => (pickerOpen.value = true)}>
      <PersonIcon />
      <span class="sr-only">Change user, now </span>
      <span class="user-name">{isGuest(user.value) ? user.value : `User ${user.value}`}</span>
    </button>
  );
}

export function Header() {
  return (
    <header class="header">
      <a class="skip" href={recommends.value ? "#list-title" : "#chat-title"}>
        Skip to the content
      </a>
      <div class="header-row">
        <div class="brand">
          <Mark />
          <div class="ident">
            <h1>Attune</h1>
            <p class="served" title={model.value?.id}>
              <span class={`dot ${server.value}`} />
              <span class="model-name">{server.value === "ready" ? model.value?.id : kServerText[server.value]}</span>
            </p>
          </div>
        </div>
        {user.value !== null && recommends.value && <Tabs />}
        <div class="header-actions">
          <UserButton />
          <ThemeButton />
        </div>
      </div>
    </header>
  );
}

/** One line across the page, only when there is something to know. */
export function Banner() {
  if (server.value === "loading" || server.value === "unreachable") {
    const text =
      server.value === "loading" ? "The model is being loaded. The page goes on by itself." : "The server cannot be reached. Trying again.";
    return (
      <p class="banner" role="status">
        {text}
      </p>
    );
  }
  if (model.value === null || model.value.instructionTuned) return null;
  return (
    <div class="banner" role="region" aria-label="About the model">
      <strong>Base model: chat runs as a transcript</strong>
      <span class="banner-more">It continues a written conversation and was not trained to follow instructions.</span>
    </div>
  );
}

const kTabs: { id: Panel; label: string; icon: typeof ListIcon }[] = [
  { id: "list", label: "For you", icon: ListIcon },
  { id: "chat", label: "Chat", icon: ChatIcon },
  { id: "you", label: "Profile", icon: PersonIcon },
];

/** Narrow windows show one panel at a time. */
export function Tabs() {
  return (
    <nav class="tabs" aria-label="Panels">
      {kTabs.map(({ id, label, icon: Icon }) => (
        <button
          key={id}
          type="button"
          class={`tab tab-${id}`}
          aria-current={panel.value === id ? "page" : undefined}
          onClick={() => (panel.value = id)}
        >
          <Icon />
          <span>{label}</span>
        </button>
      ))}
    </nav>
  );
}
