// What happened in a run, drawn as bars over its time; what goes on ends where it was last seen.

import { Component } from "./preact.mjs";
import { Live } from "./live.mjs";
import { runPath, stepName } from "./runs.mjs";
import { html, clock, duration, Note, TONES, visible } from "./text.mjs";

const LEAST_PERCENT = 0.6;
const MOST_SHOWN = 50;

export const Timeline = ({ run }) => {
	return html`
		<${Live}
			what="the timeline"
			path=${`${runPath(run.instanceId)}/events`}
			version=${`${run.lastUpdatedTime} ${run.status} ${run.step}`}
			gone="There is no timeline: the run's history was purged."
		>
			${(timeline, at) => html`<${Bars} events=${timeline.events} at=${at} />`}
		<//>
	`;
};

/** Where every event begins and ends, in percent of the time from the first one to the last one, or to `at`. */
export function placed(events, at) {
	const begin = (event) => Date.parse(event.started);
	const end = (event) => (event.ended ? Date.parse(event.ended) : Math.max(at.getTime(), begin(event)));
	const from = Math.min(...events.map(begin));
	const span = Math.max(...events.map(end)) - from || 1;
	return events.map((event) => {
		const width = Math.max(((end(event) - begin(event)) / span) * 100, LEAST_PERCENT);
		const left = Math.min(((begin(event) - from) / span) * 100, 100 - width);
		return { event, left, width, seconds: event.duration_seconds ?? (end(event) - begin(event)) / 1000 };
	});
}

class Bars extends Component {
	render({ events, at }, { all }) {
		if (!events.length) return html`<${Note}>Nothing has happened yet.<//>`;
		const hidden = all ? 0 : Math.max(events.length - MOST_SHOWN, 0);
		return html`
			${hidden > 0 && html`<p>The last ${MOST_SHOWN} of ${events.length}. <button onClick=${() => this.setState({ all: true })}>Show all</button></p>`}
			<ol class="timeline">${placed(events, at).slice(hidden).map((bar) => html`<${Bar} key=${bar.event.id} ...${bar} />`)}</ol>
		`;
	}
}

const Bar = ({ event, left, width, seconds }) => html`
	<li class=${`${event.kind} ${tone(event)} ${event.state}`}>
		<span class="what">${label(event)}</span>
		<span class="track" aria-hidden="true"><span class="bar" style=${{ left: `${left}%`, width: `${width}%` }}></span></span>
		<span class="took soft" title=${clock(new Date(event.started))}>${took(event, seconds)}</span>
		${failures(event).map(([words, times]) => html`<p class="soft">${words}${times > 1 && ` (${times} times)`}</p>`)}
	</li>
`;

/** What the attempts failed of, and how often. */
function failures({ attempts = [] }) {
	const times = new Map();
	for (const { error } of attempts) {
		const words = error && visible(`${error.code} ${error.message ?? ""}`);
		if (words) times.set(words, (times.get(words) ?? 0) + 1);
	}
	return [...times];
}

const tone = (event) => TONES[event.status] ?? "";

function took(event, seconds) {
	if (!event.ended) return `${duration(seconds)} so far`;
	return event.ended === event.started ? clock(new Date(event.started)) : duration(seconds);
}

function label(event) {
	const tries = event.tries ?? event.attempts?.length;
	const times = tries > 1 ? `, ${tries} attempts` : "";
	const state = event.kind === "ended" || ["running", "done"].includes(event.state) ? "" : `, ${event.state}`;
	return `${name(event)}${times}${state}`;
}

function name(event) {
	switch (event.kind) {
		case "step":
			return visible(stepName(event.step));
		case "looks":
			return plural(event.looks, "look at the run", "looks at the run");
		case "question":
			return `asks ${plural(event.calls, "call", "calls")}`;
		case "answer":
			return "answered";
		case "cancel":
			return event.reason ? `cancel: ${visible(event.reason)}` : "cancel";
		case "earlier":
			return `in sum: ${event.questions ? `${plural(event.questions, "question", "questions")}, ` : ""}${plural(event.looks, "look", "looks")}`;
		case "ended":
			return event.code ? `${event.status}: ${visible(event.code)}` : visible(event.status);
		default:
			return visible(event.kind);
	}
}

const plural = (number, one, many) => (number === undefined ? many : `${number} ${number === 1 ? one : many}`);
