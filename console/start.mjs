// Starts a run. A start whose answer was lost is sent again under the same key, and starts nothing twice.

import { Component } from "./preact.mjs";
import { ask, sentence } from "./api.mjs";
import { runAddress } from "./runs.mjs";
import { html, Alert, Note, visible } from "./text.mjs";

const newKey = () => `console-${crypto.getRandomValues(new Uint32Array(4)).join("-")}`;

export class Start extends Component {
	state = { busy: false, failure: null };

	start = async (event) => {
		event.preventDefault();
		const given = new FormData(event.currentTarget);
		const body = { agent_id: given.get("agent_id"), user_message: given.get("user_message") };
		if (given.get("thread_id").trim()) body.thread_id = given.get("thread_id").trim();
		if (given.get("timeout_seconds")) body.timeout_seconds = Number(given.get("timeout_seconds"));
		const request = JSON.stringify(body);
		if (this.request !== request) Object.assign(this, { request, idempotencyKey: newKey() });
		this.setState({ busy: true, failure: null });
		try {
			const { data } = await ask("run_agent", { body, headers: { "Idempotency-Key": this.idempotencyKey } });
			location.hash = runAddress(data.id);
		} catch (failure) {
			this.setState({ busy: false, failure });
		}
	};

	render({ agents, problem, given }, { busy, failure }) {
		const chosen = given.get("agent_id");
		return html`
			<h1 tabindex="-1">Start a run</h1>
			<form class="form card" onSubmit=${this.start} aria-busy=${busy}>
				<label>Agent
					${!problem
						? html`<select name="agent_id" required>
								<option value="">choose one</option>
								${agents.map((agent) => html`<option value=${agent.id} selected=${agent.id === chosen}>${visible(agent.name || agent.id)}${agent.model ? ` (${visible(agent.model)})` : ""}</option>`)}
							</select>`
						: html`<input name="agent_id" value=${chosen ?? ""} required placeholder="its id or its name" spellcheck="false" />`}
				</label>
				${problem && html`<${Note} kind="bad">The agents are not known: ${sentence(problem)}<//>`}
				<label>Message <textarea name="user_message" rows="6" required maxlength="256000"></textarea></label>
				<details open=${given.has("thread_id")}>
					<summary>More</summary>
					<label>Thread <input name="thread_id" value=${given.get("thread_id") ?? ""} placeholder="empty: a new one" spellcheck="false" /></label>
					<label>Seconds at most <input name="timeout_seconds" type="number" min="1" placeholder="as the settings say" /></label>
				</details>
				${failure && html`<${Alert}>${sentence(failure)}<//>`}
				<p class="actions"><button class="main" disabled=${busy}>Start</button>${busy && html`<span>Starting …</span>`}</p>
			</form>
		`;
	}
}
