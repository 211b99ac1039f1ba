import { render } from "preact";
import { App } from "./app";
import { followChatUser } from "./state/chat";
import { followProfile } from "./state/profile";
import { followUser } from "./state/recommend";
import { connect } from "./state/session";
import "./style/fonts.css";
import "./style/base.css";
import "./style/layout.css";
import "./style/list.css";
import "./style/chat.css";
import "./style/side.css";

const root = document.getElementById("page");
if (root !== null) render(<App />, root);
followUser();
followChatUser();
followProfile();
void connect();
