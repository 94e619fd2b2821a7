// The page: its views by their address, the key, and what is known of the app.

import { Component, render } from "./preact.mjs";
import { app, ask, comeBack, hasKey, isKey, leave, listen, SIGN_IN, useKey } from "./api.mjs";
import { Inbox } from "./questions.mjs";
import { Run } from "./run.mjs";
import { Runs } from "./runs.mjs";
import { Start } from "./start.mjs";
import { html, Alert, clock, Note } from "./text.mjs";

const VIEWS = [["runs", "Runs"], ["questions", "Questions"], ["start", "Start a run"]];

/** What the address says: `#/runs/{id}`, `#/runs?status=Failed`. */
function place() {
	const [path, query] = location.hash.slice(1).split("?", 2);
	const [view = "runs", id = ""] = path.split("/").filter(Boolean);
	return { view, id: decoded(id), query: new URLSearchParams(query ?? "") };
}

function decoded(text) {
	try {
		return decodeURIComponent(text);
	} catch {
		return text; // no id has a percent sign: the app will say that there is none
	}
}

class Page extends Component {
	state = { ...place(), agents: [], problem: null };

	componentDidMount() {
		listen(() => {
			if (this.turn !== app.turn) this.learnAgents();
			this.setState({});
		});
		addEventListener("hashchange", () => this.setState(place(), this.arrive));
		this.learnAgents();
	}

	arrive = () => {
		scrollTo(0, 0);
		document.querySelector("h1")?.focus({ preventScroll: true });
	};

	componentDidUpdate() {
		const [, name = "Nothing"] = VIEWS.find(([view]) => view === this.state.view) ?? [];
		document.title = `${this.state.id ? `Run ${this.state.id}` : name} · Agent runs`;
	}

	async learnAgents() {
		this.turn = app.turn;
		try {
			const { data } = await ask("agents");
			this.setState({ agents: data.agents, problem: null });
		} catch (problem) {
			this.setState({ problem });
		}
	}

	render(_, { view, id, query, agents, problem }) {
		return html`
			<a class="skip" href="#main" onClick=${skip}>To the content</a>
			<header class="top">
				<a href="#/runs">Agent runs</a>
				<nav aria-label="Views">
					${VIEWS.map(([name, label]) => html`<a href=${`#/${name}`} aria-current=${view === name && !id ? "page" : undefined}>${label}</a>`)}
				</nav>
				<span class="soft">${app.seen && !app.away ? `as of ${clock(app.seen)}` : ""}</span>
				${hasKey() && !app.locked && html`<button onClick=${() => useKey("")}>Forget the key</button>`}
			</header>
			<div role="status">
				${app.away && html`<${Note} kind="bad">The app has not answered since ${clock(app.away)}. It is asked again every few seconds; what you see is older.<//>`}
			</div>
			<main id="main" tabindex="-1" key=${app.turn}>
				${app.locked ? html`<${Door} />` : html`<${View} ...${{ view, id, query, agents, problem }} />`}
			</main>
		`;
	}
}

function skip(event) {
	event.preventDefault(); // the address says which view this is
	document.getElementById("main").focus();
}

function View({ view, id, query, agents, problem }) {
	if (view === "runs") return id ? html`<${Run} key=${id} id=${id} agents=${agents} />` : html`<${Runs} filters=${query} agents=${agents} />`;
	if (view === "questions") return html`<${Inbox} agents=${agents} />`;
	if (view === "start") return html`<${Start} key=${String(query)} given=${query} agents=${agents} problem=${problem} />`;
	return html`<h1 tabindex="-1">Nothing</h1><${Note}>There is nothing at this address. <a href="#/runs">To the runs</a>.<//>`;
}

class Door extends Component {
	enter = (event) => {
		event.preventDefault();
		const key = new FormData(event.currentTarget).get("key").trim();
		if (isKey(key)) useKey(key);
		else this.setState({ odd: true });
	};

	render(_, { odd }) {
		const form = html`
			<form onSubmit=${this.enter}>
				<p>A function key, or the app's host key. This tab keeps it until it is closed, and sends it to this app only.</p>
				${app.refused && html`<${Alert}>The app refuses this key.<//>`}
				${odd && html`<${Alert}>This is no key: it has blanks, or letters that no key has.<//>`}
				<label>Key <input name="key" type="password" autocomplete="off" spellcheck="false" required autofocus=${!app.signIn} /></label>
				<p class="actions"><button class="main">Enter</button></p>
			</form>`;
		if (!app.signIn) return html`<section class="form card"><h1 tabindex="-1">A key, please</h1>${form}</section>`;
		return html`
			<section class="form card">
				<h1 tabindex="-1">Who are you?</h1>
				<p>Entra guards this app. A sign-in leads back to this place.</p>
				<p class="actions"><a class="button main" href=${SIGN_IN} onClick=${leave}>Sign in</a></p>
				<details open=${app.refused}><summary>With a key</summary>${form}</details>
			</section>`;
	}
}

comeBack();
const root = document.getElementById("app");
root.replaceChildren();
render(html`<${Page} />`, root);
