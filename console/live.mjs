// Looks again and again, and shows what was seen: nothing else between two looks, and the same where a look fails.

import { Component } from "./preact.mjs";
import { ask, sentence } from "./api.mjs";
import { html, Note } from "./text.mjs";

const AGAIN_MS = 5_000;

/** Looks at `path`, and again after `pause(data)` (0: never) and where `version` has changed; the child shows it. */
export class Live extends Component {
	state = { data: null, at: null, failure: null, path: null };

	componentDidMount() {
		document.addEventListener("visibilitychange", this.wake);
		addEventListener("online", this.look);
		this.look();
	}

	componentDidUpdate(before) {
		const { path, version } = this.props;
		if (before.path !== path || before.version !== version) this.look();
	}

	componentWillUnmount() {
		document.removeEventListener("visibilitychange", this.wake);
		removeEventListener("online", this.look);
		this.stop();
	}

	stop() {
		clearTimeout(this.timer);
		this.control?.abort();
	}

	wake = () => {
		if (!document.hidden && this.isDue) this.look();
	};

	look = async () => {
		this.stop();
		this.isDue = false;
		const { path, pause } = this.props;
		const { signal } = (this.control = new AbortController());
		let next = AGAIN_MS;
		try {
			const { data, at } = await ask(path, { signal });
			if (signal.aborted) return;
			this.setState({ data, at, failure: null, path });
			this.props.seen?.();
			next = pause?.(data) ?? 0;
		} catch (failure) {
			if (signal.aborted) return;
			this.setState(this.state.path === path ? { failure } : { data: null, at: null, failure, path });
			if (failure.status >= 400 && failure.status < 500 && failure.status !== 429) next = 0;
		}
		if (next) this.timer = setTimeout(this.due, next);
	};

	due = () => {
		this.isDue = true;
		this.wake();
	};

	render({ children, what, gone, title }, { data, at, failure }) {
		const show = Array.isArray(children) ? children[0] : children;
		const isGone = failure?.code === "not_found" && gone;
		return html`
			${title && (isGone || !data) && html`<h1 tabindex="-1">${title}</h1>`}
			${isGone ? html`<${Note} kind="bad">${gone}<//>` : failure && failure.status !== 401 ? html`<${Note} kind="bad">${sentence(failure)}<//>` : null}
			${data && !isGone ? show(data, at, this.look) : failure ? null : html`<${Note}>Asking for ${what} …<//>`}
		`;
	}
}
