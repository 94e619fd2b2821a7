// One run: what it is doing, what it asks, what it answered, what happened when, and everything that the app says of it.

import { Component } from "./preact.mjs";
import { ask, sentence } from "./api.mjs";
import { Live } from "./live.mjs";
import { Question } from "./questions.mjs";
import { agentName, doing, Pages, runAddress, runPath } from "./runs.mjs";
import { Timeline } from "./timeline.mjs";
import { html, Alert, Note, pretty, State, Time, visible, Words } from "./text.mjs";

const LOOK_MS = 2_000;
const GONE = "There is no run with this id. Its history was purged, or it never was.";

export const isEnded = (run) => !["Running", "Cancelling"].includes(run.status);

export const Run = ({ id, agents }) => html`
	<${Live}
		what="the run"
		title="Run"
		path=${runPath(id)}
		pause=${(run) => (isEnded(run) ? 0 : LOOK_MS)}
		gone=${GONE}
	>
		${(run, at, look) => html`<${Known} key=${id} ...${{ run, look, agents }} />`}
	<//>
`;

const Fact = ({ name, children }) => children && html`<div><dt>${name}</dt><dd>${children}</dd></div>`;

const Known = ({ run, look, agents }) => html`
	<header class="run">
		<div>
			<h1 tabindex="-1">${agentName(agents, run.agent_id)}</h1>
			<p><${State} status=${run.status} asks=${Boolean(run.required_action)} />${" "}<span class="id">${visible(run.instanceId)}</span></p>
		</div>
		<${Actions} run=${run} look=${look} />
	</header>
	<dl class="facts">
		<${Fact} name="Step">${!isEnded(run) && (doing(run) || "waits to begin")}<//>
		<${Fact} name="Created"><${Time} at=${run.createdTime} /><//>
		<${Fact} name="Last change"><${Time} at=${run.lastUpdatedTime} /><//>
		<${Fact} name="Thread">${run.thread_id && html`<a class="id" href=${`#/runs?thread_id=${encodeURIComponent(run.thread_id)}`}>${visible(run.thread_id)}</a>`}<//>
		<${Fact} name=${`In Foundry: ${visible(run.run_status)}`}>${run.run_id && html`<span class="id">${visible(run.run_id)}</span>`}<//>
		<${Fact} name="Tokens">${run.output?.usage?.total_tokens}<//>
	</dl>
	${run.step === "recovering" && html`<${Note} kind="warns">Its worker process has died. It is brought back within minutes.<//>`}
	${run.customStatus?.retrying && !isEnded(run) && !run.waiting_for && html`<${Note} kind="warns">It tries again after <code>${visible(run.customStatus.retrying)}</code>.<//>`}
	${run.waiting_for && html`<${Note}>
		It waits for <a class="id" href=${runAddress(run.waiting_for.instance)}>${visible(run.waiting_for.instance)}</a>,
		which uses the thread. Before it: ${run.waiting_for.position}.
	<//>`}
	${run.error && html`<section class="card bad" aria-label="Error"><h2><code>${visible(run.error.code)}</code></h2><${Words} text=${visible(run.error.message)} /></section>`}
	${run.required_action && html`<section class="card asks"><h2>It asks</h2><${Question} key=${run.required_action.event} run=${run} onTaken=${look} /></section>`}
	${run.response !== null && run.response !== undefined && html`
		<section class="card fine"><h2>Answer</h2>
			${run.response === "" ? html`<${Note}>It wrote no text.<//>` : html`<${Words} text=${run.response} links=${true} />`}
		</section>`}
	<section><h2>Timeline</h2><${Timeline} run=${run} /></section>
	${run.thread_id && html`<${Conversation} run=${run} agents=${agents} />`}
	<details><summary>JSON</summary><${Words} as="pre" text=${pretty(run)} /></details>
`;

const close = (event) => event.currentTarget.closest("dialog").close(); // which gives the focus back

class Actions extends Component {
	state = { asked: false, busy: false, failure: null };

	act = async (what, body) => {
		const { run, look } = this.props;
		this.setState({ busy: true, failure: null });
		try {
			const { data } = await ask(`${runPath(run.instanceId)}/${what}`, { body });
			if (what === "retry") location.hash = runAddress(data.id);
			else look();
		} catch (failure) {
			this.setState({ failure });
			look();
		}
		this.setState({ busy: false });
	};

	cancel = (event) => {
		event.preventDefault();
		const reason = new FormData(event.currentTarget).get("reason").trim();
		close(event);
		this.act("cancel", reason ? { reason } : {});
	};

	render({ run }, { asked, busy, failure }) {
		const again = new URLSearchParams({ agent_id: run.agent_id ?? "", thread_id: run.thread_id ?? "" });
		return html`
			<p class="actions">
				${run.status === "Running" && html`<button class="danger" disabled=${busy} onClick=${() => this.setState({ asked: true })}>Cancel the run</button>`}
				${["Failed", "Cancelled"].includes(run.status) && html`<button disabled=${busy} onClick=${() => this.act("retry", {})}>Run it again</button>`}
				${run.thread_id && isEnded(run) && html`<a class="button" href=${`#/start?${again}`}>Go on with the conversation</a>`}
				${busy && html`<span>Sending …</span>`}
			</p>
			${failure && html`<${Alert}>${sentence(failure)}<//>`}
			${asked && html`<${Dialog} onClose=${() => this.setState({ asked: false })}>
				<form onSubmit=${this.cancel}>
					<h2 id="dialog">Cancel this run?</h2>
					<p>Its run in Foundry is stopped, and it ends as Cancelled.</p>
					<label>Reason <input name="reason" maxlength="500" /></label>
					<p class="actions">
						<button class="danger">Cancel the run</button>
						<button type="button" onClick=${close}>Let it run</button>
					</p>
				</form>
			<//>`}
		`;
	}
}

class Dialog extends Component {
	componentDidMount() {
		this.dialog.showModal();
	}

	render({ children, onClose }) {
		return html`<dialog ref=${(dialog) => { this.dialog = dialog; }} aria-labelledby="dialog" onClose=${onClose}>${children}</dialog>`;
	}
}

class Conversation extends Component {
	state = { cursors: [null] };

	render({ run, agents }, { cursors }) {
		const cursor = cursors.at(-1);
		const query = new URLSearchParams({ limit: 20, ...(cursor && { cursor }) });
		const path = `threads/${encodeURIComponent(run.thread_id)}/messages?${query}`;
		return html`
			<section>
				<h2>Conversation</h2>
				<${Live} what="the conversation" path=${path} version=${`${run.status} ${run.run_id}`} gone="The thread is gone: it was deleted.">
					${(page) => html`
						<${Pages} what="messages" cursors=${cursors} next=${page.next_cursor} turn=${(to) => this.setState({ cursors: to })} />
						<ol class="messages">
							${page.messages.map((message) => html`<${Message} key=${message.id} message=${message} agents=${agents} />`)}
						</ol>
						${!page.messages.length && html`<${Note}>There are no messages yet.<//>`}
					`}
				<//>
			</section>
		`;
	}
}

const Message = ({ message, agents }) => html`
	<li class=${message.role === "user" ? "user" : "agent"}>
		<p class="who soft">
			<strong>${message.role === "user" ? "User" : agentName(agents, message.agent_id ?? message.role)}</strong>${" "}
			<${Time} at=${message.created_at} />
		</p>
		${message.text ? html`<${Words} text=${message.text} links=${true} />` : html`<${Note}>${message.withheld ? "Its agent is none that this app may run: its words are withheld." : "No text."}<//>`}
		${message.attachments?.length > 0 && html`<p class="soft">With ${message.attachments.length} attachments.</p>`}
	</li>
`;
