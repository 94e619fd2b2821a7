import { h, render } from "./preact.mjs";
import htm from "./htm.mjs";

const html = htm.bind(h);
render(html`<p class="note">The console is loading.</p>`, document.getElementById("app"));
