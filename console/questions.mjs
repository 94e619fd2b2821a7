// The questions of runs: calls of tools that want an output, approvals that want a yes or a no, and consents that are
// given elsewhere, and then want a yes.

import { Component } from "./preact.mjs";
import { ask, sentence } from "./api.mjs";
import { Live } from "./live.mjs";
import { agentName, listed, runAddress, runPath } from "./runs.mjs";
import { html, Address, Alert, argumentsOf, Note, State, Time, visible, Words } from "./text.mjs";

const LOOK_MS = 5_000;
const wantsYes = (call) => call.kind === "approval" || call.kind === "consent";

export const Inbox = ({ agents }) => html`
	<h1 tabindex="-1">Questions</h1>
	<p class="soft">Runs that wait for the output of a tool, or for a yes or no. Whoever answers first counts.</p>
	<${Live}
		what="questions"
		path=${listed([["needs_answer", "true"]])}
		pause=${() => LOOK_MS}
	>
		${(page, at, look) => html`
			${page.runs.map((run) => html`<${Asked} key=${run.instanceId} run=${run} agents=${agents} onTaken=${look} />`)}
			${!page.runs.length && html`<${Note}>${page.next_cursor ? "None of the newest runs asks anything." : "Nobody asks anything."}<//>`}
			${page.next_cursor && html`<p><a href="#/runs?needs_answer=true">Look among older runs</a></p>`}
		`}
	<//>
`;

const Asked = ({ run, agents, onTaken }) => html`
	<section class="card asks" aria-label=${`Question of run ${run.instanceId}`}>
		<p class="who soft">
			<strong>${agentName(agents, run.agent_id)}</strong>${" "}
			<a class="id" href=${runAddress(run.instanceId)}>${visible(run.instanceId)}</a>${" "}
			<${Time} at=${run.lastUpdatedTime} />
		</p>
		<${Live}
			what="the question"
			path=${runPath(run.instanceId)}
			version=${`${run.required_action?.event} ${run.lastUpdatedTime}`}
			gone="The run is gone: its history was purged."
		>
			${(document) => document.required_action
				? html`<${Question} key=${document.required_action.event} run=${document} onTaken=${onTaken} />`
				: html`<${Note}>It is answered. <${State} status=${document.status} /><//>`}
		<//>
	</section>
`;

export class Question extends Component {
	state = { sending: false, failure: null };

	send = async (event) => {
		event.preventDefault();
		const { run, onTaken } = this.props;
		const given = new FormData(event.currentTarget, event.submitter);
		const { calls } = run.required_action;
		const outputs = calls.filter((call) => call.kind === "function");
		this.setState({ sending: true, failure: null });
		try {
			await ask(`${runPath(run.instanceId)}/tool_outputs`, {
				body: {
					tool_outputs: outputs.map(({ id }) => ({ tool_call_id: id, output: given.get(id) })),
					approvals: calls.filter(wantsYes).map(({ id }) => ({ tool_call_id: id, approve: given.get(id) === "yes" })),
				},
			});
			this.setState({ sending: false });
		} catch (failure) {
			this.setState({ sending: false, failure });
		}
		onTaken();
	};

	render({ run }, { sending, failure }) {
		const { calls, error, more } = run.required_action;
		const alone = calls.length === 1 && wantsYes(calls[0]);
		const answerable = !more && calls.every((call) => call.kind !== "unsupported");
		return html`
			<form onSubmit=${this.send} aria-busy=${sending}>
				${calls.map((call) => html`<${Call} key=${call.id} call=${call} alone=${alone} />`)}
				${error && html`<${Note} kind="bad">The last answer was not taken: ${visible(error)}<//>`}
				${more > 0 && html`<${Note}>${more} more calls wait, and all are answered at once: they are asked for again.<//>`}
				${failure && html`<${Alert}>${sentence(failure)}<//>`}
				${answerable && html`
					<p class="actions">
						${alone
							? html`
									<button class="main" name=${calls[0].id} value="yes" disabled=${sending}>Approve</button>
									${calls[0].kind === "approval" &&
									html`<button class="danger" name=${calls[0].id} value="no" disabled=${sending}>Deny</button>`}
								`
							: html`<button class="main" disabled=${sending}>${calls.length > 1 ? "Send all answers" : "Send the answer"}</button>`}
						${sending && html`<span>Sending …</span>`}
					</p>
				`}
			</form>
		`;
	}
}

function Call({ call, alone }) {
	const name = visible(call.name || call.id);
	return html`
		<fieldset>
			<legend>
				${call.kind === "approval"
					? html`May <code>${name}</code> of the server <code>${visible(call.server_label)}</code> be called?`
					: call.kind === "function"
						? html`What does <code>${name}</code> return?`
						: call.kind === "consent"
							? html`May <code>${name}</code> act for you? Consent there, then approve here.`
							: html`<code>${name}</code> is something that this app cannot answer: the run ends soon.`}
			</legend>
			${call.link
				? html`<p class="words"><${Address} of=${call.link} /></p>`
				: call.arguments === undefined
					? html`<p class="soft">Its arguments cannot be shown now.</p>`
					: html`<${Words} as="pre" text=${argumentsOf(call.arguments)} />`}
			${call.kind === "function" &&
				html`<label>Output <textarea name=${call.id} rows="3" required aria-label=${`Output of ${name}`}></textarea></label>`}
			${wantsYes(call) && !alone &&
				html`<p class="actions">
					<label><input type="radio" name=${call.id} value="yes" required /> Approve</label>
					${call.kind === "approval" && html`<label><input type="radio" name=${call.id} value="no" /> Deny</label>`}
				</p>`}
		</fieldset>
	`;
}
