// The page: header, then the three panels, or the question who it is for.
import { panel, recommends, user } from "./state/session";
import { AttributeDialog, WordsDialog } from "./ui/attribute_dialog";
import { ChatPanel } from "./ui/chat";
import { Banner, Header } from "./ui/header";
import { ListPanel } from "./ui/list";
import { PickerDialog, UserPicker } from "./ui/picker";
import { ProfilePanel } from "./ui/profile";
import { KeyDialog, Toasts } from "./ui/toasts";

function Welcome() {
  return (
    <section class="panel welcome" aria-labelledby="list-title">
      <h2 id="list-title" tabIndex={-1}>
        Who is this for?
      </h2>
      <p class="sub">Recommendations and their reasons are written on this machine, from what this person rated.</p>
      <UserPicker />
    </section>
  );
}

function Main() {
  if (!recommends.value)
    return (
      <main class="main alone chat-only">
        <ChatPanel />
      </main>
    );
  if (user.value === null)
    return (
      <main class="main alone">
        <Welcome />
      </main>
    );
  return (
    <main class={`main show-${panel.value}`} key={user.value}>
      <ProfilePanel />
      <ListPanel />
      <ChatPanel />
    </main>
  );
}

export function App() {
  return (
    <>
      <Header />
      <Banner />
      <Main />
      <PickerDialog />
      <WordsDialog />
      <AttributeDialog />
      <KeyDialog />
      <Toasts />
    </>
  );
}
