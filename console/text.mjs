// What is said, and how. Texts of models and callers are hostile: they become text nodes, and nothing else.

import { h, Component } from "./preact.mjs";
import htm from "./htm.mjs";

export const html = htm.bind(h);

const MOST_SHOWN = 20_000;
// Marks that are not seen, or turn the text around them: they make one tool's name look like another's.
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;
const ADDRESS = /https?:\/\/[^\s<>"'`\u0000-\u001f\u200e\u200f\u202a-\u202e\u2066-\u2069]+/g;
const code = (mark) => mark.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");

/** Names, ids, arguments and errors: what is invisible is shown by its number. */
export const visible = (text) => String(text ?? "").replace(HIDDEN, (mark) => (mark === "\r" ? "" : `⟨U+${code(mark)}⟩`));

/** JSON for people; what is invisible in it is escaped, as JSON can. */
export const pretty = (value) => JSON.stringify(value, null, 2).replace(HIDDEN, (mark) => `\\u${code(mark)}`);

/** Arguments of a tool call: JSON text, or what a model took for it. */
export function argumentsOf(text) {
	try {
		return pretty(JSON.parse(text));
	} catch {
		return visible(text);
	}
}

/** Texts and the links between them; a link is what http or https leads to, under the name that it has. */
export function pieces(text) {
	const found = [];
	let from = 0;
	for (const match of text.matchAll(ADDRESS)) {
		const address = match[0].replace(/[.,;:!?)\]}]+$/, "");
		if (!isWebAddress(address)) continue;
		found.push(text.slice(from, match.index), { address });
		from = match.index + address.length;
	}
	return [...found, text.slice(from)];
}

function isWebAddress(text) {
	const url = URL.canParse(text) ? new URL(text) : null;
	return url !== null && /^https?:$/.test(url.protocol) && !url.username && !url.password;
}

const Link = ({ to }) => html`<a href=${to} target="_blank" rel="noopener noreferrer">${to}</a>`;

/** An address of others: a link where it may be one. */
export const Address = ({ of }) => (isWebAddress(of) ? html`<${Link} to=${of} />` : html`<code>${visible(of)}</code>`);

/** A text of any length: its beginning, until somebody wants all of it. */
export class Words extends Component {
	render({ text, as = "div", links = false }, { all }) {
		const whole = String(text ?? "");
		const shown = all || whole.length <= MOST_SHOWN ? whole : whole.slice(0, MOST_SHOWN);
		const content = links
			? pieces(shown).map((piece) => (piece.address ? html`<${Link} to=${piece.address} />` : piece))
			: shown;
		return html`
			${h(as, { class: "words", dir: "auto", tabindex: as === "pre" ? 0 : undefined }, content)}
			${shown === whole
				? null
				: html`<p>
						The first ${count(MOST_SHOWN)} of ${count(whole.length)} characters.${" "}
						<button type="button" onClick=${() => this.setState({ all: true })}>Show all</button>
					</p>`}
		`;
	}
}

const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

export const count = (number) => number.toLocaleString();
export const clock = (time) => CLOCK.format(time);
export const moment = (time) => `${DAY.format(time)}, ${CLOCK.format(time)}`;

export function Time({ at }) {
	const time = new Date(at);
	if (!at || Number.isNaN(time.getTime())) return html`<span>unknown</span>`;
	return html`<time datetime=${time.toISOString()} title=${time}>${moment(time)}</time>`;
}

export function duration(seconds) {
	if (seconds < 0.05) return "< 0.1 s";
	if (seconds < 10) return `${seconds.toFixed(1)} s`;
	if (seconds < 60) return `${Math.round(seconds)} s`;
	const minutes = Math.floor(seconds / 60);
	if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
	return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export const TONES = { Running: "goes", Cancelling: "warns", Success: "fine", Failed: "bad", Cancelled: "idle" };

export const State = ({ status, asks }) =>
	asks
		? html`<span class="state asks">Needs an answer</span>`
		: html`<span class=${`state ${TONES[status] ?? "idle"}`}>${visible(status)}</span>`;

export const Note = ({ children, kind = "" }) => html`<p class=${`note ${kind}`}>${children}</p>`;
export const Alert = ({ children }) => html`<p class="note bad" role="alert">${children}</p>`;
