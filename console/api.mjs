// Asks the app: with the key that was typed, which stays in this tab, or with the cookie that Entra gave.

const BASE = new URL("./", location.href);
const KEY = "functions-key";
const PATIENCE_MS = 60_000;
let tell = () => {};

const PLACE = "place";

/** What is known of the app: whether it lets us in, or signs people in; since when it is silent, and when it last spoke. */
export const app = { locked: false, refused: false, signIn: false, away: null, seen: null, turn: 0 };

export const SIGN_IN = `/.auth/login/aad?post_login_redirect_uri=${encodeURIComponent(location.pathname)}`;

/** Keep what is behind the `#`, which no sign-in brings back. */
export const leave = () => sessionStorage.setItem(PLACE, location.hash);

export function comeBack() {
	const place = sessionStorage.getItem(PLACE);
	sessionStorage.removeItem(PLACE);
	if (place && !location.hash) history.replaceState(null, "", place);
}

let key = sessionStorage.getItem(KEY) ?? "";

export const hasKey = () => key !== "";
export const isKey = (text) => /^[\x21-\x7e]{1,1000}$/.test(text);

export function listen(listener) {
	tell = listener;
}

function know(news) {
	Object.assign(app, news);
	tell();
}

export function useKey(text) {
	key = text;
	if (key) sessionStorage.setItem(KEY, key);
	else sessionStorage.removeItem(KEY);
	know({ locked: false, refused: false, turn: app.turn + 1 });
}

/** Why there is nothing to show. `status` 0: no answer came. */
export class Failure extends Error {
	constructor(status, message, code = "") {
		super(message);
		this.status = status;
		this.code = code;
	}
}

/** Ask for `path` below /api; return what was answered, and as of when by the app's clock. */
export async function ask(path, { signal, body, headers = {} } = {}) {
	const given = { ...headers };
	if (key) given["x-functions-key"] = key;
	if (body) given["Content-Type"] = "application/json"; // what a form of another site cannot send
	const limits = [AbortSignal.timeout(PATIENCE_MS), ...(signal ? [signal] : [])];
	const turn = app.turn;
	let answer, text;
	try {
		answer = await fetch(new URL(path, BASE), {
			method: body ? "POST" : "GET",
			headers: given,
			body: body ? JSON.stringify(body) : undefined,
			signal: AbortSignal.any(limits),
			redirect: "manual",
			cache: "no-store",
		});
		text = await answer.text();
	} catch (error) {
		if (signal?.aborted) throw error;
		know({ away: app.away ?? new Date() });
		throw new Failure(0, "The app does not answer.");
	}
	const at = new Date(answer.headers.get("Date") ?? Date.now());
	know({ away: null, seen: at });
	if (answer.ok) return { data: parsed(text, answer.status), at };
	if (answer.status !== 401 && answer.type !== "opaqueredirect") throw failure(answer, text);
	const signIn = app.signIn || (await signsIn(answer));
	if (turn === app.turn) know({ locked: true, refused: hasKey(), signIn });
	throw new Failure(401, "The app does not let you in.");
}

/** Whether App Service authentication stands before the app: its refusal says so, or its own address is there. */
async function signsIn({ type, headers }) {
	if (type === "opaqueredirect" || /realm=/i.test(headers.get("WWW-Authenticate"))) return true;
	return fetch("/.auth/me", { redirect: "manual" }).then(({ status }) => status === 401, () => false);
}

function failure(answer, text) {
	const { error } = answer.headers.get("Content-Type")?.startsWith("application/json") ? parsed(text, answer.status) : {};
	if (error) return new Failure(answer.status, error.message, error.code);
	if (answer.status === 403) return new Failure(403, "The app does not let this account do that.");
	if (answer.status === 429) return new Failure(429, "The app has too much to do at once.");
	return new Failure(answer.status, `The app answers with status ${answer.status}, and no word.`);
}

function parsed(text, status) {
	try {
		return JSON.parse(text);
	} catch {
		throw new Failure(status, "What answers here is not this app: a proxy, perhaps.");
	}
}

/** A sentence for people about what went wrong. */
export function sentence(failure) {
	if (!(failure instanceof Failure)) return `The console failed: ${failure.message}`;
	const words = failure.message;
	return `${words[0].toUpperCase()}${words.slice(1)}${/[.!?]$/.test(words) ? "" : "."}`;
}
