// The runs, newest first: filters that stand in the address, one page at a time, looked at anew every few seconds.

import { Component } from "./preact.mjs";
import { Live } from "./live.mjs";
import { html, count, Note, State, Time, TONES, visible } from "./text.mjs";

const LOOK_MS = 4_000;
const COUNT_MS = 120_000; // many pages of the platform's list, and later than the list itself
const PAGE = 50;
const STATUSES = ["Running", "Success", "Failed", "Cancelled"];

export const listed = (filters, more) => {
	const query = new URLSearchParams({ limit: PAGE, ...more });
	for (const [name, value] of filters) if (value) query.set(name, value);
	return `runs?${query}`;
};

export class Runs extends Component {
	seen = () => this.state.seen || this.setState({ seen: true });

	render({ filters, agents }, { seen }) {
		return html`
			<h1 tabindex="-1">Runs</h1>
			${seen ? html`<${Counts} />` : html`<${Note}>Asking for the counts …<//>`}
			<${Filters} filters=${filters} agents=${agents} key=${`f ${filters}`} />
			<${List} filters=${filters} agents=${agents} key=${`l ${filters}`} seen=${this.seen} />
		`;
	}
}

class List extends Component {
	state = { cursors: [null] };

	render({ filters, agents, seen }, { cursors }) {
		const cursor = cursors.at(-1);
		return html`
			<${Live} what="runs" path=${listed(filters, cursor && { cursor })} pause=${() => LOOK_MS} seen=${seen}>
				${(page) => html`
					<${Table} runs=${page.runs} agents=${agents} filtered=${filters.size || cursor} />
					${page.partial && html`<${Note}>The app has read as many runs as it does at once; there may be older ones that fit.<//>`}
					<${Pages} what="runs" cursors=${cursors} next=${page.next_cursor} turn=${(to) => this.setState({ cursors: to })} />
				`}
			<//>
		`;
	}
}

const Counts = () => html`
	<${Live} what="the counts" path="runs/counts" pause=${() => COUNT_MS}>
		${({ last_hour, last_day, last_week }) => html`
			<dl class="counts">
				${STATUSES.map((status) => html`
					<div class=${TONES[status]}>
						<dt>${status}, last day</dt>
						<dd>
							<a href=${`#/runs?status=${status}`}>${count(last_day[status])}</a>
							<small>${count(last_hour[status])} in the last hour, ${count(last_week[status])} in a week</small>
						</dd>
					</div>`)}
			</dl>
			${!last_week.complete && html`<${Note}>There are more runs than the app counts at once: these are the newest ones.<//>`}
		`}
	<//>
`;

export const Pages = ({ what, cursors, next, turn }) =>
	(next || cursors.length > 1) && html`
		<nav class="actions" aria-label=${`Pages of ${what}`}>
			<button disabled=${cursors.length < 2} onClick=${() => turn(cursors.slice(0, -1))}>Newer</button>
			<button disabled=${!next} onClick=${() => turn([...cursors, next])}>Older</button>
		</nav>
	`;

class Filters extends Component {
	apply = (event) => {
		event.preventDefault();
		const query = new URLSearchParams();
		for (const [name, value] of new FormData(event.currentTarget.closest("form"))) {
			const given = name.startsWith("created") && value ? new Date(value).toISOString() : value.trim();
			if (given) query.set(name, given);
		}
		location.hash = `#/runs?${query}`;
	};

	render({ filters, agents }) {
		const choice = (label, name, options) => html`
			<label>${label}
				<select name=${name} onChange=${this.apply}>
					${[["", "any"], ...options].map(([value, text]) => html`<option value=${value} selected=${filters.get(name) === value}>${text}</option>`)}
				</select>
			</label>`;
		return html`
			<form class="filters" onSubmit=${this.apply} aria-label="Filters">
				${choice("Status", "status", STATUSES.map((status) => [status, status]))}
				${choice("Question", "needs_answer", [["true", "needs an answer"]])}
				${choice("Agent", "agent_id", agents.map(({ id }) => [id, agentName(agents, id)]))}
				<details open=${["thread_id", "created_from", "created_to"].some((name) => filters.has(name))}>
					<summary>Thread and time</summary>
					<label>Thread <input name="thread_id" value=${filters.get("thread_id") ?? ""} spellcheck="false" /></label>
					<label>From <input type="datetime-local" name="created_from" value=${local(filters.get("created_from"))} /></label>
					<label>To <input type="datetime-local" name="created_to" value=${local(filters.get("created_to"))} /></label>
					<button>Apply</button>
				</details>
				${filters.size > 0 && html`<a href="#/runs">Show all</a>`}
			</form>
		`;
	}
}

function local(moment) {
	const time = new Date(moment ?? "");
	if (Number.isNaN(time.getTime())) return "";
	return new Date(time.getTime() - time.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

function Table({ runs, agents, filtered }) {
	if (!runs.length) {
		return filtered
			? html`<${Note}>No run fits these filters.<//>`
			: html`<${Note}>There are no runs yet. <a href="#/start">Start one</a>.<//>`;
	}
	return html`
		<div class="scrolls" role="region" aria-label="Runs" tabindex="0">
			<table>
				<thead>
					<tr>${["Status", "Run", "Agent", "Step", "Created", "Last change"].map((name) => html`<th>${name}</th>`)}</tr>
				</thead>
				<tbody>
					${runs.map((run) => html`
						<tr key=${run.instanceId}>
							<td><${State} status=${run.status} asks=${run.needs_answer} /></td>
							<td><a class="id" href=${runAddress(run.instanceId)}>${visible(run.instanceId)}</a></td>
							<td>${agentName(agents, run.agent_id)}</td>
							<td>${run.error ? html`<code>${visible(run.error.code)}</code>` : doing(run)}</td>
							<td><${Time} at=${run.createdTime} /></td>
							<td><${Time} at=${run.lastUpdatedTime} /></td>
						</tr>
					`)}
				</tbody>
			</table>
		</div>
	`;
}

export const runPath = (id) => `runs/${encodeURIComponent(id)}`;
export const runAddress = (id) => `#/${runPath(id)}`;
export const doing = (run) => (run.waiting_for ? "waits for its turn" : visible(stepName(run.step)));
export const stepName = (step) => (step ?? "").replaceAll("_", " ");
export const agentName = (agents, id) => visible(agents.find((agent) => agent.id === id)?.name || id || "not known yet");
